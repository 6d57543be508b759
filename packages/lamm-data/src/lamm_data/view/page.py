"""The page: one HTML file that needs no server and no network."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from lamm_data.errors import Fault, SourceError
from lamm_data.files.pictures import media_file
from lamm_data.generation.rows import Row
from lamm_data.progress import Advance, unwatched
from lamm_data.records.instruction import InstructionRecord
from lamm_data.view.drawings import cloud, picture
from lamm_data.view.media import shown_boxes
from lamm_data.view.token_masks import LEARNT, Token, TokenMask
from lamm_llm import write_whole

Entry = InstructionRecord | Fault


@dataclass
class Viewed:
    """What a page shows, and what it could not: entries that are no records, media; and its tokens by role."""

    shown: int = 0
    read: int = 0
    faults: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    tokens: Counter[str] = field(default_factory=Counter)


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
    articles = []
    for record in records:
        articles.append(_article(record, media_root, (rows or {}).get(record.id or ""), token_mask, account))
        account.shown += 1
        advance(1)
    folder = files("lamm_data.view") / "page"
    page = Template((folder / "view.html").read_text("utf-8")).substitute(
        title=escape(title),
        summary=escape(_summary(account)),
        style=(folder / "view.css").read_text("utf-8"),
        script=(folder / "view.js").read_text("utf-8"),
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
    record: InstructionRecord, root: Path, row: Row | None, token_mask: TokenMask | None, account: Viewed
) -> str:
    heading = escape(str(record.id)) if record.id is not None else "(no id)"
    facts = [record.kind, record.src_image or record.src_dataset or "", str((record.meta or {}).get("licence", ""))]
    turns = "".join(
        f'<p class="{turn.role}"><b>{turn.role}</b> {escape(turn.text)}</p>' for turn in record.conversations
    )
    tokens = _tokens(token_mask(record), account) if token_mask else ""
    return (
        f'<article tabindex="-1"><h2>{heading}</h2><p class="facts">{escape(" · ".join(filter(None, facts)))}</p>'
        f'<div class="media">{"".join(_media(record, root, row, account))}</div>'
        f'<div class="words"><div class="dialogue">{turns}</div>{tokens}</div></article>'
    )


def _media(record: InstructionRecord, root: Path, row: Row | None, account: Viewed) -> Iterator[str]:
    boxes = shown_boxes(record, row)
    for kind, name in zip(record.kinds, record.media, strict=True):
        draw = picture if kind == "image" else cloud
        try:
            drawn = draw(media_file(root, name), boxes)
        except SourceError as error:
            account.missing.append(f"{error} (id {record.id!r})")
            drawn = f'<p class="missing">{escape(name)} cannot be shown: {escape(str(error))}</p>'
        yield f"<figure>{drawn}<figcaption>{escape(name)}</figcaption></figure>"


def _tokens(tokens: list[Token], account: Viewed) -> str:
    account.tokens.update(role for _, role in tokens)
    spans = "".join(f'<span class="{escape(role)}">{_visible(text)}</span>' for text, role in tokens)
    learnt = sum(role == LEARNT for _, role in tokens)
    return f'<div class="tokens" aria-label="{learnt} of {len(tokens)} tokens are learnt">{spans}</div>'


def _visible(text: str) -> str:
    """Text of a token with its white space to be seen, and lines broken where it breaks them."""
    return escape(text).replace(" ", "·").replace("\n", "↵<br>").replace("\t", "→") or "∅"
