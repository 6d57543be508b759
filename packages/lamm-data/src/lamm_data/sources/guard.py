"""The guard between readers and what others wrote: stray white space goes, values of a wrong type are refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any

from lamm_data.errors import SourceError
from lamm_data.files.json_lines import LAST_READ
from lamm_data.records.annotations import Annotated, Box, Description, Question, Relation

BREAKS = (KeyError, TypeError, AttributeError, ValueError, IndexError, OverflowError)
"""What a value of a type that nobody foresaw raises inside a reader."""
_INVISIBLE = "\u200b\u2060\ufeff"
_BLANK = " \t\r\n\f\v\xa0\u3000" + _INVISIBLE + ".,;:!?…·'\"`-–—_"
"""What says nothing, however often it is repeated: white space, marks without width, punctuation of sentences."""


def tidy_text(text: str) -> str:
    """Return a text without white space around it; an empty one where it says nothing.

    >>> tidy_text(" red. "), tidy_text(" . ")
    ('red.', '')
    """
    if not text.isascii():
        text.encode()  # half a character cannot be written
    return text.strip().strip(_INVISIBLE).strip() if text.strip(_BLANK) else ""


@lru_cache(maxsize=65536)
def tidy_name(name: str) -> str:
    r"""Return a name without white space around it and with single spaces inside; an empty one where it says nothing.

    >>> tidy_name("traffic  light\n"), tidy_name("-")
    ('traffic light', '')
    """
    return " ".join(tidy_text(name).split())


def unique_names(pairs: Iterable[tuple[Any, str]], path: Path, what: str) -> dict[Any, str]:
    """Return class names by id, without stray white space; the same class may be listed again.

    Raises:
        SourceError: Two classes share an id: which of them an annotation means cannot be told.
    """
    names: dict[Any, str] = {}
    for key, name in pairs:
        tidy = tidy_name(name)
        if names.setdefault(key, tidy) != tidy:
            raise SourceError(
                f"Expected every {what} to have an id of its own, got {names[key]!r} and {tidy!r} with the id {key!r} "
                f"({path}). Give one of them another id."
            )
    return names


@lru_cache(maxsize=256)
def _tidy_names(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(tidy_name, names))


def _with(value: Any, **changes: Any) -> Any:
    """Return an annotation with other values, the annotation itself where they are the same."""
    return replace(value, **changes) if any(getattr(value, key) != new for key, new in changes.items()) else value


def _tidy_relation(one: Relation) -> Relation:
    ends = tidy_name(one.subject), tidy_name(one.predicate), tidy_name(one.object)
    return (
        one
        if ends == (one.subject, one.predicate, one.object)
        else replace(one, subject=ends[0], predicate=ends[1], object=ends[2])
    )


def _try_writing(stated: Mapping[str, Any], *texts: str) -> None:
    """Try what goes into records as it is published: half a character and a number that is none cannot be written."""
    for text in texts:
        text.encode()
    if stated:
        json.dumps(stated, ensure_ascii=False, allow_nan=False).encode()


def _tidy_description(one: Description) -> Description:
    _try_writing(one.stated, one.id, one.object_id, *(one.object_ids or ()))
    tidy: Description = _with(one, text=tidy_text(one.text))
    return tidy


def _tidy_question(question: Question) -> Question:
    """Drop answers and options that say nothing; a question whose right option goes has no answer any more."""
    _try_writing(question.stated, question.id, question.situation, *question.references)
    options, index = tuple(map(tidy_text, question.choices)), question.answer
    answers = tuple([answer for answer in map(tidy_text, question.answers) if answer])
    if not all(options):
        right = options[index] if index is not None else ""
        options = tuple(filter(None, options))
        index = options.index(right) if right and len(options) > 1 else None
        if index is None:
            options = answers = ()
    text, context = tidy_text(question.text), tidy_text(question.context)
    changed: Question = _with(question, text=text, context=context, answers=answers, choices=options, answer=index)
    return changed


def _tidy_each(values: tuple[Any, ...], key: str) -> tuple[Any, ...]:
    """Tidy the name that each annotation has under a key; return the same tuple where all are tidy."""
    if all(tidy_name(name) == name for name in [getattr(value, key) for value in values]):
        return values
    return tuple(replace(value, **{key: tidy_name(getattr(value, key))}) for value in values)


_TIDY = {""}
"""Labels found to be tidy: looking one up costs a quarter of tidying it again."""


def _is_tidy(name: str) -> bool:
    if tidy_name(name) != name:
        return False
    if len(_TIDY) < 65536:
        _TIDY.add(name)
    return True


def _tidy_boxes(boxes: tuple[Box, ...]) -> tuple[Box, ...]:
    """Tidy the labels of 2D boxes and try their numbers: there are many, so all is done in one go."""
    stray = False
    for box in boxes:
        if box.label not in _TIDY and not _is_tidy(box.label):
            stray = True
        if not box.id.isascii():
            box.id.encode()
        sum(box.xyxy)
    return tuple(replace(box, label=tidy_name(box.label)) for box in boxes) if stray else boxes


def _check_numbers(item: Annotated) -> None:
    for solid in item.boxes3d:
        solid.id.encode()
        sum(solid.values)
    for person in item.keypoints:
        person.id.encode()
    sum((item.width, item.height))


def tidied(item: Annotated) -> Annotated:
    """Return an item whose names and texts have no stray white space, the item itself where there is none.

    What says nothing becomes an empty text: the makers of records leave it out and count it.

    Raises:
        TypeError, AttributeError, ValueError: Something is of another type, or a text holds half a character.
    """
    _check_numbers(item)
    for text in (item.id, item.media, item.group, item.licence):
        if not text.isascii():
            text.encode()
    changed: dict[str, Any] = {}
    if (boxes := _tidy_boxes(item.boxes)) is not item.boxes:
        changed["boxes"] = boxes
    if not any(_others(item)):
        return replace(item, **changed) if changed else item
    for part, key in _NAMED:
        values = getattr(item, part)
        if values and (tidy := _tidy_each(values, key)) is not values:
            changed[part] = tidy
    for part, tidy_one in _WORDED:
        values = getattr(item, part)
        if values and (tidy := tuple(map(tidy_one, changed.get(part, values)))) != values:
            changed[part] = tidy
    return replace(item, **changed) if changed else item


_NAMED = (("boxes3d", "label"), ("classes", "name"), ("counts", "label"))
_WORDED: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("classes", lambda one: _with(one, labels=_tidy_names(one.labels))),
    ("keypoints", lambda one: _with(one, names=_tidy_names(one.names))),
    ("captions", tidy_text),
    ("words", tidy_text),
    ("questions", _tidy_question),
    ("descriptions", _tidy_description),
    ("relations", _tidy_relation),
)
"""What else of an item is tidied, each by a function of one annotation."""
_others = attrgetter(*(part for part, _ in (*_NAMED, *_WORDED)))


def guarded(items: Iterator[Annotated], where: str) -> Iterator[Annotated]:
    """Pass a reader's items on, tidied; what breaks the reader inside somebody else's file is that file's fault.

    Readers check what is likely to be wrong and name file, line and id. A value of a type that nobody foresaw is
    refused here, and named by the last item that was whole.

    Args:
        items: A reader's items.
        where: Source and root, for messages.

    Raises:
        SourceError: The reader raised it, or met a value that it cannot handle.
    """
    last = "the beginning"
    try:
        for item in items:
            tidy = tidied(item)
            last = f"item {item.id} ({item.origin})"
            yield tidy
    except BREAKS as error:
        raise SourceError(
            f"Expected {where} to be laid out as documented, got {type(error).__name__} {str(error)[:100]} after "
            f"{last}; the file read last is {LAST_READ.get()}. Download the annotations again; `lamm data sources "
            "NAME` shows the layout."
        ) from error
