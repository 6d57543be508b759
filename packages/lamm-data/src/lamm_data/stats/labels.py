"""Which classes answers name: read back through the templates that the answers were written with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from lamm_data.records.instruction import InstructionRecord
from lamm_data.records.tasks import CONVERSION_TASKS
from lamm_data.templates.pools.pools import STYLES, load_pool

NAMES = {"label", "a_label", "A_label", "joint", "plural", "noun", "hair", "has_hair"}
_PLACEHOLDER = re.compile(r"(\{\w+\})")
_ARTICLE = re.compile(r"^(?:an?|the|some)\s+", re.IGNORECASE)
_HAIR = re.compile(r"^(?:has|is)\s+|\s+(?:hair|head)$")
_SMILE = re.compile(r"smil|^(?:yes|no)\b", re.IGNORECASE)
_NO = re.compile(r"^no\b|\bnot\b", re.IGNORECASE)
_VERB = r"(?:is|are)"
_GROUPS = {"box": r"\[[^\]]*\]", "point": r"\[[^\]]*\]", "number": r"\d+", "is": _VERB, "Is": _VERB, "are": _VERB}


def _pattern(template: str) -> str:
    out, named = "", False
    for part in _PLACEHOLDER.split(template):
        name = part[1:-1] if _PLACEHOLDER.fullmatch(part) else ""
        if not name:
            out += re.escape(part)
        elif name in NAMES and not named:
            out, named = out + r"(?P<name>[^.;:?!\[\]]+?)", True
        else:
            out += _GROUPS.get(name, r"[^.;:?!\[\]]+?")
    return out


@cache
def _patterns(pool: str, part: str) -> tuple[re.Pattern[str], ...]:
    """Compile the templates of a pool, the ones with most words of their own first."""
    loaded = load_pool(pool)
    texts = loaded.questions if part == "questions" else loaded.answers[part]
    with_name = [text for text in texts if any(f"{{{name}}}" in text for name in NAMES)]
    with_name.sort(key=lambda text: -len(_PLACEHOLDER.sub("", text)))
    return tuple(re.compile(r"\s*;?\s*" + _pattern(text) + r"(?=\s|;|$)", re.IGNORECASE) for text in with_name)


def _found(text: str, patterns: tuple[re.Pattern[str], ...]) -> Iterator[str]:
    at = 0
    while at < len(text):
        match = next((found for pattern in patterns if (found := pattern.match(text, at))), None)
        if match is None:
            return
        name = _HAIR.sub("", _ARTICLE.sub("", match["name"].strip()))
        yield name[:1].lower() + name[1:]
        at = match.end()


def named_classes(record: InstructionRecord) -> Iterator[str]:
    """Yield the class (or joint) that each sentence of a record's answers names.

    Only answers written by this package's templates are understood (`meta.task` and `meta.style` say so); an answer
    that does not name what was asked for, such as a bare number, is read from its question.
    """
    meta = record.meta or {}
    task, style = meta.get("task"), meta.get("style")
    known = CONVERSION_TASKS.get(task) if isinstance(task, str) else None
    if known is None or not known.naming or style not in STYLES:
        return
    turns = record.dialogue()
    for asked, answered in zip(turns[::2], turns[1::2], strict=True):
        if known.kind == "attribute" and _SMILE.search(answered.text):
            yield "not smiling" if _NO.search(answered.text) else "smiling"
            continue
        for pool in known.naming:
            names = list(_found(answered.text, _patterns(pool, str(style))))
            names = names or list(_found(asked.text, _patterns(pool, "questions")))
            if names:
                yield from names
                break
