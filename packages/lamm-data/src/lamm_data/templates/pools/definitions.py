"""What each pool is for, and whether templates fit it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from lamm_data.errors import UsageError
from lamm_data.files.settings import did_you_mean, packaged_toml
from lamm_data.templates.pools.pools import Pool, names
from lamm_data.writing.draws import placeholders

LONGEST = 240
"""Characters a template may have: longer ones are no templates but text that a model ran on with."""

_STRAY = re.compile(
    r"(?<!\w)\d+(?!\w)|[<>]|https?:|^\s*(question|answer|human|user|assistant|q|a)\s*\d*\s*:", re.IGNORECASE
)
_GRAMMAR = frozenset({"is", "Is", "are", "answer", "Answer", "shows", "contains", "letter", "number"})
_BRACES = re.compile(r"\{\w+\}")


@dataclass(frozen=True, slots=True)
class PoolDefinition:
    """What a pool is for.

    Attributes:
        name: Pool name.
        task: The task in words.
        question: Sets of placeholders; a question template needs all of one of them.
        answer: The same for answer templates.
        values: Every placeholder with an example of what will stand there.
        quotes: Whether answers quote people, who may claim what no annotation says.
    """

    name: str
    task: str
    question: tuple[frozenset[str], ...]
    answer: tuple[frozenset[str], ...]
    values: dict[str, str]
    quotes: bool = False

    def fault(self, template: str, part: str, *, strict: bool = True) -> str:
        """Return what keeps a text from being a template of a part (`question` or `answer`); empty when nothing does.

        A strict look also refuses unverifiable claims and numbers or marks of the template's own.
        """
        used = placeholders(template)
        needs, known = (self.answer, set(self.values)) if part == "answer" else (self.question, self.question_values)
        if not template.strip() or len(template) > LONGEST:
            return "empty" if not template.strip() else "too long"
        if unknown := sorted(used - known):
            return f"unknown placeholder {{{unknown[0]}}}"
        if re.search(r"[{}]", _BRACES.sub("", template)):
            return "stray brace"
        if not any(need <= used for need in needs):
            return "lacks " + " or ".join("{" + "} and {".join(sorted(need)) + "}" for need in needs)
        return self._content_fault(template, part) if strict else ""

    def _examples(self, part: str) -> list[str]:
        """Example values that no template may hold: a template with one is right for one annotation only."""
        used = self.question_values if part == "question" else set(self.values)
        return [text for name, text in self.values.items() if name in used and name not in _GRAMMAR]

    @property
    def question_values(self) -> set[str]:
        """Placeholders that a question may have: those it needs, and the verb that agrees with them."""
        return {name for need in self.question for name in need} | ({"is", "Is"} & set(self.values))

    def restored(self, question: str) -> str:
        """Put placeholders back where a question shows their examples instead, as small models write it.

        Only questions are mended: in an answer it would be a guess which of two placeholders a word stands for.
        """
        for need in self.question:
            text = question
            for name in sorted(need - placeholders(text)):
                text = re.sub(rf"(?<!\w){re.escape(self.values[name])}(?!\w)", f"{{{name}}}", text)
            if need <= placeholders(text):
                return text
        return question

    def _content_fault(self, template: str, part: str) -> str:
        claim = _claims().search(template) if part == "answer" and not self.quotes else None
        if claim:
            return f"claims what no annotation says ({claim[0].lower()})"
        bare = _BRACES.sub("", template).casefold()
        if any(re.search(rf"(?<!\w){re.escape(text.casefold())}(?!\w)", bare) for text in self._examples(part)):
            return "repeats an example"
        return "numbers or marks of its own" if _STRAY.search(_BRACES.sub("", template)) else ""


@cache
def _claims() -> re.Pattern[str]:
    words = packaged_toml("templates/pools", "claims.toml")["words"]
    return re.compile(rf"\b({'|'.join(words)})\b", re.IGNORECASE)


@cache
def load_definitions() -> dict[str, PoolDefinition]:
    """Load the definitions of all pools, by name."""
    return {
        name: PoolDefinition(
            name,
            entry["task"],
            tuple(map(frozenset, entry["question"])),
            tuple(map(frozenset, entry["answer"])),
            entry["values"],
            entry.get("quotes", False),
        )
        for name, entry in packaged_toml("templates/pools", "definitions.toml").items()
    }


def get_definition(name: str) -> PoolDefinition:
    """Look a pool's definition up.

    Raises:
        UsageError: There is no pool of this name.
    """
    if name not in load_definitions():
        raise UsageError(f"Expected a template pool, got {name!r}. {did_you_mean(name, names())}")
    return load_definitions()[name]


def pool_faults(pool: Pool, *, strict: bool = True) -> Iterator[str]:
    """Name every template of a pool that does not fit its definition, and what the pool lacks.

    A pool whose name is none of the package's has no definition and no faults: nothing uses it.
    """
    definition = load_definitions().get(pool.name)
    if definition is None:
        return
    answers = [text for texts in pool.answers.values() for text in texts]
    for part, texts in (("question", pool.questions), ("answer", answers)):
        for text in dict.fromkeys(texts):
            if fault := definition.fault(text, part, strict=strict):
                yield f"{part} {text!r}: {fault}"


def check_pools(pools: dict[str, Pool]) -> dict[str, Pool]:
    """Return pools after checking that their placeholders can be filled and that questions name what is asked.

    Raises:
        UsageError: All faults of all pools at once.
    """
    faults = [f"{pool.name}: {fault}" for pool in pools.values() for fault in pool_faults(pool, strict=False)]
    if faults:
        raise UsageError(
            f"Expected template pools that fit their tasks, got {len(faults)} faults: {'; '.join(faults)}."
        )
    return pools
