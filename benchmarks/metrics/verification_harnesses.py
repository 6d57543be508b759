"""Our numbers beside those of other harnesses: open questions about images of lmms-eval, boxes of torchmetrics-ext."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from verification_golden import queries_of
from verification_rows import Row, named, program

from lamm_metrics import score

RECORDS = 1_000
ANNOTATORS = 10
TEXTS = [
    *("two", "2", "The chair.", "chair", "a Chair", "don't know", "dont know", "red, white", "red white", "1,000"),
    *("5%", "no"),
]
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
    yield from _torchmetrics_ext(queries)


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


def _torchmetrics_ext(queries: Sequence[Any]) -> Iterator[Row]:
    """Descriptions of several objects or none, with the truth from here in place of the network's."""
    import torch
    from torchmetrics_ext.metrics.visual_grounding import Multi3DReferMetric, ViGiL3DMetric

    def filled(peer: Any, letters: int | None) -> Any:
        offline = type("Offline", (peer,), {"_load_gt_data": lambda *_, **__: None})(split="validation")
        for i, (kind, truth, *_) in enumerate(queries):
            boxes = np.array(truth, np.float32) if truth else None
            offline.gt_data[str(i)] = {"gt_aabbs": boxes, "eval_type": kind[:letters]}
        offline.update({str(i): torch.tensor(row[2]).reshape(-1, 2, 3) for i, row in enumerate(queries)})
        return offline.compute()

    for protocol, peer, letters in (("torchmetrics-ext", Multi3DReferMetric, None), ("vigil3d", ViGiL3DMetric, 2)):
        records, answers = queries_of(queries, len(queries))
        if letters:
            records = [{key: value for key, value in one.items() if key != "eval_type"} for one in records]
        found = named(score("multi_grounding3d", records, answers, protocol, draws=2))
        ours, theirs = [], []
        for name, value in filled(peer, letters).items():
            part, _, threshold = name.rpartition("_") if name[-1].isdigit() else (name, "", "0.5")
            ours.append(found[f"grounding_f1{'' if part == 'all' else '/' + part}@{threshold}"])
            theirs.append(float(value))
        source, reason = program("torchmetrics-ext"), "torchmetrics-ext adds up in float32"
        yield Row("multi_grounding3d", protocol, "F1, whole and parts", source, ours, theirs, 1e-6, reason)
