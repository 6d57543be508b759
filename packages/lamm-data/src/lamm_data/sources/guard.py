"""The seam between readers and files that other people made: whatever they hold, it is read or refused by name."""

from __future__ import annotations

from collections.abc import Iterator

from lamm_data.errors import SourceError
from lamm_data.records.annotations import Annotated


def _texts(item: Annotated) -> Iterator[str]:
    yield from (item.id, item.media, item.group, item.licence)
    yield from item.captions
    yield from item.words
    for label in item.classes:
        yield label.name
        yield from label.labels
    for question in item.questions:
        yield from (question.text, question.context, question.id)
        yield from question.answers
        yield from question.choices
    for text in item.descriptions:
        yield from (text.text, text.object_id, text.id)
    for relation in item.relations:
        yield from (relation.subject, relation.predicate, relation.object)
    for count in item.counts:
        yield count.label
    for person in item.keypoints:
        yield person.id
        yield from person.names


def check_types(item: Annotated) -> None:
    """Try what converters rely on: texts are texts that can be written, numbers can be added up.

    Raises:
        TypeError, AttributeError, ValueError: Something is of another type, or a text holds half a character.
    """
    for text in _texts(item):
        if not text.isascii():
            text.encode()
    for box in item.boxes:
        if not box.label.isascii() or not box.id.isascii():
            (box.label + box.id).encode()
        sum(box.xyxy)
    for solid in item.boxes3d:
        (solid.label + solid.id).encode()
        sum(solid.values)
    sum((item.width, item.height))


def guarded(items: Iterator[Annotated], where: str) -> Iterator[Annotated]:
    """Pass a reader's items on; what breaks the reader inside somebody else's file is that file's fault.

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
            check_types(item)
            last = f"item {item.id} ({item.origin})"
            yield item
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, OverflowError) as error:
        raise SourceError(
            f"Expected {where} to be laid out as documented, got {type(error).__name__} {str(error)[:100]} after "
            f"{last}. Download the annotations again; `lamm data sources NAME` shows the layout."
        ) from error
