"""The stages of `lamm benchmark run`: commands that resume by themselves and are skipped when they are complete."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lamm_cli.benchmark.contestants import Contestant, contestants
from lamm_cli.benchmark.finetuning import tuned_contestants
from lamm_cli.benchmark.provenance import file_hash, folder_state, keep_settings, write_manifest
from lamm_cli.benchmark.sets import gather_files
from lamm_cli.children import run_lamm
from lamm_cli.comparison import ComparisonTable, score_runs
from lamm_cli.folders import sole_use, write_beside
from lamm_cli.output import console
from lamm_cli.scores import BenchmarkFile, Scorer
from lamm_cli.settings import SettingsError, Tables

STAMP = ".complete"


@dataclass
class BenchmarkRun:
    """One run directory.

    Attributes:
        folder: The directory.
        settings: All tables.
        worked: What this call did, in words; empty when everything was finished before.
    """

    folder: Path
    settings: Tables
    worked: list[str] = field(default_factory=list)

    def carry_out(self) -> ComparisonTable:
        """Do what is not done yet, and return the table.

        Raises:
            SettingsError: The settings name no model, or contradict the directory's.
            lamm_cli.folders.FolderInUseError: Another run is at work in the directory.
            lamm_cli.scores.BenchmarkFilesError: There is no benchmark under the root.
            lamm_cli.children.CommandFailedError: A stage failed; the same call goes on from it.
        """
        with sole_use(self.folder):
            self.settings = keep_settings(self.folder, self.settings)
            self._say(1, "Benchmark files")
            files = gather_files(self.settings["benchmark"], self.folder / "benchmark")
            asked = contestants(self.settings["models"], self.settings["benchmark"]["blind"])
            if self.settings["finetune"]["config"]:
                asked += tuned_contestants(self.settings, files, self.folder / "finetune")
            if not asked:
                raise SettingsError("Expected a model, got none. Name one with --model NAME=FOLDER.")
            self._say(2, f"Answers of {len(asked)} models, {sum(file.records for file in files)} records each")
            for one in asked:
                self._predict(one, files)
            self._say(3, "Scores")
            return self._score(files, asked)

    def predictions(self, one: Contestant) -> Path:
        """Return the folder of a model's predictions."""
        return self.folder / "predictions" / one.folder

    def _say(self, number: int, title: str) -> None:
        console().print(f"[bold]{number}/3[/bold] {title}")

    def _predict(self, one: Contestant, files: Sequence[BenchmarkFile]) -> None:
        folder = self.predictions(one)
        folder.mkdir(parents=True, exist_ok=True)
        stamp, state = folder / STAMP, self._state(one, files)
        whole = all((folder / f"{file.name}.jsonl").is_file() for file in files)
        if whole and stamp.is_file() and stamp.read_text() == state:
            return
        console().print(f"    {one.label}", style="dim")
        chosen = self.settings["prediction"]
        numbers = ["--batch-size", str(chosen["batch_size"]), "--dtype", chosen["dtype"], "--device", chosen["device"]]
        for root, names in _by_root(files):
            given = ["--benchmark", names[0], "--media-root", str(root), "--output", str(folder)]
            command = ["model", "predict", *one.arguments(), *given, *numbers, "--keep-going", "--", *names[1:]]
            run_lamm(command, launcher=chosen["launcher"])
        write_beside(stamp, state)
        self.worked.append(f"answers of {one.label}")

    def _state(self, one: Contestant, files: Sequence[BenchmarkFile]) -> str:
        digest = hashlib.sha256(repr((one, sorted(self.settings["prediction"].items()))).encode())
        for file in files:
            digest.update(file_hash(file.path).encode())
        if not one.endpoint:
            digest.update(folder_state(Path(one.model)).encode())
        return digest.hexdigest()

    def _score(self, files: Sequence[BenchmarkFile], asked: Sequence[Contestant]) -> ComparisonTable:
        from lamm_cli.benchmark.reporting import write_outcome

        chosen = self.settings["scoring"]
        scorer = Scorer(self.folder / "scores", chosen["protocol"], {"draws": chosen["draws"]})
        runs = {one.label: self.predictions(one) for one in asked}
        table, reports = score_runs(files, runs, scorer)
        if write_outcome(self.folder, table, reports, files):
            self.worked.append("scores and report")
            write_manifest(self.folder, files, asked)
        return table


def _by_root(files: Sequence[BenchmarkFile]) -> Iterator[tuple[Path, list[str]]]:
    """Yield the files that share a media root: one command answers them with one loaded model."""
    grouped: dict[Path, list[str]] = {}
    for file in files:
        grouped.setdefault(file.media_root, []).append(str(file.path))
    yield from grouped.items()
