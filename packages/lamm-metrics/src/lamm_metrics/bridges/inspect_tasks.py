"""Benchmark files as tasks of inspect (UK AISI's `inspect_ai`), which finds this module by its entry point.

    inspect eval lamm_metrics/benchmark -T references=VQA_Mine.json -T media_root=images --model openai/gpt-4o

Only inspect imports this file, so `inspect_ai` stands at its top: its decorators register what they decorate.
"""

from pathlib import Path
from typing import Any

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageSystem, ChatMessageUser, ContentImage, ContentText
from inspect_ai.scorer import Metric, SampleScore, Score, Scorer, Target, metric, scorer
from inspect_ai.solver import TaskState, generate

from lamm_metrics.bridges.posed import Question, flat, posed
from lamm_metrics.errors import UsageError


@task
def benchmark(
    references: str,
    task: str = "",
    protocol: str = "standard",
    media_root: str = "",
    views: str = "",
    seed: int = 0,
    draws: int = 1000,
    confidence: float = 0.95,
) -> Task:
    """Ask a model the questions of a benchmark file and score its answers as `lamm metrics score` does.

    Args:
        references: Path of the benchmark file.
        task: Task key; empty where the records or the file's name tell it.
        protocol: "standard", "paper" or the name of a published rule.
        media_root: Folder of the pictures that records name; the file's own folder if empty.
        views: Folder that `lamm data render` wrote, of the clouds that records name.
        seed: Seed of the bootstrap.
        draws: Bootstrap draws.
        confidence: Coverage of the intervals.
    """
    rule = {
        "references": str(Path(references).resolve()), "task": task, "protocol": protocol, "seed": seed,
        "draws": draws, "confidence": confidence,
    }  # fmt: skip
    questions = posed(**rule, media_root=media_root, views=views).questions()
    samples = [
        Sample(id=one.id, input=_messages(one), target=one.truth, metadata={"group": one.group}) for one in questions
    ]
    name = Path(references).name.partition(".")[0]
    return Task(dataset=MemoryDataset(samples, name=name), solver=generate(), scorer=lamm(**rule), name=name)


def _messages(question: Question) -> list[Any]:
    system = [ChatMessageSystem(content=question.system)] if question.system else []
    pictures = [ContentImage(image=path) for path in question.pictures]
    return [*system, ChatMessageUser(content=[*pictures, ContentText(text=question.text)])]


@metric(scores="unreduced")
def lamm_scores() -> Metric:
    """Return every score with its interval, by the rule that the scorer wrote beside each answer."""

    def compute(scores: list[SampleScore]) -> dict[str, float]:
        written: list[dict[str, Any]] = [one.score.metadata or {} for one in scores]
        answers = {str(one.sample_id): row["text"] for one, row in zip(scores, written, strict=True)}
        if len(answers) < len(scores):
            raise UsageError(
                f"Expected one answer a record, got {len(scores)} to {len(answers)}. Ask in one epoch; the answers are "
                "in the log, which `lamm metrics score` reads."
            )
        return flat(posed(**written[0]["rule"]).scores(answers)) if written else {}

    return compute


@scorer(metrics=[lamm_scores()])
def lamm(references: str, **rule: Any) -> Scorer:
    """Score answers to the records of a benchmark file; a sample's id is its record's.

    A record's own value is its score; where it has none (as under average precision) it is how reading ended.
    """
    whole = posed(references, **rule)

    async def score(state: TaskState, target: Target) -> Score:
        text = state.output.completion
        found = whole.sample(str(state.sample_id), text)
        return Score(
            value=found.status if found.value is None else found.value,
            answer=found.extracted or text,
            explanation=found.detail or None,
            metadata={"text": text, "status": found.status, "rule": {"references": references, **rule}},
        )

    return score
