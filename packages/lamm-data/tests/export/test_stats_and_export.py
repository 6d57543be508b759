import json

import pytest
from click.testing import CliRunner

from lamm_data.cli import data
from lamm_data.errors import LammDataError, UsageError
from lamm_data.export.formats import FORMATS, export_records, read_export
from lamm_data.records.benchmark import BenchmarkRecord
from lamm_data.records.instruction import InstructionRecord, Turn, read_records, scan_records, write_records
from lamm_data.stats.counting import count_records
from lamm_data.templates.run import ConvertSettings, convert_source


def record(source="voc2012", **values):
    turns = [Turn("human", "What is it?"), Turn("gpt", "dog")]
    return InstructionRecord(turns, image="a.jpg", meta={"source": source, "licence": "x", "task": "vqa"}, **values)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_exports_read_back_equal(world, tmp_path, name, suffix):
    convert_source("sample", world, tmp_path / "i.jsonl", ConvertSettings(tasks=("vqa", "detection3d"), rounds=2))
    records = read_records(tmp_path / "i.jsonl")
    records.append(InstructionRecord(record().conversations, image=["a.jpg", "b.jpg"]))
    export_records(records, tmp_path / f"out{suffix}", name)
    assert list(read_export(tmp_path / f"out{suffix}", name)) == records


def test_llava_marks_the_image_before_the_first_question(tmp_path):
    export_records([record()], tmp_path / "o.json", "llava")
    (value,) = json.loads((tmp_path / "o.json").read_text())
    assert value["conversations"][0]["value"] == "<image>\nWhat is it?"


def test_commercial_export_refuses_and_names_the_sources(tmp_path):
    fine = record("coco_detection")
    assert export_records([fine], tmp_path / "fine.jsonl", "messages", commercial=True) == 1
    unknown = InstructionRecord(record().conversations, image="a.jpg")
    with pytest.raises(LammDataError, match=r"1 of voc2012 \(x\), 1 of not stated"):
        export_records([fine, record(), unknown], tmp_path / "bad.jsonl", "messages", commercial=True)
    assert not (tmp_path / "bad.jsonl").exists()
    with pytest.raises(UsageError):
        export_records([], tmp_path / "x", "word")


def test_statistics_count_records_media_lengths_and_faults(tmp_path):
    path = tmp_path / "i.jsonl"
    write_records(path, [record(), record("lsp"), record()])
    path.write_text(path.read_text() + "{}\n")
    summary = count_records(scan_records(path)).summary()
    assert (summary["records"], summary["faults"], summary["media"]) == (3, 2, 1)
    assert summary["counts"]["source"] == {"voc2012": 2, "lsp": 1}
    assert summary["counts"]["answer"] == {"dog": 3}
    assert summary["question_words"] == {"min": 3, "mean": 3.0, "median": 3, "max": 3}


def test_commands(tmp_path):
    path = tmp_path / "i.jsonl"
    write_records(path, [record()])
    runner = CliRunner()
    assert json.loads(runner.invoke(data, ["stats", str(path), "--json"]).stdout)["records"] == 1
    assert "1 records about 1 images" in runner.invoke(data, ["stats", str(path)]).stdout
    argv = ["export", str(path), "--output", str(tmp_path / "o.jsonl"), "--to", "messages"]
    assert runner.invoke(data, argv).exit_code == 0
    refused = runner.invoke(data, [*argv, "--use", "commercial"])
    assert isinstance(refused.exception, LammDataError)


@pytest.mark.parametrize("value", ["x", {}, {"messages": [{"role": "robot", "content": []}]}, {"messages": 5}, 7])
def test_foreign_records_are_refused_by_line(tmp_path, value):
    (tmp_path / "o.jsonl").write_text(json.dumps(value) + "\n")
    for name in FORMATS:
        with pytest.raises(LammDataError):
            list(read_export(tmp_path / "o.jsonl", name))
    with pytest.raises(LammDataError, match="line 1"):
        list(read_export(tmp_path / "o.jsonl", "messages"))


def test_odd_provenance_breaks_neither_card_nor_statistics(tmp_path):
    for number, meta in enumerate(
        ({"generator": "m", "prompt": "p"}, {"source": ["x"], "licence": 5, "task": {}, "style": []})
    ):
        odd = InstructionRecord(record().conversations, image="a.jpg", meta=meta)
        export_records([odd], tmp_path / str(number) / "o.jsonl", "llava", card="Odd")
        assert "not stated" in (tmp_path / str(number) / "README.md").read_text()
        assert count_records([odd]).records == 1


def test_statistics_take_objects_without_boxes_and_open_answers():
    asked = BenchmarkRecord("1", "Is there a dog?", image="a.jpg", label="yes", object="dog", task="yes_no")
    told = BenchmarkRecord("2", "Describe it.", pcl="a.npy", sentences=["a chair"], object=[{"label": "chair"}])
    answered = BenchmarkRecord("3", "Where?", pcl="a.npy", answers=["at the desk", "there", "there"])
    summary = count_records([asked, told, answered]).summary()
    assert summary["counts"]["label"] == {"yes": 1, "chair": 1}
    assert summary["answer_words"] == {"min": 1, "mean": 2.0, "median": 1, "max": 3}
