"""The table of variants: base, variant, and their difference with its paired interval."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lamm_cli.leaderboard.scores import CHANCE, BenchmarkFile, Scorer
from lamm_cli.leaderboard.table import Cell
from lamm_cli.output import csv_text, markdown_table, print_table
from lamm_llm import write_whole
from lamm_metrics import Report, Share, score, vary

Interval = tuple[float, float]
TABLE, VARIANTS = "recipes.csv", "recipes.html"
HEAD = ("recipe", "variant", "benchmark", "metric", "model", "base", "variant score", "difference", "p", "same choice",
        "kept share", "ECE width", "ECE mass")  # fmt: skip


@dataclass(frozen=True)
class VariantFile:
    """A variant of a benchmark file.

    Attributes:
        variant: Name of the variant.
        file: The changed file.
        base: The file it was made from.
        paired: Whether its records are those of the base file.
        probabilities: Whether options are scored by their likelihood.
    """

    variant: str
    file: BenchmarkFile
    base: BenchmarkFile
    paired: bool
    probabilities: bool


@dataclass(frozen=True)
class VariantRow:
    """One model on one variant of one file.

    Attributes:
        recipe: Name of the recipe.
        variant: Name of the variant.
        benchmark: Name of the variant's file.
        metric: Headline metric.
        higher_is_better: Its direction.
        model: The model.
        base: Score on the base file's records; None where the variant asks other questions.
        score: Score on the variant.
        difference: Variant minus base.
        interval: Paired interval of the difference.
        p_value: Of no difference.
        same_choice: Share of records with the same option or class chosen, with its interval.
        kept: Share of the base score's distance from chance that is kept, with its interval; None near chance.
        ece: Calibration errors of equal width and equal mass, where options were scored by likelihood.
    """

    recipe: str
    variant: str
    benchmark: str
    metric: str
    higher_is_better: bool
    model: str
    base: Cell | None
    score: Cell
    difference: float | None = None
    interval: Interval | None = None
    p_value: float | None = None
    same_choice: Cell | None = None
    kept: Cell | None = None
    ece: tuple[Cell, Cell] | None = None

    def texts(self) -> list[str]:
        """Return the row's cells, as `HEAD` names them."""
        low, high = self.interval or (None, None)
        sides = "" if low is None or high is None else f" [{low:+.2f}, {high:+.2f}]"
        return [
            self.recipe,
            self.variant,
            self.benchmark.partition("+")[0],
            f"{self.metric} {'↑' if self.higher_is_better else '↓'}",
            self.model,
            "–" if self.base is None else str(self.base),
            str(self.score),
            "–" if self.difference is None else f"{self.difference:+.2f}{sides}",
            "–" if self.p_value is None else f"{self.p_value:.3f}",
            *[
                "–" if cell is None else str(cell)
                for cell in (self.same_choice, self.kept, *(self.ece or (None, None)))
            ],
        ]


def variant_row(
    recipe: str,
    model: str,
    variant: VariantFile,
    report: Report,
    answers: tuple[Path, Path],
    bases: Mapping[str, Mapping[str, Report]],
    scorer: Scorer,
) -> VariantRow:
    """Compare one model's answers to a variant with its answers to the base file.

    Args:
        recipe: Name of the recipe.
        model: The model.
        variant: The variant.
        report: Its report.
        answers: Predictions of the base file and of the variant.
        bases: Reports of the base files by run and file.
        scorer: Remembers what was compared.
    """
    score = report.headline
    named = (recipe, variant.variant, variant.file.name, score.name, score.higher_is_better, model)
    if not variant.paired:
        return VariantRow(*named, None, Cell.of(score))

    def compared() -> dict[str, Any]:
        found = vary(
            variant.base.task,
            (variant.base.path, answers[0]),
            (variant.file.path, answers[1]),
            scorer.protocol,
            draws=scorer.draws,
        )
        kept = found.retained(bases[CHANCE][variant.base.name].headline)
        comparison = found.comparison
        return {
            "base": asdict(Cell.of(found.base)),
            "difference": None if comparison is None else comparison.difference,
            "interval": None if comparison is None else comparison.interval,
            "p_value": None if comparison is None else comparison.p_value,
            "same_choice": _share(found.same_choice),
            "kept": _share(kept),
            "ece": _calibration(variant, answers[1], scorer),
        }

    found = scorer.beside(
        answers[1], variant.file, "variation", compared, variant.base.path.read_bytes() + answers[0].read_bytes()
    )
    base = Cell.read(found["base"])
    ece = found["ece"] and (Cell.read(found["ece"][0]), Cell.read(found["ece"][1]))
    interval = found["interval"] and (found["interval"][0], found["interval"][1])
    same, kept = (found[name] and Cell.read(found[name]) for name in ("same_choice", "kept"))
    rest = (found["p_value"], same, kept, ece)
    return VariantRow(*named, base, Cell.of(score), found["difference"], interval, *rest)


def _calibration(variant: VariantFile, answers: Path, scorer: Scorer) -> list[dict[str, Any]] | None:
    if not variant.probabilities:
        return None
    found = []
    for binning in ("width", "mass"):
        measured = score(
            variant.file.task, variant.file.path, answers, metrics=["ece"], samples=False, binning=binning,
            draws=scorer.draws,
        ).headline  # fmt: skip
        found.append(asdict(Cell.of(measured)))
    return found if any(cell["value"] is not None for cell in found) else None


def _share(share: Share | None) -> dict[str, Any] | None:
    return None if share is None else asdict(Cell(share.value, share.interval, 0.0))


def variants_markdown(rows: Sequence[VariantRow]) -> str:
    """Return the rows as a Markdown table."""
    return markdown_table(HEAD, (row.texts() for row in rows))


def variants_csv(rows: Sequence[VariantRow]) -> str:
    """Return the rows as CSV, a column a number."""
    named = ["recipe", "variant", "benchmark", "metric", "higher_is_better", "model"]
    shares = ["same_choice", "kept", "kept_low", "kept_high"]
    numbers = ["base", "score", "difference", "low", "high", "p_value", *shares, "ece_width", "ece_mass"]
    lines: list[list[object]] = [[*named, *numbers, "failure_rate"]]
    for row in rows:
        base, same, kept, *ece = (
            cell and cell.value for cell in (row.base, row.same_choice, row.kept, *(row.ece or (None, None)))
        )
        changed = [row.difference, *(row.interval or (None, None)), row.p_value]
        sides = row.kept.sides if row.kept else (None, None)
        texts = [row.recipe, row.variant, row.benchmark, row.metric, row.higher_is_better, row.model]
        lines.append([*texts, base, row.score.value, *changed, same, kept, *sides, *ece, row.score.failed])
    return csv_text(lines)


def variants_written(folder: Path, rows: Sequence[VariantRow]) -> bool:
    """Return whether the tables and the page of these rows lie in a run directory."""
    table = folder / TABLE
    return table.is_file() and table.read_text() == variants_csv(rows) and (folder / VARIANTS).is_file()


def write_variants(folder: Path, rows: Sequence[VariantRow]) -> None:
    """Write `recipes.json`, `.md` and, last, `.csv`."""
    write_whole(folder / "recipes.json", json.dumps([asdict(row) for row in rows], indent=1))
    write_whole(folder / "recipes.md", variants_markdown(rows))
    write_whole(folder / TABLE, variants_csv(rows))


def show_variants(rows: Sequence[VariantRow]) -> None:
    """Print the rows on stdout."""
    print_table(HEAD, (row.texts() for row in rows), width=220)
