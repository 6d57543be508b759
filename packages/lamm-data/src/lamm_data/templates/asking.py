"""What a language model is asked when a pool grows, and which of its answers are templates."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections import Counter
from importlib import resources
from typing import TYPE_CHECKING, Any

from lamm_data.near_duplicates.exact import find_near
from lamm_data.templates.pools.definitions import PoolDefinition
from lamm_data.writing.draws import fill
from lamm_llm import Request, make_request

if TYPE_CHECKING:
    from lamm_data.templates.pools.growing import GrowthSettings

_BULLET = re.compile(
    r"^\s*(?:(?:[-*•]|\(?\d{1,3}[.)])\s+)?(?:(?:question|answer|template)\s*\d*\s*:\s*)?", re.IGNORECASE
)
_STRING = re.compile(r'"((?:[^"\\\n]|\\.)+)"\s*[,\]]')
_BRACED = re.compile(r"\{(\w+)\}")
_ASKED = 15


def load_prompt() -> dict[str, Any]:
    """Load how a model is asked."""
    text = resources.files("lamm_data.templates.pools").joinpath("growing.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


class Asking:
    """Builds requests for one pool and judges what comes back.

    Args:
        settings: Model, sampling, seed and similarity.
        definition: The pool's definition.

    Attributes:
        as_json: Whether a JSON schema is asked for; the caller turns it off for servers that know none.
        sha256: Hash of the prompt, the definition and the placeholders: what the model is told.
    """

    def __init__(self, settings: GrowthSettings, definition: PoolDefinition) -> None:
        self.settings, self.definition, self.prompt = settings, definition, load_prompt()
        self.task = settings.task or definition.task
        self.as_json = True
        told = [self.prompt, self.task, self._placeholders("question"), self._placeholders("answer")]
        self.sha256 = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def request(self, part: str, examples: list[str]) -> Request:
        """Build the request for more templates of a part beside some examples."""
        needs = self.definition.question if part == "question" else self.definition.answer
        values = {
            "task": self.task,
            "part": part,
            "placeholders": self._placeholders(part) or "(none)",
            "needs": " or ".join(" and ".join(f"{{{name}}}" for name in sorted(need)) for need in needs)
            or "no placeholder",
            "examples": "\n".join(f"- {text}" for text in examples),
            "count": str(_ASKED),
            "format": self.prompt["json" if self.as_json else "text"],
        }
        messages = [
            {"role": "system", "content": self.prompt["system"].strip()},
            {"role": "user", "content": fill(self.prompt["query"].strip(), values)},
        ]
        payload: dict[str, Any] = {
            "model": self.settings.model,
            "messages": messages,
            "max_tokens": self.settings.max_tokens,
            "temperature": self.settings.temperature,
        }
        if self.as_json:
            payload["response_format"] = _SCHEMA
        return make_request(payload, "json_schema" if self.as_json else "text", self.settings.seed)

    def judge(self, part: str, texts: list[str], kept: list[str], rejected: Counter[str]) -> list[str]:
        """Return the texts that are new templates of a part; the others are counted by reason."""
        fitting = []
        for text in texts or [""]:
            text = self.definition.restored(text) if part == "question" else text
            if fault := self.definition.fault(text, part):
                rejected[fault] += 1
            else:
                fitting.append(text)
        # A placeholder counts as one word, not as a word in two braces.
        plain = [_BRACED.sub(r"\1", text) for text in (*kept, *fitting)]
        same = {
            found.index: "duplicate" if found.similarity == 1 else "near duplicate"
            for found in find_near(plain, self.settings.similarity)
        }
        new = []
        for place, text in enumerate(fitting, len(kept)):
            if place in same:
                rejected[same[place]] += 1
            else:
                new.append(text)
        return new

    def _placeholders(self, part: str) -> str:
        allowed = self.definition.question_values if part == "question" else set(self.definition.values)
        return "\n".join(
            f"{{{name}}}: {self.definition.values[name]}" for name in self.definition.values if name in allowed
        )


_SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "templates",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"templates": {"type": "array", "items": {"type": "string"}}},
            "required": ["templates"],
            "additionalProperties": False,
        },
    },
}


def listed(text: str, *, cut_off: bool = False) -> list[str]:
    r"""Read the templates of an answer: a JSON object or list where it is one, else its lines.

    Args:
        text: What the model wrote.
        cut_off: True when the server stopped at its length limit: what may be incomplete is dropped.

    >>> listed('{"templates": ["Where is it?"]}'), listed("1. Where is it?\n- Find it.")
    (['Where is it?'], ['Where is it?', 'Find it.'])
    """
    start = min((at for mark in "{[" if (at := text.find(mark)) >= 0), default=-1)
    try:
        values = json.JSONDecoder().raw_decode(text, start)[0] if start >= 0 else None
    except ValueError:
        # A list that breaks off: its complete strings, but for the key before it.
        values = _STRING.findall(text[text.find("[", start) :]) if cut_off else None
    if isinstance(values, dict):
        values = values.get("templates")
    if not isinstance(values, list):
        values = text.splitlines()[: -1 if cut_off else None]
    texts = (" ".join(_BULLET.sub("", value).split()).strip('"') for value in values if isinstance(value, str))
    return [tidy for tidy in texts if tidy]
