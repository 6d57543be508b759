"""Every reader and command on hostile input: no traceback, the file is named, nothing outside, nothing half-written."""

from __future__ import annotations

import json
import os
import resource
import shutil
import threading
import time
import zipfile
from collections import Counter
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hostile_entries import Entry, entries, rows_of
from watched_commands import lamm, left_behind

from lamm_llm import RetryPolicy

LEAST_INPUTS, LEAST_ENTRIES = 400, 25


class _Answers(BaseHTTPRequestHandler):
    """Answers whatever is asked with the input of the moment."""

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.do_GET()

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_):
        pass


SERVER = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
SERVER.body = b""
threading.Thread(target=SERVER.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A working folder with valid files of every kind, and a canary outside."""
    from lamm_data import write_world

    root = tmp_path_factory.mktemp("hostile")
    (root / "outside").mkdir()
    (root / "outside" / "canary.txt").write_text("private")
    work = root / "work"
    write_world(work / "world", images=14, rooms=2, seed=0)
    canary = root / "outside" / "canary.txt"
    for command in (
        "data convert --source sample --root world --output records.jsonl --per-item 1",
        "data benchmark --source sample --root world --output bench --split train --per-task 4",
    ):
        assert lamm(command.split(), work, canary).faults == []
    made = work / "bench"
    shutil.copy(made / "Detection_SampleScenes_train.json", work / "detection.json")
    shutil.copy(made / "VQA_SampleScenes_train.json", work / "vqa.json")
    shutil.copy(made / "Counting_SampleCounts_train.json", work / "counting.json")
    answers = [{"id": row["id"], "text": "There are 3."} for row in rows_of(work / "vqa.json")]
    (work / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in answers))
    score = "metrics score --benchmark vqa.json --predictions answers.jsonl --draws 2 --output report.json"
    assert lamm(score.split(), work, canary).code == 0
    (work / "labels" / "images").mkdir(parents=True)
    picture = next((work / "world" / "scenes" / "images").glob("*.png"))
    shutil.copy(picture, work / "labels" / "images" / "a.png")
    (work / "pictures").mkdir()
    shutil.copy(picture, work / "pictures" / "a.png")
    (work / "labels" / "labels.csv").write_text("filename,label\na.png,dog\nb.png,cat\n")
    (work / "scans").mkdir()
    tiny_checkpoint(work)
    return work


def tiny_checkpoint(work: Path) -> None:
    """Write a LAMM checkpoint of a few thousand weights."""
    from tiny_models import tiny_parts

    from lamm_model import build_pair, save_model

    parts = tiny_parts(work / "parts")
    model, processor = build_pair(parts.language, parts.clip, seed=1)
    save_model(model, processor, work / "checkpoint")


def put(entry: Entry, name: str, content: bytes, work: Path) -> tuple[list[str], Path]:
    """Write a hostile file; return the command on it, and the file."""
    target = work / (entry.target.replace("*", name) if "*" in entry.target else entry.target)
    target.write_bytes(content)
    address = f"http://127.0.0.1:{SERVER.server_port}/v1"
    words = entry.command.replace("HOSTILE", str(target)).replace("ENDPOINT", address).split()
    SERVER.body = content
    return words, target


def broken(entry: Entry, name: str, content: bytes, work: Path) -> list[str]:
    """Run one input; return how the rule is broken."""
    output = work / "out"
    words, target = put(entry, name, content, work)
    ended = lamm([word.replace("OUT", "out") for word in words], work, work.parent / "outside" / "canary.txt")
    faults = ended.faults + left_behind(output)
    named = entry.named or target.name
    if ended.code and not any(word in ended.err + ended.out for word in named.split("|")):
        faults.append(f"{named} is not named: {ended.err.strip()[-200:]}")
    if ended.code and not ended.err.strip():
        faults.append("nothing is said")
    if list((work.parent / "outside").iterdir()) != [work.parent / "outside" / "canary.txt"]:
        faults.append("written outside")
    return faults


def test_the_rule_holds_for_every_input_at_every_entry(work, monkeypatch):
    patient = {"first_delay": 0.001, "attempts": 2, "patience": 0.1}
    monkeypatch.setattr("lamm_model.prediction.endpoint.RetryPolicy", partial(RetryPolicy, **patient))
    listed, count, found, took = entries(work), 0, {}, Counter()
    for number, entry in enumerate(listed):
        target = work / entry.target
        before = target.read_bytes() if "*" not in entry.target and target.is_file() else None
        began = time.monotonic()
        for name, content in entry.inputs:
            count += 1
            if faults := broken(entry, name, content, work):
                found[f"{number} {' '.join(entry.command.split()[:3])} {entry.target}: {name}"] = faults
            if "*" in entry.target:
                (work / entry.target.replace("*", name)).unlink()
        took[f"{number} {entry.command[:60]} {entry.target}"] += time.monotonic() - began
        if before is None:
            target.unlink(missing_ok=True)
        else:
            target.write_bytes(before)
    report = "\n".join(f"{name}\n    {'; '.join(faults)}" for name, faults in found.items())
    if os.environ.get("LAMM_HOSTILE_REPORT"):
        slow = "\n".join(f"{seconds:6.1f} s {name}" for name, seconds in took.most_common(20))
        Path(os.environ["LAMM_HOSTILE_REPORT"]).write_text(f"{count} inputs, {len(listed)} entries\n{slow}\n{report}\n")
    assert not found, f"{len(found)} of {count} inputs break the rule:\n{report}"
    assert count >= LEAST_INPUTS
    assert len(listed) >= LEAST_ENTRIES


FULL = {
    "data convert --source sample --root world --output out/r.jsonl --per-item 1": "r.jsonl",
    "data benchmark --source sample --root world --output out --split train --per-task 4": "out",
    "data export records.jsonl --to llava --output out/l.json --media-root world": "l.json",
    "data export records.jsonl --to parquet --output out/p --media-root world": "out/p",
    "data export records.jsonl --to webdataset --output out/w --media-root world": "out/w",
    "data view records.jsonl --output out/page.html --media-root world": "page.html",
    "data stats records.jsonl --plot out/plot.svg": "plot.svg",
    "data unpack big.zip --root out/u": "out/u",
    "metrics score --benchmark vqa.json --predictions answers.jsonl --draws 2 --output out/r.json": "r.json",
    "metrics score --benchmark vqa.json --predictions answers.jsonl --draws 2 --output out/r.html": "r.html",
}


@pytest.mark.parametrize("command", FULL)
def test_a_full_disk_names_what_is_written_and_leaves_nothing_half_written(work, command):
    with zipfile.ZipFile(work / "big.zip", "w") as archive:
        archive.writestr("a.bin", os.urandom(9000))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, hard))  # no file may become larger
    try:
        ended = lamm(command.split(), work, work.parent / "outside" / "canary.txt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    whole = [path for path in (work / "out").rglob("*") if path.is_file() and path.stat().st_size >= 600]
    assert [*ended.faults, *left_behind(work / "out")] == []
    assert (ended.code, whole) == (1, [])
    assert FULL[command] in ended.err, ended.err
