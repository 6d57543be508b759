"""Scores of predictions files, kept as the JSON reports that `lamm metrics score --output NAME.json` writes."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lamm_cli.folders import recall, remember
from lamm_llm import loads, write_whole
from lamm_metrics import Report, chance_predictions, header_of, other_version, read_reports, score

CHANCE = "chance"


class BenchmarkFilesError(Exception):
    """The benchmark folder or a run's predictions are not what the comparison needs."""

    exit_code = 1


@dataclass(frozen=True)
class BenchmarkFile:
    """One benchmark file and the folder its media lie in.

    Attributes:
        path: File `<Task>_<Dataset>.json` whose records name their `task`.
        media_root: Folder that the records' media paths are relative to.
        task: Task key.
        records: Number of records.
    """

    path: Path
    media_root: Path
    task: str
    records: int

    @property
    def name(self) -> str:
        """Return the file's name without its ending."""
        return self.path.stem

    @classmethod
    def read(cls, path: Path, media_root: Path) -> "BenchmarkFile":
        """Look a file's task and size up.

        Raises:
            BenchmarkFilesError: It is no list of records, or they do not name their task.
        """
        try:
            records = loads(path.read_bytes())
        except ValueError as error:
            raise BenchmarkFilesError(f"Expected a benchmark file, got no JSON in {path}: {error}.") from error
        first = records[0] if isinstance(records, list) and records else None
        task = first.get("task") if isinstance(first, dict) else None
        if not task:
            raise BenchmarkFilesError(f"Expected records that name their task in {path}, found none. Build it again.")
        return cls(path, media_root, str(task), len(records))


@dataclass(frozen=True)
class Scorer:
    """Scores answers, and remembers what it has scored when it has a folder.

    Attributes:
        folder: Where reports are kept, `<folder of the predictions>/<benchmark>.json`; None keeps none.
        protocol: `standard` or `paper`.
        draws: Draws of every interval and test.
    """

    folder: Path | None = None
    protocol: str = "standard"
    draws: int = 1000

    def of_run(self, run: str, file: BenchmarkFile, answers: Path) -> Report:
        """Score one run's answers to one benchmark file.

        Raises:
            BenchmarkFilesError: There are no answers, or they are to another version of the file.
        """
        if not answers.exists():
            raise BenchmarkFilesError(
                f"Expected predictions of {run} in {answers}, found none. Run `lamm model predict`."
            )
        other = other_version(file.path, header_of(answers))
        if other:
            raise BenchmarkFilesError(f"Expected answers to {file.path} in {answers}, but {other}. Answer it again.")

        def scored() -> Report:
            return score(file.task, file.path, answers, self.protocol, draws=self.draws)

        return self._remembered(answers.parent.name, file, answers.read_bytes(), scored)

    def of_chance(self, file: BenchmarkFile) -> Report:
        """Score somebody who knows the data set and never looks."""

        def scored() -> Report:
            drawn = chance_predictions(file.task, file.path)
            return replace(score(file.task, file.path, drawn, self.protocol, draws=self.draws), model=CHANCE)

        return self._remembered(CHANCE, file, CHANCE.encode(), scored)

    def beside(
        self, answers: Path, file: BenchmarkFile, name: str, make: Callable[[], dict[str, Any]], further: bytes = b""
    ) -> dict[str, Any]:
        """Return what was found out about one run's answers under a name; find it out if it is not remembered.

        Args:
            answers: The predictions.
            file: The benchmark file they answer.
            name: Names what is found out.
            make: Finds it out, as plain values.
            further: Whatever else it depends on.
        """
        if self.folder is None:
            return make()
        path = self.folder / answers.parent.name / f".{file.name}.{name}.json"
        key = self._key(file, answers.read_bytes() + further)
        value: dict[str, Any] | None = recall(path, key)
        if value is None:
            value = make()
            remember(path, key, value)
        return value

    def _key(self, file: BenchmarkFile, answers: bytes) -> str:
        digest = hashlib.sha256(file.path.read_bytes())
        digest.update(answers)
        digest.update(repr((self.protocol, [("draws", self.draws)], version("lamm-metrics"))).encode())
        return digest.hexdigest()

    def _remembered(self, folder: str, file: BenchmarkFile, answers: bytes, make: Callable[[], Report]) -> Report:
        if self.folder is None:
            return make()
        path, key = self.folder / folder / f"{file.name}.json", self._key(file, answers)
        stamp = path.with_name(f".{file.name}.sha256")
        if path.is_file() and stamp.is_file() and stamp.read_text() == key:
            return read_reports(path)[0]
        report = make()
        stamp.unlink(missing_ok=True)
        write_whole(path, json.dumps([report.to_json(samples=True)], indent=1))
        write_whole(stamp, key)
        return report
