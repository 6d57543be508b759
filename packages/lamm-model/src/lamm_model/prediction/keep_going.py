"""Go on after samples that cannot be answered: each is tried alone, then recorded as failed with its trace."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator
from pathlib import Path

from lamm_model.errors import LammModelError
from lamm_model.prediction.queries import Answer, Answers, Query, UnsupportedMediumError

ENOUGH = 20  # samples that fail before any was answered: then the model is at fault, not the samples
LONGEST = 500  # characters of an error's line


class EndpointRefusedError(LammModelError):
    """The endpoint cannot be reached, or refuses the key or the model: every other sample would fail as well."""


class KeepGoing:
    """Answers queries through another source, and records those that it cannot answer instead of stopping.

    Where a batch fails, the rest is asked in halves until the samples that fail stand alone. A failed sample's answer
    is `{"text": "", "error": "one line"}`; its trace is appended to the failures file.

    Attributes:
        source: What answers.
        failures: File of the failures, one JSON object a line: `id`, `key`, `error`, `trace`.
        failed: How many samples failed so far.
        answered: How many were answered so far.
    """

    def __init__(self, source: Answers, failures: Path) -> None:
        self.source = source
        self.failures = failures
        self.failed = 0
        self.answered = 0

    def answer(self, queries: list[Query]) -> Iterator[list[tuple[Query, Answer]]]:
        """Answer queries as the source does; failed ones come with an error.

        Raises:
            EndpointRefusedError: No sample can be answered there.
            LammModelError: The first samples failed, every one.
        """
        answered: set[str] = set()
        try:
            for batch in self.source.answer(queries):
                answered.update(query.key for query, _ in batch)
                self.answered += len(batch)
                yield batch
        except EndpointRefusedError:
            raise
        except Exception as fault:  # noqa: BLE001 - whatever a model's code raises about one sample
            rest = [query for query in queries if query.key not in answered]
            if len(rest) == 1:
                yield [(rest[0], self._record(rest[0], fault))]
                return
        else:
            return
        middle = (len(rest) + 1) // 2
        for half in (rest[:middle], rest[middle:]):
            if half:
                yield from self.answer(half)

    def _record(self, query: Query, fault: Exception) -> Answer:
        error = " ".join(f"{type(fault).__name__}: {fault}".split())[:LONGEST]
        if not isinstance(fault, UnsupportedMediumError):
            self.failed += 1
            if self.failed >= ENOUGH and not self.answered:
                raise LammModelError(
                    f"Expected a model that answers some samples, got a failure for each of the first {ENOUGH}; "
                    f"the last: {error}. Mend the model; the traces are in {self.failures}."
                ) from fault
        self.failures.parent.mkdir(parents=True, exist_ok=True)
        entry = {
            "id": query.record_id,
            "key": query.key,
            "error": error,
            "trace": "".join(traceback.format_exception(fault)),
        }
        with self.failures.open("a", encoding="utf-8", newline="\n") as handle:
            handle.write(json.dumps(entry) + "\n")
        return {"text": "", "error": error}


def failures_file(output: Path) -> Path:
    """Return where the traces of an output's failed samples lie."""
    return output.with_name(f"{output.stem}.failures.jsonl")
