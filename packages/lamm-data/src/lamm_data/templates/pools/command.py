"""`lamm data templates`: list, check and grow template pools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

_PATH = click.Path(path_type=Path)


def _pools(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    from lamm_data.templates.pools.definitions import load_definitions

    return [name for name in load_definitions() if name.startswith(begun)]


@click.group()
def templates() -> None:
    """List, check and grow the pools of questions and answers that `lamm data convert` draws from."""


@templates.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_pools(as_json: bool) -> None:
    """List the package's pools with their tasks and sizes."""
    from lamm_data.templates.pools.definitions import load_definitions
    from lamm_data.templates.pools.pools import load_pool

    rows = []
    for name, definition in load_definitions().items():
        pool = load_pool(name)
        sizes = {"questions": len(pool.questions), "answers": len(pool.answers["full"])}
        rows.append({"name": name, **sizes, "task": definition.task})
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        click.echo(f"{row['name']:28s}{row['questions']:4d} questions {row['answers']:4d} answers  {row['task']}")


@templates.command()
@click.argument("folder", type=_PATH)
@click.option("--json", "as_json", is_flag=True, help="Print sizes and faults as JSON.")
def check(folder: Path, as_json: bool) -> None:
    """Check the pools of a FOLDER: placeholders, questions that name what is asked, claims no annotation makes."""
    from lamm_data.errors import LammDataError
    from lamm_data.templates.pools.definitions import load_definitions, pool_faults
    from lamm_data.templates.pools.pools import read_pools

    rows: list[dict[str, Any]] = []
    for name, pool in read_pools(folder).items():
        faults = list(pool_faults(pool)) if name in load_definitions() else [f"no task draws from a pool {name!r}"]
        sizes = {"questions": len(pool.questions), "answers": len(pool.answers["full"])}
        rows.append({"name": name, **sizes, "faults": faults})
    if as_json:
        click.echo(json.dumps(rows))
    else:
        for row in rows:
            click.echo(f"{row['name']}: {row['questions']} questions, {row['answers']} answers")
            for fault in row["faults"]:
                click.echo(f"  {fault}")
    if count := sum(len(row["faults"]) for row in rows):
        raise LammDataError(f"Expected pools without faults, got {count}: see the list above.")


@templates.command()
@click.argument("name", shell_complete=_pools)
@click.option("--endpoint", required=True, help="Base URL of an OpenAI-compatible server.")
@click.option("--model", required=True, help="Model name, as the server knows it.")
@click.option("--output", type=_PATH, required=True, help="TOML file to write; name it NAME.toml for --pools.")
@click.option("--questions", type=click.IntRange(1), default=40, show_default=True, help="Questions wanted in the end.")
@click.option("--answers", type=click.IntRange(1), default=30, show_default=True, help="Answers wanted in the end.")
@click.option("--base", type=_PATH, default=None, help="Pool file to start from; the package's when left out.")
@click.option("--definition", "task", default="", help="What the task is, in your words; the package's when left out.")
@click.option("--similarity", type=float, default=0.85, show_default=True, help="ROUGE-L from which two texts are one.")
@click.option("--temperature", type=float, default=1.0, show_default=True, help="Sampling temperature.")
@click.option("--max-requests", type=click.IntRange(1), default=40, show_default=True, help="Requests at most.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of shown examples and requests.")
@click.option(
    "--api-key-env", help="Environment variable of the endpoint's API key [OpenAI: OPENAI_API_KEY; else no key]."
)
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def generate(endpoint: str, api_key_env: str | None, as_json: bool, **options: Any) -> None:
    """Grow the pool NAME through a language model, from the task's definition.

    Every template is checked; near-duplicates are dropped. The file says which model and prompt it came from.
    """
    from lamm_data.errors import LammDataError
    from lamm_data.progress import progress_bar
    from lamm_data.templates.pools.growing import GrowthSettings, grow_pool
    from lamm_llm import EndpointSettings, find_key

    server = EndpointSettings(endpoint, key=find_key(endpoint, api_key_env))
    settings = GrowthSettings(endpoint=server, **options)
    with progress_bar("growing", None) as advance:
        growth = grow_pool(settings, advance)
    if as_json:
        click.echo(json.dumps(growth.to_dict()))
    else:
        click.echo(
            f"{len(growth.questions)} questions ({growth.added['question']} new), {len(growth.answers)} answers "
            f"({growth.added['answer']} new) in {settings.output}; {growth.requests} answers of the model read"
        )
        for reason, number in growth.rejected.most_common():
            click.echo(f"{number:8d}  {reason}")
    if growth.stopped:
        raise LammDataError(
            f"Expected {settings.questions} questions and {settings.answers} answers, got {len(growth.questions)} and "
            f"{len(growth.answers)}: {growth.stopped}. What there is has been written."
        )
