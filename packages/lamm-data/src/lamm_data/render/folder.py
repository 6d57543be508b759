"""Pictures of the clouds of a folder: PNG files, and `views.jsonl`, which says what each of them shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from lamm_data.clouds.reading import SUFFIXES, read_cloud
from lamm_data.errors import SourceError
from lamm_data.files.json_lines import iter_values
from lamm_data.files.processes import in_parallel
from lamm_data.render.views import ViewSettings, render_views
from lamm_llm import atomic_bytes

LISTING = "views.jsonl"
_SIZES = (6, 7, 9)


class Marked(NamedTuple):
    """An object to mark: its name, and its box of 6, 7 or 9 numbers."""

    label: str
    box: tuple[float, ...]


class Rendered(NamedTuple):
    """What became of one cloud: a line of the listing for each picture, or why there is none."""

    name: str
    lines: list[dict[str, Any]]
    fault: str = ""


def read_objects(path: Path) -> dict[str, list[Marked]]:
    """Read the objects of clouds from annotation rows: `{"pcl": "a.npy", "objects": [{"label": ..., "box": ...}]}`.

    Returns:
        Objects by the cloud's path.

    Raises:
        SourceError: A row names no cloud, or an object has no name or no box of 6, 7 or 9 numbers.
    """
    objects: dict[str, list[Marked]] = {}
    for line, row in iter_values(path):
        try:
            items = row.get("objects") or row.get("instances") or []
            objects[str(row["pcl"])] = [_marked(item) for item in items]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise SourceError(
                f'Expected {{"pcl": PATH, "objects": [{{"label": NAME, "box": [6, 7 or 9 numbers]}}, ...]}}, got '
                f"{str(row)[:80]} ({path}, line {line}): {error!r}."
            ) from error
    return objects


def _marked(item: Any) -> Marked:
    label = item.get("label") or item.get("category") or item.get("name")
    box = tuple(float(number) for number in item.get("box", item.get("bbox", ())))
    if not isinstance(label, str) or len(box) not in _SIZES:
        raise ValueError(f"an object {str(item)[:80]}")
    return Marked(label, box)


def cloud_names(source: Path) -> tuple[Path, list[str]]:
    """Return the folder of the clouds and their paths below it, of a single file or of all files below a folder.

    Raises:
        SourceError: There is none.
    """
    if source.is_file():
        return source.parent, [source.name]
    names = [path.relative_to(source).as_posix() for path in source.rglob("*") if path.suffix.lower() in SUFFIXES]
    if not names:
        raise SourceError(f"Expected cloud files ({', '.join(SUFFIXES)}) below {source}, got none.")
    return source, sorted(names)


def render_folder(
    source: Path,
    output: Path,
    settings: ViewSettings,
    objects: Mapping[str, list[Marked]] | None = None,
    workers: int = 1,
) -> Iterator[Rendered]:
    """Make pictures of clouds: `NAME.1.png`, `NAME.2.png`, ... below `output`, in the folders of the clouds.

    Args:
        source: A cloud file, or a folder of them.
        output: Folder to write.
        settings: How clouds are shown.
        objects: Objects to mark, by the cloud's path below `source`.
        workers: Processes.

    Yields:
        What became of each cloud, in the order of the names; a damaged file does not stop the run.
    """
    root, names = cloud_names(source)
    known = objects or {}
    pieces = [(name, known.get(name, [])) for name in names]
    yield from in_parallel(partial(_render_file, root, output, settings), pieces, workers)


def _render_file(root: Path, output: Path, settings: ViewSettings, piece: tuple[str, list[Marked]]) -> Rendered:
    name, marked = piece
    try:
        cloud = read_cloud(root / name).values
    except SourceError as error:
        return Rendered(name, [], str(error))
    lines = []
    for number, view in enumerate(render_views(cloud, [item.box for item in marked], settings), start=1):
        picture = f"{name}.{number}.png"
        (output / picture).parent.mkdir(parents=True, exist_ok=True)
        with atomic_bytes(output / picture) as handle:
            view.picture.save(handle, "PNG")
        seen = [
            {"number": key, "label": marked[key - 1].label, "share": round(sight.share, 2), "at": sight.at}
            for key, sight in view.objects.items()
        ]
        lines.append({"cloud": name, "view": view.name, "picture": picture, "objects": seen})
    return Rendered(name, lines)
