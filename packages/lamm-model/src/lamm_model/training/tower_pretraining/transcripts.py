"""What an image reader is to say about a picture: its annotations as a short list of words, phrases and numbers."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from lamm_data import TASK_TABLE, Annotated, get_source
from lamm_model.errors import LammModelError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

BLANK = ""
SPELLED = "="  # before a token that stands for itself
NUMBERS = tuple(f"%{number:02}" for number in range(100))
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_ARTICLES = {"a", "an", "the", "and", "of"}
_SAID = ("keypoints", "counts", "boxes", "captions", "classes", "words")


@dataclass(frozen=True, slots=True)
class Transcript:
    """A picture and what it is read as."""

    image: Path
    entries: tuple[str, ...]


def read_transcripts(
    source: str, root: Path, tokenizer: "PreTrainedTokenizerBase", split: str = ""
) -> list[Transcript]:
    """Write a transcript of every picture that a source has annotations of.

    Args:
        source: Name of a source of lamm-data.
        root: Its folder.
        tokenizer: The language model's; words that are written in a picture are spelled in its tokens.
        split: Which split; that for training when empty.

    Raises:
        LammModelError: There is none.
    """
    opened = get_source(source)
    about: dict[str, list[Annotated]] = {}
    for task in opened.readers:
        if TASK_TABLE[task].modality == "image":
            for item in opened.open(root, split or opened.train, task):
                about.setdefault(item.media, []).append(item)
    made = [Transcript(root / media, tuple(_transcribe(items, tokenizer))) for media, items in about.items()]
    if not (found := [one for one in made if one.entries]):
        raise LammModelError(f"Expected annotated pictures of {source} in {root}, found none. Name another root.")
    return found


def _transcribe(items: Sequence[Annotated], tokenizer: "PreTrainedTokenizerBase") -> Iterator[str]:
    """Yield the entries of one picture, of which several files may speak."""
    said = {name: tuple(dict.fromkeys(chain(*(getattr(item, name) for item in items)))) for name in _SAID}
    width, height = max(item.width for item in items) or 1, max(item.height for item in items) or 1
    for person in said["keypoints"]:
        for name, (x, y) in person.labelled().items():
            yield from (name, _percent(x / width), _percent(y / height))
    for count in said["counts"]:
        yield from (str(count.number), count.label)
    if said["boxes"] and not (said["counts"] or said["keypoints"] or said["words"]):  # else they are of what is told
        yield DIGITS[len(said["boxes"])] if len(said["boxes"]) < len(DIGITS) else str(len(said["boxes"]))
        placed = [(box.label, box.normalised(width, height)) for box in said["boxes"]]
        for label, (x1, y1, x2, y2) in sorted(placed, key=lambda one: _quadrant(one[1])):
            yield from (_adjective(label, said["captions"]), label, " ".join(_PLACES[_quadrant((x1, y1, x2, y2))]))
            yield from map(_percent, (x1, y1, x2, y2))
    for label in said["classes"]:
        yield from (label.attribute or "class", label.name)
    for token in tokenizer(" ".join(said["words"]), add_special_tokens=False)["input_ids"] if said["words"] else ():
        yield f"{SPELLED}{tokenizer.decode([token])}"


_PLACES = (("top", "left"), ("top", "right"), ("bottom", "left"), ("bottom", "right"))


def _quadrant(box: tuple[float, float, float, float]) -> int:
    return 2 * (box[1] + box[3] >= 1) + (box[0] + box[2] >= 1)


def _adjective(label: str, captions: Sequence[str]) -> str:
    """Return the word that captions put before a label, such as its colour; blank where there is none."""
    found = re.search(rf"(\w+) {re.escape(label)}\b", max(captions, key=len, default=""))
    return found[1] if found and found[1] not in _ARTICLES else BLANK


def _percent(share: float) -> str:
    return NUMBERS[min(max(round(100 * share), 0), 99)]


def book_of(transcripts: Sequence[Transcript]) -> list[str]:
    """List the entries that transcripts are written in: blank, the numbers, and the words in order."""
    words = {entry for one in transcripts for entry in one.entries} - {BLANK, *NUMBERS}
    return [BLANK, *NUMBERS, *sorted(words)]


def embed_book(book: Sequence[str], tokenizer: "PreTrainedTokenizerBase", embeddings: "torch.Tensor") -> "torch.Tensor":
    """Return the embeddings of each entry's pieces, `[entries, PIECES, width]`; what is blank is zero.

    A piece is a token; the last is the sum of what follows. Numbers are written as answers write them, a comma after:
    a small language model copies such text, and of digits alone half.
    """
    import torch

    from lamm_model.towers.image_reader import PIECES

    def tokens(text: str) -> list[int]:
        return min((tokenizer(form, add_special_tokens=False)["input_ids"] for form in (f" {text}", text)), key=len)

    rows = embeddings.new_zeros(len(book), PIECES, embeddings.shape[1], dtype=torch.float32)
    for row, entry in zip(rows, book, strict=True):
        exact = f"{int(entry[1:]) / 100:g}, " if entry in NUMBERS else entry.removeprefix(SPELLED)
        if exact != entry:
            ids = tokenizer(exact, add_special_tokens=False)["input_ids"]
        else:
            ids = tokens(entry) if entry else []
        for place, number in enumerate(ids):
            row[min(place, PIECES - 1)] += embeddings[number]
    return rows
