"""Parse annotation XML without entities: a file that declares any is refused."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from lamm_data.errors import SourceError


def parse_xml(path: str | Path) -> ET.Element:
    """Parse an XML file.

    Raises:
        SourceError: It is missing, not well formed (line and column are named), or declares entities, which no
            annotation file needs and which can be made to grow without bound.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise SourceError(f"Expected a file, got nothing at {path}. Check the root folder.") from error
    if b"<!ENTITY" in raw:
        raise SourceError(f"Expected plain annotation XML, got entity declarations ({path}). Do not use this file.")
    try:
        return ET.fromstring(raw)
    except ET.ParseError as error:
        raise SourceError(f"Expected well-formed XML, got {error} ({path}). Download it again.") from error


def text_of(element: ET.Element, tag: str, path: str | Path) -> str:
    """Return the text of a child element, stripped.

    Raises:
        SourceError: There is no such child or it is empty.
    """
    found = element.findtext(tag)
    if found is None or not found.strip():
        raise SourceError(f"Expected <{tag}> inside <{element.tag}>, got none ({path}).")
    return found.strip()
