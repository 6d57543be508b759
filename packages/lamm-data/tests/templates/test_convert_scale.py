"""Workers, shards, parts, merging and negatives: however the work is cut, the records are the same."""

import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lamm_data.cli import data
from lamm_data.errors import LammDataError, SourceError, UsageError
from lamm_data.records.annotations import Annotated, Box, Question
from lamm_data.records.instruction import read_records
from lamm_data.sources.media import MediaCheck
from lamm_data.sources.registry import get_source
from lamm_data.templates import run as runs
from lamm_data.templates.convert import BlockMaker, Conversion, convert
from lamm_data.templates.exhaustive import load_exhaustive
from lamm_data.templates.ray_cluster import pack, unpack
from lamm_data.templates.run import ConvertSettings, batched, convert_source, new_items


def run(world, path, **changes):
    return convert_source("sample", world, path, ConvertSettings(**changes))


def test_workers_write_the_same_bytes(world, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "BLOCK", 8)
    mixed = {"negatives": 0.4, "numbers": "thousand", "seed": 5}
    alone = run(world, tmp_path / "one.jsonl", **mixed)
    shared = run(world, tmp_path / "two.jsonl", workers=2, **mixed)
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()
    assert alone == shared


@settings(max_examples=25)
@given(st.integers(0, 40), st.integers(1, 50), st.integers(0, 3), st.randoms(use_true_random=False))
def test_records_depend_on_the_item_alone(count, size, seed, rng):
    items = [
        Annotated(str(k), f"{k}.png", width=100, height=90, boxes=tuple(
            Box(rng.choice(("dog", "cat")), (x, 3.0, x + rng.randrange(1, 50), 80.0)) for x in range(k % 4)
        ))
        for k in range(count)
    ]  # fmt: skip
    maker = BlockMaker(Conversion("detection", "x", seed=seed), MediaCheck("", "ignore"))
    whole = maker(items)
    cut = [maker(unpack(pack(batch))) for batch in batched(items, size)]
    assert [line for block in cut for line in block.lines] == whole.lines
    assert sum((block.counts for block in cut), Counter()) == whole.counts


def test_shards_hold_the_same_records_and_replace_older_ones(world, tmp_path):
    run(world, tmp_path / "all.jsonl", tasks=("caption",))
    run(world, tmp_path / "s.jsonl", tasks=("caption",), shard_size=1)
    run(world, tmp_path / "s.jsonl", tasks=("caption",), shard_size=7)
    shards = sorted(tmp_path.glob("s-*"))
    count = len((tmp_path / "all.jsonl").read_text().splitlines())
    assert shards[-1].name == f"s-{len(shards) - 1:05d}-of-{len(shards):05d}.jsonl"
    assert len(shards) == -(-count // 7)
    assert b"".join(path.read_bytes() for path in shards) == (tmp_path / "all.jsonl").read_bytes()
    run(world, tmp_path / "s.json", tasks=("caption",), shard_size=10)
    listed = [record for path in sorted(tmp_path.glob("s-*.json")) for record in read_records(path)]
    assert listed == read_records(tmp_path / "all.jsonl")
    assert not list(tmp_path.glob(".*"))


def test_parts_together_are_the_whole(world, tmp_path):
    run(world, tmp_path / "all.jsonl", tasks=("caption", "vqa3d"))
    lines = []
    for k in (1, 2, 3):
        run(world, tmp_path / "part.jsonl", tasks=("caption", "vqa3d"), part=f"{k}/3")
        lines += (tmp_path / "part.jsonl").read_text().splitlines()
    assert sorted(lines) == sorted((tmp_path / "all.jsonl").read_text().splitlines())
    for part in ("4/3", "0/3", "x", "1/"):
        with pytest.raises(UsageError, match="part such as"):
            run(world, tmp_path / "part.jsonl", part=part)


def test_merging_makes_rounds_of_the_tasks_about_one_image(world, tmp_path):
    tasks = ("detection", "caption", "vqa3d", "visual_grounding3d")
    run(world, tmp_path / "plain.jsonl", tasks=tasks)
    counts = run(world, tmp_path / "merged.jsonl", tasks=tasks, merge=3)
    plain, merged = read_records(tmp_path / "plain.jsonl"), read_records(tmp_path / "merged.jsonl")
    assert counts["merged: records written"] == len(merged) < len(plain)
    said = defaultdict(list)
    for record in plain:
        said[record.media] += [turn.text for turn in record.conversations]
    for record in merged:
        assert len(record.conversations) <= 6
        for turn in record.conversations:
            said[record.media].remove(turn.text)
    assert not any(said.values())
    together = [record for record in merged if "merged" in record.meta]
    kinds = Counter(record.meta["task"] for record in together)
    assert kinds["caption+detection"]
    assert kinds["visual_grounding3d+vqa3d"]
    assert {record.task_type for record in together if "+" in record.meta["task"]} == {"normal"}
    assert all(record.meta["licence"].startswith("CC0-1.0") for record in together)
    assert sorted(id_ for record in together for id_ in record.meta["merged"]) <= sorted(r.id for r in plain)
    assert len({record.id for record in merged}) == len(merged)
    run(world, tmp_path / "again.jsonl", tasks=tasks, merge=3, workers=2)
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "merged.jsonl").read_bytes()
    with pytest.raises(UsageError, match="at least 2"):
        run(world, tmp_path / "no.jsonl", merge=1)


def test_sources_that_share_a_root_are_converted_and_merged_together(coco, tmp_path):
    captions = [{"id": k, "image_id": k, "caption": f"Dog {k}."} for k in (1, 2, 5)]
    path = coco / "annotations" / "instances_val2017.json"
    value = json.loads(path.read_text())
    path.with_name("captions_val2017.json").write_text(json.dumps(value | {"annotations": captions}))
    options = {"split": "val", "media": "skip-missing", "merge": 4, "negatives": 0.5}
    convert_source("coco_detection,coco_captions", coco, tmp_path / "o.jsonl", ConvertSettings(**options))
    records = {record.media[0]: record for record in read_records(tmp_path / "o.jsonl")}
    assert len(records) == 4
    assert records["val2017/1.jpg"].meta["sources"] == ["coco_captions", "coco_detection"]
    assert records["val2017/1.jpg"].meta["source"] == "coco_captions"
    assert records["val2017/3.jpg"].meta["source"] == "coco_detection"
    only = ConvertSettings(**options | {"negatives": 0.0}, tasks=("caption",))
    counts = convert_source("coco_detection,coco_captions", coco, tmp_path / "o.jsonl", only)
    assert counts["caption: records written"] == 3
    assert not counts["detection: items read"]
    with pytest.raises(UsageError, match="got vqa"):
        convert_source("coco_detection,coco_captions", coco, tmp_path / "o", ConvertSettings(tasks=("vqa",)))


@pytest.mark.parametrize("share", [0.2, 0.5, 0.75])
def test_negatives_have_the_declared_share_and_are_never_false(share):
    closed = load_exhaustive()[0]["coco_detection", "detection"].classes
    items = [
        Annotated(
            str(k),
            "1.png",
            width=99,
            height=99,
            boxes=tuple(
                Box(closed[(7 * k + n) % 80], (1, 1, 50, 50), crowd=n == 1, difficult=n == 2) for n in range(k % 5)
            ),
        )
        for k in range(500)
    ]
    conversion = Conversion("presence", "x", style="short", closed=closed, negatives=share)
    answers = Counter()
    there = {item.id: item for item in items}
    for record in convert(items, conversion):
        (asked,) = record.meta["annotations"]
        verb, _, name = asked.partition(":")
        answer = record.conversations[1].text
        assert name in record.conversations[0].text
        assert answer == ("yes" if verb == "has" else "no")
        boxes = [box for box in there[record.src_id].boxes if box.label == name]
        assert any(not box.difficult for box in boxes) if answer == "yes" else not boxes
        answers[answer] += 1
    assert answers["no"] / answers.total() == pytest.approx(share, abs=0.03)
    assert conversion.counts["left out: image without a class of the closed list"] == 100


def test_negatives_are_added_and_asked_only_of_exhaustive_annotations(world, tmp_path):
    counts = run(world, tmp_path / "n.jsonl", tasks=("detection", "detection3d"), negatives=0.5)
    records = read_records(tmp_path / "n.jsonl")
    kinds = Counter((record.meta["task"], record.task_type) for record in records)
    assert kinds["presence", "VQA"] == counts["presence: records written"] > 10
    assert kinds["presence3d", "VQA3d"] > 10
    for name in ("visual_genome", "scannet", "svt", "coco_captions"):
        with pytest.raises(UsageError, match="does not mean that nothing is there"):
            convert_source(name, world, tmp_path / "n.jsonl", ConvertSettings(negatives=0.5))
    with pytest.raises(UsageError, match="negatives"):
        Conversion("presence", "x", negatives=1.0)


def test_every_exhaustive_source_exists_and_its_classes_are_distinct():
    known, refused = load_exhaustive()
    for (name, task), entry in known.items():
        assert task in get_source(name).readers
        assert len(set(entry.classes)) == len(entry.classes) > 4
    assert all(get_source(name) and why for name, why in refused.items())


@pytest.fixture
def coco(tmp_path):
    """Five images: one without a file, one cut off, one of another size; each with one good box and three odd ones."""
    root = tmp_path / "coco"
    (root / "annotations").mkdir(parents=True)
    (root / "val2017").mkdir()
    images = [{"id": k, "file_name": f"{k}.jpg", "width": 40, "height": 30} for k in range(1, 6)]
    boxes = [[5, 5, 20, 20], [5, 5, 0, 20], [50, 5, 10, 10], [30, 20, 50, 50]]
    entries = [
        {"id": 10 * k + n, "image_id": k, "category_id": 1, "bbox": box, "iscrowd": 0}
        for k in (1, 2, 3, 4, 5)
        for n, box in enumerate(boxes)
    ]
    value = {"images": images, "annotations": entries, "categories": [{"id": 1, "name": "dog"}]}
    (root / "annotations" / "instances_val2017.json").write_text(json.dumps(value))
    for k in (1, 2, 5):
        Image.new("RGB", (40, 30) if k != 5 else (30, 40)).save(root / "val2017" / f"{k}.jpg")
    (root / "val2017" / "3.jpg").write_bytes((root / "val2017" / "2.jpg").read_bytes()[:200])
    return root


def test_bad_input_is_counted_by_reason_and_the_account_adds_up(coco, tmp_path):
    out = tmp_path / "o.jsonl"
    options = {"split": "val", "media": "skip-missing"}
    counts = convert_source("coco_detection", coco, out, ConvertSettings(**options, decode=True, workers=2))
    count = {key.removeprefix("detection: "): number for key, number in counts.items()}
    assert count["items read"] == 5
    assert count["records written"] == 2
    left = {"media missing": 1, "media damaged": 1, "media of another size": 1}
    assert {reason: count[f"left out: {reason}"] for reason in left} == left
    assert count["left out: box without area"] == count["left out: box outside the image"] == 2
    assert count["noted: box cut at the edge of the image"] == 2
    assert count["items read"] == count["records written"] + sum(left.values())
    counts = convert_source("coco_detection", coco, out, ConvertSettings(**options))
    assert counts["detection: records written"] == 4


def test_missing_and_damaged_media_end_a_run_with_their_names(coco, tmp_path):
    out = tmp_path / "o.jsonl"
    with pytest.raises(SourceError, match=r"3 missing: val2017/3.jpg \(media damaged\), val2017/4.jpg, val2017/5"):
        convert_source("coco_detection", coco, out, ConvertSettings(split="val", decode=True, workers=2))
    assert not list(tmp_path.glob("*.jsonl"))
    assert not list(tmp_path.glob(".*"))
    with pytest.raises(UsageError, match="looked for"):
        MediaCheck(coco, "ignore", decode=True)
    odd = [Annotated("1", "../secret.png"), Annotated("2", "/etc/hostname")]
    counts = Counter()
    assert not list(MediaCheck(coco, "skip-missing").present(odd, counts))
    assert counts == {"left out: media outside the root": 2}


def test_the_command_ends_with_a_table_of_read_written_and_left_out(coco, tmp_path):
    arguments = [
        "convert",
        "--source",
        "coco_detection",
        "--root",
        str(coco),
        "--split",
        "val",
        "--media",
        "skip-missing",
    ]
    shown = CliRunner().invoke(data, [*arguments, "--output", str(tmp_path / "o.jsonl"), "--numbers", "pixels"])
    rows = shown.output.splitlines()
    assert rows[0].split() == ["detection", "5", "items", "read"]
    assert rows[1].split() == ["4", "records", "written"]
    assert any(row.split() == ["1", "left", "out:", "media", "missing"] for row in rows)
    assert "[5, 5, 25, 25]" in (tmp_path / "o.jsonl").read_text()


def test_a_conversion_that_makes_no_record_ends_with_status_1_and_the_reasons(coco, tmp_path):
    arguments = ["convert", "--source", "coco_detection", "--root", str(coco), "--split", "val"]
    for number, picture in enumerate((coco / "val2017").iterdir()):
        picture.rename(tmp_path / f"{number}.jpg")
    shown = CliRunner().invoke(data, [*arguments, "--media", "skip-missing", "--output", str(tmp_path / "o.jsonl")])
    assert isinstance(shown.exception, LammDataError)
    assert shown.exception.exit_code == 1
    assert "got none from" in str(shown.exception)
    assert "5 items read (5 detection: left out: media missing)" in str(shown.exception)
    # A part without items is no fault.
    shown = CliRunner().invoke(
        data, [*arguments, "--media", "skip-missing", "--part", "9/9", "--output", str(tmp_path / "p.jsonl")]
    )
    assert shown.exception is None


def test_what_a_killed_conversion_was_writing_goes_with_the_next_one(world, tmp_path):
    script = """
import os, signal, sys
from lamm_data.files.shards import open_shards
with open_shards(sys.argv[1], 2) as writer:
    writer.add(["{}"] * 5)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "o.jsonl")], check=False)
    assert len(list(tmp_path.glob(".o.jsonl.*.part"))) == 3
    arguments = ["convert", "--root", str(world), "--output", str(tmp_path / "o.jsonl"), "--part", "1/50"]
    assert CliRunner().invoke(data, arguments).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["o.jsonl"]


def test_a_repeated_id_with_another_question_is_no_duplicate():
    counts = Counter()
    items = [Annotated("1", "1.jpg", questions=(Question("Who?", ("I",), id=key),)) for key in ("5", "6", "5")]
    assert list(new_items(items, counts)) == items[:2]
    assert counts["left out: duplicate id"] == 1


class Deadly:
    """Ends the process that unpacks it."""

    def __reduce__(self):
        return os._exit, (9,)


def test_a_worker_that_dies_is_named(world, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "BlockMakers", lambda makers: Deadly())
    with pytest.raises(LammDataError, match="2 worker processes to live"):
        run(world, tmp_path / "x.jsonl", tasks=("caption",), workers=2)
    assert not (tmp_path / "x.jsonl").exists()


ENDLESS = """
import itertools, multiprocessing
from lamm_data.records.annotations import Annotated
from lamm_data.sources.media import MediaCheck
from lamm_data.templates.convert import BlockMaker, Conversion
from lamm_data.templates.run import processes

if __name__ == "__main__":
    maker = BlockMaker(Conversion("caption", "x"), MediaCheck("", "ignore"))
    batches = ((0, [Annotated(str(k), "a.png", captions=("one",))]) for k in itertools.count())
    for _ in processes(2)([maker], batches):
        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
"""


def test_workers_end_when_the_run_is_killed(tmp_path):
    script = tmp_path / "endless.py"
    script.write_text(ENDLESS)
    run_ = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    workers_ = [int(pid) for pid in run_.stdout.readline().split()]
    run_.kill()
    run_.wait()
    assert len(workers_) == 2
    deadline = time.monotonic() + 30
    while any(map(_alive, workers_)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_alive, workers_))


def _alive(pid):
    """A process that is there and no zombie that nobody has collected yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_cluster_that_is_not_there_is_named(world, tmp_path):
    pytest.importorskip("ray.data", reason="ray is not installed (extra lamm-data[ray])")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody answers here
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(LammDataError, match=f"a Ray cluster at '{address}', got none"):
            run(world, tmp_path / "x.jsonl", tasks=("caption",), ray=address)
    assert not list(tmp_path.iterdir())


def test_ray_is_asked_for_where_it_is_missing(world, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(LammDataError, match=r"pip install 'lamm-data\[ray\]'"):
        run(world, tmp_path / "x.jsonl", tasks=("caption",), ray="local")


@pytest.mark.slow
def test_ray_data_writes_the_same_bytes_on_two_nodes(world, tmp_path, monkeypatch):
    ray = pytest.importorskip("ray", reason="ray is not installed (extra lamm-data[ray])")
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    from lamm_data.templates import ray_cluster as ray_workers

    options = {"tasks": ("detection", "vqa3d"), "negatives": 0.5, "merge": 4}
    alone = run(world, tmp_path / "one.jsonl", **options)
    nodes, engine = Counter(), ray_workers.ray_cluster
    monkeypatch.setattr(runs, "BLOCK", 4)
    monkeypatch.setattr(ray_workers, "ray_cluster", lambda address: engine(address, lambda node: nodes.update([node])))
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
        counts = run(world, tmp_path / "ray.jsonl", ray="auto", **options)
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert (tmp_path / "ray.jsonl").read_bytes() == (tmp_path / "one.jsonl").read_bytes()
    assert counts == alone
    assert len(nodes) == 2, nodes
