"""The readers under test, each with what makes its inputs."""

from __future__ import annotations

import gzip
import json
import pickle
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from mutations import Maker, altered, flipped, lines, within

TURNS = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "A dog."}]
RECORD = {"id": "1", "image": "a.png", "task_type": "detection", "meta": {"seed": 0}, "conversations": TURNS}
VQA = {"id": "1", "image": "a.png", "query": "Where? (A) left (B) right", "gt_choice": 1, "task": "vqa"}
VQA |= {"gt_choices": ["left", "right"]}
BOXES = {"id": "2", "image": "a.png", "query": "Find all.", "object": [{"label": "a", "bbox": [0, 0, 0.5, 0.5]}]}
ANSWERS = [{"id": "1", "text": "(A) left"}, {"id": "2", "text": "a [0.1, 0.2, 0.3, 0.4]", "confidence": 0.5}]
REPLY = {"text": "x", "model": "m", "finish": "stop", "prompt_tokens": 1, "completion_tokens": 1}
POSE = [1, 1, 2, 5, 5, 2, 1, 5, 1] + [0] * 42
DRAWN = {"bbox": [1, 1, 5, 5], "area": 25, "segmentation": [[1, 1, 5, 1, 5, 5]], "keypoints": POSE, "num_keypoints": 3}
RUNS = {"size": [9, 9], "counts": [10, 5, 66]}
PACKED = {"size": [9, 9], "counts": "m04500000`0"}
COCO = {
    "images": [{"id": 1, "file_name": "a.png", "width": 9, "height": 9}],
    "categories": [{"id": 1, "name": "dog"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, **DRAWN},
        {"id": 2, "image_id": 1, "category_id": 1, "iscrowd": 1, **DRAWN, "segmentation": RUNS},
    ],
}
FOUND = [{"image_id": 1, "category_id": 1, "score": 0.5, **DRAWN}]
FOUND += [{**FOUND[0], "segmentation": mask} for mask in (RUNS, PACKED)]


@dataclass(frozen=True)
class Reader:
    """A reader under test.

    Attributes:
        ending: Of the file that it reads.
        makers: What makes its inputs; one is drawn for each.
        read: What reads a file to its end.
    """

    ending: str
    makers: list[Maker]
    read: Callable[[Path], object]


def readers() -> dict[str, Reader]:
    """Name every reader."""
    return {**_records(), **_journals(), **_coco(), **_clouds(), **_scans(), **_weights(), **_archives()}


def _rows(*rows: Any) -> list[Maker]:
    """Make files of one JSON value a line, and of a list of them."""
    whole = [lines(list(rows)), json.dumps(rows).encode()]
    return [flipped(*whole), altered(list(rows), write=lines), altered(list(rows))]


def _records() -> dict[str, Reader]:
    from lamm_data import scan_records
    from lamm_metrics import Mark, Report, Sample, Score, read_predictions, read_references, read_reports

    def printed(path: Path) -> list[str]:
        return [text for report in read_reports(path) for text in (str(report), report._repr_html_())]

    marks = (Mark("box", (0, 0, 1, 1), "dog", True),)
    sample = Sample("1", "g", "ok", 1.0, "left", "Where?", "left", "left", "a.png", marks, 0.5)
    scores = (Score("accuracy", 0.5, (0.4, 0.6), 9, 1, True, "accuracy|v1", {"failures_right": 0.6}),)
    report = Report("vqa", "standard", scores, (sample,), "d", "m", {"seed": 0}, "note").to_json(samples=True)
    return {
        "predictions": Reader(".jsonl", _rows(*ANSWERS), read_predictions),
        "predictions-csv": Reader(".csv", [flipped(b'id,text\n1,"(A) left"\n2,b\n')], read_predictions),
        "references": Reader(".json", [*_rows(VQA), *_rows(BOXES, BOXES)], read_references),
        "records": Reader(".jsonl", _rows(RECORD, RECORD), lambda path: list(scan_records(path))),
        "reports": Reader(".json", [flipped(json.dumps(report).encode()), altered(report)], printed),
    }


def _journals() -> dict[str, Reader]:
    from lamm_data.review.verdicts import read_verdicts
    from lamm_llm import Journal, seal_line
    from lamm_model.prediction.journal import Journal as Answers

    def journal(path: Path) -> None:
        held = Journal(path, None)
        try:
            list(held.replies())
        finally:
            held.close()

    def answers(path: Path) -> None:
        held = Answers(path.with_suffix(""), header)
        try:
            held.open()
        finally:
            held.close()

    def sealed(rows: Any) -> bytes:
        return b"".join(
            seal_line(row) if isinstance(row, dict) else lines([row])
            for row in (rows if isinstance(rows, list) else [rows])
        )

    header = {"lamm": "predictions", "model": "m", "version": "1", "config": {"seed": 0}}
    rows = [{"key": f"{number:064x}", "model": "m", "reply": REPLY} for number in range(2)]
    rows += [{"sent": "0" * 64, "model": "m", "prompt_tokens": 1, "answer_tokens": 1}, {"failed": "0" * 64}]
    kept = [{"key": "1 ", "text": "x", "meta": {"seconds": 1.0}}, {"key": "2 ", "text": "", "error": "y"}]
    head = json.dumps(header).encode() + b"\n"
    verdict = {"record": "k", "reviewer": "ann", "verdict": "reject", "stratum": "s", "reason": "other", "note": "n"}
    old = lines({"key": "0" * 64, "reply": REPLY})
    return {
        "journals": Reader(".jsonl", [flipped(sealed(rows), old), altered(rows, write=sealed)], journal),
        "prediction-journals": Reader(
            ".jsonl.journal",
            [flipped(head + sealed(kept)), altered(kept, write=lambda rows: head + sealed(rows))],
            answers,
        ),
        "verdicts": Reader(".jsonl", _rows(verdict, verdict)[:2], lambda path: read_verdicts([path])),
    }


def _coco() -> dict[str, Reader]:
    from lamm_data import read_instances
    from lamm_data.sources.guard import guarded
    from lamm_metrics import coco_report, read_coco_found, read_coco_truth

    truth = [flipped(json.dumps(COCO).encode()), altered(COCO)]
    found = [flipped(json.dumps(FOUND).encode()), altered(FOUND)]

    def score(kind: str) -> Callable[[Path], object]:
        return lambda path: coco_report(COCO, path, iou_type=kind, draws=0)

    def columns(truth: Any, found: Any) -> None:
        for kind in ("bbox", "segm", "keypoints"):
            read_coco_found(found, read_coco_truth(truth, kind), kind)

    return {
        "coco": Reader(".json", truth, lambda path: list(guarded(read_instances(path), str(path)))),
        "coco-truth": Reader(".json", truth, lambda path: columns(_value(path, dict), [])),
        "coco-results": Reader(".json", found, lambda path: columns(COCO, _value(path, list))),
        "coco-boxes": Reader(".json", found, score("bbox")),
        "coco-masks": Reader(".json", found, score("segm")),
        "coco-poses": Reader(".json", found, score("keypoints")),
        "coco-scores": Reader(
            ".json",
            truth,
            lambda path: [coco_report(path, FOUND, iou_type=kind, draws=0) for kind in ("bbox", "segm", "keypoints")],
        ),
    }


def _value(path: Path, kind: type) -> Any:
    """Return the content of a file of JSON; nothing of that kind where it is of another."""
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return kind()
    return value if isinstance(value, kind) else kind()


def _npy(head: bytes, content: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head) & 0xFFFF) + head + content


def _clouds() -> dict[str, Reader]:
    import numpy as np

    from lamm_data import load_cloud

    points = np.arange(18, dtype=np.float32).reshape(3, 6)
    saved = BytesIO()
    np.save(saved, points)
    doubles = BytesIO()
    np.save(doubles, points[:, :3].astype(np.float64))
    names = ("x", "y", "z", "red", "green", "blue")
    listed = "".join(f"property float {name}\n" for name in names)
    ply = f"ply\nformat {{}} 1.0\nelement vertex 3\n{listed}end_header\n"
    pcd = (
        "# .PCD v.7\nVERSION .7\nFIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F F\nCOUNT 1 1 1 1\nWIDTH 3\nHEIGHT 1\n"
        "VIEWPOINT 0 0 0 1 0 0 0\nPOINTS 3\nDATA {}\n"
    )
    rows = "\n".join(" ".join(map(str, row)) for row in points.tolist()).encode()
    four = "\n".join(" ".join(map(str, row[:4])) for row in points.tolist()).encode()
    packed = struct.pack("<II", 10, 48) + bytes([8]) + bytes(9)
    head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 6), }"
    plies = [
        ply.format("ascii").encode() + rows,
        ply.format("binary_little_endian").encode() + points.tobytes(),
        ply.format("binary_big_endian").encode() + points.astype(">f4").tobytes(),
    ]
    pcds = [
        pcd.format("ascii").encode() + four,
        pcd.format("binary").encode() + points[:, :4].tobytes(),
        pcd.format("binary_compressed").encode() + packed,
    ]
    npys = [
        flipped(saved.getvalue(), doubles.getvalue()),
        within(head, wrap=lambda changed: _npy(changed, points.tobytes())),
    ]
    return {
        "ply": Reader(".ply", [flipped(*plies)], load_cloud),
        "pcd": Reader(".pcd", [flipped(*pcds)], load_cloud),
        "npy": Reader(".npy", npys, load_cloud),
        "xyz": Reader(".xyz", [flipped(rows, b"x,y,z\n1,2,3\n4,5,6\n", b"2\n1 2 3\n4 5 6\n")], load_cloud),
    }


def _scans() -> dict[str, Reader]:
    """Name readers of clouds that libraries of others read, where these are installed."""
    import numpy as np

    from lamm_data import load_cloud

    points, made = np.arange(30.0).reshape(10, 3), {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            import trimesh

            mesh = trimesh.Trimesh(points[:4], [[0, 1, 2], [0, 2, 3]])
            for kind in ("obj", "off", "stl", "glb"):
                written = mesh.export(file_type=kind)
                made[kind] = written if isinstance(written, bytes) else written.encode()
        except ImportError:
            pass
        try:
            import laspy

            las = laspy.LasData(laspy.LasHeader(point_format=2, version="1.2"))
            las.x, las.y, las.z = points.T
            for kind in ("las", "laz"):
                las.write(f"{folder}/a.{kind}")
                made[kind] = Path(folder, f"a.{kind}").read_bytes()
        except ImportError:
            pass
        try:
            import pye57

            file = pye57.E57(f"{folder}/a.e57", mode="w")
            file.write_scan_raw(
                {f"cartesian{axis}": column for axis, column in zip("XYZ", points.T.copy(), strict=True)}
            )
            file.close()
            made["e57"] = Path(folder, "a.e57").read_bytes()
        except ImportError:
            pass
    return {kind: Reader(f".{kind}", [flipped(content)], load_cloud) for kind, content in made.items()}


def _archives() -> dict[str, Reader]:
    from lamm_data.files.archives import unpack

    def unpacked(path: Path) -> None:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            unpack(path, Path(folder, "root"))

    zipped, taped = BytesIO(), BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("a/b.txt", b"x" * 50)
    with tarfile.open(fileobj=taped, mode="w") as tape:
        member = tarfile.TarInfo("a/b.txt")
        member.size = 50
        tape.addfile(member, BytesIO(b"x" * 50))
    tars = [flipped(gzip.compress(taped.getvalue())), within(taped.getvalue(), wrap=gzip.compress)]
    return {
        "zip": Reader(".zip", [flipped(zipped.getvalue())], unpacked),
        "tar": Reader(".tar.gz", tars, unpacked),
    }


def _weights() -> dict[str, Reader]:
    import numpy as np

    from lamm_data.sources.readers.cifar10 import load_batch
    from lamm_model.checkpoints.published.torch_archive import read_archive
    from lamm_model.checkpoints.trained_parts import read_tensors

    def archive(pickled: bytes) -> bytes:
        written = BytesIO()
        with zipfile.ZipFile(written, "w") as opened:
            opened.writestr("archive/data.pkl", pickled)
            opened.writestr("archive/version", b"3\n")
        return written.getvalue()

    def weights(head: bytes) -> bytes:
        return struct.pack("<Q", len(head)) + head + bytes(16)

    pickled = pickle.dumps({"a": [1, "x", (2.0, None)]}, 2)
    head = {"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}, "__metadata__": {"format": "pt"}}
    raw = json.dumps(head).encode()
    heads = [flipped(weights(raw)), within(raw, wrap=weights)]
    heads.append(altered(head, write=lambda value: weights(json.dumps(value).encode())))
    batch = {
        b"data": np.arange(12, dtype=np.uint8).reshape(2, 6),
        b"labels": [1, 0],
        b"filenames": [b"a.png", b"b.png"],
    }
    batches = [pickle.dumps(batch, protocol) for protocol in (0, 2, 4)]
    return {
        "cifar-batches": Reader("", [flipped(*batches)], load_batch),
        "torch-archives": Reader(".pt", [flipped(archive(pickled)), within(pickled, wrap=archive)], read_archive),
        "checkpoint-heads": Reader(".safetensors", heads, read_tensors),
    }
