import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamm_data.errors import Fault, RecordError, SourceError
from lamm_data.records.benchmark import read_benchmark
from lamm_data.records.instruction import (
    InstructionRecord,
    instruction_faults,
    read_records,
    scan_records,
    write_records,
)
from lamm_data.records.tasks import TASK_TYPES, canonical_task_type

TURNS = [{"from": "human", "value": "What is it?"}, {"from": "gpt", "value": "A cat."}]

PUBLISHED = [
    {"id": "000000019028", "image": "coco_images/000000019028.jpg", "conversations": TURNS, "task_type": "conversation",
     "src_image": "coco2017"},
    {"id": "000000019028", "image": "coco_images/000000019028.jpg", "conversations": TURNS, "task_type": "description",
     "src_image": "coco2017"},
    {"pcl": "shapenet_pcls/04256520_ab_4096.npy", "conversations": TURNS, "task_type": "classification3d",
     "src_dataset": "ShapeNet", "src_id": "04256520_ab"},
    {"pcl": "./scannet_pcls/scene0000_00.npy", "conversations": TURNS, "task_type": "VQA3D"},
    {"pcl": "a.npy", "conversations": TURNS, "task_type": "VQA3d"},
    {"id": "1", "image": "/absolute/bamboo_images/x.jpeg", "conversations": TURNS, "task_type": "commomsenseqa"},
    {"id": 7, "image": ["a.jpg", "./b.jpg"], "conversations": TURNS, "octavius": {"boxes": [1]}},
    {"id": "8", "image": "a.jpg",
     "conversations": [{"from": "human", "value": "<image>\nWhat?", "weight": 0}, TURNS[1]]},
]  # fmt: skip


@pytest.mark.parametrize("value", PUBLISHED)
def test_published_quirks_survive_reading_and_writing(value):
    assert InstructionRecord.from_dict(value).to_dict() == value


@pytest.mark.parametrize("name", ["records.jsonl", "records.json"])
def test_both_layouts_give_the_same_records(tmp_path, name):
    records = [InstructionRecord.from_dict(value) for value in PUBLISHED]
    assert write_records(tmp_path / name, records) == len(PUBLISHED)
    assert read_records(tmp_path / name) == records
    text = (tmp_path / name).read_text()
    assert (
        json.loads(text) if name.endswith(".json") else [json.loads(line) for line in text.splitlines()]
    ) == PUBLISHED


def test_an_indented_published_list_is_read_with_line_numbers(tmp_path):
    path = tmp_path / "list.json"
    path.write_text(json.dumps([PUBLISHED[0], {"id": "bad"}], indent=2))
    first, *faults = list(scan_records(path))
    assert isinstance(first, InstructionRecord)
    start = path.read_text().splitlines().index('    "id": "bad"')  # the line before holds the brace
    assert {fault.line for fault in faults} == {start}


def test_all_faults_are_named_at_once_with_file_line_and_id(tmp_path):
    path = tmp_path / "bad.jsonl"
    bad = [
        {"id": "a", "conversations": TURNS},
        {"id": "b", "image": "x.jpg", "conversations": TURNS[::-1], "task_type": "noraml"},
        {"id": "c", "image": "x.jpg", "conversations": [*TURNS, {"from": "human", "value": " "}]},
        {"id": "d", "image": "x.jpg", "conversations": []},
    ]
    path.write_text("\n".join(json.dumps(value) for value in [PUBLISHED[0], *bad]))
    with pytest.raises(RecordError) as caught:
        read_records(path)
    where = [(fault.line, fault.id) for fault in caught.value.faults]
    assert where == [(2, "a"), (3, "b"), (3, "b"), (3, "b"), (4, "c"), (4, "c"), (5, "d")]
    message = str(caught.value)
    assert message.startswith("7 faults")
    assert str(path) in message
    assert "line 3" in message
    assert "'noraml'" in message


def test_message_of_many_faults_is_cut_but_counted(tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text("{}\n" * 50)
    with pytest.raises(RecordError, match=r"100 faults[\s\S]*and 80 more"):
        read_records(path)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"a": 1}\n{"a": \n', "line 2, byte 9"),
        ('[\n{"a": 1},\n{"a": 2', "line 3, byte 12"),
        ('[{"a": 1} {"a": 2}]', "byte 10"),
        ('[{"a": 1},', "byte 10"),
    ],
)
def test_truncated_files_name_line_and_byte(tmp_path, text, place):
    path = tmp_path / "cut.json"
    path.write_text(text)
    with pytest.raises(SourceError, match=place):
        list(scan_records(path))


def test_missing_file_and_wrong_encoding_are_named(tmp_path):
    with pytest.raises(SourceError, match="nothing at"):
        read_records(tmp_path / "none.json")
    (tmp_path / "latin.json").write_bytes('[{"a": "é"}]'.encode("latin-1"))
    with pytest.raises(SourceError, match="UTF-8"):
        read_records(tmp_path / "latin.json")


def test_byte_order_mark_and_blank_lines_are_accepted(tmp_path):
    path = tmp_path / "bom.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(PUBLISHED[0]).encode() + b"\n\n" + json.dumps(PUBLISHED[1]).encode())
    assert len(read_records(path)) == 2
    path.write_text(" \n [ ] ")
    assert read_records(path) == []


def test_large_list_crosses_chunk_borders(tmp_path):
    path = tmp_path / "large.json"
    values = [dict(PUBLISHED[0], id=str(k), meta={"pad": "é" * (k % 977)}) for k in range(3000)]
    path.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")
    assert [record.id for record in scan_records(path)] == [str(k) for k in range(3000)]


def test_nothing_is_left_under_the_name_when_writing_fails(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text("old\n")

    def records():
        yield InstructionRecord.from_dict(PUBLISHED[0])
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        write_records(path, records())
    assert path.read_text() == "old\n"
    assert [p.name for p in tmp_path.iterdir()] == ["out.jsonl"]


def test_placeholders_beside_a_line_break_are_removed_from_the_dialogue_only():
    record = InstructionRecord.from_dict(PUBLISHED[-1])
    assert record.dialogue()[0].text == "What?"
    assert record.conversations[0].text == "<image>\nWhat?"
    record = InstructionRecord.from_dict(
        {**PUBLISHED[-1], "conversations": [{"from": "human", "value": "What?\n<pcl>"}, TURNS[1]]}
    )
    assert record.dialogue()[0].text == "What?"


def test_media_and_task_type_are_resolved():
    kinds = [InstructionRecord.from_dict(value).kind for value in PUBLISHED]
    assert kinds[3:] == ["VQA3d", "VQA3d", "commomsenseqa", "normal", "normal"]
    assert InstructionRecord.from_dict(PUBLISHED[3]).media == ("scannet_pcls/scene0000_00.npy",)
    assert InstructionRecord.from_dict(PUBLISHED[5]).media == ("/absolute/bamboo_images/x.jpeg",)
    assert InstructionRecord.from_dict(PUBLISHED[6]).media == ("a.jpg", "b.jpg")
    assert len(TASK_TYPES) == 17
    assert canonical_task_type("commonsenseqa") == "commomsenseqa"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["id", "image", "pcl", "conversations", "task_type", "meta", "other"]), JSON))
def test_any_json_is_either_a_record_or_has_faults(value):
    if instruction_faults(value):
        with pytest.raises(RecordError):
            InstructionRecord.from_dict(value)
    else:
        assert InstructionRecord.from_dict(value).to_dict() == {
            k: v for k, v in value.items() if v is not None or k == "other"
        }


def test_fault_without_place_is_just_the_message():
    assert str(Fault("Expected x, got y.")) == "Expected x, got y."


def test_a_header_is_passed_over_and_another_schema_is_refused(tmp_path):
    path = tmp_path / "i.jsonl"
    record = json.dumps({"image": "a.jpg", "conversations": TURNS})
    for header in ({"lamm": "instructions"}, {"lamm": "instructions", "version": 1, "made": "today"}):
        path.write_text(json.dumps(header) + "\n" + record)
        assert len(read_records(path)) == 1
    for header, words in (
        ({"lamm": "instructions", "version": 2}, "version 1, got instructions, version 2"),
        ({"lamm": "predictions"}, "file of instructions, version 1, got predictions"),
    ):
        path.write_text(json.dumps(header) + "\n" + record)
        with pytest.raises(SourceError, match=words):
            read_records(path)
    (tmp_path / "VQA_X.json").write_text(json.dumps([{"lamm": "benchmark", "version": "0.9"}]))
    with pytest.raises(SourceError, match=r"file of benchmark, version 1, got benchmark, version 0\.9"):
        read_benchmark(tmp_path / "VQA_X.json")


def test_half_a_character_is_a_fault(tmp_path):
    broken = [{"from": "human", "value": "What \ud800?"}, {"from": "gpt", "value": "An é."}]
    assert instruction_faults({"image": "a.jpg", "conversations": broken}) == [
        "Expected turn 1 to hold whole characters, got half of a surrogate pair."
    ]
    assert instruction_faults({"image": "\udfff.jpg", "conversations": TURNS})
