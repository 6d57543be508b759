"""What an answer becomes: instruction records, annotation rows with captions, or a multiple-choice question."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lamm_data.generation.prompts import Prompt
from lamm_data.generation.rows import Row
from lamm_data.generation.solving import Outcome

MAX_ROUNDS_3D = 10


class RecordMaker:
    """Makes what is written for an answer.

    Args:
        prompt: The prompt the answers belong to.
        seed: Seed that draws the human turn of descriptions and the order of options.
        media_prefix: Put before every media path.
        source: Data set name where a row states none.
    """

    def __init__(self, prompt: Prompt, seed: int, media_prefix: str, source: str) -> None:
        self.prompt = prompt
        self.seed = seed
        self.media_prefix = media_prefix
        self.source = source
        self._make: Callable[[Row, Outcome], list[dict[str, Any]]] = {
            "dialogue": self._dialogues,
            "description": self._descriptions,
            "statements": self._rows,
            "options": self._questions,
        }[prompt.answer]

    def records(self, row: Row, outcome: Outcome) -> list[dict[str, Any]]:
        """Make the records of one row.

        Args:
            row: The row.
            outcome: Its outcome.

        Returns:
            Without an answer none; else one record, or several when a 3D dialogue is longer than ten rounds.
        """
        return self._make(row, outcome) if outcome.answer is not None else []

    def _dialogues(self, row: Row, outcome: Outcome) -> list[dict[str, Any]]:
        rounds = list(outcome.answer.rounds) if outcome.answer else []
        size = MAX_ROUNDS_3D if row.modality == "pcl" else max(len(rounds), 1)
        parts = [rounds[at : at + size] for at in range(0, len(rounds), size)]
        return [self._record(row, part, outcome) for part in parts]

    def _descriptions(self, row: Row, outcome: Outcome) -> list[dict[str, Any]]:
        question = self._random(outcome).choice(self.prompt.questions)
        return [self._record(row, [(question, outcome.answer.description if outcome.answer else "")], outcome)]

    def _rows(self, row: Row, outcome: Outcome) -> list[dict[str, Any]]:
        """Give the row again with the statements as its captions: input of the 3D dialogues and descriptions."""
        objects = [
            _without_empty({"category": o.label, "bbox": o.box, "attributes": o.attributes}) for o in row.objects
        ]
        told = {
            "captions": outcome.answer.items if outcome.answer else (),
            "instances": objects,
            "relations": row.relations,
            "label": row.label,
            "description": row.description,
            "group": row.group,
            "licence": row.licence,
        }
        return [self._about(row) | _without_empty(told) | {"meta": self._provenance(row, outcome)}]

    def _questions(self, row: Row, outcome: Outcome) -> list[dict[str, Any]]:
        """Give a benchmark record whose options stand in an order drawn by the request's key."""
        from lamm_data.benchmark.build import instructions
        from lamm_data.records.benchmark import BenchmarkRecord
        from lamm_data.records.tasks import TASKS
        from lamm_data.writing.draws import fill
        from lamm_data.writing.options import lettered

        question, wrong = row.questions[0], outcome.answer.items if outcome.answer else ()
        place = self._random(outcome).randrange(len(wrong) + 1)
        choices = [*wrong[:place], question.answers[0], *wrong[place:]]
        task = next(key for key, task in TASKS.items() if (task.kind, task.modality) == ("choice", row.modality))
        words = instructions()[task]
        about = self._about(row)
        record = BenchmarkRecord(
            id=row.id,
            query=fill(words["query"], {"question": question.text, "options": lettered(choices)}),
            image=about.get("image"),
            pcl=about.get("pcl"),
            gt_choice=place,
            gt_choices=choices,
            task=task,
            dataset=row.source.get("src_dataset", row.source.get("src_image")),
            group=row.group or row.source.get("src_id", row.id),
            system=f"{words['definition']} {words['structure']}",
            src_image=about.get("src_image"),
            meta=self._provenance(row, outcome),
        )
        return [record.to_dict()]

    def _record(self, row: Row, rounds: list[tuple[str, str]], outcome: Outcome) -> dict[str, Any]:
        turns = [turn for question, answer in rounds for turn in (_turn("human", question), _turn("gpt", answer))]
        record = self._about(row) | {"conversations": turns, "task_type": self.prompt.task_type}
        record["meta"] = self._provenance(row, outcome)
        return record

    def _about(self, row: Row) -> dict[str, Any]:
        """Say what a record is about: its id, medium and source."""
        source = self.source or Path(str(row.origin.get("file", ""))).stem
        about = {"id": row.id, row.modality: self.media_prefix + row.media}
        if row.modality == "pcl":
            about["src_dataset"] = row.source.get("src_dataset", source)
            about["src_id"] = row.source.get("src_id", row.id)
        else:
            about["src_image"] = row.source.get("src_image", source)
        return _without_empty(about)

    def _provenance(self, row: Row, outcome: Outcome) -> dict[str, Any]:
        meta = {
            "source": row.origin,
            "licence": row.licence,
            "generator": outcome.reply.model,
            "fingerprint": outcome.reply.fingerprint,
            "prompt": {"name": self.prompt.name, "version": self.prompt.version, "sha256": self.prompt.sha256},
            "request": outcome.request,
            "seed": outcome.seed,
            "salvaged": bool(outcome.answer and outcome.answer.salvaged),
        }
        return {key: value for key, value in meta.items() if value != ""}

    def _random(self, outcome: Outcome) -> random.Random:
        return random.Random(f"{self.seed}:{outcome.request}")


def _turn(role: str, text: str) -> dict[str, str]:
    return {"from": role, "value": text}


def _without_empty(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in ("", (), [])}
