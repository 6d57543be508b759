"""Prompts as data: a versioned file for each kind of dialogue, merged with the user's own file, and hashed.

A prompt file is TOML. Its examples hold annotations and dialogues, not finished text, so that one layout serves the
examples and the queries, and one example serves every answer format.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from lamm_data.errors import UsageError
from lamm_data.generation.rows import Row, RowFault, row_from_json

AnswerKind = Literal["dialogue", "description"]
FIELDS = ("captions", "objects", "object_counts", "relations", "label", "description", "rounds")
_OPTIONAL = ("rounds", "examples", "questions")
_REQUIRED = ("version", "answer", "modality", "task_type", "needs", "system", "query", "formats")
_KEYS = {*_REQUIRED, *_OPTIONAL}
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True)
class Example:
    """One in-context example: annotations and the answer wanted for them."""

    row: Row
    rounds: tuple[tuple[str, str], ...] = ()
    description: str = ""


@dataclass(frozen=True)
class Prompt:
    """Everything a request is built from, apart from the row.

    Attributes:
        name: Kind of data, for example `daily_dialogue`.
        version: Version of the packaged file; a user's own text shows in the hash.
        answer: What is asked for: a dialogue of rounds, or one description.
        modality: `image` or `pcl`.
        task_type: The published `task_type` of the records.
        rounds: Rounds asked for.
        needs: Row fields without which the prompt makes no sense.
        system: System message, without the answer format.
        query: Layout of the user message, with placeholders.
        formats: How to answer, for `json` and for `text`.
        questions: For descriptions: human turns, one drawn for each record.
        examples: In-context examples.
    """

    name: str
    version: int
    answer: AnswerKind
    modality: str
    task_type: str
    rounds: int
    needs: tuple[str, ...]
    system: str
    query: str
    formats: dict[str, str]
    questions: tuple[str, ...]
    examples: tuple[Example, ...]

    @cached_property
    def sha256(self) -> str:
        """Hash of everything that shapes a request; two prompts with one hash ask the same."""
        content = {name: getattr(self, name) for name in ("name", "version", "answer", "modality", "rounds", "system")}
        content |= {"query": self.query, "formats": self.formats, "examples": [repr(item) for item in self.examples]}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def prompt_names() -> list[str]:
    """List the packaged prompts.

    Returns:
        Names such as `daily_dialogue`, sorted.
    """
    folder = files("lamm_data.prompts")
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def load_prompt(
    name: str,
    override: Path | None = None,
    *,
    style: str = "full",
    rounds: int | None = None,
    examples: int | None = None,
) -> Prompt:
    """Read a packaged prompt and lay the user's changes over it.

    Args:
        name: A name of `prompt_names()`.
        override: TOML file whose keys replace the packaged ones.
        style: `full`, or `brief` for small models: a short system message, counts instead of boxes, one example.
        rounds: Rounds of dialogue to ask for instead of the prompt's own number.
        examples: Keep only so many in-context examples (0 for none).

    Returns:
        The prompt.

    Raises:
        UsageError: For an unknown name, key or placeholder, or a value of the wrong type.
    """
    if name not in prompt_names():
        raise UsageError(f"Expected one of {', '.join(prompt_names())}, got type {name!r}.")
    values = tomllib.loads((files("lamm_data.prompts") / f"{name}.toml").read_text(encoding="utf-8"))
    if style == "brief":
        values |= _read_brief(name)
    if override is not None:
        values |= _read_override(override)
    where = str(override) if override else f"prompt {name}"
    _check(values, where)
    if rounds is not None:
        values["rounds"] = rounds
    kept = [_example(item, values["modality"], where) for item in values.get("examples", [])]
    return Prompt(
        name=name,
        version=values["version"],
        answer=values["answer"],
        modality=values["modality"],
        task_type=values["task_type"],
        rounds=values.get("rounds", 1),
        needs=tuple(values["needs"]),
        system=values["system"].strip(),
        query=values["query"].strip(),
        formats={key: text.strip() for key, text in values["formats"].items()},
        questions=tuple(values.get("questions", ())),
        examples=tuple(kept if examples is None else kept[:examples]),
    )


def _read_brief(name: str) -> dict[str, Any]:
    file = files("lamm_data.prompts") / "brief" / f"{name}.toml"
    if not file.is_file():
        raise UsageError(f"Expected a type that has a brief form, got {name!r}. Use --set style=full.")
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _read_override(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"Expected a prompt file at {path}, found nothing there.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"Expected TOML in the prompt file {path}, got: {error}") from error


def _check(values: dict[str, Any], where: str) -> None:
    faults = [f"unknown key {key!r}" for key in sorted(set(values) - _KEYS)]
    faults += [f"missing key {key!r}" for key in _REQUIRED if key not in values]
    if not faults:
        faults = _content_faults(values)
    if faults:
        raise UsageError(f"Expected a prompt with {', '.join(sorted(_KEYS))}; in {where}: {'; '.join(faults)}.")


def _content_faults(values: dict[str, Any]) -> list[str]:
    faults = [f"{key!r} must be text" for key in ("system", "query") if not isinstance(values[key], str)]
    if faults:
        return faults
    unknown = sorted(set(_PLACEHOLDER.findall(values["query"])) - set(FIELDS))
    if unknown:
        known = ", ".join(f"{{{field}}}" for field in FIELDS)
        faults.append(f"unknown placeholder {', '.join(f'{{{name}}}' for name in unknown)} in 'query' (known: {known})")
    if values["answer"] not in ("dialogue", "description"):
        faults.append(f"'answer' must be dialogue or description, not {values['answer']!r}")
    if values["answer"] == "description" and not values.get("questions"):
        faults.append("'questions' must hold at least one human turn")
    if not isinstance(values["formats"], dict) or not {"json", "text"} <= set(values["formats"]):
        faults.append("'formats' must hold 'json' and 'text'")
    return faults


def _example(values: dict[str, Any], modality: str, where: str) -> Example:
    annotations = {key: value for key, value in values.items() if key not in ("rounds", "answer")}
    factual = "label" in values
    row = row_from_json({"id": "example", "pcl" if modality == "pcl" else "image": "example", **annotations}, {})
    if isinstance(row, RowFault):
        raise UsageError(f"Expected a readable example in {where}, got: {row.message}.")
    rounds = tuple((str(question), str(answer)) for question, answer in values.get("rounds", ()))
    return Example(row, rounds, "" if factual else str(values.get("description", "")))
