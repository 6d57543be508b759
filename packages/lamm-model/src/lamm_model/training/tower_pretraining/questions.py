"""Closed questions about scenes, from which a point tower learns to see."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lamm_data import open_scanqa
from lamm_model.errors import LammModelError
from lamm_model.model.answer_loss import IGNORED

MOST_ANSWERS = 64  # a question with more different answers is open, not closed


@dataclass(frozen=True, slots=True)
class SceneQuestion:
    """One closed question about one cloud."""

    cloud: str
    question: str
    answer: str


def read_scene_questions(root: Path, split: str = "train") -> list[SceneQuestion]:
    """Read the closed questions of a folder in ScanNet's exported layout with ScanQA files.

    Raises:
        LammModelError: There is no closed question.
    """
    asked = [
        SceneQuestion(str(root / item.media), question.text, question.answers[0])
        for item in open_scanqa(root, split)
        for question in item.questions
        if question.answers
    ]
    answers = _answers(asked)
    closed = [entry for entry in asked if 2 <= len(answers[entry.question]) <= MOST_ANSWERS]
    if not closed:
        raise LammModelError(f"Expected questions with a closed set of answers in {root}, found none.")
    return closed


def _answers(questions: Sequence[SceneQuestion]) -> dict[str, set[str]]:
    """Return the answers that each question has."""
    answers: dict[str, set[str]] = defaultdict(set)
    for entry in questions:
        answers[entry.question].add(entry.answer)
    return answers


class Questions(nn.Module):
    """A linear layer for each question on the tower's pooled tokens; the layers are thrown away."""

    targets: Tensor  # [scenes, questions] numbers of answers, `IGNORED` where it was not asked

    def __init__(self, questions: Sequence[SceneQuestion], features: int) -> None:
        super().__init__()
        answers = _answers(questions)
        self.names = sorted(answers)
        numbers = {name: {text: i for i, text in enumerate(sorted(answers[name]))} for name in self.names}
        self.clouds = list(dict.fromkeys(entry.cloud for entry in questions))
        numbered = {cloud: i for i, cloud in enumerate(self.clouds)}
        self.heads = nn.ModuleList(nn.Linear(features, len(numbers[name])) for name in self.names)
        targets = torch.full((len(self.clouds), len(self.names)), IGNORED)
        for entry in questions:
            row, column = numbered[entry.cloud], self.names.index(entry.question)
            targets[row, column] = numbers[entry.question][entry.answer]
        self.register_buffer("targets", targets)

    def loss(self, tokens: Tensor, rows: Tensor) -> tuple[Tensor, int, int]:
        """Return the summed loss over the questions, how many were right, and how many were asked.

        Args:
            tokens: `[n, T, features]` of the scenes.
            rows: Which scenes, `[n]`.
        """
        pooled = tokens.amax(dim=1)
        total, right, asked = pooled.new_zeros(()), 0, 0
        for column, head in enumerate(self.heads):
            wanted = self.targets[rows, column]
            known = wanted >= 0
            if known.any():
                logits = head(pooled[known])
                total = total + F.cross_entropy(logits, wanted[known])
                right += int((logits.argmax(-1) == wanted[known]).sum())
                asked += int(known.sum())
        return total, right, asked
