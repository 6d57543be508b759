"""Files as a whole: several processes, both layouts, raw copies, bias figures, what is refused."""

import json
import signal

import pytest
from click.testing import CliRunner

from lamm_data.cli import data
from lamm_data.errors import LammDataError, SourceError, UsageError
from lamm_data.files.processes import in_parallel
from lamm_data.quality.run import CheckSettings, check_file


def record(number, text="It is a cat.", **keys):
    turns = [{"from": "human", "value": f"What is in {number}?"}, {"from": "gpt", "value": text}]
    return {"id": str(number), "image": f"{number}.jpg", "conversations": turns, "task_type": "conversation", **keys}


def write(path, items):
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return path


def test_several_processes_find_what_one_finds(tmp_path):
    items = [record(n, f"Thing {n} {'x' * 1500}.") for n in range(3000)]
    items[700]["conversations"][1]["value"] = "The caption says so."
    items[1900]["conversations"].pop()
    items.append(items[5])
    path = write(tmp_path / "r.jsonl", items)
    assert path.stat().st_size > 4_000_000
    reports = []
    for workers in (1, 2):
        out = tmp_path / f"kept{workers}.jsonl"
        reports.append(
            check_file(path, CheckSettings(workers=workers, bias=True), out, tmp_path / f"no{workers}.jsonl")
        )
    assert reports[0] == reports[1]
    assert [(place, found.kind) for place, found in reports[0].findings] == [
        (700, "leakage"), (1900, "format"), (3000, "duplicate"),
    ]  # fmt: skip
    assert (tmp_path / "kept1.jsonl").read_bytes() == (tmp_path / "kept2.jsonl").read_bytes()


def test_lines_are_copied_as_they_stand_and_lists_are_read(tmp_path):
    turns = '[{"from":"human","value":"\\u00e9?"},{"from":"gpt","value":"1e3"}]'
    odd = f'{{"id":"1",  "image":"a.jpg","conversations":{turns},"n":1.50}}'
    path = tmp_path / "r.jsonl"
    path.write_text("\ufeff" + odd + "\n\n" + json.dumps(record(2, "As an AI, I am blind.")))
    report = check_file(path, CheckSettings(), tmp_path / "kept.jsonl", tmp_path / "no.json")
    assert (tmp_path / "kept.jsonl").read_text() == odd + "\n"
    assert json.loads((tmp_path / "no.json").read_text())[0]["findings"][0]["kind"] == "refusal"
    assert report.records == 2
    listed = tmp_path / "r.json"
    listed.write_text(json.dumps([record(1), record(2, "As an AI, I am blind."), 7]))
    report = check_file(listed, CheckSettings(), tmp_path / "kept.json", tmp_path / "no.jsonl")
    assert [item["id"] for item in json.loads((tmp_path / "kept.json").read_text())] == ["1"]
    assert json.loads((tmp_path / "no.jsonl").read_text().splitlines()[1])["value"] == 7


def test_a_broken_line_and_an_output_that_is_the_input_are_refused(tmp_path):
    path = write(tmp_path / "r.jsonl", [record(1)])
    for places in ({"kept": path}, {"rejected": path}):
        with pytest.raises(UsageError, match="same file"):
            check_file(path, CheckSettings(), **places)
    with path.open("a") as handle:
        handle.write('{"id": \n')
    with pytest.raises(SourceError, match="line 2"):
        check_file(path, CheckSettings(), tmp_path / "kept.jsonl")
    assert not (tmp_path / "kept.jsonl").exists()


def test_rounds_and_skipped_kinds(tmp_path):
    path = write(tmp_path / "r.jsonl", [record(1), record(2, "f*cking cat"), {"id": 3}])
    report = check_file(path, CheckSettings(rounds=3))
    assert report.kinds == {"format": 3, "profanity": 1}
    report = check_file(path, CheckSettings(rounds=3, skip=frozenset({"format"})))
    assert (report.kinds, report.kept) == ({"profanity": 1}, 2)


def test_a_process_that_is_killed_ends_in_an_error(tmp_path):
    with pytest.raises(LammDataError, match="ended from outside"):
        list(in_parallel(signal.raise_signal, [signal.SIGKILL] * 10, 2))


def test_bias_figures_compare_answers_with_captions(tmp_path):
    rows = [
        {"id": str(n), "image": f"{n}.jpg", "captions": ["A woman with a dog."],
         "instances": [{"category": "dog", "bbox": [0.0, 0.0, 0.2, 0.2]},
                       {"category": "cup", "bbox": [0.4, 0.4, 0.6, 0.6]}]}
        for n in range(10)
    ]  # fmt: skip
    texts = ["Yes, a man walks two dogs."] * 4 + ["A woman stands on the left."] * 6
    path = write(tmp_path / "r.jsonl", [record(n, text) for n, text in enumerate(texts)])
    values = check_file(path, CheckSettings(annotations=write(tmp_path / "rows.jsonl", rows), bias=True)).bias.to_dict()
    assert values["terms"]["gender: male"] == {"answers": 0.4, "captions": 0.0}
    assert values["terms"]["gender: female"] == {"answers": 0.6, "captions": 1.0}
    assert values["terms"]["place: left"]["answers"] == 0.6
    assert values["classes"] == {"dog": {"annotated": 10, "named": 0.4}, "cup": {"annotated": 10, "named": 0.0}}
    assert values["answers_beginning"] == {"yes": 4}
    assert values["boxes"]["top left"]["annotations"] == values["boxes"]["middle"]["annotations"] == 0.5
    assert values["answer_words"]["mean"] == 6.0


def run(*arguments):
    return CliRunner().invoke(data, [str(item) for item in arguments])


def test_rejected_records_are_kept_beside_the_output_unasked(tmp_path):
    path = write(tmp_path / "r.jsonl", [record(1), record(2, "The caption says so."), record(1)])
    result = run("check", path, "--output", tmp_path / "clean.jsonl", "--bias", "--no-fail")
    assert result.exit_code == 0
    assert "gender: female" in result.output
    assert len((tmp_path / "clean.rejected.jsonl").read_text().splitlines()) == 2
    assert run("dedup", path, "--output", tmp_path / "kept.jsonl", "--method", "minhash").exit_code == 0
    assert len((tmp_path / "kept.rejected.jsonl").read_text().splitlines()) == 1


def test_a_header_is_no_record(tmp_path):
    path = write(tmp_path / "r.jsonl", [{"lamm": "instructions", "version": 1}, record(1), record(2)])
    report = check_file(path, CheckSettings(), tmp_path / "kept.jsonl")
    assert (report.records, report.usable, report.kept, report.findings) == (2, 2, 2, [])
    assert (tmp_path / "kept.jsonl").read_text() == path.read_text()


@pytest.mark.parametrize(
    ("question", "answer", "kinds"),
    [
        ("<image>\nWhat?", "A cat.", []),
        ("<image>\nWhat? <image>", "A cat.", ["format"]),
        ("What?", "<image> A cat.", ["markup"]),
    ],
)
def test_placeholders_stand_in_questions_one_a_medium(tmp_path, question, answer, kinds):
    item = record(1)
    item["conversations"] = [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
    report = check_file(write(tmp_path / "r.jsonl", [item]), CheckSettings())
    assert [finding.kind for _, finding in report.findings] == kinds


def test_benchmark_records_are_held_against_their_tasks(tmp_path):
    asked = {"id": "1", "pcl": "a.npy", "query": "What?", "task": "open_vqa3d"}
    present = {"id": "2", "image": "a.jpg", "query": "Is there a dog?", "label": "yes", "object": "dog"}
    rows = [asked | {"answers": ["brown"]}, asked | {"id": "3", "answers": []}, asked | {"answers": ["red"]}, asked]
    path = tmp_path / "OpenVQA_Mine.json"
    path.write_text(json.dumps([*rows, present | {"task": "yes_no"}]))
    report = check_file(path, CheckSettings(skip=frozenset({"media"})))
    found = [(index, finding.kind, finding.detail[:40]) for index, finding in report.findings]
    assert (report.records, report.kept) == (5, 2)
    assert found[:2] == [
        (1, "format", "Expected `answers` to be a list of answe"),
        (2, "duplicate", "of record 1"),
    ]
    assert {index for index, _, _ in found} == {1, 2, 3}
    path = tmp_path / "POPE_Mine.json"
    path.write_text(json.dumps([present]))
    assert CliRunner().invoke(data, ["check", str(path)]).exit_code == 0
    missing = CliRunner().invoke(data, ["check", str(path), "--media-root", str(tmp_path)])
    assert missing.exit_code == 1
    assert "left after media" in missing.stdout
