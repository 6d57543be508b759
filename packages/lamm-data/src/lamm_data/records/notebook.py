"""How records show themselves in a notebook: the picture, where it lies below the current folder, and what is said."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from html import escape
from pathlib import Path

from lamm_data.errors import SourceError
from lamm_data.files.pictures import media_file, open_picture, upright

SIDE = 240


def record_html(title: Iterable[object], media: tuple[str, ...], rows: Iterable[tuple[str, str]]) -> str:
    """Write a record as a title, its pictures and a table.

    Args:
        title: Parts of the title; empty ones are left out.
        media: Paths of its images; none for a cloud.
        rows: Name and text of each line.
    """
    heading = escape(" · ".join(str(part) for part in title if part))
    left = 'style="text-align: left; vertical-align: top"'
    body = "".join(
        f"<tr><th {left}>{escape(name)}</th><td {left}>{escape(text).replace(chr(10), '<br>')}</td></tr>"
        for name, text in rows
    )
    pictures = "".join(map(_picture, media))
    return f"<p><strong>{heading}</strong></p>{pictures}<table><tbody>{body}</tbody></table>"


def _picture(media: str) -> str:
    """Return an image as a small `data:` picture; nothing where it lies elsewhere or is none.

    Records are not trusted: only what lies below the current folder is read.
    """
    written = io.BytesIO()
    try:
        with open_picture(media_file(Path(), media)) as image:
            shown = upright(image).convert("RGB")
            shown.thumbnail((SIDE, SIDE))
            shown.save(written, "PNG")
    except SourceError:
        return ""
    data = base64.b64encode(written.getvalue()).decode("ascii")
    return f'<img src="data:image/png;base64,{data}" alt="{escape(media)}">'
