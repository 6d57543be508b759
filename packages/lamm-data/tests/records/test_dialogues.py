"""Rows of other tools are read as instruction records; what a record cannot hold is refused by name."""

import json
import re

import pytest
from click.testing import CliRunner

from lamm_data.cli import data
from lamm_data.errors import RecordError
from lamm_data.records.instruction import InstructionRecord, read_records

ASKED, SAID = "What is it?", "A dog."
NATIVE = {"image": "a.jpg", "conversations": [{"from": "human", "value": ASKED}, {"from": "gpt", "value": SAID}]}
ROWS = {
    "llava": {"id": 7, "image": "a.jpg", "conversations": [
        {"from": "human", "value": f"<image>\n{ASKED}"}, {"from": "gpt", "value": SAID}]},
    "sharegpt": {"images": ["a.jpg"], "conversations": [
        {"from": "user", "value": f"<image>{ASKED}"}, {"from": "chatgpt", "value": SAID}]},
    "openai": {"messages": [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "a.jpg", "detail": "low"}},
                                     {"type": "text", "text": ASKED}]},
        {"role": "assistant", "content": SAID}]},
    "ms-swift": {"messages": [{"role": "user", "content": f"<image>{ASKED}"}, {"role": "assistant", "content": SAID}],
                 "images": [{"path": "a.jpg", "bytes": None}]},
    "ms-swift of old": {"query": ASKED, "response": SAID, "history": [], "images": "a.jpg"},
    "parts that point to the row's list": {"images": ["a.jpg"], "messages": [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": ASKED}]},
        {"role": "assistant", "content": [{"type": "text", "text": SAID}]}]},
    "responses": {"messages": [
        {"role": "user", "content": [{"type": "input_image", "image_url": "a.jpg"},
                                     {"type": "input_text", "text": ASKED}]},
        {"role": "assistant", "content": [{"type": "output_text", "text": SAID}]}]},
    "our export": {"messages": [
        {"role": "user", "content": [{"type": "image", "path": "a.jpg"}, {"type": "text", "text": ASKED}]},
        {"role": "assistant", "content": [{"type": "text", "text": SAID}]}]},
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_one_dialogue_is_the_same_in_every_layout(tmp_path, name):
    (tmp_path / "r.json").write_text(json.dumps([ROWS[name]]))
    (record,) = read_records(tmp_path / "r.json")
    assert record.media == ("a.jpg",)
    assert [(turn.role, turn.text) for turn in record.dialogue()] == [("human", ASKED), ("gpt", SAID)]
    assert record.meta is None
    assert record.extra == {}


def test_rows_of_models_of_clouds_are_read(tmp_path):
    """PointLLM names an object; others list clouds."""
    answer = {"from": "gpt", "value": SAID}
    rows = [
        {"object_id": "ab12", "conversation_type": "simple_description",
         "conversations": [{"from": "human", "value": f"<point>\n{ASKED}"}, answer]},
        {"point_clouds": ["pcd/room.ply"],
         "conversations": [{"from": "human", "value": f"<point_cloud>{ASKED}"}, answer]},
        {"pcl": "own.npy", "object_id": "ab12",
         "conversations": [{"from": "human", "value": f"{ASKED} <point>"}, answer]},
    ]  # fmt: skip
    (tmp_path / "r.json").write_text(json.dumps(rows))
    found = read_records(tmp_path / "r.json")
    assert [record.pcl for record in found] == ["ab12_8192.npy", "pcd/room.ply", "own.npy"]
    assert [record.dialogue()[0].text for record in found] == [ASKED, ASKED, f"{ASKED} <point>"]
    assert found[0].extra == {"object_id": "ab12", "conversation_type": "simple_description"}


def test_a_record_of_ours_is_read_as_it_is():
    assert InstructionRecord.from_dict(NATIVE).to_dict() == NATIVE


def test_history_system_and_unknown_keys_are_kept_and_media_keep_their_places():
    row = {"system": "Be brief.", "history": [["Hello <image>", "Hi."]], "query": "And <image>?", "response": SAID,
           "images": ["a.jpg", "b.jpg"], "channel": "web"}  # fmt: skip
    record = InstructionRecord.from_dict(row)
    assert record.image == ["a.jpg", "b.jpg"]
    assert [turn.text for turn in record.dialogue()] == ["Hello <image>", "Hi.", "And <image>?", SAID]
    assert record.is_interleaved
    assert record.meta is None
    assert record.extra == {"system": "Be brief.", "channel": "web"}
    assert InstructionRecord.from_dict(record.to_dict()).to_dict() == record.to_dict()
    told = {"messages": [{"role": "system", "content": "Be brief."}, *ROWS["openai"]["messages"]]}
    assert InstructionRecord.from_dict(told).extra == {"system": "Be brief."}


COMPARED = "One: <image>\nTwo: <pcl>\nThree: <image>\nDo they differ?"
INTERLEAVED = {
    "ours": {"image": ["a.jpg", "b.jpg"], "pcl": "c.npy", "conversations": [
        {"from": "human", "value": COMPARED}, {"from": "gpt", "value": SAID}]},
    "ms-swift": {"images": ["a.jpg", "b.jpg"], "pcl": "c.npy", "messages": [
        {"role": "user", "content": COMPARED.replace("<pcl>", "<point_cloud>")},
        {"role": "assistant", "content": SAID}]},
    "openai": {"messages": [
        {"role": "user", "content": [
            {"type": "text", "text": "One: "}, {"type": "image_url", "image_url": {"url": "a.jpg"}},
            {"type": "text", "text": "Two: "}, {"type": "point_cloud", "path": "c.npy"},
            {"type": "text", "text": "Three: "}, {"type": "image", "path": "b.jpg"},
            {"type": "text", "text": "Do they differ?"}]},
        {"role": "assistant", "content": SAID}]},
}  # fmt: skip


@pytest.mark.parametrize("name", INTERLEAVED)
def test_media_among_words_keep_their_order_in_every_layout(name):
    record = InstructionRecord.from_dict(INTERLEAVED[name])
    assert record.ordered_media() == [("image", "a.jpg"), ("pcl", "c.npy"), ("image", "b.jpg")]
    assert (record.media, record.kinds) == (("a.jpg", "b.jpg", "c.npy"), ("image", "image", "pcl"))
    marks = re.findall("<[^>]+>", record.dialogue()[0].text)
    assert marks in (["<image>", "<pcl>", "<image>"], ["<image>", "<point_cloud>", "<image>"])
    assert "".join(record.dialogue()[0].text.split()).replace("point_cloud", "pcl") == "".join(COMPARED.split())


@pytest.mark.parametrize("output", ["lamm", "llava", "messages", "parquet"])
def test_interleaved_and_mixed_records_survive_every_format(tmp_path, output):
    if output == "parquet":
        pytest.importorskip("pyarrow", reason="pip install 'lamm-data[parquet]'")
    from lamm_data.export.formats import export_records, read_export

    both = {**NATIVE, "pcl": "c.npy"}
    swapped = {
        **both,
        "conversations": [{"from": "human", "value": f"<pcl>\n<image>\n{ASKED}"}, NATIVE["conversations"][1]],
    }
    records = [InstructionRecord.from_dict(row) for row in (INTERLEAVED["ours"], both, swapped)]
    target = tmp_path / ("out" if output == "parquet" else "out.jsonl")
    export_records(records, target, output)
    for read, wanted in zip(read_export(target, output), records, strict=True):
        assert read.ordered_media() == wanted.ordered_media()
        assert ["".join(turn.text.split()) for turn in read.dialogue()] == [
            "".join(turn.text.split()) for turn in wanted.dialogue()
        ]


@pytest.mark.parametrize("question", [f"<image>\n{ASKED}", f"{ASKED}\n<image>", f" <image> {ASKED}", ASKED])
def test_placeholders_before_or_after_a_question_only_say_that_the_media_open_it(question):
    turns = [{"from": "human", "value": question}, NATIVE["conversations"][1]]
    record = InstructionRecord.from_dict({**NATIVE, "conversations": turns})
    assert not record.is_interleaved
    assert record.dialogue()[0].text.strip() == ASKED


def talk(*turns, **keys):
    return {"messages": [{"role": role, "content": content} for role, content in turns]} | keys


def image(path):
    return {"type": "image_url", "image_url": {"url": path}}


def text(words):
    return {"type": "text", "text": words}


PLACED = {
    "after the text": (talk(("user", [text(ASKED), image("a.jpg")]), ("assistant", SAID)), f"{ASKED}<image>"),
    "in a later turn": (talk(("user", "Hi"), ("assistant", "Hi."), ("user", [image("a.jpg"), text(ASKED)]),
                             ("assistant", SAID)), f"<image>{ASKED}"),
    "by a part without source": (talk(("user", [text(ASKED), {"type": "image"}]), ("assistant", SAID),
                                      images=["a.jpg"]), f"{ASKED}<image>"),
    "of LLaVA in a later turn": ({"image": "a.jpg", "conversations": [
        {"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hi."},
        {"from": "human", "value": f"<image>\n{ASKED}"}, {"from": "gpt", "value": SAID}]}, f"<image>\n{ASKED}"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLACED)
def test_an_image_that_stands_elsewhere_than_before_the_first_question_stays_there(name):
    row, asked = PLACED[name]
    record = InstructionRecord.from_dict(row)
    assert record.image == "a.jpg"
    assert [turn.text for turn in record.dialogue()][-2:] == [asked, SAID]
    assert record.is_interleaved
    assert record.meta is None


LATER = [
    {"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hi."},
    {"from": "human", "value": f"<image>\n{ASKED}"}, {"from": "gpt", "value": SAID},
]  # fmt: skip
WITHIN = [{"from": "human", "value": "<image>\nIs it <image>?"}, {"from": "gpt", "value": "No."}]


@pytest.mark.parametrize("row", [{"image": "a.jpg", "conversations": LATER},
                                 {"image": ["a.jpg", "b.jpg"], "conversations": WITHIN}])  # fmt: skip
def test_llavas_placeholders_stay_where_they_are_also_when_written(tmp_path, row):
    from lamm_data.export.formats import export_records, read_export

    record = InstructionRecord.from_dict(row)
    assert record.to_dict() == row
    export_records([record], tmp_path / "out.jsonl", "llava")
    assert json.loads((tmp_path / "out.jsonl").read_text()) == row
    (back,) = read_export(tmp_path / "out.jsonl", "llava")
    assert back.media == record.media
    assert [turn.text for turn in back.conversations] == [turn.text for turn in record.dialogue()]


def test_several_images_stay_in_order_and_of_llava_before_the_question_as_they_are():
    row = talk(("user", [image("a.jpg"), image("b.jpg"), text(ASKED)]), ("assistant", SAID))
    record = InstructionRecord.from_dict(row)
    assert (record.image, record.meta) == (["a.jpg", "b.jpg"], None)
    row = {"image": ["a.jpg", "b.jpg"], "conversations": [
        {"from": "human", "value": f"<image>\n<image>\n{ASKED}"}, {"from": "gpt", "value": SAID}]}  # fmt: skip
    record = InstructionRecord.from_dict(row)
    assert record.to_dict() == row
    assert record.dialogue()[0].text == ASKED


@pytest.mark.parametrize("name", ["lamm", "llava", "messages", "parquet"])
def test_system_turns_unknown_keys_and_several_images_survive_both_ways(tmp_path, name):
    if name == "parquet":
        pytest.importorskip("pyarrow", reason="pip install 'lamm-data[parquet]'")
    from lamm_data.export.formats import export_records, read_export

    told = (("system", [text("Be brief.")]), ("developer", "Be kind."))
    row = talk(*told, ("user", [image("a.jpg"), image("b.jpg"), text(ASKED)]), ("assistant", SAID), channel="web")
    row |= {"id": "x", "score": [1, None]}
    record = InstructionRecord.from_dict(row)
    record.conversations[1].extra["weight"] = 0
    assert record.extra == {"system": "Be brief.\nBe kind.", "channel": "web", "score": [1, None]}
    output = tmp_path / ("out" if name == "parquet" else "out.jsonl")
    export_records([record], output, name)
    assert list(read_export(output, name)) == [record]
    if name == "parquet":
        return
    (again,) = read_records(output)  # any command reads it, too
    assert again.extra == record.extra
    assert again.media == record.media
    assert [turn.text for turn in again.dialogue()] == [ASKED, SAID]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (talk(("user", [image("data:image/png;base64,AAAA"), text(ASKED)]), ("assistant", SAID)), "inside the row"),
        (
            talk(("user", f"<image>{ASKED}"), ("assistant", SAID), images=[{"bytes": "AA", "path": None}]),
            "inside the row",
        ),
        (talk(("user", [image("a.jpg"), {"type": "text"}]), ("assistant", SAID)), "got 'text'"),
        (talk(("user", [image("a.jpg"), 5]), ("assistant", SAID)), "got 5"),
        (talk(("user", [image("a.jpg"), text(ASKED)]), ("assistant", SAID), ("system", "B")), "after turn 2"),
        (
            talk(("user", [{"type": "image"}, text(ASKED)]), ("assistant", SAID), images=["a.jpg", "b.jpg"]),
            "got 1 of 2",
        ),
        ({"query": ASKED, "response": SAID, "history": ["x"], "images": ["a.jpg"]}, "turn 1 to have a text"),
        ({"query": ASKED, "response": SAID, "history": 7, "images": ["a.jpg"]}, "turn 1 to have a text"),
        ({"video": "a.mp4", "conversations": NATIVE["conversations"]}, "`video`"),
        (
            {"conversations": [{"from": "human", "value": f"<image>\n{ASKED}"}, {"from": "gpt", "value": SAID}]},
            "got 1 of 0",
        ),
        (talk(("user", ASKED), ("assistant", SAID)), "got neither"),
        (talk(("user", f"<image><image>{ASKED}"), ("assistant", SAID), images=["a.jpg"]), "got 2 of 1"),
        (talk(("user", f"<pcl>{ASKED}"), ("assistant", SAID), images=["a.jpg"]), "of their kinds, got 1 of 1"),
        (talk(("user", ASKED), ("assistant", SAID), images=["a.jpg"], videos=["a.mp4"]), "`videos`"),
        (talk(("user", ASKED), ("assistant", SAID), images=["data:image/png;base64,AAAA"]), "a picture inside the row"),
        (talk(("user", [{"type": "input_audio"}]), ("assistant", SAID), images=["a.jpg"]), "got 'input_audio'"),
        (talk(("user", ASKED), ("tool", "{}"), images=["a.jpg"]), "from 'gpt', got 'tool'"),
        (talk(("user", ASKED), images=["a.jpg"]), "each question to have an answer"),
        (talk(("user", None), ("assistant", SAID), images=["a.jpg"]), "turn 1 to have a text"),
        ({"messages": "x", "images": ["a.jpg"]}, "list of turns"),
    ],
)
def test_what_a_record_cannot_hold_is_named_with_its_line(tmp_path, row, words):
    (tmp_path / "r.jsonl").write_text(json.dumps(NATIVE) + "\n" + json.dumps(row) + "\n")
    with pytest.raises(RecordError, match=words) as error:
        read_records(tmp_path / "r.jsonl")
    assert {fault.line for fault in error.value.faults} == {2}


@pytest.mark.parametrize(("name", "count"), [("refuse", None), ("drop", 1), ("keep", 2)])
@pytest.mark.parametrize("output", ["lamm", "llava", "messages", "parquet"])
def test_rows_without_a_medium_are_refused_dropped_or_kept(tmp_path, name, count, output):
    if output == "parquet":
        pytest.importorskip("pyarrow", reason="pip install 'lamm-data[parquet]'")
    from lamm_data.export.formats import read_export

    rows = [ROWS["sharegpt"], talk(("user", "Hello"), ("assistant", "Hi."))]
    (tmp_path / "in.json").write_text(json.dumps(rows))
    target = tmp_path / ("out" if output == "parquet" else "out.jsonl")
    call = ["export", str(tmp_path / "in.json"), "--to", output, "--output", str(target), "--text-only", name]
    done = CliRunner().invoke(data, call)
    if count is None:
        assert isinstance(done.exception, RecordError)
        assert not target.exists()
        return
    assert done.exit_code == 0, done.output
    records = list(read_export(target, output))
    assert [record.modality for record in records] == ["image", "text"][:count]
    assert records[-1].conversations[-1].text == ("Hi." if count == 2 else SAID)
    assert ("1 without an image or cloud left out" in done.output) == (name == "drop")


def test_real_rows_of_another_tool_are_read(real_data):
    records = read_records(real_data / "llava" / "mllm_demo.json")
    assert len(records) == 6
    assert [record.is_interleaved for record in records] == [True, False, False] * 2
    for record in records:
        marks = [turn.text.count("<image>") for turn in record.conversations]
        assert marks == ([1, 0, 1, 0] if record.is_interleaved else [0, 0, 0, 0])
