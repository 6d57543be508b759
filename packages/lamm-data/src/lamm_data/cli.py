"""The `lamm data` commands: a table of names whose work is imported only when one is called."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

COMMANDS: dict[str, tuple[str, str]] = {
    "sample": ("sample", "Draw the synthetic sample world: images, rooms, annotations."),
    "convert": ("templates", "Turn annotations into instruction records by templates."),
    "templates": ("templates.pools", "List, check and grow template pools."),
    "benchmark": ("benchmark", "Build benchmark files from annotations."),
    "recipe": ("benchmark.recipes", "Change benchmark files: other labels, noise, ..."),
    "sources": ("sources", "List the source data sets, or check a download."),
    "unpack": ("sources", "Unpack downloaded archives safely."),
    "prepare": ("sources", "Make media files: pictures of batches, clouds of meshes."),
    "clouds": ("clouds", "Make .npy clouds out of PLY, PCD, OBJ, LAS and other files."),
    "untile": ("clouds", "Merge answers about the tiles of a building."),
    "render": ("render", "Draw pictures of clouds from several sides."),
    "view": ("view", "Write a page of records: media, dialogues, the loss mask by token."),
    "stats": ("stats", "Count and plot what a file of records holds."),
    "export": ("export", "Write instruction records in other tools' formats."),
    "push": ("export", "Upload an export with its card to a Hub repository."),
    "generate": ("generation", "Generate instruction records with a language model."),
    "check": ("quality", "Check instruction records and name every fault."),
    "dedup": ("near_duplicates", "Find near-duplicate instructions."),
    "review": ("review", "Read a sample by hand; act on what is rejected."),
    "obfuscate": ("obfuscation", "Blur faces and licence plates in copies."),
}
"""The room of each command, whose module `command` has a function of its name, and the line that `--help` shows."""


class LazyGroup(click.Group):
    """A click group that imports a command's module only when that command is called.

    Args:
        table: `module:function` of each command, and the line that `--help` shows.
        **options: As for `click.Group`.
    """

    def __init__(self, table: Mapping[str, tuple[str, str]], **options: Any) -> None:
        super().__init__(**options)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands without importing them."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in self.table:
            return None
        module, _, function = self.table[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), function)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table alone: nothing is imported for it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.table.items()])


data = LazyGroup(
    {name: (f"lamm_data.{room}.command:{name}", line) for name, (room, line) in COMMANDS.items()},
    name="data",
    help="Make instruction data and benchmark sets out of vision annotations.",
)
