"""`lamm data recipe`."""

from __future__ import annotations

from pathlib import Path

import click

from lamm_llm import writes_alone

_FOLDER = click.Path(path_type=Path, file_okay=False)


def _recipes(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    from lamm_data.benchmark.recipes.recipe import packaged_recipes

    return [name for name in packaged_recipes() if name.startswith(begun)]


@click.command()
@click.argument("recipe", required=False, default="", shell_complete=_recipes)
@click.option("--benchmark", "files", multiple=True, type=click.Path(path_type=Path, exists=True),
              help="Benchmark file or folder; repeatable.")  # fmt: skip
@click.option("--media-root", type=_FOLDER, help="Folder of the media (default: the benchmark's).")
@click.option("--output", type=_FOLDER, help="Folder for the variants.")
@click.option("--examples", type=_FOLDER, help="Benchmark files of the training split, for in-context examples.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
@writes_alone("output", folder=True)
def recipe(
    recipe: str,
    files: tuple[Path, ...],
    media_root: Path | None,
    output: Path | None,
    examples: Path | None,
    as_json: bool,
) -> None:
    """Change benchmark files by RECIPE (a packaged one or a TOML file); without one, list those there are."""
    import json
    from dataclasses import asdict

    from lamm_data.benchmark.recipes.apply import KINDS, apply_recipe
    from lamm_data.benchmark.recipes.recipe import packaged_recipes, read_recipe
    from lamm_data.errors import UsageError
    from lamm_data.progress import progress_bar

    if not recipe:
        recipes = [read_recipe(name, KINDS) for name in packaged_recipes()]
        if as_json:
            click.echo(json.dumps([asdict(entry) for entry in recipes]))
            return
        for entry in recipes:
            click.echo(f"{entry.name:18s} {entry.title} ({', '.join(variant.name for variant in entry.variants)})")
        return
    if not files or output is None:
        raise UsageError("Expected --benchmark and --output with a recipe, got none. Name both.")
    chosen = read_recipe(recipe, KINDS)
    listed = [path for name in files for path in (sorted(name.glob("*.json")) if name.is_dir() else [name])]
    root = media_root or listed[0].parent
    with progress_bar("changing", None) as advance:
        written = apply_recipe(chosen, listed, root, output, examples, advance)
    if as_json:
        click.echo(json.dumps([asdict(file) for file in written]))
        return
    click.echo(f"Written: {output}", err=True)
    for file in written:
        click.echo(f"{file.records:8d}  {Path(file.path).name}")
        for reason, number in file.left_out.items():
            click.echo(f"{number:8d}    left out: {reason}")
