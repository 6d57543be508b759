"""Reading fields of foreign files with messages that say where they are wrong."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from lamm_data.errors import SourceError
from lamm_data.files.json_lines import LAST_READ
from lamm_data.files.pictures import media_file, open_picture, shown_size
from lamm_data.records.annotations import Annotated


def need(value: Any, keys: Iterable[str], path: str | Path, what: str) -> Mapping[str, Any]:
    """Return a JSON object after checking that it has the keys.

    Raises:
        SourceError: It is no object or lacks a key.
    """
    missing = [key for key in keys if not isinstance(value, Mapping) or key not in value]
    if missing:
        got = sorted(map(str, value))[:8] if isinstance(value, Mapping) else type(value).__name__
        raise SourceError(f"Expected {what} with {', '.join(missing)}, got {got} ({path}). Is this the right file?")
    return dict(value)


def first_file(root: Path, names: str, **values: str) -> Path:
    """Return the first file that is there of some names below a root, separated by ` | `.

    Args:
        root: The source's root.
        names: Names with `{placeholders}`.
        values: Values of the placeholders.

    Raises:
        SourceError: None is there.
    """
    wanted = [name.strip().format(**values) for name in names.split("|")]
    found = next((root / name for name in wanted if (root / name).is_file()), None)
    if found is None:
        raise SourceError(f"Expected {' or '.join(wanted)} in {root}, got none. Check the root folder and the split.")
    return found


def read_file(path: Path) -> bytes:
    """Return a file's content.

    Raises:
        SourceError: There is no such file.
    """
    LAST_READ.set(path)
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise SourceError(f"Expected a file, got nothing at {path}. Check the root folder.") from error


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file, without their ends and without empty ones.

    Raises:
        SourceError: The file is missing, or neither UTF-8 nor UTF-16 with its mark.
    """
    raw = read_file(path)
    try:
        text = raw.decode(encoding_of(raw))
    except UnicodeDecodeError as error:
        raise SourceError(
            f"Expected UTF-8 text, got byte {error.start} that is not ({path}). Save it as UTF-8."
        ) from error
    return [line for line in text.splitlines() if line.strip()]


def csv_rows(path: Path, keys: Iterable[str], what: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the rows of a CSV file by the names of its heading, with the line each ends on.

    Raises:
        SourceError: The file is missing, not UTF-8 or no CSV, its heading lacks a key, or a row has other cells.
    """
    try:
        text = read_file(path).decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""))
        need(dict.fromkeys(reader.fieldnames or ()), keys, path, what)
        for row in reader:
            if None in row or None in row.values():
                raise SourceError(
                    f"Expected {len(reader.fieldnames or ())} cells, got others ({path}, line {reader.line_num}). "
                    "Download it again."
                )
            yield reader.line_num, row
    except (UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"Expected a CSV file in UTF-8, got {error} ({path}). Download it again.") from error


def encoding_of(raw: bytes) -> str:
    """Return the encoding that a text's byte order mark says, as Excel and PowerShell write it; else UTF-8."""
    return next((name for mark, name in _MARKS if raw.startswith(mark)), "utf-8")


_DECLARED = re.compile(r"""<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)["']""")
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def _decoded_xml(raw: bytes, path: Path) -> str:
    """Decode XML by its byte order mark, else by the encoding that it declares, else as UTF-8."""
    declared = _DECLARED.match(raw[:200].decode("latin-1").lstrip())
    marked = encoding_of(raw)
    encoding = declared[1] if declared and marked == "utf-8" else marked
    try:
        return raw.decode(encoding)
    except LookupError as error:
        raise SourceError(f"Expected an encoding that Python knows, got {encoding!r} ({path}).") from error
    except UnicodeDecodeError as error:
        raise SourceError(
            f"Expected XML in {encoding}, got byte {error.start} that is not ({path}). Name the encoding in its first "
            'line: <?xml version="1.0" encoding="..."?>.'
        ) from error


def parse_xml(path: Path) -> ET.Element:
    """Parse an XML file of any encoding that it declares.

    Raises:
        SourceError: It is missing, in another encoding than it says, not well formed (line and column are named), or
            declares entities, which no annotation file needs and which can be made to grow without bound.
    """
    text = _decoded_xml(read_file(path), path)
    if "<!ENTITY" in text:
        raise SourceError(f"Expected plain annotation XML, got entity declarations ({path}). Do not use this file.")
    try:
        return ET.fromstring(text)  # entities are refused above  # nosec B314
    except (ET.ParseError, ValueError) as error:
        raise SourceError(f"Expected well-formed XML, got {error} ({path}). Download it again.") from error


def name_of(element: ET.Element, tag: str, path: Path) -> str:
    """Return the name in a child element, stripped; it may be empty, for objects without a name are left out later.

    Raises:
        SourceError: There is no such child.
    """
    text = element.findtext(tag)
    if text is None:
        raise SourceError(f"Expected <{tag}> inside <{element.tag}>, got none ({path}).")
    return text.strip()


def text_of(element: ET.Element, tag: str, path: Path) -> str:
    """Return the text of a child element, stripped.

    Raises:
        SourceError: There is no such child or it is empty.
    """
    text = (element.findtext(tag) or "").strip()
    if not text:
        raise SourceError(f"Expected <{tag}> inside <{element.tag}>, got none ({path}).")
    return text


def image_size(root: Path, media: str) -> tuple[int, int]:
    """Read width and height from the header of an image below the root, of the picture as it is shown.

    Returns:
        `(0, 0)` when there is no such file below the root or it is damaged: `lamm_data.sources.media.MediaCheck` looks
        at those files again and leaves them out with the reason, so that one bad photograph does not end a run over
        thousands.
    """
    try:
        with open_picture(media_file(root, media)) as image:
            return shown_size(image)
    except SourceError:
        return 0, 0


def measured(root: Path, media: str, key: str, **values: Any) -> Annotated:
    """Make the item of an image below the root whose size no annotation states: its header says it (`image_size`)."""
    width, height = image_size(root, media)
    return Annotated(key, media, width=width, height=height, **values)


def right_option(choices: tuple[str, ...], answer: Any, where: str) -> int:
    """Return the index of a question's right option.

    Raises:
        SourceError: It lies outside the options.
    """
    if not 0 <= int(answer) < len(choices):
        raise SourceError(f"Expected an answer below {len(choices)}, got {answer} ({where}).")
    return int(answer)
