"""What a benchmark file is built with: its settings and account, and the inference instructions."""

from __future__ import annotations

from collections import Counter
from dataclasses import KW_ONLY, dataclass, field
from functools import cache
from typing import Any

from lamm_data.benchmark.proposals import Proposals
from lamm_data.errors import UsageError
from lamm_data.files.settings import did_you_mean, packaged_toml
from lamm_data.records.tasks import TASKS
from lamm_data.writing.options import AnswerPool

Entry = tuple[str, str, dict[str, Any]]
"""Suffix of the record id, query, and truth by field of the record.

`id` among the fields is the record's whole id, `extra` holds what is no field.
"""


@dataclass
class Build:
    """Settings of one benchmark file and the account it keeps.

    Attributes:
        task: Task key.
        dataset: Data set name, the second part of the file name.
        seed: Seed for drawing options.
        choices: Options per question where options are made.
        attribute: What the classes are about, for a task with attributes.
        oriented: Write 3D boxes that are turned with nine numbers instead of the axis-aligned box around them.
        meta: Provenance added to every record.
        left_out: Annotations left out, by reason.
        read: Images or clouds read.
        options: Answers that options are drawn from, once there are any.
        unknown: Objects that annotations name and their scenes lack, as `scene: id`.
        proposals: Numbered objects that answers may name; None where boxes are asked for.
    """

    task: str
    dataset: str
    _: KW_ONLY
    seed: int = 0
    choices: int = 4
    attribute: str = ""
    oriented: bool = False
    meta: dict[str, Any] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    read: int = 0
    options: AnswerPool | None = None
    unknown: dict[str, None] = field(default_factory=dict)
    proposals: Proposals | None = None

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise UsageError(f"Expected a task, got {self.task!r}. {did_you_mean(self.task, TASKS)}")

    @property
    def instruction(self) -> str:
        """Name of the instruction in `instructions.toml`."""
        numbered = f"{self.task}_numbered"
        if self.proposals is not None and numbered in instructions():
            return numbered
        return f"facial_{self.attribute}" if self.attribute else self.task


@cache
def instructions() -> dict[str, dict[str, str]]:
    """Load the inference instructions."""
    return packaged_toml("benchmark", "instructions.toml")
