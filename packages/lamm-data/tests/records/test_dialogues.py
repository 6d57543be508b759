"""Rows of other tools are read as instruction records; what a record cannot hold is refused by name."""

import json

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


def test_a_record_of_ours_is_read_as_it_is():
    assert InstructionRecord.from_dict(NATIVE).to_dict() == NATIVE


def test_history_system_and_unknown_keys_are_kept_and_moved_media_are_noted():
    row = {"system": "Be brief.", "history": [["Hello <image>", "Hi."]], "query": "And <image>?", "response": SAID,
           "images": ["a.jpg", "b.jpg"], "channel": "web"}  # fmt: skip
    record = InstructionRecord.from_dict(row)
    assert record.image == ["a.jpg", "b.jpg"]
    assert [turn.text for turn in record.conversations] == ["Hello", "Hi.", "And ?", SAID]
    assert record.meta == {"media": "moved before the first question"}
    assert record.extra == {"system": "Be brief.", "channel": "web"}
    assert InstructionRecord.from_dict(record.to_dict()).to_dict() == record.to_dict()
    told = {"messages": [{"role": "system", "content": "Be brief."}, *ROWS["openai"]["messages"]]}
    assert InstructionRecord.from_dict(told).extra == {"system": "Be brief."}


def talk(*turns, **keys):
    return {"messages": [{"role": role, "content": content} for role, content in turns]} | keys


def image(path):
    return {"type": "image_url", "image_url": {"url": path}}


def text(words):
    return {"type": "text", "text": words}


MOVED = {
    "after the text": talk(("user", [text(ASKED), image("a.jpg")]), ("assistant", SAID)),
    "in a later turn": talk(("user", "Hi"), ("assistant", "Hi."), ("user", [image("a.jpg"), text(ASKED)]),
                            ("assistant", SAID)),
    "by a part without source": talk(("user", [text(ASKED), {"type": "image"}]), ("assistant", SAID), images=["a.jpg"]),
}  # fmt: skip


@pytest.mark.parametrize("name", MOVED)
def test_an_image_that_stands_elsewhere_is_moved_and_that_is_noted(name):
    record = InstructionRecord.from_dict(MOVED[name])
    assert record.image == "a.jpg"
    assert [turn.text for turn in record.conversations][-2:] == [ASKED, SAID]
    assert record.meta == {"media": "moved before the first question"}


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
    call = ["export", str(tmp_path / "in.json"), "--format", output, "--output", str(target), "--text-only", name]
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
    assert not any("<image>" in turn.text for record in records for turn in record.conversations)
