"""The published rules by name: which metrics, with which options, give the numbers that a project prints.

A protocol is one row. Its options are those of the metrics' constructors, so that the same numbers can be had by
`--metric` and `--set`; the name stands in every signature, since numbers of two protocols must not share a column.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from lamm_metrics.errors import UsageError


@dataclass(frozen=True, slots=True)
class Use:
    """One metric under a protocol, with the options that the rule fixes."""

    metric: str
    options: Mapping[str, Any] = field(default_factory=dict)


def _use(metric: str, **options: Any) -> Use:
    return Use(metric, options)


@dataclass(frozen=True, slots=True)
class Protocol:
    """One published rule.

    Attributes:
        name: What `--protocol` calls it.
        source: The project whose code gives these numbers, with the commit where values of that code are held in tests.
        rule: In words, what differs from the others.
        tasks: The metrics of each task that it scores, the headline first.
        judged: Whether it needs the marks of a language model beside the answers.
    """

    name: str
    source: str
    rule: str
    tasks: Mapping[str, tuple[Use, ...]]
    judged: bool = False


def _ngrams(text: str, split: bool) -> tuple[Use, ...]:
    """Return BLEU, ROUGE-L and CIDEr of the COCO code over texts that a project prepared its way.

    Args:
        text: How the texts are prepared, a key of `lamm_metrics.metrics.texts.TEXTS`.
        split: Whether words are what stands between blanks, else those of the Penn Treebank tokeniser.
    """
    bleu, rouge, cider = ("whitespace", "blank", "whitespace") if split else ("ptb", "ptb", "ptb")
    return (
        _use("bleu", tokenizer=bleu, lowercase=not split, smoothing="coco", text=text),
        _use("rouge_l", tokenizer=rouge, text=text),
        _use("cider_d", tokenizer=cider, text=text),
    )


def _grounding(overlap: str, **options: Any) -> Use:
    """Return Acc@0.25 and Acc@0.5 of one box under a rule for overlaps."""
    return _use("grounding_accuracy", thresholds=(0.25, 0.5), overlap=overlap, **options)


def _f1(overlap: str, **options: Any) -> Use:
    """Return F1@0.25 and F1@0.5 of any number of boxes under a rule for overlaps."""
    return _use("grounding_f1", thresholds=(0.25, 0.5), overlap=overlap, **options)


def _dense(chosen: str, text: str, bound: str = "reach") -> Mapping[str, tuple[Use, ...]]:
    """Return the recall form of Scan2Cap: which box speaks for an object, and how captions are written."""
    options = {"overlap": "scanrefer", "chosen": chosen, "text": text, "bound": bound}
    return {"dense_caption3d": (Use("dense_captions", options),)}


_ROWS = (
    Protocol(
        "scanqa-official",
        "ATR-DBI/ScanQA@0a9f1621 scripts/score.py",
        "an answer counts if it is one of the references letter by letter; EM@10 if any of ten is; n-grams of raw text",
        {
            "open_vqa3d": (
                _use("exact_match", text="plain", refined="none", top=10, types="scanqa"),
                *_ngrams("plain", split=False),
            )
        },
    ),
    Protocol(
        "leo",
        "embodied-generalist/embodied-generalist@567f2d80 evaluator/scanqa_eval.py, data/data_utils.py",
        "both sides are cleaned; references are tried in order, and the first that matches or overlaps decides; "
        "EM-R counts parts of words and empty answers",
        {
            "open_vqa3d": (
                _use("exact_match", text="leo", match="in-order", empty="contained", types="sqa3d"),
                *_ngrams("leo", split=True),
            ),
            **_dense("oracle", "leo"),
        },
    ),
    Protocol(
        "llava3d",
        "ZCMax/LLaVA-3D@91d979dc llava/eval/scanqa_evaluator.py",
        "as leo, but an exact match with any reference comes first; n-grams of cleaned text in Treebank words",
        {
            "open_vqa3d": (
                _use("exact_match", text="leo", empty="contained", types="sqa3d"),
                *_ngrams("leo", split=False),
            )
        },
    ),
    Protocol(
        "chatscene",
        "ZzZZCHS/Chat-Scene@475e1069 utils/eval.py on ScanQA; GPT4Scene@ac34d5f0 the same",
        "the answer is cleaned, the references are not: a reference such as '2' or 'TV on the wall' cannot be matched; "
        "an answer without a usable <OBJ…> names object 0, where one box is asked for",
        {
            "open_vqa3d": (_use("exact_match", text="chatscene"), *_ngrams("chatscene", split=False)),
            "visual_grounding3d": (_grounding("scanrefer", ids="chatscene"),),
            "multi_grounding3d": (_f1("scanrefer", ids="chatscene"),),
            **_dense("assigned", "chatscene"),
        },
    ),
    Protocol(
        "chatscene-sqa3d",
        "ZzZZCHS/Chat-Scene@475e1069 utils/eval.py on SQA3D; GPT4Scene@ac34d5f0 the same",
        "both sides are cleaned, any reference may match, empty answers are wrong",
        {"open_vqa3d": (_use("exact_match", text="chatscene-sqa3d", types="sqa3d"),)},
    ),
    Protocol(
        "chat3dv2",
        "Chat-3D/Chat-3D-v2@32e93366 utils/eval.py",
        "as chatscene-sqa3d, but an empty answer counts in EM-R, since every text contains it",
        {"open_vqa3d": (_use("exact_match", text="chatscene-sqa3d", empty="contained"),)},
    ),
    Protocol(
        "video3dllm",
        "LaVi-Lab/Video-3D-LLM@3ff70e88 llava/eval/eval_scanqa.py",
        "an answer counts if it is one of the references letter by letter, its final dot included; n-grams without it",
        {
            "open_vqa3d": (
                _use("exact_match", text="plain", refined="none"),
                *_ngrams("video3dllm", split=True),
            ),
            **_dense("oracle", "video3dllm"),
        },
    ),
    Protocol(
        "video3dllm-sqa3d",
        "LaVi-Lab/Video-3D-LLM@3ff70e88 llava/eval/eval_sqa3d.py",
        "both sides are cleaned, the first reference alone counts, no EM-R",
        {"open_vqa3d": (_use("exact_match", text="leo", match="first", refined="none", types="sqa3d"),)},
    ),
    Protocol(
        "ll3da",
        "Open3DA/LL3DA@ebbdd771",
        "no exact match; n-grams of raw text, split at blanks: case and punctuation count",
        {
            "open_vqa3d": (_ngrams("ll3da", split=True)[2], *_ngrams("ll3da", split=True)[:2]),
            **_dense("assigned", "ll3da", bound="exceed"),
        },
    ),
    Protocol(
        "mmscan",
        "OpenRobotLab/EmbodiedScan@cc3842aa (branch mmscan) mmscan/evaluator/metrics/lang_metric.py",
        "special tokens are removed and both sides cleaned; any reference may match; empty answers are wrong",
        {
            "open_vqa3d": (
                _use("exact_match", text="mmscan", types="record"),
                *_ngrams("mmscan", split=False),
            )
        },
    ),
    Protocol(
        "msqa",
        "MSR3D/MSR3D@c6024005 evaluator/utils.py, evaluate_msqa.py",
        "the first reference alone counts; the headline is EM-R, the mean over types weighted by their questions",
        {
            "open_vqa3d": (
                _use("exact_match", text="msqa", match="first", refined="first", empty="contained", types="msqa"),
                *_ngrams("leo", split=True),
            )
        },
    ),
    Protocol(
        "beacon3d",
        "beacon-3d/beacon-3d@9cd8f1f0 utils.py",
        "the exact match and EM-R of leo; the project's own headline needs a judge's marks",
        {
            "open_vqa3d": (
                _use("exact_match", text="leo", match="in-order", empty="contained", types="record"),
            )
        },
    ),
    Protocol(
        "scan2cap",
        "daveredrum/Scan2Cap@b9e9610f lib/eval_helper.py",
        "recall form: a box is the object's with the nearest centre, its last one speaks, overlaps exceed the "
        "threshold; 30 words of a reference",
        _dense("last", "scan2cap", bound="exceed"),
    ),
    Protocol(
        "scan2cap-benchmark",
        "daveredrum/Scan2Cap@b9e9610f benchmark/eval.py",
        "F1 form: boxes and objects are paired by what the code takes for generalised IoU; precision and recall",
        {"dense_caption3d": (_use("dense_caption_f1"),)},
    ),
    Protocol(
        "scanrefer",
        "daveredrum/ScanRefer@9d748305 utils/box_util.py, lib/eval_helper.py",
        "1e-8 is added to the union, so that an overlap of exactly a half misses Acc@0.5",
        {"visual_grounding3d": (_grounding("scanrefer"),)},
    ),
    Protocol(
        "multi3drefer",
        "3dlg-hcvc/M3DRef-CLIP@babfcc4b m3drefclip/evaluation",
        "overlaps in float32; boxes are paired once by the largest sum of overlaps; missing answers are wrong",
        {"visual_grounding3d": (_grounding("m3dref"),), "multi_grounding3d": (_f1("m3dref"),)},
    ),
    Protocol(
        "torchmetrics-ext",
        "torchmetrics-ext@0.4.2 (PyPI) metrics/visual_grounding",
        "as multi3drefer, but records without an answer are left out",
        {
            "visual_grounding3d": (_grounding("m3dref", missing="skip"),),
            "multi_grounding3d": (_f1("m3dref", missing="skip"),),
            "spatial_questions3d": (_use("mra", reading="torchmetrics"),),
        },
    ),
    Protocol(
        "vigil3d",
        "3dlg-hcvc/vigil3d@9ca027a0; torchmetrics-ext@0.4.2 vigil3d.py",
        "as torchmetrics-ext; leave `eval_type` out of the records, and parts are none, one and several targets",
        {"multi_grounding3d": (_f1("m3dref", missing="skip"),)},
    ),
    Protocol(
        "gpt4scene",
        "Qi-Zhangyang/GPT4Scene@ac34d5f0",
        "as chatscene for several targets, but whole numbers without <OBJ…> are ids, each once",
        {"multi_grounding3d": (_f1("scanrefer", ids="gpt4scene"),)},
    ),
    *(
        Protocol(
            name,
            "referit3d/referit3d@725a5d31; 3dlg-hcvc/M3DRef-CLIP@babfcc4b",
            "the object is chosen: its box must overlap the target's by 0.9; easy, hard and view-dependent parts",
            {"visual_grounding3d": (_use("grounding_accuracy", thresholds=(0.9,), overlap="m3dref"),)},
        )
        for name in ("nr3d", "sr3d")
    ),
    Protocol(
        "refcoco",
        "arXiv:1608.00272@v3",
        "Acc@0.5: the first or best-scored box reaches an overlap of a half",
        {"referring": (_use("referring_accuracy"),)},
    ),
    Protocol(
        "3d-pope",
        "torrid-fish/3D-POPE@f2e67aa6 validate_results.py",
        "only the word yes alone is a yes, all else a no, silence too; records without an answer are left out",
        {"yes_no3d": (_use("yes_no", parser="pope3d", missing="skip", pooled="templates"),)},
    ),
    Protocol(
        "sqa3d-localisation",
        "SilongYong/SQA3D@a98da8fd utils/localization_metric.py",
        "the best of up to three positions and rotations each; below the bounds; axes by name, unlike the script",
        {"localisation3d": (_use("localisation"),)},
    ),
    Protocol(
        "vqav2",
        "GT-Vision-Lab/VQA PythonEvaluationTools vqaEval.py",
        "min(1, annotators who agree / 3), each left out in turn; texts are normalised only where annotators differ",
        {"open_vqa": (_use("vqa_accuracy", normalise="differing"),)},
    ),
    Protocol(
        "textvqa",
        "facebookresearch/mmf EvalAIAnswerProcessor",
        "as vqav2, but texts are always normalised, and commas, question marks and possessives split off first",
        {"open_vqa": (_use("vqa_accuracy", normalise="evalai"),)},
    ),
    Protocol(
        "gqa",
        "GQA eval.py",
        "an answer counts if it is the reference letter by letter",
        {"open_vqa": (_use("exact_match", text="plain", refined="none"),)},
    ),
    Protocol(
        "docvqa",
        "the evaluation of the DocVQA challenge (arXiv 2007.00398)",
        "1 minus the edit distance over the longer length, the best over references, from 0.5 on; case does not count",
        {"open_vqa": (_use("anls"),)},
    ),
    Protocol(
        "chartqa",
        "vis-nlp/ChartQA (arXiv 2203.10244)",
        "a number within 5 % of the true one, or the text without case",
        {"open_vqa": (_use("relaxed_accuracy"),)},
    ),
    Protocol(
        "vsi-official",
        "vision-x-nyu/thinking-in-space@51e089c3 lmms_eval/tasks/vsibench/utils.py",
        "the first word of the answer, with nothing before it, is the number or the letter; the mean is over tasks",
        {"spatial_questions3d": (_use("mra", reading="official"),)},
    ),
    Protocol(
        "vsi-lmms",
        "EvolvingLMMs-Lab/lmms-eval@75571cfe lmms_eval/tasks/vsibench/utils.py",
        "letters as vsi-official; of numbers the first anywhere, in digits or in words",
        {"spatial_questions3d": (_use("mra", reading="lmms"),)},
    ),
    Protocol(
        "vsi-vlmevalkit",
        "open-compass/VLMEvalKit@e8e78f05 vlmeval/dataset/utils/spatial_bench (rules, no judge)",
        "letters are searched for in tags, last lines and conclusions; of numbers the last, words to twenty",
        {"spatial_questions3d": (_use("mra", reading="vlmevalkit"),)},
    ),
    Protocol(
        "openeqa",
        "facebookresearch/open-eqa@cfa3fce4 openeqa/evaluation/llm_match.py, evaluate-predictions.py",
        "marks of GPT-4 in `meta.mark`: digits alone or behind 'Your mark:'; (mark - 1) / 4, cut to 1..5",
        {"open_vqa3d": (_use("judge_mark", judge="openeqa"),), "open_vqa": (_use("judge_mark", judge="openeqa"),)},
        judged=True,
    ),
    Protocol(
        "msqa-judge",
        "MSR3D/MSR3D@c6024005 evaluate_msqa.py",
        "marks in `meta.mark`: the first whole number; the mean over types weighted by their questions",
        {"open_vqa3d": (_use("judge_mark", judge="msqa", types="msqa"),)},
        judged=True,
    ),
    Protocol(
        "beacon3d-judge",
        "beacon-3d/beacon-3d@9cd8f1f0 evaluate_qa.py",
        "the best mark for exact matches, and for yes and no that overlap; else the mark in `meta.mark`",
        {"open_vqa3d": (_use("judge_mark", judge="beacon3d"),)},
        judged=True,
    ),
)  # fmt: skip
PUBLISHED: Mapping[str, Protocol] = {row.name: row for row in _ROWS}
"""The published rules by name."""
OWN = ("standard", "paper", "coco")
"""Protocols that are no rows: a task's own metrics, the formulas of LAMM's paper, the numbers of COCO's files."""
PROTOCOLS = (*OWN, *PUBLISHED)


def published(name: str, task: str = "") -> Protocol | None:
    """Return the row of a protocol, None for those that are none.

    Args:
        name: The protocol.
        task: A task that it must score; empty for any.

    Raises:
        UsageError: There is no such protocol, or it does not score the task.

    >>> published("leo").tasks["open_vqa3d"][0].metric, published("standard")
    ('exact_match', None)
    """
    if name not in PROTOCOLS:
        near = get_close_matches(str(name), PROTOCOLS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "Choose one of them."
        raise UsageError(f"Expected a protocol ({', '.join(PROTOCOLS)}), got {name!r}; {hint}")
    row = PUBLISHED.get(name)
    if row is not None and task and task not in row.tasks:
        able = ", ".join(protocols_of(task, judged=True)) or ", ".join(OWN)
        raise UsageError(
            f"Expected a protocol that scores {task} ({able}), got {name!r}, which scores {', '.join(row.tasks)}. "
            "Choose one that does."
        )
    return row


def protocols_of(task: str, judged: bool = False) -> list[str]:
    """Return the names of the published rules that score a task.

    Args:
        task: A task key.
        judged: Also those that need marks of a language model.

    >>> protocols_of("open_vqa3d")[:2]
    ['scanqa-official', 'leo']
    """
    return [row.name for row in _ROWS if task in row.tasks and (judged or not row.judged)]
