"""Rules for marks that a language model gave to open answers: a row a project."""

from lamm_metrics.protocols.rule import Protocol, use

ROWS = (
    Protocol(
        "openeqa",
        "facebookresearch/open-eqa@cfa3fce4 openeqa/evaluation/llm_match.py, evaluate-predictions.py",
        "marks of GPT-4 in `meta.mark`: digits alone or behind 'Your mark:'; (mark - 1) / 4, cut to 1..5",
        {"open_vqa3d": (use("judge_mark", judge="openeqa"),), "open_vqa": (use("judge_mark", judge="openeqa"),)},
        judged=True,
    ),
    Protocol(
        "msqa-judge",
        "MSR3D/MSR3D@c6024005 evaluate_msqa.py",
        "marks in `meta.mark`: the first whole number; the mean over types weighted by their questions",
        {"open_vqa3d": (use("judge_mark", judge="msqa", types="msqa"),)},
        judged=True,
    ),
    Protocol(
        "beacon3d-judge",
        "beacon-3d/beacon-3d@9cd8f1f0 evaluate_qa.py",
        "the best mark for exact matches, and for yes and no that overlap; else the mark in `meta.mark`; objects count "
        "where all their answers have a 4 or 5 (records with `object_id`)",
        {"open_vqa3d": (use("judge_mark", judge="beacon3d"),)},
        judged=True,
    ),
)  # fmt: skip
