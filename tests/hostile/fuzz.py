"""Mutate valid files and read them, until the time is up: every reader returns, or raises its package's own error.

    nox -s fuzz -- 10                 # ten minutes, shared by all readers
    nox -s fuzz -- 10 ply pcd         # these alone

Inputs that break this are written to `fuzz-faults/`, and the command ends with 1.
"""

from __future__ import annotations

import json
import os
import pickle
import random
import signal
import struct
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

SECONDS = 10  # longest that one input may take
TOKENS = [b"0", b"-1", b"1e999", b"nan", b"null", b"[]", b"{}", b'""', b"\0", b"\n", b"\r", b",", b"\\ud800", b"\xff"]
TOKENS += [b"99999999999999999999", b"4294967296", b"[" * 500, b'{"a":' * 500, b"\xef\xbb\xbf", b"true", b"1" * 5000]


@dataclass(frozen=True)
class Reader:
    """A reader under test.

    Attributes:
        ending: Of the file that it reads.
        seeds: Valid files.
        read: What reads a file to its end.
    """

    ending: str
    seeds: list[bytes]
    read: Callable[[Path], object]


def mutated(seeds: list[bytes], draw: random.Random) -> bytes:
    """Return one of some files after one to four changes."""
    raw = bytearray(draw.choice(seeds))
    for _ in range(draw.choice((1, 1, 2, 4))):
        kind, at = draw.randrange(7), draw.randrange(len(raw) + 1)
        length = draw.choice((1, 1, 2, 4, 8, 32))
        if kind == 0 and at < len(raw):
            raw[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            raw[at : at + length] = draw.randbytes(length)
        elif kind == 2:
            del raw[at : at + length]
        elif kind == 3:
            raw[at:at] = draw.choice(TOKENS)
        elif kind == 4:
            raw[at : at + length] = draw.choice(TOKENS)
        elif kind == 5:
            other = draw.choice(seeds)
            start = draw.randrange(len(other) + 1)
            raw[at:] = other[start : start + 200]
        elif len(raw) > 4:
            word = draw.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, draw.getrandbits(32)))
            raw[at : at + 4] = struct.pack("<I", word)
    return bytes(raw)


def readers() -> dict[str, Reader]:
    """Name every reader with valid files of its kind."""
    return {**_records(), **_clouds(), **_weights()}


def lines(*rows: Any) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def _records() -> dict[str, Reader]:
    from lamm_data import read_instances, scan_records
    from lamm_data.sources.guard import guarded
    from lamm_llm import Journal, seal_line
    from lamm_metrics import coco_scores, read_predictions, read_references

    def journal(path: Path) -> None:
        held = Journal(path, None)
        try:
            list(held.replies())
        finally:
            held.close()

    turns = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "A dog."}]
    record = {"id": "1", "image": "a.png", "task_type": "detection", "meta": {"seed": 0}, "conversations": turns}
    vqa = {
        "id": "1",
        "image": "a.png",
        "query": "Where? (A) left (B) right",
        "gt_choice": 1,
        "gt_choices": ["left", "right"],
        "task": "vqa",
    }
    boxes = {"id": "2", "image": "a.png", "query": "Find all.", "object": [{"label": "a", "bbox": [0, 0, 0.5, 0.5]}]}
    answers = [{"id": "1", "text": "(A) left"}, {"id": "2", "text": "a [0.1, 0.2, 0.3, 0.4]", "confidence": 0.5}]
    reply = {"text": "x", "model": "m", "finish": "stop", "prompt_tokens": 1, "completion_tokens": 1}
    coco = {
        "images": [{"id": 1, "file_name": "a.png", "width": 9, "height": 9}],
        "categories": [{"id": 1, "name": "dog"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "area": 25, "iscrowd": 0}],
    }
    found = [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "score": 0.5}]
    return {
        "predictions": Reader(".jsonl", [lines(*answers)], read_predictions),
        "predictions-csv": Reader(".csv", [b'id,text\n1,"(A) left"\n2,b\n'], read_predictions),
        "references": Reader(
            ".json",
            [json.dumps([vqa]).encode(), lines(vqa), json.dumps([boxes]).encode()],
            read_references,
        ),
        "records": Reader(".jsonl", [lines(record, record)], lambda path: list(scan_records(path))),
        "journals": Reader(
            ".jsonl",
            [
                b"".join(seal_line({"key": f"{n:064x}", "model": "m", "reply": reply}) for n in range(3)),
                lines({"key": "0" * 64, "reply": reply}),
            ],
            journal,
        ),
        "coco": Reader(
            ".json", [json.dumps(coco).encode()], lambda path: list(guarded(read_instances(path), str(path)))
        ),
        "coco-results": Reader(
            ".json", [json.dumps(found).encode()], lambda path: coco_scores(coco, json_of(path), "bbox", draws=0)
        ),
    }


def _clouds() -> dict[str, Reader]:
    import numpy as np

    from lamm_data import load_cloud

    points = np.arange(18, dtype=np.float32).reshape(3, 6)
    saved = BytesIO()
    np.save(saved, points)
    doubles = BytesIO()
    np.save(doubles, points[:, :3].astype(np.float64))
    names = ("x", "y", "z", "red", "green", "blue")
    ply = (
        "ply\nformat {} 1.0\nelement vertex 3\n"
        + "".join(f"property float {name}\n" for name in names)
        + "end_header\n"
    )
    pcd = (
        "# .PCD v.7\nVERSION .7\nFIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F F\nCOUNT 1 1 1 1\nWIDTH 3\nHEIGHT 1\n"
        "VIEWPOINT 0 0 0 1 0 0 0\nPOINTS 3\nDATA {}\n"
    )
    rows = "\n".join(" ".join(map(str, row)) for row in points.tolist()).encode()
    four = "\n".join(" ".join(map(str, row[:4])) for row in points.tolist()).encode()
    packed = struct.pack("<II", 10, 48) + bytes([8]) + bytes(9)
    return {
        "ply": Reader(
            ".ply",
            [
                ply.format("ascii").encode() + rows,
                ply.format("binary_little_endian").encode() + points.tobytes(),
                ply.format("binary_big_endian").encode() + points.astype(">f4").tobytes(),
            ],
            load_cloud,
        ),
        "pcd": Reader(
            ".pcd",
            [
                pcd.format("ascii").encode() + four,
                pcd.format("binary").encode() + points[:, :4].tobytes(),
                pcd.format("binary_compressed").encode() + packed,
            ],
            load_cloud,
        ),
        "npy": Reader(".npy", [saved.getvalue(), doubles.getvalue()], load_cloud),
    }


def _weights() -> dict[str, Reader]:
    from lamm_model.checkpoints.published.torch_archive import read_archive
    from lamm_model.checkpoints.trained_parts import read_tensors

    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("archive/data.pkl", pickle.dumps({"a": [1, "x", (2.0, None)]}, 2))
        written.writestr("archive/version", b"3\n")
    head = b'{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}'
    return {
        "torch-archives": Reader(".pt", [archive.getvalue()], read_archive),
        "checkpoint-heads": Reader(".safetensors", [struct.pack("<Q", len(head)) + head + bytes(16)], read_tensors),
    }


def json_of(path: Path) -> Any:
    from lamm_data.files.json_lines import load_json

    value = load_json(path)
    return value if isinstance(value, list) else []


@contextmanager
def in_time() -> Iterator[None]:
    """End an input that takes too long."""

    def late(*_: object) -> None:
        raise TimeoutError(f"not read within {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def fuzz(name: str, reader: Reader, seconds: float, most: int, seed: int, faults: Path) -> Counter[str]:
    """Read mutated files for a time; return how they ended: `read`, `refused`, or the fault."""
    ended: Counter[str] = Counter()
    draw = random.Random(f"{name} {seed}")
    scratch = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(prefix="lamm-fuzz-", dir=scratch) as folder:
        path, end = Path(folder, f"input{reader.ending}"), time.monotonic() + seconds
        while ended.total() < most and time.monotonic() < end:
            content = mutated(reader.seeds, draw)
            path.write_bytes(content)
            try:
                with in_time():
                    reader.read(path)
                ended["read"] += 1
            except Exception as error:  # noqa: BLE001
                # Our errors are those that say how the process ends.
                if hasattr(error, "exit_code"):
                    ended["refused"] += 1
                    continue
                kind = f"{type(error).__name__}: {str(error)[:80]}"
                if not ended[kind]:
                    faults.mkdir(exist_ok=True)
                    (faults / f"{name}-{len(ended)}{reader.ending}").write_bytes(content)
                ended[kind] += 1
    return ended


def main(arguments: list[str]) -> int:
    """Run: minutes for all, then perhaps names of readers, and `--seed N` `--most N`."""
    options = {"--seed": 0, "--most": 1_000_000}
    for option in options:
        if option in arguments:
            at = arguments.index(option)
            options[option] = int(arguments[at + 1])
            del arguments[at : at + 2]
    known = readers()
    names = arguments[1:] or list(known)
    if not arguments or set(names) - set(known):
        sys.stderr.write(f"Expected minutes and names out of {', '.join(known)}, got {arguments}.\n")
        return 2
    warnings.simplefilter("ignore")
    share, wrong = float(arguments[0]) * 60 / len(names), 0
    for name in names:
        began = time.monotonic()
        ended = fuzz(name, known[name], share, options["--most"], options["--seed"], Path("fuzz-faults"))
        speed = ended.total() / (time.monotonic() - began)
        bad = {kind: count for kind, count in ended.items() if kind not in ("read", "refused")}
        wrong += sum(bad.values())
        sys.stdout.write(
            f"{name:18} {ended.total():9,} inputs, {ended['read']:9,} read, {ended['refused']:9,} refused, "
            f"{sum(bad.values()):5} faults, {speed:8,.0f} a second\n"
        )
        for kind, count in bad.items():
            sys.stdout.write(f"    {count} x {kind}\n")
        sys.stdout.flush()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
