"""A hook of mkdocs: the pages below reference/ are written when the site is built, so they cannot go stale.

Commands come from the commands themselves, as `--help` prints them; names come from each package's `__all__` and their
text from their docstrings, which mkdocstrings reads without importing anything.
"""

import ast
import importlib
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
INTRODUCTIONS = {
    "lamm_llm": "Importing the package loads nothing heavy; the `openai` SDK comes with the first endpoint.",
    "lamm_metrics": "Importing the package loads nothing heavy. What each number means: [Metrics](../metrics.md).",
    "lamm_data": "What the files hold: [Formats](../formats.md). How they come about: [Data](../data.md).",
    "lamm_metrics.gpt": "A language model judges; extra `lamm-metrics[gpt]`. See [GPT Metric](../judge.md).",
    "lamm_model": "The first name that is used registers the model with transformers. See [Model](../model.md).",
    "lamm_model.kernels": "The contract that every implementation keeps: [Kernels](../kernels.md).",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    files.append(File.generated(config, "reference/commands.md", content=commands_page()))
    for package, introduction in INTRODUCTIONS.items():
        files.append(File.generated(config, f"reference/{package}.md", content=names_page(package, introduction)))
    return files


def commands_page() -> str:
    """Every command with the help that it prints."""
    for folder in sorted(ROOT.glob("packages/*/src")):
        sys.path.insert(0, str(folder))
    lamm = importlib.import_module("lamm_cli.main").lamm
    lamm.commands.update(_declared())
    parts = [
        "# Every command\n\nAs `--help` prints it. What holds for all of them, exit statuses and errors: "
        "[Commands](../cli.md).\n"
    ]
    for context in _walk(click.Context(lamm, info_name="lamm", terminal_width=80, **lamm.context_settings)):
        path = context.command_path
        heading = "#" * max(2, path.count(" ") + 1)
        parts.append(f"{heading} {path}\n\n```text\n{context.get_help()}\n```\n")
    return "\n".join(parts)


def _declared() -> dict[str, click.Command]:
    """The commands that the packages declare as entry points, whether they are installed or not."""
    found = {}
    for project in ROOT.glob("packages/*/pyproject.toml"):
        declared = tomllib.loads(project.read_text(encoding="utf-8"))["project"].get("entry-points", {})
        for name, target in declared.get("lamm.commands", {}).items():
            module, _, attribute = target.partition(":")
            found[name] = getattr(importlib.import_module(module), attribute)
    return found


def _walk(context: click.Context) -> Iterator[click.Context]:
    yield context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            found = context.command.get_command(context, name)
            if found is not None and not found.hidden:
                yield from _walk(click.Context(found, parent=context, info_name=name, terminal_width=80))


def names_page(package: str, introduction: str) -> str:
    """The public names of a package, each where it is defined."""
    homes = _homes(package)
    blocks = "\n".join(f"::: {package}.{home}.{name}\n" for name, home in sorted(homes.items(), key=_by_module))
    return f"# {package}\n\n{introduction}\n\n{blocks}"


def _by_module(item: tuple[str, str]) -> tuple[str, str]:
    return item[1], item[0]


def _homes(package: str) -> dict[str, str]:
    """Read from a package's `__init__` which module holds each public name, without importing it."""
    distribution = package.partition(".")[0].replace("_", "-")
    path = ROOT / "packages" / distribution / "src" / package.replace(".", "/") / "__init__.py"
    statements = ast.parse(path.read_text(encoding="utf-8")).body
    for statement in statements:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "_HOMES":
            table: dict[str, str] = ast.literal_eval(statement.value)
            return {name: module for module, names in table.items() for name in names.split()}
    homes = {
        alias.name: statement.module.removeprefix(f"{package}.")
        for statement in statements
        if isinstance(statement, ast.ImportFrom) and statement.module
        for alias in statement.names
    }
    if not homes:
        raise LookupError(f"Expected {path} to say where its public names live (_HOMES).")
    return homes
