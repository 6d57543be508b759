"""The `lamm data` commands: a table of names whose work is imported only when one is called."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import NamedTuple

import click


class Entry(NamedTuple):
    """Where a command lives and the one line that `--help` shows for it."""

    target: str
    help: str


COMMANDS = {
    "sample": Entry("lamm_data.sample.command:sample", "Draw the synthetic sample world: images, rooms, annotations."),
    "convert": Entry("lamm_data.templates.command:convert", "Turn annotations into instruction records by templates."),
    "templates": Entry("lamm_data.templates.pools.command:templates", "List, check and grow template pools."),
    "benchmark": Entry("lamm_data.benchmark.command:benchmark", "Build benchmark files from annotations."),
    "recipe": Entry("lamm_data.benchmark.recipes.command:recipe", "Change benchmark files: other labels, noise, ..."),
    "sources": Entry("lamm_data.sources.command:sources", "List the source data sets, or check a download."),
    "unpack": Entry("lamm_data.sources.command:unpack", "Unpack downloaded archives safely."),
    "prepare": Entry("lamm_data.sources.command:prepare", "Make media files: pictures of batches, clouds of meshes."),
    "clouds": Entry("lamm_data.sources.command:clouds", "Make .npy clouds out of PLY, PCD, OBJ and other files."),
    "view": Entry("lamm_data.view.command:view", "Write a page of records: media, dialogues, the loss mask by token."),
    "stats": Entry("lamm_data.stats.command:stats", "Count and plot what a file of records holds."),
    "export": Entry("lamm_data.export.command:export", "Write instruction records in other tools' formats."),
    "generate": Entry("lamm_data.generation.command:generate", "Generate instruction records with a language model."),
    "check": Entry("lamm_data.quality.command:check", "Check instruction records and name every fault."),
    "dedup": Entry("lamm_data.near_duplicates.command:dedup", "Find near-duplicate instructions."),
    "review": Entry("lamm_data.review.command:review", "Read a sample by hand; act on what is rejected."),
    "obfuscate": Entry("lamm_data.obfuscation.command:obfuscate", "Blur faces and licence plates in copies."),
}


def _exists(target: str) -> bool:
    """Tell whether a command's function is part of this installation, from its source: nothing is imported for it."""
    module, _, function = target.partition(":")
    path = Path(__file__).parent.joinpath(*module.split(".")[1:]).with_suffix(".py")
    return path.is_file() and f"\ndef {function}(" in path.read_text(encoding="utf-8")


class LazyGroup(click.Group):
    """A click group that imports a command's module only when that command is called.

    Commands that are not part of this installation are neither listed nor found.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands that exist, without importing them."""
        return [name for name, entry in COMMANDS.items() if _exists(entry.target)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None or not _exists(entry.target):
            return None
        module, _, attribute = entry.target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table alone: nothing is imported for it."""
        rows = [(name, COMMANDS[name].help) for name in self.list_commands(ctx)]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


@click.group(cls=LazyGroup)
def data() -> None:
    """Make instruction data and benchmark sets out of vision annotations."""
