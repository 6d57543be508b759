"""The GPT Metric: a language model compares or grades answers (arXiv 2306.06687, Sec. 4), with its biases measured.

`judge_answers` does the whole; everything that needs the `openai` SDK imports it when it is first used.
"""

from lamm_metrics.gpt.findings.result import Judgement
from lamm_metrics.gpt.findings.statistics import bradley_terry, krippendorff_alpha
from lamm_metrics.gpt.judging import judge_answers, plan_judging
from lamm_metrics.gpt.settings import JudgeSettings

__all__ = ["JudgeSettings", "Judgement", "bradley_terry", "judge_answers", "krippendorff_alpha", "plan_judging"]
