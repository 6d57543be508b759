"""The page: one HTML file that needs no server and no network."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from lamm_data.errors import Fault, SourceError
from lamm_data.files.pictures import media_file
from lamm_data.generation.rows import Row
from lamm_data.progress import Advance, unwatched
from lamm_data.records.instruction import InstructionRecord
from lamm_data.view.media import packed_cloud, picture_uri, shown_series
from lamm_data.view.token_masks import LEARNT, Token, TokenMask
from lamm_llm import write_whole
from lamm_metrics import points_each, side_each
from lamm_metrics import viewer_script as viewer_script

Entry = InstructionRecord | Fault


@dataclass
class Viewed:
    """What a page shows, and what it could not: entries that are no records, media; and its tokens by role."""

    shown: int = 0
    read: int = 0
    faults: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    tokens: Counter[str] = field(default_factory=Counter)


@dataclass
class Media:
    """The media of a page, which share its room.

    Attributes:
        root: Folder that media paths are relative to.
        side: Longest side of a picture in pixels.
        points: Most points of a cloud.
        clouds: The packed clouds that the page embeds, each once.
        numbers: Where each cloud stands in them, by its name.
    """

    root: Path
    side: int
    points: int
    clouds: list[dict[str, Any]] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Path, records: Sequence[InstructionRecord]) -> Media:
        """Share the room of a page among the media of records."""
        named = {(kind, name) for record in records for kind, name in zip(record.kinds, record.media, strict=True)}
        pictures = sum(kind == "image" for kind, _ in named)
        return cls(root, side_each(pictures), points_each(len(named) - pictures))

    def picture(self, name: str) -> str:
        """Return the element of a picture."""
        return f'<img src="{picture_uri(media_file(self.root, name), self.side)}" alt="{escape(name)}">'

    def cloud(self, name: str) -> int:
        """Return the number of a cloud, embedding it when it is new."""
        if name not in self.numbers:
            self.clouds.append(packed_cloud(media_file(self.root, name), self.points))
            self.numbers[name] = len(self.clouds) - 1
        return self.numbers[name]


def draw_records(entries: Iterable[Entry], limit: int, seed: int, account: Viewed) -> list[InstructionRecord]:
    """Draw records evenly from a stream of any length, in its order (Vitter's algorithm R); faults are counted."""
    generator = random.Random(seed)
    drawn: list[tuple[int, InstructionRecord]] = []
    for record in entries:
        if isinstance(record, Fault):
            account.faults.append(str(record))
            continue
        index = account.read if account.read < limit else generator.randrange(account.read + 1)
        if index < limit:
            drawn[index : index + 1] = [(account.read, record)]
        account.read += 1
    return [record for _, record in sorted(drawn, key=lambda pair: pair[0])]


def write_page(
    path: Path,
    records: list[InstructionRecord],
    media_root: Path,
    account: Viewed,
    *,
    title: str,
    rows: Mapping[str, Row] | None = None,
    token_mask: TokenMask | None = None,
    advance: Advance = unwatched,
) -> None:
    """Write the page; an existing one is replaced once the new one is complete.

    Args:
        path: The HTML file.
        records: What to show.
        media_root: Folder that media paths are relative to.
        account: Where media that cannot be shown and tokens are counted.
        title: Heading.
        rows: Annotations by record id, whose boxes are drawn beside those of the text.
        token_mask: Gives the tokens of a record.
        advance: Told of each record.
    """
    articles, media = [], Media.of(media_root, records)
    for record in records:
        articles.append(_article(record, media, (rows or {}).get(record.id or ""), token_mask, account))
        account.shown += 1
        advance(1)
    folder = files("lamm_data.view") / "page"
    page = Template((folder / "view.html").read_text("utf-8")).substitute(
        title=escape(title),
        summary=escape(_summary(account)),
        style=(folder / "view.css").read_text("utf-8"),
        script="\n".join([viewer_script(), (folder / "view.js").read_text("utf-8")]),
        # Inside a script element only "<" could end it early.
        clouds=json.dumps(media.clouds).replace("<", "\\u003c"),
        articles="\n".join(articles),
        masked="" if token_mask else "hidden",
    )
    write_whole(path, page)


def _summary(account: Viewed) -> str:
    parts = [f"{account.shown} of {account.read} records"]
    parts += [f"{len(account.faults)} entries are no records"] if account.faults else []
    parts += [f"{len(account.missing)} media could not be shown"] if account.missing else []
    if total := account.tokens.total():
        parts.append(f"{account.tokens[LEARNT]} of {total} tokens are learnt")
    return ", ".join(parts) + "."


def _article(
    record: InstructionRecord, media: Media, row: Row | None, token_mask: TokenMask | None, account: Viewed
) -> str:
    heading = escape(str(record.id)) if record.id is not None else "(no id)"
    facts = [record.kind, record.src_image or record.src_dataset or "", str((record.meta or {}).get("licence", ""))]
    turns = "".join(
        f'<p class="{turn.role}"><b>{turn.role}</b> {escape(turn.text)}</p>' for turn in record.conversations
    )
    tokens = _tokens(token_mask(record), account) if token_mask else ""
    return (
        f'<article tabindex="-1"><h2>{heading}</h2><p class="facts">{escape(" · ".join(filter(None, facts)))}</p>'
        f'<div class="media">{"".join(_figures(record, media, row, account))}</div>'
        f'<div class="words"><div class="dialogue">{turns}</div>{tokens}</div></article>'
    )


def _figures(record: InstructionRecord, media: Media, row: Row | None, account: Viewed) -> Iterator[str]:
    series = escape(json.dumps(shown_series(record, row), ensure_ascii=False))
    for kind, name in zip(record.kinds, record.media, strict=True):
        caption = f"<figcaption>{escape(name)}</figcaption>"
        try:
            if kind == "image":
                yield f'<figure data-series="{series}">{media.picture(name)}{caption}</figure>'
            else:
                yield f'<figure data-series="{series}" data-cloud="{media.cloud(name)}">{caption}</figure>'
        except SourceError as error:
            account.missing.append(f"{error} (id {record.id!r})")
            yield f'<figure><p class="missing">{escape(name)} cannot be shown: {escape(str(error))}</p></figure>'


def _tokens(tokens: list[Token], account: Viewed) -> str:
    account.tokens.update(role for _, role in tokens)
    spans = "".join(f'<span class="{escape(role)}">{_visible(text)}</span>' for text, role in tokens)
    learnt = sum(role == LEARNT for _, role in tokens)
    return f'<div class="tokens" aria-label="{learnt} of {len(tokens)} tokens are learnt">{spans}</div>'


def _visible(text: str) -> str:
    """Text of a token with its white space to be seen, and lines broken where it breaks them."""
    return escape(text).replace(" ", "·").replace("\n", "↵<br>").replace("\t", "→") or "∅"
