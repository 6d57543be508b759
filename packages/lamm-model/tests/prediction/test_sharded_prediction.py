"""Several processes share a benchmark: each journals its part, the last one writes the same output as one process."""

import json
import os
import subprocess
import sys

import pytest

from lamm_model import AdapterSettings, add_adapters, save_model
from lamm_model.errors import UsageError
from lamm_model.prediction.command import launcher_shard, predict_files
from lamm_model.prediction.journal import Journal
from lamm_model.prediction.queries import PredictionOptions, read_queries, shard_queries

OPTIONS = PredictionOptions(batch_size=2, max_new_tokens=4)


@pytest.fixture(scope="module")
def folder(parts, cloud_config, tmp_path_factory):
    from lamm_model import build_pair

    model, processor = build_pair(parts.language, parts.clip, cloud_config, seed=1)
    add_adapters(model, AdapterSettings(rank=4))
    place = tmp_path_factory.mktemp("checkpoint") / "c"
    save_model(model, processor, place)
    return place


@pytest.fixture
def bench(media):
    records = [{"id": i, "image": f"{i % 3}.png", "query": f"How many {i}?"} for i in range(9)]
    records += [{"id": f"c{i}", "pcl": f"{i % 2}.npy", "query": f"What is {i}?"} for i in range(4)]
    path = media / "Counting_shards.json"
    path.write_text(json.dumps(records))
    return path


def test_shares_are_whole_disjoint_and_keep_media_together(bench):
    queries = read_queries(bench).queries
    shares = [shard_queries(queries, rank, 3) for rank in range(3)]
    assert sorted(query.key for share in shares for query in share) == sorted(query.key for query in queries)
    homes = [{query.media for query in share} for share in shares]
    assert not homes[0] & homes[1]
    assert not homes[1] & homes[2]
    assert not homes[0] & homes[2]
    assert max(map(len, shares)) <= 2 * min(map(len, shares))


def test_last_process_writes_what_one_process_would(folder, bench, tmp_path):
    predict_files(folder, [(bench, tmp_path / "one.jsonl")], OPTIONS)
    out = tmp_path / "several.jsonl"
    for rank in (2, 0, 1):
        (result,) = predict_files(folder, [(bench, out)], OPTIONS, shard=(rank, 3))
        assert 0 < result["asked"] < 13
        assert result["finished"] == out.is_file() == (rank == 1)
    assert out.read_bytes() == (tmp_path / "one.jsonl").read_bytes()
    assert [path.name for path in tmp_path.iterdir() if "several" in path.name] == ["several.jsonl"]


def test_stopped_shards_are_resumed_by_another_number_of_processes(folder, bench, tmp_path):
    out = tmp_path / "p.jsonl"
    predict_files(folder, [(bench, out)], OPTIONS, shard=(0, 3))
    predict_files(folder, [(bench, out)], OPTIONS, shard=(2, 3))
    torn = tmp_path / "p.jsonl.journal.2"
    torn.write_bytes(torn.read_bytes()[:-7])  # killed in the middle of a write
    (result,) = predict_files(folder, [(bench, out)], OPTIONS)
    kept = sum(len(shard_queries(read_queries(bench).queries, rank, 3)) for rank in (0, 2)) - 1
    assert result["asked"] == 13 - kept
    predict_files(folder, [(bench, tmp_path / "one.jsonl")], OPTIONS)
    assert out.read_bytes() == (tmp_path / "one.jsonl").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.jsonl", "p.jsonl"]


def test_journals_of_other_runs_are_refused_and_odd_line_ends_kept(bench, tmp_path):
    header = {"lamm": "predictions", "model": "m", "config": {"blind": False}}
    benchmark = read_queries(bench)
    first = Journal(tmp_path / "p.jsonl", header, (0, 2))
    first.open()
    text = "a\u2028b\x85c"
    first.add([(query.key, {"text": text}) for query in benchmark.queries[:5]])
    assert first.finish(benchmark) is False
    again = Journal(tmp_path / "p.jsonl", header, (1, 2))
    again.open()
    assert [answer["text"] for answer in again.answers.values()] == [text] * 5
    again.close()
    other = Journal(tmp_path / "p.jsonl", {**header, "config": {"blind": True}}, (1, 2))
    with pytest.raises(UsageError, match=r"settings.*blind"):
        other.open()


def test_a_journal_without_an_answer_binds_nobody(bench, tmp_path):
    wrong = {"lamm": "predictions", "model": "m", "config": {"name": "wrnog"}}
    first = Journal(tmp_path / "p.jsonl", wrong)
    first.open()
    first.close()
    right = {**wrong, "config": {"name": "right"}}
    second = Journal(tmp_path / "p.jsonl", right)
    second.open()
    second.add([(query.key, {"text": "a"}) for query in read_queries(bench).queries])
    assert second.finish(read_queries(bench))
    assert json.loads((tmp_path / "p.jsonl").read_text().splitlines()[0])["config"] == {"name": "right"}


def test_launcher_is_read_from_the_environment():
    assert launcher_shard({}) == (0, 1)
    assert launcher_shard({"RANK": "3", "WORLD_SIZE": "8"}) == (3, 8)
    for wrong in ({"RANK": "8", "WORLD_SIZE": "8"}, {"RANK": "x", "WORLD_SIZE": "2"}):
        with pytest.raises(UsageError, match="RANK below WORLD_SIZE"):
            launcher_shard(wrong)


@pytest.mark.slow
def test_torchrun_runs_the_command(folder, bench, tmp_path):
    out = tmp_path / "p.jsonl"
    code = "from lamm_model.cli import model; model()"
    (tmp_path / "run.py").write_text(code)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += [str(tmp_path / "run.py"), "predict", "--model", str(folder), "--benchmark", str(bench)]
    command += ["--output", str(out), "--max-tokens", "4", "--batch-size", "2"]
    away = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}  # a machine may have one GPU, and these are two
    subprocess.run(command, check=True, env={**os.environ, **away}, capture_output=True)
    predict_files(folder, [(bench, tmp_path / "one.jsonl")], OPTIONS, device="cpu")
    assert out.read_bytes() == (tmp_path / "one.jsonl").read_bytes()
