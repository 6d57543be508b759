"""Rows read from files and folders, split into what one request each is made for, shared among processes."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from lamm_data.errors import UsageError
from lamm_data.files.json_lines import load_json
from lamm_data.files.settings import parse_part
from lamm_data.generation.download_folders import read_folder
from lamm_data.generation.prompts import Prompt
from lamm_data.generation.rows import Row, RowFault, row_from_json
from lamm_data.generation.settings import GenerationSettings
from lamm_llm import loads


def read_rows(path: Path, split: str = "") -> Iterator[Row | RowFault]:
    """Read annotation rows, lazily for JSON Lines.

    Args:
        path: A `.jsonl` file of rows, or the folder of a source's download.
        split: Which split of a download to read; by default the one that instruction data is made from.

    Yields:
        Rows in file order, and faults where a row cannot be used.

    Raises:
        UsageError: When the path does not exist or is neither kind.
        SourceError: When a file of a download is damaged.
    """
    if path.is_dir():
        yield from read_folder(path, split)
    elif path.is_file():
        yield from _read_json_lines(path)
    else:
        raise UsageError(
            f"Expected annotations at {path}, found nothing there. "
            "Give a JSON Lines file of captions and boxes, or the folder of a download such as COCO's."
        )


def rows_by_id(path: Path) -> dict[str, Row]:
    """Read annotation rows by id; rows that cannot be used are left out, as generation leaves them out."""
    return {row.id: row for row in read_rows(path) if isinstance(row, Row)}


def _read_json_lines(path: Path) -> Iterator[Row | RowFault]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            origin = {"file": path.name, "line": number}
            try:
                values = loads(line)
            except ValueError as error:
                yield RowFault("", f"Expected a JSON object, got text that is not JSON: {error}", origin)
                continue
            yield row_from_json(values, origin)


def input_rows(settings: GenerationSettings, prompt: Prompt) -> Iterator[Row | RowFault]:
    """Read the rows a run works on.

    Args:
        settings: Where the rows are, and which of them to use.
        prompt: The prompt: one that asks for wrong options makes a row of every question.

    Yields:
        Rows and faults in input order; the same ones for the same settings.

    Raises:
        UsageError: When the input, the shard or the table of descriptions is unusable.
        SourceError: When a source file is damaged.
    """
    number, shards = parse_part(settings.shard, "shard")
    texts = _read_descriptions(settings.descriptions) if settings.descriptions else {}
    rows = islice(_parts(settings, prompt, texts), settings.limit)
    return islice(rows, number, None, shards)


def _parts(settings: GenerationSettings, prompt: Prompt, texts: Mapping[str, str]) -> Iterator[Row | RowFault]:
    for row in read_rows(settings.annotations, settings.split):
        if isinstance(row, Row) and texts.get(row.label):
            row = replace(row, description=texts[row.label])
        if isinstance(row, Row) and prompt.answer == "options":
            yield from split_row(row)
        else:
            yield row


def split_row(row: Row) -> list[Row]:
    """Give what one request for wrong options each is made for: each question of a row, or the row without any."""
    return [
        replace(row, id=f"{row.id}-{item.id}" if item.id.isdigit() else item.id or row.id, questions=(item,))
        for item in row.questions
    ] or [row]


def _read_descriptions(path: Path) -> dict[str, str]:
    """Read encyclopedia texts by class name, from TOML or JSON."""
    try:
        values: Any = tomllib.loads(path.read_text(encoding="utf-8")) if path.suffix == ".toml" else load_json(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"Expected a TOML or JSON table of class names and texts in {path}, got: {error}") from error
    if not isinstance(values, dict) or not all(isinstance(text, str) for text in values.values()):
        raise UsageError(f"Expected a table of class names and texts in {path}, got something else.")
    return {name: " ".join(text.split()) for name, text in values.items()}
