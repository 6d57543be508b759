"""Prompts as data: a versioned file for each kind of answer, merged with the user's own file, and hashed.

A prompt file is TOML. Its examples hold annotations and answers, not finished text, so that one layout serves the
examples and the queries, and one example serves every answer format.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lamm_data.errors import UsageError
from lamm_data.generation.prompt_files import SHAPING, prompt_names, read_prompt_values
from lamm_data.generation.rows import Row, RowFault, row_from_json

AnswerKind = Literal["dialogue", "description", "statements", "options"]

__all__ = ["AnswerKind", "Example", "Prompt", "load_prompt", "prompt_names"]


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
            (the captions of 3D rows), or wrong options for a question.
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
) -> Prompt:
    """Read a packaged prompt and lay the user's changes over it.

    Args:
        name: A name of `prompt_names()`.
        override: TOML file whose keys replace the packaged ones; a key may name a file of its own,
            `system = { file = "system.txt" }`, or `examples = { file = "examples.jsonl" }`.
        style: `full`, or `brief` for small models: a short system message, counts instead of boxes, one example.
        rounds: Rounds of dialogue to ask for instead of the prompt's own number.
        examples: Keep only so many in-context examples (0 for none).

    Returns:
        The prompt.

    Raises:
        UsageError: For an unknown name, key or placeholder, or a value of the wrong type.
    """
    values = read_prompt_values(name, override, style)
    if rounds is not None:
        values["rounds"] = rounds
    if examples is not None:
        values["examples"] = values.get("examples", [])[:examples]
    where = str(override) if override else f"prompt {name}"
    optional = ("rounds", "options", "captions", "questions_used", "mentioned_only")
    return Prompt(
        name=name,
        version=values["version"],
        answer=values["answer"],
        modality=values["modality"],
        task_type=values["task_type"],
        needs=tuple(values["needs"]),
        system=values["system"].strip(),
        query=values["query"].strip(),
        formats={key: text.strip() for key, text in values["formats"].items()},
        questions=tuple(values.get("questions", ())),
        examples=tuple(_example(item, values, where) for item in values.get("examples", [])),
        sha256=_digest(name, values),
        **{key: values[key] for key in optional if key in values},
    )


def _digest(name: str, values: dict[str, Any]) -> str:
    """Hash what shapes a request: the files' values, not the code that reads them."""
    content = {"name": name} | {key: values[key] for key in SHAPING if key in values}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _example(values: dict[str, Any], prompt: dict[str, Any], where: str) -> Example:
    """Read an example: its annotations as a row, and under the answer's own key the answer wanted."""
    kind = prompt["answer"]
    key = "rounds" if kind == "dialogue" else kind
    annotations = {name: value for name, value in values.items() if name != key}
    medium = "pcl" if prompt["modality"] == "pcl" else "image"
    row = row_from_json({"id": "example", medium: "example", **annotations}, {})
    if isinstance(row, RowFault):
        raise UsageError(f"Expected a readable example in {where}, got: {row.message}.")
    wanted = values.get(key)
    try:
        if kind == "dialogue":
            return Example(row, rounds=tuple((str(question), str(answer)) for question, answer in wanted or ()))
    except (TypeError, ValueError) as error:
        raise UsageError(f"Expected [question, answer] pairs under `rounds` in {where}, got {wanted!r}.") from error
    if kind == "description":
        return Example(row, description=str(wanted or ""))
    return Example(row, items=tuple(map(str, wanted or ())))
