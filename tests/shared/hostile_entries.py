"""Every way in: the commands that read a file or an answer, with the hostile versions of it."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import hostile_corpus as corpus

JOURNAL = '{"journal":1,"run":{"type":"daily_dialogue"}}\n{"key":"k","model":"m","reply":{"text":"x"}}\n'


@dataclass(frozen=True)
class Entry:
    """One way into the software.

    Attributes:
        command: Words of the command; `OUT` is where it writes.
        target: The file that is hostile, below the working folder; `*` takes the input's own name.
        inputs: Its hostile versions.
        named: What an error names: the file itself, or what the user called it by.
    """

    command: str
    target: str
    inputs: Iterable[tuple[str, bytes]]
    named: str = ""


def rows_of(path: Path, most: int = 4) -> list[dict]:
    text = path.read_text()
    return (json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()])[:most]


COCO = {
    "images": [{"id": 1, "file_name": "a.png", "width": 224, "height": 224}],
    "categories": [{"id": 1, "name": "dog"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "area": 25, "iscrowd": 0}],
}
FOUND = [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "score": 0.5}]
ROWS = [
    {"id": "1", "image": "a.png", "captions": ["A dog."], "instances": [{"category": "dog", "bbox": [0, 0, 0.5, 0.5]}]},
    {"id": "2", "image": "a.png", "captions": ["A cat."]},
]
VOC = (
    "<annotation><filename>a.png</filename><size><width>224</width><height>224</height></size><object><name>dog</name>"
    "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>"
)
OBJECTS = [{"pcl": "a.npy", "object": [{"label": "a", "bbox": [0, 0, 0, 1, 1, 1]}]}]
CARD = {"distribution": [{"contentUrl": "data.jsonl", "sha256": sha256(b"{}").hexdigest()}], "license": ["CC0-1.0"]}
RAN = [{"name": "m", "model": "m", "endpoint": "", "blind": False}]
PREDICT = "model predict --model m --endpoint ENDPOINT --limit 1 --media-root world"
ANSWERED = '{"lamm": "predictions", "model": "m", "config": {}}\n{"key": "k", "text": "x"}\n'
GENERATE = "data generate --annotations rows.jsonl --model m --type daily_dialogue --output gen/g.jsonl --limit 1"
SOURCES = (
    "scenes/annotations/instances_train.json",
    "scenes/annotations/captions_train.json",
    "figures/annotations/person_keypoints_train.json",
    "counts/annotation_FSC147_384.json",
    "rooms/ScanQA_v1.0_train.json",
    "rooms/ScanRefer_filtered_train.json",
    "words/train.xml",
    "faces/list_attr_celeba.txt",
    "rooms/classes.tsv",
)


def entries(work: Path) -> list[Entry]:
    """Every way in, with the hostile versions of what comes in there."""
    tile = {"source": "hall.ply", "matrix": [[float(a == b) for b in range(4)] for a in range(4)]}
    tile |= {"tile": {"origin": [0, 0, 0], "low": [0, 0, 0], "high": [2, 2, 2]}}
    for name in ("tiles", "gen", "pools", "pre", "pushed", "shown", "ran"):
        (work / name).mkdir(exist_ok=True)
    shutil.copytree(work / "checkpoint", work / "unsealed", ignore=shutil.ignore_patterns("checksums.json"))
    (work / "tiles" / "clouds.json").write_text(json.dumps({"clouds": {"a.npy": tile}}))
    (work / "cifar").mkdir()
    (work / "cifar" / "batches.meta").write_bytes(pickle.dumps({"label_names": ["cat"]}, 2))
    (work / "coco.json").write_text(json.dumps(COCO))
    (work / "found.json").write_text(json.dumps(FOUND))
    (work / "objects.jsonl").write_text(json.dumps(OBJECTS[0]) + "\n")
    (work / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    (work / "tuned").mkdir()
    shutil.copytree(work / "checkpoint", work / "tuned" / "model")
    tuned = {"loss": 1.0, "steps": 4, "dialogues": 3, "data": {"records": {"r.jsonl": "0" * 64}, "media": 3}}
    (work / "tuned" / "finetune.json").write_text(json.dumps(tuned))
    (work / "pushed" / "data.jsonl").write_text("{}")
    (work / "pushed" / "README.md").write_text("A card.")
    (work / "ran" / "predictions" / "m").mkdir(parents=True)
    shutil.copy(work / "vqa.json", work / "ran" / "VQA_x.json")
    shutil.copy(work / "answers.jsonl", work / "ran" / "predictions" / "m" / "VQA_x.jsonl")
    (work / "ran" / "manifest.json").write_text(json.dumps({"models": RAN}))
    (work / "ran" / "run.toml").write_text('[benchmark]\nroot = "ran"\ntasks = ["vqa"]\n[scoring]\ndraws = 2\n')
    return [
        *_scoring(work),
        *_records(work),
        *_media(work),
        *_sources(work),
        *_models(work),
        *_folders(work),
        *_faces(work),
    ]


def _scoring(work: Path) -> list[Entry]:
    answers, vqa = rows_of(work / "answers.jsonl"), rows_of(work / "vqa.json")
    detection, csv = rows_of(work / "detection.json"), "id,text\n1,a\n2,b\n"
    score = "metrics score --draws 2 --json"
    return [
        Entry(f"{score} --benchmark HOSTILE --predictions answers.jsonl", "refs.json", lines(vqa, False)),
        Entry(f"{score} --benchmark HOSTILE --predictions answers.jsonl", "boxes.json", lines(detection, False)),
        Entry(f"{score} --benchmark vqa.json --predictions HOSTILE --missing failed", "p.jsonl", lines(answers)),
        Entry(f"{score} --benchmark vqa.json --predictions HOSTILE --missing failed", "p.csv", corpus.texts(csv)),
        Entry(
            "metrics compare --benchmark vqa.json answers.jsonl HOSTILE --draws 100 --missing failed",
            "p.jsonl",
            lines(answers),
        ),
        Entry(
            "metrics conventions --benchmark detection.json --predictions HOSTILE --missing failed",
            "p.jsonl",
            lines(answers),
        ),
        Entry("metrics lint HOSTILE", "refs.json", lines(vqa, False)),
        Entry("metrics report HOSTILE --output OUT/page.html", "report.json", json_document(work / "report.json")),
        *(
            Entry(
                f"metrics export HOSTILE --to {kind} --output OUT/e --model a/b --organisation c --dataset d/e",
                "report.json",
                json_document(work / "report.json"),
            )
            for kind in ("every-eval-ever", "hub")
        ),
        Entry("metrics lmms-eval HOSTILE --output OUT/l --media-root world", "refs.json", lines(vqa, False)),
        Entry(
            f"{score} --protocol coco --task detection --benchmark HOSTILE --predictions found.json",
            "c.json",
            document(COCO),
        ),
        Entry(
            f"{score} --protocol coco --task detection --benchmark coco.json --predictions HOSTILE",
            "f.json",
            document(FOUND),
        ),
        Entry(
            "metrics judge --benchmark HOSTILE --predictions answers.jsonl --predictions answers.jsonl --dry-run "
            "--endpoint http://127.0.0.1:9/v1 --judge j --output OUT --task vqa",
            "refs.json",
            lines(vqa, False),
        ),
    ]


def _records(work: Path) -> list[Entry]:
    records, vqa = rows_of(work / "records.jsonl"), rows_of(work / "vqa.json")
    verdicts = [{"record": "k", "reviewer": "ann", "verdict": "reject", "stratum": "s", "reason": "other", "note": "n"}]
    return [
        Entry("data check HOSTILE --workers 1 --output OUT/good.jsonl", "r.jsonl", lines(records)),
        Entry("data check HOSTILE --workers 1 --no-fail", "r.json", lines(records, False)),
        Entry("data stats HOSTILE --json", "r.jsonl", lines(records)),
        Entry("data dedup HOSTILE --output OUT/d.jsonl --workers 1", "r.jsonl", lines(records)),
        Entry("data view HOSTILE --output OUT/page.html --media-root world", "r.jsonl", lines(records)),
        Entry("data review records.jsonl --report --verdicts HOSTILE --media-root world", "v.jsonl", lines(verdicts)),
        Entry("data review HOSTILE --output OUT/s.jsonl --share 1 --media-root world", "r.jsonl", lines(records)),
        *(
            Entry(f"data export HOSTILE --to {kind} --output OUT/{name} --media-root world", "r.jsonl", lines(records))
            for kind, name in {"llava": "l.json", "messages": "m.jsonl", "parquet": "p", "webdataset": "w"}.items()
        ),
        Entry("data stats HOSTILE --json", "*", shards()),
        Entry(
            "data generate --annotations HOSTILE --endpoint http://127.0.0.1:9/v1 --model m --type daily_dialogue "
            "--output OUT/g.jsonl --dry-run",
            "rows.jsonl",
            lines(ROWS),
        ),
        Entry(
            "data generate HOSTILE --dry-run --output OUT/g.jsonl",
            "g.toml",
            corpus.toml_files('type = "daily_dialogue"\nannotations = "rows.jsonl"\nmodel = "m"\n'),
        ),
        Entry(
            "data recipe HOSTILE --benchmark vqa.json --output OUT --media-root world",
            "recipe.toml",
            corpus.toml_files('kind = "text"\ntasks = ["vqa"]\nseed = 1\n[variants.a]\n'),
        ),
        Entry(
            "data recipe remapping --benchmark HOSTILE --output OUT --media-root world", "VQA_x.json", lines(vqa, False)
        ),
    ]


def _media(work: Path) -> list[Entry]:
    labels = "filename,label\na.png,dog\n"
    own = "data convert --source images --root labels --output OUT/r.jsonl --dataset mine"
    return [
        Entry("data unpack HOSTILE --root OUT", "*", corpus.archives()),
        Entry("data clouds scans --output OUT --workers 1", "scans/*", corpus.clouds()),
        Entry("data clouds scans --inspect --workers 1", "scans/*", corpus.clouds()),
        Entry("data render scans --output OUT --workers 1 --views 1 --size 64", "scans/*", corpus.clouds()),
        Entry(
            "data untile HOSTILE --tiles tiles --output OUT/u.jsonl", "a.jsonl", lines(OBJECTS), named="a.jsonl|a.npy"
        ),
        Entry(
            "data untile objects.jsonl --tiles tiles --output OUT/u.jsonl",
            "tiles/clouds.json",
            json_document(work / "tiles" / "clouds.json"),
            named="clouds.json|a tile such as",
        ),
        Entry(own, "labels/annotations.json", document(COCO), named="labels"),
        Entry(own, "labels/labels.csv", corpus.texts(labels), named="labels"),
        Entry(own, "labels/a.xml", corpus.xml_files(VOC), named="labels"),
        Entry(f"{own} --decode", "labels/images/b.png", pictures(work), named="b.png"),
        Entry(
            "data prepare cifar10 --root cifar --split test",
            "cifar/test_batch",
            corpus.damaged(pickle.dumps({"data": [[0] * 3072], "labels": [0]}, 2)),
        ),
        Entry(
            "data sources sample --root world --workers 1",
            "world/scenes/images/000000000001.png",
            pictures(work),
            named="000000000001.png",
        ),
    ]


def _sources(work: Path) -> list[Entry]:
    sample, listed = "data convert --source sample --root world --output OUT/r.jsonl --per-item 1", []
    for name in SOURCES:
        path = work / "world" / name
        kinds = {".json": lambda path: json_document(path), ".xml": lambda path: corpus.xml_files(path.read_text())}
        inputs = kinds.get(path.suffix, lambda path: corpus.texts(path.read_text()))(path)
        listed.append(Entry(sample, f"world/{name}", inputs, named=f"{path.name}|missing: "))
    return listed


def _models(work: Path) -> list[Entry]:
    return [
        Entry(
            "model finetune HOSTILE --output OUT",
            "f.toml",
            corpus.toml_files((Path(package("lamm_model")) / "training/settings/preset_files/tiny.toml").read_text()),
            named="f.toml|data.records",
        ),
        Entry("model convert HOSTILE --output OUT/w", "w.pth", corpus.torch_files()),
        Entry("model convert HOSTILE --output OUT/w --language-model lm", "d.pt", corpus.torch_files()),
        Entry("model info checkpoint", "checkpoint/model.safetensors", corpus.weights(), named="checkpoint"),
        Entry(
            "model info unsealed", "unsealed/config.json", json_document(work / "unsealed" / "config.json"), "unsealed"
        ),
        Entry("model info unsealed", "unsealed/model.safetensors", corpus.weights(), named="unsealed"),
        Entry("model info checkpoint", "checkpoint/checksums.json", corpus.texts('{"config.json": "0"}'), "checkpoint"),
        Entry(
            f"{PREDICT} --output OUT/p.jsonl --benchmark HOSTILE",
            "VQA_refs.json",
            list(corpus.json_files(rows_of(work / "vqa.json"), lines=False, each=1)),
            "VQA_refs.json|127.0.0.1",
        ),
        Entry(
            f"{PREDICT} --output OUT/p.jsonl --benchmark vqa.json", "body", corpus.replies(), named="127.0.0.1|vqa.json"
        ),
        Entry(
            f"{PREDICT} --output pre/p.jsonl --benchmark vqa.json",
            "pre/p.jsonl.journal",
            corpus.texts(ANSWERED),
            named="p.jsonl|127.0.0.1",
        ),
        Entry(
            f"{GENERATE} --endpoint http://127.0.0.1:9/v1",
            "gen/g.journal.jsonl",
            corpus.texts(JOURNAL),
            named="g.journal.jsonl|127.0.0.1:9",
        ),
        Entry(
            f"{GENERATE} --endpoint http://127.0.0.1:9/v1 --prompt HOSTILE",
            "prompt.toml",
            corpus.toml_files('[system]\ntext = "x"\n'),
            named="prompt.toml|127.0.0.1:9",
        ),
        Entry(
            f"{GENERATE} --endpoint http://127.0.0.1:9/v1 --prices HOSTILE --dry-run",
            "prices.toml",
            corpus.toml_files('[models]\n"m" = { prompt = 0.1, answer = 0.4 }\n'),
        ),
        Entry(
            "data templates check pools",
            "pools/detection.toml",
            corpus.toml_files('questions = ["What?"]\nanswers = ["A {label}."]\n'),
            named="pools|detection",
        ),
        Entry(
            f"{GENERATE} --endpoint ENDPOINT --set retry_delay=0.01 --set patience=0.01",
            "body",
            corpus.replies(),
            named="g.|127.0.0.1",
        ),
        Entry(
            "metrics judge --benchmark vqa.json --predictions answers.jsonl --mode absolute --endpoint ENDPOINT "
            "--judge j --output OUT/j --retries 0 --task vqa --missing failed",
            "body",
            corpus.replies(),
            named="127.0.0.1|verdict",
        ),
        Entry("benchmark run HOSTILE --show", "b.toml", corpus.toml_files('tasks = ["vqa"]\nroot = "world"\n')),
    ]


def _folders(work: Path) -> list[Entry]:
    """Ways in for folders that commands of ours wrote, and for what is trained or asked before a model is there."""
    preset = (Path(package("lamm_model")) / "training/settings/preset_files/tiny.toml").read_text()
    questions = work / "world" / "rooms" / "ScanQA_v1.0_train.json"
    tuned = json_document(work / "tuned" / "finetune.json")
    return [
        Entry("model chat --model checkpoint --image HOSTILE --max-tokens 1", "chat.png", pictures(work)),
        Entry(
            "model chat --model unsealed --max-tokens 1",
            "unsealed/config.json",
            json_document(work / "unsealed" / "config.json"),
            "unsealed",
        ),
        Entry(
            "model export unsealed --output OUT/e --language-model-only",
            "unsealed/config.json",
            json_document(work / "unsealed" / "config.json"),
            "unsealed",
        ),
        Entry(
            "model cache-features HOSTILE --output OUT/f", "c.toml", corpus.toml_files(preset), "c.toml|records|.jsonl"
        ),
        Entry(
            "model pretrain-tower --root world/rooms --output OUT/t --epochs 1",
            "world/rooms/ScanQA_v1.0_train.json",
            json_document(questions),
            named="ScanQA_v1.0_train.json|world/rooms",
        ),
        Entry("model push tuned a/b", "tuned/finetune.json", tuned, named="finetune.json|HF_TOKEN"),
        Entry("data push pushed a/b", "pushed/croissant.json", document(CARD), named="croissant.json|HF_TOKEN"),
        *(
            Entry(
                "benchmark report ran",
                f"ran/{name}",
                inputs,
                named=f"{name}|ran|Expected tasks|Expected benchmark files",
            )
            for name, inputs in (
                ("manifest.json", document({"models": RAN})),
                ("run.toml", corpus.toml_files('[benchmark]\nroot = "ran"\ntasks = ["vqa"]\n')),
                ("predictions/m/VQA_x.jsonl", lines(rows_of(work / "answers.jsonl"))),
                ("VQA_x.json", lines(rows_of(work / "vqa.json"), False)),
            )
        ),
    ]


def _faces(work: Path) -> list[Entry]:
    """Ways in for pictures whose faces are hidden, where OpenCV is installed."""
    hide, few = "--output OUT/o --no-plates", lines(rows_of(work / "records.jsonl", 1))[::4]  # half a second each
    found = [
        Entry(f"data obfuscate HOSTILE {hide} --media-root world --force", "r.jsonl", few),
        Entry(f"data obfuscate shown {hide}", "shown/b.png", pictures(work), named="b.png"),
    ]
    return found if find_spec("cv2") else []


def package(name: str) -> str:
    return os.path.dirname(find_spec(name).origin)


def lines(rows: list[dict], several: bool = True) -> list[tuple[str, bytes]]:
    return list(corpus.json_files(rows, lines=several))


def document(value: object) -> list[tuple[str, bytes]]:
    return list(corpus.json_document(value))


def json_document(path: Path) -> list[tuple[str, bytes]]:
    return document(json.loads(path.read_text()))


def pictures(work: Path) -> list[tuple[str, bytes]]:
    return list(corpus.pictures((work / "pictures" / "a.png").read_bytes()))


def shards() -> list[tuple[str, bytes]]:
    made = [
        (f"{name.replace(' ', '-')}-000000.tar", raw)
        for name, raw in corpus.damaged(corpus.tar("", "a.json", content=b"{}"))
    ]
    return [
        *made,
        *((f"{n.replace(' ', '-')}.parquet", raw) for n, raw in corpus.damaged(b"PAR1" + bytes(40) + b"PAR1")),
    ]
