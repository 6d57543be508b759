"""Every command that writes refuses an output at which another process is at work, and takes it once that is gone."""

import subprocess
import sys
from pathlib import Path

import pytest

HOLD = """
import sys, time
from lamm_llm import sole_use
with sole_use(sys.argv[1], folder=sys.argv[2] == "folder"):
    print("held", flush=True)
    time.sleep(600)
"""
HOLDERS: list["subprocess.Popen[bytes]"] = []
LAMM = Path(sys.executable).with_name("lamm")
COMMANDS = {
    "data sample": ("--output", "file", "--images 2 --rooms 0"),
    "data convert": ("--output", "file", "--root ."),
    "data export": ("--output", "file", "records.jsonl --to llava"),
    "data dedup": ("--output", "file", "records.jsonl"),
    "data check": ("--output", "file", "records.jsonl"),
    "data view": ("--output", "file", "records.jsonl"),
    "data review": ("--output", "file", "records.jsonl"),
    "data generate": ("--output", "file", "--type daily_dialogue --annotations records.jsonl --model m "
                      "--endpoint http://localhost:1/v1"),
    "data benchmark": ("--output", "folder", "--root ."),
    "data recipe": ("--output", "folder", "noise --benchmark ."),
    "data render": ("--output", "folder", "."),
    "data clouds": ("--output", "folder", "."),
    "data obfuscate": ("--output", "folder", "."),
    "data prepare": ("--root", "folder", "cifar10"),
    "data unpack": ("--root", "folder", "records.jsonl"),
    "model finetune": ("--output", "folder", "finetune.toml"),
    "model pretrain-tower": ("--output", "file", "--root ."),
    "model pretrain-reader": ("--output", "file", "--source sample --root ."),
    "model cache-features": ("--output", "folder", "finetune.toml"),
    "model export": ("--output", "file", "."),
    "model convert": ("--output", "file", "records.jsonl"),
    "model predict": ("--output", "file", "--model m --benchmark Counting_a.json --endpoint http://localhost:1/v1"),
    "benchmark run": ("--output", "folder", "--root . --model a=."),
    "demo": ("--output", "folder", ""),
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    turns = '[{"from": "human", "value": "What?"}, {"from": "gpt", "value": "A dog."}]'
    (folder / "records.jsonl").write_text(f'{{"id": "a", "image": "a.png", "conversations": {turns}}}\n')
    (folder / "finetune.toml").write_text('[model]\npath = "."\n[data]\nrecords = ["records.jsonl"]\n')
    (folder / "Counting_a.json").write_text("[]")
    for kind, name in (("file", "taken.jsonl"), ("folder", "taken")):
        holder = subprocess.Popen([sys.executable, "-c", HOLD, name, kind], cwd=folder, stdout=subprocess.PIPE)
        assert holder.stdout.readline() == b"held\n"
        HOLDERS.append(holder)
    yield folder
    for holder in HOLDERS:
        holder.kill()
        holder.wait()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_second_process_is_refused(place, command):
    option, kind, rest = COMMANDS[command]
    name = "taken" if kind == "folder" else "taken.jsonl"
    call = [str(LAMM), *command.split(), *rest.split(), option, name]
    done = subprocess.run(call, cwd=place, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert "to be free, got another run at work there: another process holds its lock" in last
    assert "Traceback" not in done.stderr
    assert not (place / "taken.jsonl").exists()


def test_what_a_killed_process_held_is_free(place):
    for holder in HOLDERS:
        holder.kill()
        holder.wait()
    call = [str(LAMM), "data", "export", "records.jsonl", "--to", "llava", "--output", "taken.jsonl"]
    done = subprocess.run(call, cwd=place, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert not list(place.glob(".taken.jsonl*"))
