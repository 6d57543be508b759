"""The stages of `lamm benchmark run`: commands that resume by themselves and are skipped when they are complete."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lamm_cli.benchmark.judging import judge_captions
from lamm_cli.benchmark.models import Model, asked_models, predict, tuned_models
from lamm_cli.benchmark.provenance import finished_run, keep_settings, write_manifest
from lamm_cli.benchmark.recipes import RecipeRun
from lamm_cli.benchmark.reporting import paired, write_outcome, write_variant_report
from lamm_cli.benchmark.sets import gather_files
from lamm_cli.benchmark.variants import VariantRow, variants_written, write_variants
from lamm_cli.leaderboard.scores import BenchmarkFile, Scorer
from lamm_cli.leaderboard.table import ComparisonTable, score_runs
from lamm_cli.output import console
from lamm_cli.settings import SettingsError, Tables
from lamm_data import KINDS, read_recipe
from lamm_llm import find_key, sole_use
from lamm_metrics import Report


@dataclass
class BenchmarkRun:
    """One run directory.

    Attributes:
        folder: The directory.
        settings: All tables.
        worked: What this call did, in words; empty when everything was finished before.
        variants: What the recipes found, a row a model and variant.
        asks: Whether models are asked; else tables and reports are written anew from the answers that are there.
    """

    folder: Path
    settings: Tables
    worked: list[str] = field(default_factory=list)
    variants: list[VariantRow] = field(default_factory=list)
    asks: bool = True

    def _asked_models(self) -> list[Model]:
        """Return the models, once every endpoint's address and key are found usable."""
        judge = self.settings["judge"]
        if judge["endpoint"]:
            find_key(judge["endpoint"], judge["api_key_env"])
        return asked_models(self.settings["models"], self.settings["benchmark"]["blind"], self.settings["api_keys"])

    def carry_out(self) -> ComparisonTable:
        """Do what is not done yet, and return the table.

        Raises:
            SettingsError: The settings name no model, or contradict the directory's.
            lamm_llm.InUseError: Another run is at work in the directory.
            lamm_cli.leaderboard.scores.BenchmarkFilesError: There is no benchmark under the root.
            lamm_cli.processes.CommandFailedError: A stage failed; the same call goes on from it.
        """
        for name in self.settings["benchmark"]["recipes"]:
            read_recipe(name, KINDS)  # before the run directory takes its name
        self._asked_models()  # nor does it take an address that carries a secret
        with sole_use(self.folder, folder=True):
            self.settings = keep_settings(self.folder, self.settings)
            # Whatever is wrong with the settings is said before anything long begins.
            asked = self._asked_models()
            if not asked and not self.settings["finetune"]["config"]:
                raise SettingsError("Expected a model, got none. Name one with --model NAME=FOLDER.")
            self._say(1, "Benchmark files")
            files = gather_files(self.settings["benchmark"], self.folder / "benchmark")
            for recipe in self._recipes():
                recipe.variants(files)
                self.worked += recipe.worked
            if self.settings["finetune"]["config"]:
                asked += tuned_models(self.settings, files, self.folder / "finetune")
            blind = sum(one.blind for one in asked)
            models = f"{len(asked) - blind} model{'s' * (len(asked) - blind > 1)}{', each also blind' if blind else ''}"
            self._say(2, f"Answers of {models}: {sum(file.records for file in files)} records each")
            for one in asked:
                if predict(one, files, self.predictions(one), self.settings):
                    self.worked.append(f"answers of {one.label}")
            self._say(3, "Scores")
            return self._score(files, asked)

    @classmethod
    def rewrite(cls, folder: Path) -> "BenchmarkRun":
        """Write the tables and reports of a finished run anew, without asking any model.

        What is scored already is not scored again.

        Raises:
            lamm_llm.InUseError: A run is at work in the directory.
            lamm_cli.leaderboard.scores.BenchmarkFilesError: No finished run is here, or predictions are missing.
        """
        settings, asked = finished_run(folder)
        run = cls(folder, settings, asks=False)
        with sole_use(folder, folder=True):
            run._score(gather_files(settings["benchmark"], folder / "benchmark"), asked)
        return run

    def predictions(self, one: Model) -> Path:
        """Return the folder of a model's predictions."""
        return self.folder / "predictions" / one.folder

    def _say(self, number: int, title: str) -> None:
        console().print(f"[bold]{number}/3[/bold] {title}")

    def _score(self, files: Sequence[BenchmarkFile], asked: Sequence[Model]) -> ComparisonTable:
        chosen = self.settings["scoring"]
        scorer = Scorer(self.folder / "scores", chosen["protocol"], chosen["draws"])
        runs = {one.label: self.predictions(one) for one in asked}
        table, reports = score_runs(files, runs, scorer)
        judged = judge_captions(self.settings["judge"], files, runs, self.folder)
        with console().status("comparing models"):
            significance = paired(files, runs, scorer)
            written = write_outcome(self.folder, table, reports, files, significance, judged, force=not self.asks)
        if written:
            self.worked.append("scores and report")
            write_manifest(self.folder, files, asked)
        self._vary(files, asked, reports)
        return table

    def _recipes(self) -> list[RecipeRun]:
        answers, asks = self.folder / "predictions", self.asks
        return [
            RecipeRun(self.folder / "recipes" / Path(name).stem, name, self.settings, answers, asks=asks)
            for name in self.settings["benchmark"]["recipes"]
        ]

    def _vary(
        self, files: Sequence[BenchmarkFile], asked: Sequence[Model], reports: dict[str, dict[str, Report]]
    ) -> None:
        recipes = self._recipes()
        if not recipes:
            return
        varied: dict[str, dict[str, Report]] = {}
        roots: dict[str, Path] = {}
        differences: dict[str, dict[str, VariantRow]] = {}
        for run in recipes:
            self._say(3, f"Recipe {run.folder.name}")
            rows, found = run.carry_out(files, asked, reports)
            self.worked += run.worked
            self.variants += rows
            for row in rows:
                differences.setdefault(f"{run.folder.name}: {row.benchmark}", {})[row.model] = row
            roots |= {f"{run.folder.name}: {key}": root for key, root in run.roots.items()}
            for model, by_file in found.items():
                varied.setdefault(model, {}).update({f"{run.folder.name}: {key}": one for key, one in by_file.items()})
        # The page before the tables, which tell the next call that all is there.
        if not variants_written(self.folder, self.variants) or not self.asks:
            self.worked.append("table of variants")
            write_variant_report(self.folder, varied, roots, differences)
            write_variants(self.folder, self.variants)
