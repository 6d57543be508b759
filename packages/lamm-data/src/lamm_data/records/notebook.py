"""How records show themselves in a notebook: the picture, where it lies below the current folder, and what is said."""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamm_data.records.benchmark import BenchmarkRecord
    from lamm_data.records.instruction import HasMedia, InstructionRecord

SIDE = 240
# What a benchmark record holds beside question and truth.
_OTHER = {"id", "query", "image", "pcl", "task", "dataset", "group", "image_size", "system", "meta", "src_image"}


def instruction_html(record: InstructionRecord) -> str:
    """A dialogue, a line an utterance, beside its picture."""
    title = " · ".join(str(part) for part in (record.id, record.kind, *record.media) if part)
    rows = [(turn.role, turn.text) for turn in record.dialogue()]
    return _shown(title, record, rows)


def benchmark_html(record: BenchmarkRecord) -> str:
    """A question with its truth, beside its picture."""
    title = " · ".join(str(part) for part in (record.id, record.task, record.dataset, *record.media) if part)
    truth = [(key, str(value)) for key, value in record.to_dict().items() if key not in _OTHER]
    system = [("system", record.system)] if record.system else []
    return _shown(title, record, [*system, ("query", record.query), *truth])


def _shown(title: str, record: HasMedia, rows: list[tuple[str, str]]) -> str:
    left = 'style="text-align: left; vertical-align: top"'
    body = "".join(
        f"<tr><th {left}>{escape(name)}</th><td {left}>{escape(text).replace(chr(10), '<br>')}</td></tr>"
        for name, text in rows
    )
    pictures = "".join(_picture(path) for path in record.media) if record.modality == "image" else ""
    return f"<p><strong>{escape(title)}</strong></p>{pictures}<table><tbody>{body}</tbody></table>"


def _picture(media: str) -> str:
    """An image as a small `data:` picture; nothing where it lies elsewhere or is none.

    Records are not trusted: only what lies below the current folder is read.
    """
    path = PurePosixPath(media)
    if path.is_absolute() or ".." in path.parts or not Path(path).is_file():
        return ""
    from PIL import Image

    written = io.BytesIO()
    try:
        with Image.open(Path(path)) as image:
            image.thumbnail((SIDE, SIDE))
            image.convert("RGB").save(written, "PNG")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return ""
    data = base64.b64encode(written.getvalue()).decode("ascii")
    return f'<img src="data:image/png;base64,{data}" alt="{escape(media)}">'
