import json
from collections import Counter

import pytest

from lamm_data.benchmark.build import subset
from lamm_data.benchmark.entry import Build, instructions
from lamm_data.benchmark.run import build_benchmark
from lamm_data.errors import UsageError
from lamm_data.records.benchmark import LSP_JOINTS, BenchmarkRecord, read_benchmark
from lamm_data.sources.registry import get_source


@pytest.fixture(scope="module")
def folder(world, tmp_path_factory):
    output = tmp_path_factory.mktemp("bench")
    build_benchmark("sample", world, output)
    return output


def test_every_task_has_a_valid_file_that_says_synthetic(world, folder):
    files = sorted(folder.glob("*.json"))
    records = {path.name: read_benchmark(path) for path in files}  # raises on any fault
    assert len(files) == 13
    assert {r.task for some in records.values() for r in some} == set(get_source("sample").benchmarks)
    for name, some in records.items():
        assert "Sample" in name
        assert len({r.id for r in some}) == len(some)
        for record in some:
            assert record.meta["synthetic"]
            assert record.group
            assert record.system
            assert record.dataset in name
            assert all((world / path).is_file() for path in record.media)


def test_no_benchmark_medium_is_used_for_training(world, folder):
    sample = get_source("sample")
    train = {item.media for task in sample.readers for item in sample.open(world, "train", task)}
    held_out = {path for file in folder.glob("*.json") for r in read_benchmark(file) for path in r.media}
    assert held_out
    assert not train & held_out


def test_same_seed_gives_the_same_bytes(world, folder, tmp_path):
    build_benchmark("sample", world, tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {p.name: p.read_bytes() for p in folder.iterdir()}


def test_the_references_can_be_written_as_predictions(folder):
    """Every ground truth has the text an answer would have, so that scoring the references is possible."""
    for file in folder.glob("*.json"):
        for record in read_benchmark(file):
            texts = [record.label, record.attr, record.sentences and record.sentences[0], record.word_list]
            texts += [
                record.num,
                record.object,
                record.gt_joints,
                record.gt_choices and record.gt_choices[record.gt_choice],
            ]
            assert any(text is not None for text in texts)
            assert json.loads(json.dumps(record.to_dict())) == record.to_dict()


def test_keypoints_have_one_record_an_image_and_a_slot_for_the_joint(folder):
    for record in read_benchmark(folder / "Keypoints_Detection_SampleFigures.json"):
        assert record.query.count("{}") == 1
        assert len(record.gt_joints) == len(LSP_JOINTS)
        assert record.joints is None
        assert record.image_size == [224, 224]


def test_options_of_rooms_stay_the_same_and_are_balanced(folder):
    records = read_benchmark(folder / "VQA_SampleRooms.json")
    assert all(len(set(r.gt_choices)) == len(r.gt_choices) == 4 for r in records if "How many" not in r.query)
    assert all(f"({'ABCD'[r.gt_choice]}) {r.gt_choices[r.gt_choice]}" in r.query for r in records)
    assert {r.meta["options_seed"] for r in records} == {0}


def test_a_subset_is_balanced_seeded_and_in_order():
    records = [BenchmarkRecord(id=str(k), image="x", label="ab"[k % 10 == 0]) for k in range(100)]
    kept = subset(records, 20, 1)
    assert Counter(r.label for r in kept) == {"a": 10, "b": 10}
    assert kept == subset(records, 20, 1) != subset(records, 20, 2)
    assert [int(r.id) for r in kept] == sorted(int(r.id) for r in kept)
    assert subset(records, 500, 1) == records


def test_per_task_limits_every_file(world, tmp_path):
    written = build_benchmark("sample", world, tmp_path, per_task=4, tasks=("vqa", "detection3d"))
    assert {file.name: file.records for file in written} == {
        "VQA_SampleScenes.json": 4,
        "Detection_SampleRooms.json": 4,
    }


def test_unknown_task_is_refused():
    with pytest.raises(UsageError):
        Build("nothing", "x")


def test_instructions_have_definition_structure_and_query():
    for words in instructions().values():
        assert words["definition"].startswith("Your task is")
        assert words["structure"].endswith(".")
        assert words["query"]
