"""No file makes a reader raise anything but the package's own error, or run long.

Each reader reads `LAMM_FUZZ_INPUTS` seeded files (300 by default): records whose values were exchanged for odd ones,
written as JSON Lines or as a list, and files whose characters and bytes were mutated.
"""

import copy
import gzip
import json
import time

import pytest

from lamm_metrics import score
from lamm_metrics.errors import LammMetricsError
from lamm_metrics.gpt.verdicts import read_verdict
from lamm_metrics.records.predictions import read_predictions
from lamm_metrics.records.tasks import TASKS, read_references

TRUTHS = {
    "classification": {"label": "cat", "labels": ["cat", "dog"]},
    "fine_grained_classification": {"label": "river"},
    "facial_classification": {"attr": "-1"},
    "detection": {"object": [{"label": "cat", "bbox": [0.1, 0.1, 0.5, 0.5], "difficult": 0}], "image_size": [9, 9]},
    "keypoint_detection": {"gt_joints": [[1, 2, 1]], "joints": ["neck"], "image_size": [9, 9], "bbox": [0, 0, 9, 9]},
    "vqa": {"gt_choice": 1, "gt_choices": ["red", "blue"], "question_id": 3},
    "caption": {"sentences": ["A cat.", "The cat sits."]},
    "counting": {"num": 12},
    "ocr": {"word_list": ["HOTEL", "BAR"]},
    "detection3d": {"object": [{"label": "chair", "bbox": [0, 0, 0, 1, 1, 1]}]},
    "visual_grounding3d": {"gt_bbox": [0, 0, 0, 1, 1, 1], "unique": True},
    "vqa3d": {"gt_choice": 0, "gt_choices": ["a", "b", "c"]},
    "locating": {"points": [[1, 2], [3, 4]], "image_size": [9, 9], "dataset": "FSC147"},
    "yes_no": {"label": "no"},
    "multi_grounding3d": {"object": [], "proposals": [{"id": 3, "bbox": [0, 0, 0, 1, 1, 1]}], "eval_type": "zt_wo_d"},
    "referring": {"gt_bbox": [0.1, 0.2, 0.3, 0.4]},
    "object_caption3d": {"sentences": ["a brown chair"]},
    "dense_caption3d": {"object": [{"label": "bed", "bbox": [0, 0, 0, 1, 1, 1], "sentences": ["a bed"]}]},
    "yes_no3d": {"label": "yes", "setting": "popular"},
    "localisation3d": {"position": {"x": 1, "y": 2, "z": 0}, "rotation": [0, 0, 0, 1]},
    "spatial_questions3d": {"num": 4.5, "question_type": "object_abs_distance"},
    "open_vqa": {"answers": ["two", "a pair"], "question_type": "number"},
    "open_vqa3d": {"answers": ["brown"], "situation": "I face the desk.", "question": "What color?"},
}
ANSWERS = [
    {"id": 1, "text": "A cat at [0.1, 0.2, 0.3, 0.4]; the answer is (B)."},
    {"id": 1, "text": {"neck": "[0.1, 0.2]"}},
    {"id": 1, "boxes": [{"label": "cat", "box": [0.1, 0.1, 0.5, 0.5], "score": 0.5}]},
    {"id": 1, "boxes": [{"label": "chair", "box": [0, 0, 0, 1, 1, 1, 0.5]}]},
    {"id": 1, "points": [{"label": "neck", "point": [0.1, 0.2]}, {"point": [0.1, 0.2]}]},
    {"id": 1, "number": 3.5},
    {"id": 1, "ranked": ["brown", "black"]},
    {"id": 1, "choice": "B", "meta": {"seed": 1}},
    {"id": 1, "probabilities": [0.2, 0.8]},
    {"id": 1, "probabilities": {"cat": 0.2, "dog": 0.8}},
]
HEADER = {"lamm": "predictions", "model": "m", "config": {}}
ODD = [
    None, True, False, 0, -1, 1, 2, 7, 0.5, -0.0, 1e308, 1e-320, float("nan"), float("inf"), 10**30, 10**400, "", " ",
    "1", "A", "yes", "cat", "\x00", "\ud800", "é" * 300, [], {}, [[]], [None], [1, 2], [1, 2, 3, 4], [0, 0, 0, 1, 1, 1],
    {"id": 1}, [{}], [{"label": "cat"}], {"label": "cat", "bbox": [1, 2, 3, 4]}, ["a", 1],
]  # fmt: skip
NAMES = ["id", "text", "object", "points", "label", "labels", "group", "boxes", "gt_joints", "image_size"]
PIECES = [
    "{", "}", "[", "]", '"', ",", ":", "\n", "\r\n", " ", "null", "true", "NaN", "Infinity", "-1", "1e999", "0.5", "id",
    '"id": 1', '"text": ""', '{"lamm": "x"}', "\\", "\\ud800", "\\u0000", "\ufeff", "\u2028", "\x00", "é", "[" * 50,
    "[" * 2000, "9" * 400, '{"id": 2}\n', "//", "'",
]  # fmt: skip


def mutate_record(chance, record):
    """Exchange, delete or add a value somewhere in a record."""
    place = record
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = chance.choice(keys)
        if isinstance(place[key], dict | list) and place[key] and chance.random() < 0.6:
            place = place[key]
            continue
        kind = chance.randrange(4)
        if kind == 0:
            del place[key]
        elif kind == 1 and isinstance(place, list):
            place.insert(key, copy.deepcopy(chance.choice(ODD)))
        elif kind == 1:
            place[chance.choice(NAMES)] = copy.deepcopy(chance.choice(ODD))
        else:
            place[key] = copy.deepcopy(chance.choice(ODD))
        return


def written(chance, records):
    """Records as JSON Lines or as a list."""
    lines = [json.dumps(record, ensure_ascii=chance.random() < 0.5) for record in records]
    return "[" + ",\n".join(lines) + "]" if chance.random() < 0.4 else "\n".join(lines) + "\n" * chance.randrange(2)


def odd_file(source, records):
    """The bytes of one file."""
    chance = source.random
    records = [copy.deepcopy(chance.choice(records)) for _ in range(chance.randrange(1, 4))]
    for number, record in enumerate(records, 1):
        record["id"] = chance.choice((number, str(number), number, 1))
        for _ in range(chance.choice((0, 0, 1, 2))):
            mutate_record(chance, record)
    if chance.random() < 0.1:
        records.insert(chance.randrange(2), HEADER)
    text = written(chance, records)
    for _ in range(chance.choice((0, 0, 0, 1, 3))):
        text = source.mutated(text)
    data = text.encode("utf-8", "surrogatepass")
    if chance.random() < 0.05 and data:
        place = chance.randrange(len(data))
        data = data[:place] + bytes([chance.randrange(256)]) + data[place + chance.randrange(2) :]
    return data


def corpus_of(records):
    return [json.dumps(record) for record in records] + [json.dumps(records), "\n".join(map(json.dumps, records))]


def references_of(task):
    return [{"id": 1, "image": "a.png", "query": "?", **TRUTHS[task]}]


def read_or_fault(read, path):
    """What a reader makes of a file, None where it refuses with an error of the package."""
    try:
        return read(path)
    except LammMetricsError:
        return None


@pytest.mark.parametrize("kind", ["predictions", "references"])
def test_seeded_files(tmp_path, fuzzer, fuzz_inputs, fuzz_note, kind):
    tasks = list(TASKS)
    records = ANSWERS if kind == "predictions" else [record for task in tasks for record in references_of(task)]
    source, path, read, begun = fuzzer(corpus_of(records), PIECES, kind), tmp_path / "file", 0, time.process_time()
    for number in range(fuzz_inputs):
        task = tasks[number % len(tasks)]
        own = ANSWERS if kind == "predictions" else references_of(task)
        data = odd_file(source, own)
        path.write_bytes(data)
        reader = read_predictions if kind == "predictions" else lambda file, task=task: read_references(file, task)
        try:
            read += read_or_fault(reader, path) is not None
        except Exception as error:
            raise AssertionError(f"reading {kind} of {task} failed on {data!r:.2000}") from error
    assert 0.05 < read / fuzz_inputs < 0.95
    seconds = time.process_time() - begun
    fuzz_note(f"{kind}: {fuzz_inputs} files, {read} of them readable, {seconds:.0f} s in all")


def test_what_is_read_is_scored(tmp_path, fuzzer, fuzz_inputs, fuzz_note):
    """Files that the readers let through never make a metric raise anything but the package's own error."""
    tasks, done = list(TASKS), 0
    source = fuzzer(corpus_of(ANSWERS), PIECES, "scored")
    for number in range(max(400, fuzz_inputs // 50)):
        task = tasks[number % len(tasks)]
        truth, answer = tmp_path / "r.json", tmp_path / "p.jsonl"
        truth.write_bytes(odd_file(source, references_of(task)))
        answer.write_bytes(odd_file(source, ANSWERS))
        references = read_or_fault(lambda file, task=task: read_references(file, task), truth)
        predictions = read_or_fault(read_predictions, answer)
        if references is None or predictions is None:
            continue
        given = [{**record, "id": key} for key, record in references.records.items()]
        kept = [found for key, found in predictions.records.items() if key in references.records]
        try:
            done += read_or_fault(lambda _: score(task, given, kept, draws=3, missing="failed"), truth) is not None  # noqa: B023
        except Exception as error:
            raise AssertionError(f"{task} failed on {given!r:.1500} and {kept!r:.1500}") from error
    assert done > 10
    fuzz_note(f"scored: {done} pairs of files")


ROWS = [
    'id,text\n1,"A cat, or two"\n2,""\n',
    "question_id\tanswer\n1\tB\n2\tA\n",
    'id;label;labels\n1;cat;["cat", "dog"]\n2;dog;\n',
    'id,gt_choice,gt_choices\n1,0,"[""a"", ""b""]"\n',
    '{"1": "yes", "2": "no"}',
    '{"logs": [{"doc_id": 1, "resps": [["a"]]}]}',
    '{"custom_id": "1", "response": {"status_code": 200, "body": {"choices": [{"message": {"content": "a"}}]}}}\n',
]


def test_seeded_tables_and_files_of_other_tools(tmp_path, fuzzer, fuzz_inputs, fuzz_note):
    source, read = fuzzer(ROWS, [*PIECES, "\t", ";", '""', ",\n"], "tables"), 0
    paths = [tmp_path / f"rows{ending}" for ending in (".csv", ".tsv", ".json", ".csv.gz")]
    for number in range(fuzz_inputs):
        path, text = paths[number % len(paths)], source.random.choice(ROWS)
        for _ in range(source.random.choice((0, 1, 3))):
            text = source.mutated(text)
        data = text.encode("utf-8", "surrogatepass")
        data = gzip.compress(data, 1) if path.suffix == ".gz" else data
        path.write_bytes(data[: -source.random.randrange(1, 9)] if source.random.random() < 0.05 else data)
        for reader in (read_predictions, lambda file: read_references(file, "classification"), read_references):
            try:
                read += read_or_fault(reader, path) is not None
            except Exception as error:
                raise AssertionError(f"reading {path.name} failed on {data!r:.2000}") from error
    assert read > 10
    fuzz_note(f"tables: {fuzz_inputs} files, {read} of {3 * fuzz_inputs} readings gave records")


@pytest.mark.parametrize(
    ("name", "module", "write"), [("a.parquet", "pyarrow", "to_parquet"), ("a.xlsx", "openpyxl", "to_excel")]
)
def test_damaged_tables(tmp_path, fuzzer, fuzz_inputs, name, module, write):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip(module)
    rows = [{"id": str(i), "text": f"answer {i} é", "number": i * 1.5} for i in range(50)]
    getattr(pandas.DataFrame(rows), write)(tmp_path / name, index=False)
    whole, chance, refused = (tmp_path / name).read_bytes(), fuzzer([name], PIECES, name).random, 0
    for _ in range(fuzz_inputs // 3):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 2, 5))):
            data[chance.randrange(4, len(data))] = chance.randrange(256)
        (tmp_path / name).write_bytes(data[: chance.randrange(8, len(data))] if chance.random() < 0.2 else data)
        refused += read_or_fault(read_predictions, tmp_path / name) is None
    assert refused > fuzz_inputs // 10


COCO_TRUTH = {
    "images": [{"id": 1, "height": 9, "width": 9}, {"id": 2, "height": 9, "width": 9}],
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 4, 4], "area": 16, "iscrowd": 0},
        {"id": 2, "image_id": 2, "category_id": 2, "bbox": [1, 1, 4, 4], "area": 16, "keypoints": [1, 2, 2] * 17,
         "num_keypoints": 17, "segmentation": [[1, 1, 5, 1, 5, 5]]},
    ],
}  # fmt: skip
COCO_FOUND = [
    {"image_id": 1, "category_id": 1, "bbox": [0, 0, 4, 3], "score": 0.5},
    {"image_id": 2, "category_id": 2, "keypoints": [1, 2, 1] * 17, "score": 0.9, "bbox": [1, 1, 4, 4]},
]


def test_seeded_coco_files(tmp_path, fuzzer, fuzz_inputs, fuzz_note):
    source, done = fuzzer([json.dumps(COCO_TRUTH), json.dumps(COCO_FOUND)], PIECES, "coco"), 0
    for number in range(max(300, fuzz_inputs // 20)):
        kind, paths, chance = ("bbox", "keypoints")[number % 2], (tmp_path / "t", tmp_path / "f"), source.random
        for path, content in zip(paths, (COCO_TRUTH, COCO_FOUND), strict=True):
            changed = copy.deepcopy(content)
            for _ in range(chance.choice((0, 1, 2))):
                mutate_record(chance, changed)
            text = json.dumps(changed)
            path.write_bytes((source.mutated(text) if chance.random() < 0.1 else text).encode("utf-8", "surrogatepass"))
        try:
            done += (
                read_or_fault(
                    lambda file, other=paths[1], kind=kind: score(
                        "detection", file, other, protocol="coco", iou_type=kind, draws=3
                    ),
                    paths[0],
                )
                is not None
            )
        except Exception as error:
            raise AssertionError(f"COCO files failed: {[path.read_bytes()[:900] for path in paths]}") from error
    assert done > 10
    fuzz_note(f"COCO files: {done} pairs of files scored")


@pytest.mark.parametrize("mode", ["pairwise", "listwise", "absolute"])
def test_seeded_verdicts(fuzzer, fuzz_inputs, fuzz_note, mode):
    good = [
        '{"explanation": "because", "verdict": "A"}',
        '{"explanation": "", "ranks": {"A": 1, "B": 2}}',
        '{"accuracy": 7, "relevance": 7, "fluency": 7, "logical_coherence": 7, "information_richness": 7}',
    ]
    source, scored = fuzzer(good, PIECES, mode), 0
    for number in range(fuzz_inputs):
        text = source.long(65_536) if number % 2_000 == 250 else source.text()
        found = read_verdict(text, mode, 2)
        assert bool(found.values) != bool(found.reason), text
        assert all(1 <= value <= 10 for value in found.values), text
        scored += bool(found.values)
    fuzz_note(f"verdicts, {mode}: {fuzz_inputs} replies, {scored} of them usable")
