"""Apply a recipe to benchmark files."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass, make_dataclass
from pathlib import Path

from lamm_data.benchmark.recipes.alignment import ALIGNMENT_TASK, is_alignment_set, read_alignment
from lamm_data.benchmark.recipes.cloud_corruption import CloudCorruption, corrupt_clouds
from lamm_data.benchmark.recipes.image_corruption import ImageCorruption, corrupt_images
from lamm_data.benchmark.recipes.in_context import InContext, add_examples
from lamm_data.benchmark.recipes.presence import PRESENCE_TASK, Presence, ask_presence
from lamm_data.benchmark.recipes.recipe import Job, Kind, Recipe, Variant
from lamm_data.benchmark.recipes.remapping import Remapping, remap
from lamm_data.benchmark.recipes.text_corruption import TextCorruption, corrupt_texts
from lamm_data.errors import UsageError
from lamm_data.files.json_lines import iter_values
from lamm_data.files.shards import write_values
from lamm_data.progress import Advance, unwatched
from lamm_data.records.benchmark import BenchmarkRecord, read_benchmark
from lamm_data.records.instruction import is_header
from lamm_data.records.tasks import benchmark_file_name, task_of_file_name

_UNCHANGED = Kind(lambda records, settings, job: records, make_dataclass("NoSettings", ()))
KINDS = {
    "remap": Kind(remap, Remapping),
    "in_context": Kind(add_examples, InContext, least=1),
    "image_corruption": Kind(corrupt_images, ImageCorruption),
    "text_corruption": Kind(corrupt_texts, TextCorruption, least=0),
    "cloud_corruption": Kind(corrupt_clouds, CloudCorruption, least=0),
    "presence": Kind(ask_presence, Presence, least=1),
    "likelihood": _UNCHANGED,
    "alignment": _UNCHANGED,
}
"""What a recipe can do, by kind. `likelihood` changes how models are asked, not the files."""
NEW_MEDIA = ("image_corruption", "cloud_corruption")
UNPAIRED = ("presence", "alignment")


@dataclass(frozen=True, slots=True)
class VariantFile:
    """One file of one variant.

    Attributes:
        variant: Name of the variant.
        base: The base file's name.
        path: File written.
        media_root: Folder its media lie in.
        records: Records written.
        left_out: Records and examples left out, by reason.
        paired: Whether its records are those of the base file, by id.
        probabilities: Whether options are to be scored by their likelihood.
    """

    variant: str
    base: str
    path: str
    media_root: str
    records: int
    left_out: dict[str, int]
    paired: bool
    probabilities: bool


def apply_recipe(
    recipe: Recipe,
    files: Sequence[Path],
    media_root: Path,
    output: Path,
    examples: Path | None = None,
    progress: Advance = unwatched,
) -> list[VariantFile]:
    """Write `<Task>_<Dataset>+<variant>.json` for every variant and every file of the recipe's tasks.

    Args:
        recipe: What to do.
        files: Benchmark files; those of other tasks are passed over. A recipe of the kind `alignment` reads sets of
            Ch3Ef's layout.
        media_root: Folder of their media.
        output: Folder for the variants; changed media go to `media/<variant>`.
        examples: Folder of the training split's benchmark files (`<Task>_<Dataset>_<split>.json`), for examples.
        progress: Called with the number of newly finished files.

    Raises:
        UsageError: A variant's settings are wrong, or the training split is missing where examples come from it.
        lamm_data.errors.LammDataError: Files or media are faulty.
    """
    written = []
    for path in files:
        records = _records(recipe, path)
        if not records:
            continue
        for variant in recipe.variants:
            written.append(_variant_file(recipe, variant, path, records, media_root, output, examples))
            progress(1)
    return written


def _records(recipe: Recipe, path: Path) -> list[BenchmarkRecord]:
    if recipe.kind == "alignment":
        return read_alignment(path, recipe.seed) if is_alignment_set(path) else []
    # Files of other tasks are not read: among them may be yes/no sets, which only lamm-metrics knows.
    return [] if is_alignment_set(path) or _task(path) not in recipe.tasks else read_benchmark(path)


def _task(path: Path) -> str:
    for _, value in iter_values(path):
        if isinstance(value, dict) and not is_header(value, "benchmark", path):
            modality = "image" if value.get("image") is not None else "pcl"
            named = task_of_file_name(path.name, modality)
            return str(value.get("task") or (named.key if named else ""))
    return ""


def _variant_file(
    recipe: Recipe,
    variant: Variant,
    path: Path,
    records: Sequence[BenchmarkRecord],
    media_root: Path,
    output: Path,
    examples: Path | None,
) -> VariantFile:
    media = output / "media"
    pool = _examples(path, examples) if recipe.kind == "in_context" else []
    job = Job(recipe.seed, variant.name, media_root, media, pool)
    changed = KINDS[recipe.kind].change(records, variant.values, job)
    if not changed:
        reasons = ", ".join(f"{number} times {reason}" for reason, number in job.left_out.items())
        raise UsageError(f"Expected records for the recipe {recipe.name}, got none out of {path.name}: {reasons}.")
    target = output / _file_name(recipe, variant, path)
    values = [item.to_dict() if isinstance(item, BenchmarkRecord) else item for item in changed]
    count = write_values(target, values)
    root = media if recipe.kind in NEW_MEDIA else media_root
    paired, scored = recipe.kind not in UNPAIRED, recipe.kind == "likelihood"
    return VariantFile(variant.name, path.name, str(target), str(root), count, dict(job.left_out), paired, scored)


def _file_name(recipe: Recipe, variant: Variant, path: Path) -> str:
    """Name a variant's file; records of another layout or task than the base file's get their own task's name."""
    suffix = f"+{variant.name}"
    if recipe.kind == "alignment":
        return benchmark_file_name(ALIGNMENT_TASK, path.stem, suffix)
    if recipe.kind == "presence":
        return benchmark_file_name(PRESENCE_TASK, path.stem.partition("_")[2], suffix)
    return f"{path.stem}{suffix}.json"


def _examples(path: Path, folder: Path | None) -> list[BenchmarkRecord]:
    paths = [] if folder is None else sorted(folder.glob(f"{glob.escape(path.stem)}_*.json"))
    if len(paths) != 1:
        raise UsageError(
            f"Expected one file {path.stem}_<split>.json with examples, found {len(paths)} in {folder}. "
            "Build it with `lamm data benchmark --split train`, and name its folder with --examples."
        )
    return read_benchmark(paths[0])
