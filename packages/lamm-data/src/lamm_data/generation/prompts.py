"""Prompts as data: a versioned file for each kind of answer, merged with the user's own file, and hashed.

A prompt file is TOML. Its examples hold annotations and answers, not finished text, so that one layout serves the
examples and the queries, and one example serves every answer format.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lamm_data.errors import UsageError
from lamm_data.files.json_lines import iter_values
from lamm_data.files.settings import did_you_mean, load_toml, packaged_names, packaged_toml
from lamm_data.generation.input_rows import row_from_json
from lamm_data.generation.rows import Row, RowFault

AnswerKind = Literal["dialogue", "description", "statements", "options", "verdict"]
RECORD_KINDS = ("dialogue", "description", "statements", "options")
"""Kinds of answers that records are made of; a verdict is about a record."""


@dataclass(frozen=True)
class Example:
    """One in-context example: annotations and the answer wanted for them."""

    row: Row
    rounds: tuple[tuple[str, str], ...] = ()
    description: str = ""
    items: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prompt:
    """Everything a request is built from, apart from the row.

    Attributes:
        name: Kind of data, for example `daily_dialogue`.
        version: Version of the packaged file; a user's own text shows in the hash.
        answer: What is asked for: a dialogue of rounds, one description, statements of what questions and answers tell
            (the captions of 3D rows), wrong options for a question, or a verdict about a dialogue.
        modality: `image`, `pcl` or `any`.
        task_type: The published `task_type` of the records.
        rounds: Rounds of dialogue asked for.
        options: Wrong options asked for.
        captions: Use only so many captions of a row, drawn by its id; 0 for all.
        questions_used: Use only so many questions of a row, drawn by its id; 0 for all.
        mentioned_only: Leave out objects and relations that none of the captions used names.
        needs: Row fields without which the prompt makes no sense.
        system: System message, without the answer format.
        query: Layout of the user message, with placeholders.
        formats: How to answer, for `json` and for `text`.
        questions: For descriptions: human turns, one drawn for each record.
        examples: In-context examples.
        sha256: Hash of everything that shapes a request; two prompts with one hash ask the same.
    """

    name: str
    version: int
    answer: AnswerKind
    modality: str
    task_type: str
    needs: tuple[str, ...]
    system: str
    query: str
    formats: dict[str, str]
    questions: tuple[str, ...]
    examples: tuple[Example, ...]
    sha256: str
    rounds: int = 1
    options: int = 0
    captions: int = 0
    questions_used: int = 0
    mentioned_only: bool = False


def load_prompt(
    name: str,
    override: Path | None = None,
    *,
    style: str = "full",
    rounds: int | None = None,
    examples: int | None = None,
    seeing: bool = False,
) -> Prompt:
    """Read a packaged prompt and lay the user's changes over it.

    Args:
        name: A name of `prompt_names()`.
        override: TOML file whose keys replace the packaged ones; a key may name a file of its own,
            `system = { file = "system.txt" }`, or `examples = { file = "examples.jsonl" }`.
        style: `full`, or `brief` for small models: a short system message, counts instead of boxes, one example.
        rounds: Rounds of dialogue to ask for instead of the prompt's own number.
        examples: Keep only so many in-context examples (0 for none).
        seeing: Take the form for a model that is sent the picture.

    Returns:
        The prompt.

    Raises:
        UsageError: For an unknown name, key or placeholder, or a value of the wrong type.
    """
    values = read_prompt_values(name, override, style, seeing=seeing)
    if rounds is not None:
        values["rounds"] = rounds
    if examples is not None:
        values["examples"] = values.get("examples", [])[:examples]
    return _make_prompt(name, values, str(override) if override else f"prompt {name}")


def load_packaged_prompt(folder: str, name: str) -> Prompt:
    """Read a prompt that is no type of its own, from a folder of this package."""
    return _make_prompt(name, packaged_toml(folder, f"{name}.toml"), f"prompt {name}")


def load_view_prompt() -> Prompt:
    """Read the prompt that asks what one view of a cloud shows."""
    return load_packaged_prompt(_SEEING, "view_captions")


def _make_prompt(name: str, values: dict[str, Any], where: str) -> Prompt:
    fields = {
        "needs": tuple(values["needs"]),
        "system": values["system"].strip(),
        "query": values["query"].strip(),
        "formats": {key: text.strip() for key, text in values["formats"].items()},
        "questions": tuple(values.get("questions", ())),
        "examples": tuple(_examples(values, where)),
    }
    return Prompt(name=name, sha256=_digest(name, values), **values | fields)


def _digest(name: str, values: dict[str, Any]) -> str:
    """Hash what shapes a request: the files' values, not the code that reads them."""
    content = {"name": name} | {key: values[key] for key in _SHAPING if key in values}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _examples(prompt: dict[str, Any], where: str) -> Iterator[Example]:
    """Read the examples: annotations as a row, and under the answer's own key the answer wanted."""
    kind, medium = prompt["answer"], "pcl" if prompt["modality"] == "pcl" else "image"
    key = "rounds" if kind == "dialogue" else kind
    tables = prompt.get("examples", [])
    named = {"id": "example", medium: "example"}
    annotations = [named | {name: value for name, value in table.items() if name != key} for table in tables]
    rows = [row_from_json(values, {}) for values in annotations]
    for row, table in zip(rows, tables, strict=True):
        if isinstance(row, RowFault):
            raise UsageError(f"Expected a readable example in {where}, got: {row.message}.")
        wanted = table.get(key) or ()
        try:
            if kind == "dialogue":
                yield Example(row, rounds=tuple((str(question), str(answer)) for question, answer in wanted))
            elif kind == "description":
                yield Example(row, description=str(wanted or ""))
            else:
                yield Example(row, items=tuple(map(str, wanted)))
        except (TypeError, ValueError) as error:
            raise UsageError(f"Expected [question, answer] pairs under `rounds` in {where}, got {wanted!r}.") from error


FIELDS = (
    "captions", "objects", "object_counts", "relations", "label", "description", "questions", "question", "answers",
    "question_count", "rounds", "options",
)  # fmt: skip
"""Placeholders that a query layout may hold."""

_KINDS: dict[str, type] = {
    "version": int, "answer": str, "modality": str, "task_type": str, "needs": list, "system": str, "query": str,
    "formats": dict, "rounds": int, "options": int, "captions": int, "questions_used": int, "mentioned_only": bool,
    "questions": list, "examples": list,
}  # fmt: skip
_SHAPING = set(_KINDS) - {"task_type", "needs", "questions"}
"""Keys that shape a request; the others only shape the records made of its answer."""
_REQUIRED = ("version", "answer", "modality", "task_type", "needs", "system", "query", "formats")
_ROW_FIELDS = ("captions", "objects", "relations", "label", "description", "questions")
_SEEING = "generation/packaged/seeing"
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


def prompt_names() -> list[str]:
    """List the packaged prompts, such as `daily_dialogue`."""
    return packaged_names("generation/packaged")


def read_prompt_values(name: str, override: Path | None, style: str, *, seeing: bool = False) -> dict[str, Any]:
    """Read a prompt's values, the user's laid over the packaged ones.

    Args:
        name: Packaged prompt.
        override: The user's TOML file.
        style: `full` or `brief`.
        seeing: Whether the model is sent the picture.

    Returns:
        Checked values.

    Raises:
        UsageError: Naming every unknown, missing or wrong key and placeholder.
    """
    if name not in prompt_names():
        raise UsageError(f"Expected a type of dialogue, got {name!r}. {did_you_mean(name, prompt_names())}")
    values = packaged_toml("generation/packaged", f"{name}.toml")
    if style == "brief":
        if name not in packaged_names("generation/packaged/brief"):
            raise UsageError(f"Expected a type that has a brief form, got {name!r}. Use --set style=full.")
        values |= packaged_toml("generation/packaged/brief", f"{name}.toml")
    if seeing:
        able = [other for other in packaged_names(_SEEING) if other in prompt_names()]
        if name not in able:
            raise UsageError(f"Expected a type that can see pictures ({', '.join(able)}), got {name!r}.")
        values |= packaged_toml(_SEEING, f"{name}.toml")
    if override is not None:
        values = _lay_over(values, override)
    faults = _faults(values)
    if faults:
        where = str(override) if override else f"prompt {name}"
        raise UsageError(f"Expected a prompt with {', '.join(sorted(_KINDS))}, got {'; '.join(faults)} ({where}).")
    return values


def _lay_over(values: dict[str, Any], path: Path) -> dict[str, Any]:
    """Lay the user's prompt file over a packaged one."""
    changes = {key: _part(value, path.parent) for key, value in load_toml(path).items()}
    if isinstance(changes.get("formats"), dict):  # one answer format may be changed by itself
        changes["formats"] = values["formats"] | changes["formats"]
    return values | changes


def _part(value: Any, folder: Path) -> Any:
    """Give the content of a file where a value is `{ file = "name" }`: text, or JSON Lines for lists."""
    if not isinstance(value, dict) or set(value) != {"file"}:
        return value
    path = folder / str(value["file"])
    if path.suffix in (".json", ".jsonl"):
        return [item for _, item in iter_values(path)]
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Expected UTF-8 text for the prompt, got {error} ({path}).") from error


def _faults(values: dict[str, Any]) -> list[str]:
    faults = [f"unknown key {key!r}" for key in sorted(set(values) - set(_KINDS))]
    faults += [f"missing key {key!r}" for key in _REQUIRED if key not in values]
    for key, kind in _KINDS.items():
        value = values.get(key)
        if key in values and (not isinstance(value, kind) or (isinstance(value, bool) and kind is int)):
            faults.append(f"{key!r} must be {_WORDS[kind]}, not {value!r}")
    return faults or _content_faults(values)


_WORDS = {int: "a whole number", str: "text", list: "a list", dict: "a table", bool: "true or false"}


def _content_faults(values: dict[str, Any]) -> list[str]:
    faults = []
    unknown = sorted(set(_PLACEHOLDER.findall(values["query"])) - set(FIELDS))
    if unknown:
        known = ", ".join(f"{{{field}}}" for field in FIELDS)
        faults.append(f"unknown placeholder {', '.join(f'{{{name}}}' for name in unknown)} in 'query' (known: {known})")
    if values["answer"] not in RECORD_KINDS:
        faults.append(f"'answer' must be {', '.join(RECORD_KINDS)}, not {values['answer']!r}")
    if values["modality"] not in ("image", "pcl", "any"):
        faults.append(f"'modality' must be image, pcl or any, not {values['modality']!r}")
    if set(values["needs"]) - set(_ROW_FIELDS):
        faults.append(f"'needs' must be out of {', '.join(_ROW_FIELDS)}, not {values['needs']!r}")
    if values["answer"] == "description" and not values.get("questions"):
        faults.append("'questions' must hold at least one human turn")
    texts = [values["formats"].get(key) for key in ("json", "text")]
    if not all(isinstance(text, str) for text in texts):
        faults.append("'formats' must hold 'json' and 'text'")
    faults += [
        f"an example that is no table: {item!r}" for item in values.get("examples", []) if not isinstance(item, dict)
    ]
    return faults
