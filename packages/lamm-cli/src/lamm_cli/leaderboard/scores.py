"""Scores of predictions files, kept as the JSON reports that `lamm metrics score --output NAME.json` writes."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamm_cli.folders import write_beside

if TYPE_CHECKING:
    from lamm_metrics import Report

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
            records = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise BenchmarkFilesError(f"Expected a benchmark file, got no JSON in {path}: {error}.") from error
        task = records[0].get("task") if isinstance(records, list) and records else None
        if not task:
            raise BenchmarkFilesError(f"Expected records that name their task in {path}, found none. Build it again.")
        return cls(path, media_root, str(task), len(records))


@dataclass(frozen=True)
class Scorer:
    """Scores answers, and remembers what it has scored when it has a folder.

    Attributes:
        folder: Where reports are kept, `<folder of the predictions>/<benchmark>.json`; None keeps none.
        protocol: `standard` or `paper`.
        options: Further arguments of `lamm_metrics.score`, such as `draws`.
    """

    folder: Path | None = None
    protocol: str = "standard"
    options: Mapping[str, Any] = field(default_factory=dict)

    def of_run(self, run: str, file: BenchmarkFile, answers: Path) -> "Report":
        """Score one run's answers to one benchmark file.

        Raises:
            BenchmarkFilesError: There are no answers, or they are to another version of the file.
        """
        from lamm_metrics import header_of, other_version, score

        if not answers.exists():
            raise BenchmarkFilesError(
                f"Expected predictions of {run} in {answers}, found none. Run `lamm model predict`."
            )
        other = other_version(file.path, header_of(answers))
        if other:
            raise BenchmarkFilesError(f"Expected answers to {file.path} in {answers}, but {other}. Answer it again.")
        folder, key = answers.parent.name, self._key(file, answers.read_bytes())
        return self._remembered(folder, file, key) or self._remember(
            folder, file, key, score(file.task, file.path, answers, self.protocol, **self.options)
        )

    def of_chance(self, file: BenchmarkFile) -> "Report":
        """Score somebody who knows the data set and never looks."""
        from dataclasses import replace

        from lamm_metrics import chance_predictions, score

        key = self._key(file, CHANCE.encode())
        remembered = self._remembered(CHANCE, file, key)
        if remembered is not None:
            return remembered
        drawn = chance_predictions(file.task, file.path)
        report = score(file.task, file.path, drawn, self.protocol, **self.options)
        return self._remember(CHANCE, file, key, replace(report, model=CHANCE))

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
        kept: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
        if kept.get("key") != key:
            kept = {"key": key, "value": make()}
            path.parent.mkdir(parents=True, exist_ok=True)
            write_beside(path, json.dumps(kept))
        value: dict[str, Any] = kept["value"]
        return value

    def _key(self, file: BenchmarkFile, answers: bytes) -> str:
        from importlib.metadata import version

        digest = hashlib.sha256(file.path.read_bytes())
        digest.update(answers)
        digest.update(repr((self.protocol, sorted(self.options.items()), version("lamm-metrics"))).encode())
        return digest.hexdigest()

    def _paths(self, folder: str, file: BenchmarkFile) -> tuple[Path, Path] | None:
        if self.folder is None:
            return None
        return self.folder / folder / f"{file.name}.json", self.folder / folder / f".{file.name}.sha256"

    def _remembered(self, folder: str, file: BenchmarkFile, key: str) -> "Report | None":
        paths = self._paths(folder, file)
        if paths is None or not all(path.is_file() for path in paths) or paths[1].read_text() != key:
            return None
        from lamm_metrics import read_reports

        return read_reports(paths[0])[0]

    def _remember(self, folder: str, file: BenchmarkFile, key: str, report: "Report") -> "Report":
        paths = self._paths(folder, file)
        if paths is not None:
            paths[0].parent.mkdir(parents=True, exist_ok=True)
            paths[1].unlink(missing_ok=True)
            write_beside(paths[0], json.dumps([report.to_json(samples=True)], indent=1))
            write_beside(paths[1], key)
        return report
