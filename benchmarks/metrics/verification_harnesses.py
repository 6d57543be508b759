"""Our numbers beside those of lmms-eval (images) and torchmetrics-ext (clouds), run on drawn inputs."""

import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from verification_golden import queries_of, spatial_record
from verification_rows import Row, named, program

from lamm_metrics import score

RECORDS = 1_000
ANNOTATORS = 10
TEXTS = [
    *("two", "2", "The chair.", "chair", "a Chair", "don't know", "dont know", "red, white", "red white", "1,000"),
    *("5%", "no"),
]
ANSWERS = 300
WORDS = ["a", "the", "brown", "chair", "two", "tables", "left", "of", "window", "desk", "round", "under"]
MARKED = ["brown,", "it's", "don't", "(left)", "1.5", "t-shirt", "white/black", "U.S.", "chair's", "$5", "50%", "TV"]
Asked = tuple[str, list[str]]


def rows(queries: Sequence[Any]) -> Iterator[Row]:
    """Yield every comparison with another harness.

    Args:
        queries: Descriptions with several targets or none, of `boxes_multi3drefer.json`.
    """
    generator = np.random.default_rng(2)
    yield from _annotators(generator)
    yield from _open_images(generator)
    yield from _referring(generator)
    yield from _several_boxes(queries)
    yield from _scanqa(generator)
    yield from _spatial(generator)


def _drawn(generator: np.random.Generator) -> list[Asked]:
    """Return answers, each with those of ten annotators; in the last of them all ten agree."""
    drawn = [[str(one) for one in generator.choice(TEXTS, 1 + ANNOTATORS)] for _ in range(RECORDS)]
    agreed = [(text, [other] * ANNOTATORS) for text in TEXTS for other in TEXTS]
    return [*((text, answers) for text, *answers in drawn), *agreed]


def _ours(protocol: str, asked: Sequence[Asked]) -> list[float | None]:
    """Return our value of each answer."""
    records = [{"id": f"{i:04d}", "answers": answers} for i, (_, answers) in enumerate(asked)]
    texts = [{"id": f"{i:04d}", "text": text} for i, (text, _) in enumerate(asked)]
    return [sample.value for sample in score("open_vqa", records, texts, protocol, draws=2).samples]


def _annotators(generator: np.random.Generator) -> Iterator[Row]:
    """VQAv2 and TextVQA, whose answers ten people gave."""
    from lmms_eval.tasks.textvqa.utils import textvqa_process_results
    from lmms_eval.tasks.vqav2.utils import vqav2_process_results

    asked = _drawn(generator)

    def theirs(rule: Callable[..., Any], written: Callable[[int, str], Any], which: Sequence[Asked]) -> list[float]:
        listed = [[written(i, one) for i, one in enumerate(answers)] for _, answers in which]
        return [
            rule({"answers": answers, "question_id": 0}, [text])["exact_match"]
            for answers, (text, _) in zip(listed, which, strict=True)
        ]

    source = program("lmms_eval")
    reason = "lmms-eval always normalises; the official code does not where all annotators agree, nor do we"
    for differ, what in ((True, "answers on which annotators differ"), (False, "answers on which all agree")):
        which = [one for one in asked if (len(set(one[1])) > 1) == differ]
        found = theirs(vqav2_process_results, lambda i, text: {"answer": text, "answer_id": i}, which)
        yield Row("open_vqa", "vqav2", what, source, _ours("vqav2", which), found, reason="" if differ else reason)
    found = theirs(textvqa_process_results, lambda _, text: text, asked)
    yield Row("open_vqa", "textvqa", "answer by answer", source, _ours("textvqa", asked), found)


def _open_images(generator: np.random.Generator) -> Iterator[Row]:
    """DocVQA, ChartQA and GQA."""
    from lmms_eval.api.metrics import anls
    from lmms_eval.tasks.chartqa.utils import relaxed_correctness

    asked = _drawn(generator)
    first = [(text, answers[:1]) for text, answers in asked]
    what, source = "answer by answer", program("lmms_eval")
    found = [anls(answers, [text])["anls"] for text, answers in asked]
    yield Row("open_vqa", "docvqa", what, source, _ours("docvqa", asked), found)
    found = [float(relaxed_correctness(text, answers[0])) for text, answers in asked]
    yield Row("open_vqa", "chartqa", what, source, _ours("chartqa", first), found)
    found = [float(text == answers[0]) for text, answers in asked]
    yield Row("open_vqa", "gqa", what, "counted in `verification_harnesses.py`", _ours("gqa", first), found)


def _referring(generator: np.random.Generator) -> Iterator[Row]:
    """Referring expressions."""
    from lmms_eval.tasks.refcoco.utils_rec import compute_iou

    boxes = np.sort(generator.uniform(0, 1, (2, RECORDS, 2, 2)), axis=2).reshape(2, RECORDS, 4)
    records = [{"id": f"{i:04d}", "gt_bbox": box.tolist()} for i, box in enumerate(boxes[0])]
    answers = [{"id": f"{i:04d}", "boxes": [{"box": box.tolist()}]} for i, box in enumerate(boxes[1])]
    overlaps = [compute_iou(a, b) for a, b in zip(*boxes, strict=True)]
    theirs = [*overlaps, float(np.mean(np.array(overlaps) >= 0.5))]
    for protocol in ("standard", "refcoco"):
        report = score("referring", records, answers, protocol, draws=2)
        ours = [*(sample.value for sample in report.samples), report.headline.value]
        yield Row("referring", protocol, "overlaps, Acc@0.5", program("lmms_eval"), ours, theirs)


def _offline(peer: Any) -> Any:
    """Return a metric of torchmetrics-ext that takes its truth from here, not from the network."""
    made = type("Offline", (peer,), {"_load_gt_data": lambda *_, **__: None})
    return made(split="validation")


def _several_boxes(queries: Sequence[Any]) -> Iterator[Row]:
    """Descriptions of several objects or none."""
    import torch
    from torchmetrics_ext.metrics.visual_grounding import Multi3DReferMetric, ViGiL3DMetric

    for protocol, peer, letters in (("torchmetrics-ext", Multi3DReferMetric, None), ("vigil3d", ViGiL3DMetric, 2)):
        metric = _offline(peer)
        for i, (kind, truth, *_) in enumerate(queries):
            boxes = np.array(truth, np.float32) if truth else None
            metric.gt_data[str(i)] = {"gt_aabbs": boxes, "eval_type": kind[:letters]}
        metric.update({str(i): torch.tensor(row[2]).reshape(-1, 2, 3) for i, row in enumerate(queries)})
        records, answers = queries_of(queries, len(queries))
        if letters:
            records = [{key: value for key, value in one.items() if key != "eval_type"} for one in records]
        found = named(score("multi_grounding3d", records, answers, protocol, draws=2))
        ours, theirs = [], []
        for name, value in metric.compute().items():
            part, _, threshold = name.rpartition("_") if name[-1].isdigit() else (name, "", "0.5")
            ours.append(found[f"grounding_f1{'' if part == 'all' else '/' + part}@{threshold}"])
            theirs.append(float(value))
        source, reason = program("torchmetrics-ext"), "torchmetrics-ext adds up in float32"
        yield Row("multi_grounding3d", protocol, "F1, whole and parts", source, ours, theirs, 1e-6, reason)


def _scanqa(generator: np.random.Generator) -> Iterator[Row]:
    """Open answers in the words of the Java tokeniser, METEOR by the Java program."""
    from torchmetrics_ext.metrics.vqa import ScanQAMetric

    drawn = [[_answer(generator) for _ in range(3)] for _ in range(ANSWERS)]
    metric = _offline(ScanQAMetric)
    metric.gt_data = {f"{i:03d}": {"answers": one[1:]} for i, one in enumerate(drawn)}
    metric.update({f"{i:03d}": one[0] for i, one in enumerate(drawn)})
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = metric.compute()
    records = [{"id": f"{i:03d}", "answers": one[1:]} for i, one in enumerate(drawn)]
    answers = [{"id": f"{i:03d}", "text": one[0]} for i, one in enumerate(drawn)]
    found = named(score("open_vqa3d", records, answers, "scanqa-official", draws=2))
    names = {"BLEU_1": "bleu_1", "BLEU_4": "bleu_4", "METEOR": "meteor", "ROUGE_L": "rouge_l", "CIDEr": "cider_d"}
    values = [float(theirs[name]) / 100 for name in names]
    what = "n-grams and METEOR, Java's tokeniser"
    ours = [found[name] for name in names.values()]
    yield Row("open_vqa3d", "scanqa-official", what, program("torchmetrics-ext"), ours, values)


def _answer(generator: np.random.Generator) -> str:
    """Return a short answer with the marks that people put into one."""
    words = generator.choice([*WORDS, *MARKED], int(generator.integers(1, 7)))
    return " ".join(map(str, words)) + str(generator.choice(["", ".", "!", "?", " ."]))


def _spatial(generator: np.random.Generator) -> Iterator[Row]:
    """Questions of VSI-Bench, as they are answered: numbers with units, letters with dots."""
    from torchmetrics_ext.metrics.vqa import VSIBenchMetric

    metric = _offline(VSIBenchMetric)
    kinds = generator.choice(metric.question_types, RECORDS)
    rows = [(f"{i:04d}", str(kind), *_spatial_answer(str(kind), metric, generator)) for i, kind in enumerate(kinds)]
    metric.gt_data = {key: {"question_type": kind, "ground_truth": truth} for key, kind, _, truth in rows}
    metric.update({key: text for key, _, text, _ in rows})
    records = [spatial_record(key, kind, truth) for key, kind, _, truth in rows]
    answers = [{"id": key, "text": text} for key, _, text, _ in rows]
    found = named(score("spatial_questions3d", records, answers, "torchmetrics-ext", draws=2))
    ours, theirs = [], []
    for name, value in metric.compute().items():
        ours.append(found["mra" if name == "overall_acc" else f"mra/{name.removesuffix('_acc')}"])
        theirs.append(float(value) / 100)
    what = "mean over tasks, and each task"
    yield Row("spatial_questions3d", "torchmetrics-ext", what, program("torchmetrics-ext"), ours, theirs)


def _spatial_answer(kind: str, metric: Any, generator: np.random.Generator) -> tuple[str, str]:
    """Return an answer, and the truth."""
    if kind in metric.mcq_question_types:
        said, truth = generator.choice(list("ABCD"), 2)
        return f"{said}{generator.choice(['', '.', ' it is'])}", str(truth)
    said, truth = generator.integers(1, 12, 2) / 2
    return f"{said:g}{generator.choice(['', '.', ' m', ' meters'])}", f"{truth:g}"
