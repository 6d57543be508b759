"""The GPT Metric: a language model compares or grades answers (arXiv 2306.06687, Sec. 4), with its biases measured.

`judge_answers` does the whole; everything that needs the `openai` SDK imports it when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamm_metrics.gpt.findings.result import Judgement
    from lamm_metrics.gpt.findings.statistics import bradley_terry, krippendorff_alpha
    from lamm_metrics.gpt.judging import judge_answers, plan_judging
    from lamm_metrics.gpt.settings import JudgeSettings

_HOME = {
    "judge_answers": "judging",
    "plan_judging": "judging",
    "Judgement": "findings.result",
    "JudgeSettings": "settings",
    "bradley_terry": "findings.statistics",
    "krippendorff_alpha": "findings.statistics",
}

__all__ = ["JudgeSettings", "Judgement", "bradley_terry", "judge_answers", "krippendorff_alpha", "plan_judging"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lamm_metrics.gpt' has no attribute {name!r}")
    return getattr(import_module(f"lamm_metrics.gpt.{_HOME[name]}"), name)
