"""Our numbers beside those of installed programs, on inputs that are drawn from a seed."""

import contextlib
import copy
import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from verification_rows import Row, named, program

from lamm_metrics import coco_summary, paired_iou_rotated, paired_iou_yaw, ptb, score

RECORDS = 1_000
WORDS = [
    *("a", "the", "red", "brown", "small", "round", "chair", "table", "lamp", "desk", "window", "next", "to", "near"),
    *("under", "two", "three", "on", "left", "of"),
]
COLOURS = ["red", "green", "blue", "brown"]


def rows() -> Iterator[Row]:
    """Yield every comparison with a program that computes numbers."""
    generator = np.random.default_rng(0)
    yield from _closed(generator)
    yield from _captions(generator)
    yield from _coco(generator)
    yield from _overlaps(generator)


def _closed(generator: np.random.Generator) -> Iterator[Row]:
    """Choices, classes, yes and no, and counts, beside scikit-learn."""
    from sklearn import metrics as peer

    truth, said = generator.integers(0, 4, (2, RECORDS))
    for task in ("classification", "fine_grained_classification", "facial_classification"):
        key = "attr" if task.startswith("facial") else "label"
        records = [{"id": f"{i:04d}", key: COLOURS[kind], "labels": COLOURS} for i, kind in enumerate(truth)]
        answers = [{"id": f"{i:04d}", "text": f"It is {COLOURS[kind]}."} for i, kind in enumerate(said)]
        found = score(task, records, answers, draws=2).headline.value
        theirs = [peer.accuracy_score(truth, said)]
        yield Row(task, "standard", "accuracy", program("scikit-learn"), [found], theirs)
    for task in ("vqa", "vqa3d"):
        records = [{"id": f"{i:04d}", "gt_choice": int(k), "gt_choices": COLOURS} for i, k in enumerate(truth)]
        answers = [{"id": f"{i:04d}", "text": f"({'ABCD'[kind]})"} for i, kind in enumerate(said)]
        found = score(task, records, answers, draws=2).headline.value
        yield Row(task, "standard", "accuracy", program("scikit-learn"), [found], [peer.accuracy_score(truth, said)])
    for task in ("yes_no", "yes_no3d"):
        yes = [
            ("yes" if kind % 2 else "no", "yes" if other % 2 else "no") for kind, other in zip(truth, said, strict=True)
        ]
        records = [{"id": f"{i:04d}", "label": one} for i, (one, _) in enumerate(yes)]
        answers = [{"id": f"{i:04d}", "text": f"{one.title()}."} for i, (_, one) in enumerate(yes)]
        by_name = named(score(task, records, answers, draws=2))
        ours = [by_name[name] for name in ("accuracy", "precision", "recall", "f1")]
        bits = [[one == "yes" for one in side] for side in zip(*yes, strict=True)]
        theirs = [rule(*bits) for rule in (peer.accuracy_score, peer.precision_score, peer.recall_score, peer.f1_score)]
        yield Row(task, "standard", "accuracy, precision, recall, F1", program("scikit-learn"), ours, theirs)
    counts = generator.integers(0, 40, (2, RECORDS))
    records = [{"id": f"{i:04d}", "num": int(number)} for i, number in enumerate(counts[0])]
    answers = [{"id": f"{i:04d}", "text": f"There are {number}."} for i, number in enumerate(counts[1])]
    by_name = named(score("counting", records, answers, draws=2))
    ours = [by_name["mae"], by_name["rmse"]]
    theirs = [peer.mean_absolute_error(*counts), peer.root_mean_squared_error(*counts)]
    yield Row("counting", "standard", "mean and root mean square error", program("scikit-learn"), ours, theirs)
    from nltk.metrics.distance import edit_distance

    pairs = [(str(generator.choice(WORDS)), str(generator.choice(WORDS))) for _ in range(RECORDS)]
    records = [{"id": f"{i:04d}", "word_list": [one]} for i, (one, _) in enumerate(pairs)]
    answers = [{"id": f"{i:04d}", "text": f'"{one}"'} for i, (_, one) in enumerate(pairs)]
    by_name = named(score("ocr", records, answers, draws=2))
    ours = [by_name["word_accuracy"], by_name["cer"]]
    theirs = [
        np.mean([a == b for a, b in pairs]),
        sum(edit_distance(a, b) for a, b in pairs) / sum(len(a) for a, _ in pairs),
    ]
    yield Row("ocr", "standard", "words found, errors a character", program("nltk"), ours, theirs)


def _sentence(generator: np.random.Generator) -> str:
    return " ".join(generator.choice(WORDS, int(generator.integers(4, 12)))).capitalize() + "."


def _captions(generator: np.random.Generator) -> Iterator[Row]:
    """Captions beside sacrebleu, and beside pycocoevalcap with METEOR's Java program."""
    import sacrebleu
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.meteor.meteor import Meteor
    from pycocoevalcap.rouge.rouge import Rouge

    keys = [f"{i:03d}" for i in range(100)]
    truth = {key: [_sentence(generator) for _ in range(3)] for key in keys}
    spoken = {key: _sentence(generator) for key in keys}
    files = (
        [{"id": key, "sentences": texts} for key, texts in truth.items()],
        [{"id": key, "text": text} for key, text in spoken.items()],
    )
    sides = [[texts[i] for texts in truth.values()] for i in range(3)]
    bleu = sacrebleu.corpus_bleu(list(spoken.values()), sides, smooth_method="none", lowercase=True).score / 100
    tokens = [
        {key: [" ".join(ptb(text)) for text in texts] for key, texts in side.items()}
        for side in (truth, {key: [text] for key, text in spoken.items()})
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        found = [peer.compute_score(*tokens) for peer in (Rouge(), Cider(), Meteor())]
        theirs = [*Bleu(4).compute_score(*tokens, verbose=0)[0], *(whole for whole, _ in found)]
    names = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider_d", "meteor")
    for task in ("caption", "object_caption3d"):
        by_name = named(score(task, *files, draws=2, metrics=["bleu"], tokenizer="13a", lowercase=True))
        yield Row(task, "standard", "BLEU-4, tokens of 13a", program("sacrebleu"), [by_name["bleu_4"]], [bleu])
        by_name = named(score(task, *files, "coco-captions", draws=2))
        ours = [by_name[name] for name in names]
        what = "BLEU-1 to 4, ROUGE-L, CIDEr-D, METEOR"
        yield Row(task, "coco-captions", what, program("pycocoevalcap"), ours, theirs)
    segments = found[-1][1]
    report = score("caption", *files, draws=2, metrics=["meteor"], tokenizer="ptb")
    ours = [sample.value for sample in report.samples]
    yield Row("caption", "standard", "METEOR 1.5, each caption", program("pycocoevalcap", "its jar"), ours, segments)


def _detections(generator: np.random.Generator) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return COCO annotations of 60 images, and detections around them with distinct scores."""
    annotations: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for image in range(60):
        for _ in range(int(generator.integers(0, 6))):
            corner, size = generator.uniform(0, 200, 2), generator.uniform(4, 180, 2)
            kind = int(generator.integers(1, 4))
            box = [*corner.tolist(), *size.tolist()]
            mark = {"id": len(annotations) + 1, "image_id": image, "category_id": kind, "bbox": box}
            annotations.append({**mark, "area": float(size.prod()), "iscrowd": 0})
            for spread in generator.choice([0.03, 0.2], int(generator.integers(0, 3))):
                moved = np.array(box) + generator.uniform(-1, 1, 4) * spread * size.min()
                place = {"image_id": image, "category_id": kind, "bbox": moved.tolist()}
                found.append({**place, "score": float(generator.random())})
    images = [{"id": i, "height": 400, "width": 400} for i in range(60)]
    kinds = [{"id": i, "name": COLOURS[i]} for i in range(1, 4)]
    return {"info": {}, "images": images, "annotations": annotations, "categories": kinds}, found


def _evaluated(truth: dict[str, Any], found: list[dict[str, Any]], kind: str) -> list[float]:
    """Return what pycocotools prints; NaN where it prints -1."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = copy.deepcopy(truth)
        known.createIndex()
        evaluation = COCOeval(known, known.loadRes(copy.deepcopy(found)), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float("nan") if value < 0 else float(value) for value in evaluation.stats]


def _coco(generator: np.random.Generator) -> Iterator[Row]:
    """Boxes and joints beside pycocotools."""
    truth, found = _detections(generator)
    theirs = _evaluated(truth, found, "bbox")
    ours = list(coco_summary(truth, found, "bbox").numbers.values())
    yield Row("detection", "coco", "the twelve numbers of boxes", program("pycocotools"), ours, theirs)
    records, answers = [], []
    for image in truth["images"]:
        name = {"id": f"{image['id']:02d}"}
        sides = [[one for one in side if one["image_id"] == image["id"]] for side in (truth["annotations"], found)]
        marks = [
            [(COLOURS[one["category_id"]], _corners(one["bbox"]), one.get("score")) for one in side] for side in sides
        ]
        records.append({**name, "object": [{"label": label, "bbox": box} for label, box, _ in marks[0]]})
        boxes = [{"label": label, "box": box, "score": likely} for label, box, likely in marks[1]]
        answers.append({**name, "boxes": boxes})
    by_name = named(score("detection", records, answers, draws=2))
    reason = "shares of the image round the sides, so a box on the bound may fall to the other side"
    yield Row("detection", "standard", "AP at 0.5, distinct scores", program("pycocotools", "AP50"),
              [by_name["detection_ap@0.5"]], [theirs[1]], 1e-6, reason)  # fmt: skip
    for annotation in truth["annotations"]:
        joints = np.c_[generator.uniform(0, 300, (17, 2)), np.full(17, 2)]
        annotation |= {"keypoints": joints.ravel().tolist(), "num_keypoints": 17}
    poses = [
        {"image_id": one["image_id"], "category_id": one["category_id"], "score": float(generator.random()),
         "keypoints": (np.array(one["keypoints"]) + np.tile([*generator.normal(0, 6, 2), 0], 17)).tolist()}
        for one in truth["annotations"]
    ]  # fmt: skip
    ours = list(coco_summary(truth, poses, "keypoints").numbers.values())
    theirs = _evaluated(truth, poses, "keypoints")
    yield Row("keypoint_detection", "coco", "the ten numbers of joints", program("pycocotools"), ours, theirs)


def _corners(box: Sequence[float]) -> list[float]:
    left, top, width, height = (side / 400 for side in box)
    return [left, top, left + width, top + height]


def _overlaps(generator: np.random.Generator) -> Iterator[Row]:
    """Boxes in space beside shapely, marked points beside scipy."""
    from shapely import affinity
    from shapely import box as rectangle

    first = np.c_[
        generator.uniform(0, 1, (RECORDS, 3)),
        generator.uniform(0.5, 2, (RECORDS, 3)),
        generator.uniform(-3, 3, RECORDS),
    ]
    second = np.c_[
        generator.uniform(0, 1, (RECORDS, 3)),
        generator.uniform(0.5, 2, (RECORDS, 3)),
        generator.uniform(-3, 3, RECORDS),
    ]

    def solid(one: np.ndarray) -> Any:
        plane = rectangle(one[0] - one[3] / 2, one[1] - one[4] / 2, one[0] + one[3] / 2, one[1] + one[4] / 2)
        return affinity.rotate(plane, one[6], origin=(one[0], one[1]), use_radians=True)

    def overlap(a: np.ndarray, b: np.ndarray) -> float:
        low, high = max(a[2] - a[5] / 2, b[2] - b[5] / 2), min(a[2] + a[5] / 2, b[2] + b[5] / 2)
        shared = solid(a).intersection(solid(b)).area * max(high - low, 0)
        return float(shared / (a[3:6].prod() + b[3:6].prod() - shared))

    theirs = [overlap(a, b) for a, b in zip(first, second, strict=True)]
    source = program("shapely")
    yield Row(
        "detection3d", "standard", "overlaps of turned boxes", source, paired_iou_yaw(first, second).tolist(), theirs
    )
    full = [np.c_[boxes, np.zeros((RECORDS, 2))] for boxes in (first, second)]
    yield Row(
        "detection3d", "standard", "the same by the three angles", source, paired_iou_rotated(*full).tolist(), theirs
    )
    straight = [np.c_[boxes[:, :6], np.zeros(RECORDS)] for boxes in (first, second)]
    records = [{"id": f"{i:04d}", "gt_bbox": one[:6].tolist()} for i, one in enumerate(straight[0])]
    answers = [{"id": f"{i:04d}", "boxes": [{"box": one[:6].tolist()}]} for i, one in enumerate(straight[1])]
    report = score("visual_grounding3d", records, answers, draws=2)
    theirs = [overlap(a, b) for a, b in zip(*straight, strict=True)]
    share = [named(report)["grounding_accuracy@0.5"], named(report)["grounding_accuracy@0.25"]]
    ours = [*(sample.value for sample in report.samples), *share]
    theirs += [float(np.mean(np.array(theirs) >= bound)) for bound in (0.5, 0.25)]
    yield Row("visual_grounding3d", "standard", "overlaps, Acc@0.5 and 0.25", source, ours, theirs)
