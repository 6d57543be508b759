"""Recipes beside the benchmark: variants of its files, answered by the same models, compared record by record."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamm_cli.benchmark.models import Model, predict
from lamm_cli.benchmark.sets import benchmark_sources, sources_under
from lamm_cli.benchmark.variants import VariantFile, VariantRow, variant_row
from lamm_cli.folders import file_hash, recall, remember
from lamm_cli.leaderboard.scores import BenchmarkFile, Scorer
from lamm_cli.output import console, shown
from lamm_cli.processes import run_lamm
from lamm_cli.settings import SettingsError, Tables
from lamm_data import KINDS, read_recipe
from lamm_metrics import Report

FILES = "files.json"
EXAMPLES_A_TASK = 200


@dataclass
class RecipeRun:
    """One recipe within a run directory.

    Attributes:
        folder: `<run>/recipes/<recipe>`.
        recipe: Name or path of the recipe.
        settings: All tables.
        predictions: Folder of the base files' predictions.
        asks: Whether models are asked; else their answers must be there.
        worked: What this call did, in words.
        roots: Media root of each variant's file, by its name.
    """

    folder: Path
    recipe: str
    settings: Tables
    predictions: Path
    asks: bool = True
    worked: list[str] = field(default_factory=list)
    roots: dict[str, Path] = field(default_factory=dict)

    def carry_out(
        self, files: Sequence[BenchmarkFile], asked: Sequence[Model], bases: Mapping[str, Mapping[str, Report]]
    ) -> tuple[list[VariantRow], dict[str, dict[str, Report]]]:
        """Build the variants, have them answered by every model that is not blind, and compare.

        Args:
            files: The base files.
            asked: The models.
            bases: Reports of the base files by run and file, chance among them.

        Returns:
            A row a variant, file and model; and the reports of the variants by model and file.

        Raises:
            lamm_cli.settings.SettingsError: The recipe fits none of the files.
            lamm_cli.leaderboard.scores.BenchmarkFilesError: Answers are missing, and no model is asked.
            lamm_cli.processes.CommandFailedError: A stage failed; the same call goes on from it.
        """
        variants = self.variants(files)
        self.roots = {variant.file.name: variant.file.media_root for variant in variants}
        rows: list[VariantRow] = []
        reports: dict[str, dict[str, Report]] = {}
        chosen = self.settings["scoring"]
        scorer = Scorer(self.folder / "scores", chosen["protocol"], chosen["draws"])
        for one in asked:
            if one.blind:
                continue
            folder = self.folder / "predictions" / one.folder
            words = ["--probabilities"] if variants[0].probabilities and not one.endpoint else []
            if self.asks and predict(one, [variant.file for variant in variants], folder, self.settings, words):
                self.worked.append(f"{self.recipe}: answers of {one.label}")
            for variant in variants:
                answers = folder / f"{variant.file.name}.jsonl"
                report = scorer.of_run(one.label, variant.file, answers)
                reports.setdefault(one.label, {})[variant.file.name] = report
                before = self.predictions / one.folder / f"{variant.base.name}.jsonl"
                row = variant_row(self.folder.name, one.label, variant, report, (before, answers), bases, scorer)
                rows.append(row)
        return rows, reports

    def variants(self, files: Sequence[BenchmarkFile]) -> list[VariantFile]:
        """Build the variants' files where they are not there yet, which reads the recipe and shows what is wrong in it.

        Args:
            files: The base files.

        Raises:
            lamm_cli.settings.SettingsError: The recipe fits none of the files.
            lamm_cli.processes.CommandFailedError: The recipe could not be carried out.
        """
        stamp, key = self.folder / FILES, self._key(files)
        built = recall(stamp, key)
        if built is None:
            built = list(self._build(files))
            remember(stamp, key, built)
            self.worked.append(f"{self.recipe}: files")
        bases = {str(file.path): file for file in files}
        variants = [
            VariantFile(
                entry["variant"],
                BenchmarkFile.read(self.folder / entry["path"], Path(entry["media_root"])),
                bases[entry["base"]],
                entry["paired"],
                entry["probabilities"],
            )
            for entry in built
        ]
        if not variants:
            raise SettingsError(f"Expected benchmark files that the recipe {self.recipe} is for, found none.")
        return variants

    def _build(self, files: Sequence[BenchmarkFile]) -> Iterator[dict[str, Any]]:
        groups: dict[tuple[Path, Path], list[BenchmarkFile]] = {}
        for file in files:
            groups.setdefault((file.path.parent, file.media_root), []).append(file)
        for number, ((parent, root), members) in enumerate(groups.items()):
            output, said = self.folder / f"files-{number}", self.folder / f".files-{number}.json"
            options = [part for file in members for part in ("--benchmark", file.path)]
            examples = self._examples(parent, members)
            more = [] if examples is None else ["--examples", examples]
            words = ["data", "recipe", self.recipe, *options, "--media-root", root, "--output", output, *more]
            run_lamm([*words, "--json"], output=said)
            for entry in json.loads(said.read_text()):
                entry["base"] = str(parent / entry["base"])
                entry["path"] = str(Path(entry["path"]).relative_to(self.folder))
                for reason, count in entry["left_out"].items():
                    left_out = f"    {Path(entry['path']).name}: {count} left out, {reason}"
                    console().print(shown(left_out), style="dim", markup=False)
                yield entry

    def _examples(self, parent: Path, files: Sequence[BenchmarkFile]) -> Path | None:
        """Build the training split's records where the recipe shows examples: of the source that made these files."""
        recipe = read_recipe(self.recipe, KINDS)
        if recipe.kind != "in_context":
            return None
        benchmark = self.settings["benchmark"]
        root = Path(benchmark["root"])
        if parent == root:
            return root / "train"
        source = next(source for source in sources_under(root, benchmark["sources"]) if source.name == parent.name)
        train = benchmark_sources()[source.name].train
        tasks = ",".join(sorted({file.task for file in files} & set(recipe.tasks)))
        if not train or not tasks:
            return None
        output = self.folder / "examples" / source.name
        options = ["--source", source.name, "--root", source.root, "--split", train, "--tasks", tasks]
        numbers = ["--per-task", EXAMPLES_A_TASK, "--seed", benchmark["seed"]]
        run_lamm(["data", "benchmark", *options, "--output", output, *numbers])
        return output

    def _key(self, files: Sequence[BenchmarkFile]) -> str:
        digest = hashlib.sha256(repr((read_recipe(self.recipe, KINDS), self.settings["benchmark"]["seed"])).encode())
        for file in files:
            digest.update(f"{file.path} {file_hash(file.path)}".encode())
        return digest.hexdigest()
