"""Answers about the tiles of a building, put together: boxes in the building's own frame, the same object once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamm_data.clouds.frames import MANIFEST, Matrix, box_around, frame_matrix, map_box
from lamm_data.errors import SourceError
from lamm_data.files.json_lines import iter_values

Array = NDArray[np.float64]
_SAME_IOU = 0.25
_SAME_WITHIN = 0.6
"""Share of the smaller box that lies in the larger one: a piece of an object that its tile cuts."""
_SIZES = (6, 7, 9)


class Tile(NamedTuple):
    """A tile of a building.

    Attributes:
        source: The building's scan.
        matrix: `[4, 4]` from the scan's frame to the building's cloud: metres, z up.
        origin: `[3]` of the tile's cloud, in that.
        low: `[3]` lowest corner of the tile, in that.
        high: `[3]` highest corner.
    """

    source: str
    matrix: Matrix
    origin: Array
    low: Array
    high: Array


@dataclass(slots=True)
class _Found:
    """A box that an answer names, in the building's cloud."""

    entry: dict[str, Any]
    box: tuple[float, ...]
    tile: str
    cut: bool
    low: Array
    high: Array

    @property
    def rank(self) -> tuple[bool, float, float]:
        """What decides between boxes of one object: whole, then scored highest, then largest."""
        return not self.cut, float(self.entry.get("score", 0.0)), float(np.prod(self.high - self.low))


def read_tiles(folder: str | Path) -> dict[str, Tile]:
    """Read where the tiles of a folder lie, by their names.

    Raises:
        SourceError: The folder has no `clouds.json` with tiles.
    """
    path = Path(folder) / MANIFEST
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["clouds"]
        tiles = {name: _tile(entry) for name, entry in entries.items() if "tile" in entry}
    except (OSError, ValueError, KeyError, AttributeError, TypeError, OverflowError, RecursionError) as error:
        raise SourceError(f"Expected {path} as `lamm data clouds --tile` writes it, got {error!r}.") from error
    if not tiles:
        raise SourceError(f"Expected tiles in {path}, got none. Make them with `lamm data clouds --tile METRES`.")
    return tiles


def _tile(entry: Mapping[str, Any]) -> Tile:
    origin, low, high = (np.array(entry["tile"][key], np.float64) for key in ("origin", "low", "high"))
    matrix = frame_matrix(np.eye(3), 1.0, -origin, np.zeros(3)) @ np.array(entry["matrix"], np.float64)
    return Tile(str(entry["source"]), matrix, origin, low, high)


def read_answers(
    path: Path, tiles: Mapping[str, Tile], records: Path | None = None
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Read answers with the tile that each is about: its `pcl`, that of the record of its `id`, or its `id` itself.

    Args:
        path: Predictions, or rows of annotations; a header is passed over.
        tiles: Of `read_tiles`. A path to a tile may have folders before the tile's name.
        records: Records whose `id` and `pcl` say which tile an answer is about.

    Raises:
        SourceError: A row is no object, or says no tile.
    """
    of_id = {str(row.get("id")): row.get("pcl") for _, row in iter_values(records)} if records else {}
    for line, row in iter_values(path):
        if not isinstance(row, dict):
            raise SourceError(f"Expected an object with boxes, got {str(row)[:80]} ({path}, line {line}).")
        if "lamm" in row and not {"id", "pcl"} & row.keys():
            continue
        given = row.get("pcl") or of_id.get(str(row.get("id"))) or row.get("id")
        name = _named(str(given[0] if isinstance(given, list) and given else given), tiles)
        if name is None:
            raise SourceError(
                f"Expected an answer whose pcl is a tile such as {next(iter(tiles))}, got {str(given)[:80]!r} "
                f"({path}, line {line}). Name the questions with --benchmark."
            )
        yield name, row


def _named(path: str, tiles: Mapping[str, Tile]) -> str | None:
    parts = path.replace("\\", "/").split("/")
    return next((name for k in range(len(parts)) if (name := "/".join(parts[k:])) in tiles), None)


def merge_tiles(rows: Iterable[tuple[str, Mapping[str, Any]]], tiles: Mapping[str, Tile]) -> Iterator[dict[str, Any]]:
    """Merge what was answered about tiles, building by building.

    Boxes of one label in two tiles count as one object where they overlap by a quarter (IoU) as far as both tiles see,
    or one lies by 60 % in the other. Those of one tile do not: its model told them apart. Of one object the whole box
    counts, then the one with the highest score, then the largest; an object that every tile cuts is put together.

    Args:
        rows: Each answer with its tile: `boxes` (or `objects`) of `label`, `box` (6, 7 or 9 numbers, in the tile's
            cloud) and perhaps `score`. Whatever else it says, a count or a caption, is of that tile alone.
        tiles: Of `read_tiles`.

    Yields:
        A row a building: `pcl` (its scan), `boxes` in that scan's frame and unit with the `tiles` they were seen in,
        and `answers`: what was answered about each tile, without its boxes, and the tile's own `box` in that frame.

    Raises:
        SourceError: An answer is about no tile, or has a box that is none.
    """
    found: dict[str, list[_Found]] = {}
    answers: dict[str, list[dict[str, Any]]] = {}
    for name, row in rows:
        if name not in tiles:
            raise SourceError(f"Expected an answer about a tile such as {next(iter(tiles))}, got one about {name!r}.")
        tile = tiles[name]
        boxes = _boxes(row, name, tiles)
        found.setdefault(tile.source, []).extend(boxes)
        rest = {key: value for key, value in row.items() if key not in ("boxes", "objects", "object")}
        middle, size = (tile.low + tile.high) / 2, tile.high - tile.low
        place = map_box((*middle, *size), tile.matrix, back=True)
        answers.setdefault(tile.source, []).append(rest | {"pcl": name, "tile_box": _rounded(place)})
    by_source = {tile.source: tile for tile in tiles.values()}
    for source, said in answers.items():
        merged = [_one_of(group, by_source[source]) for group in _grouped(found[source], tiles)]
        yield {"pcl": source, "boxes": merged, "answers": said}


def _boxes(row: Mapping[str, Any], name: str, tiles: Mapping[str, Tile]) -> list[_Found]:
    """Return the boxes of an answer in the frame of the building, and whether the tile cuts them."""
    tile, made = tiles[name], []
    mates = [other for other in tiles.values() if other.source == tile.source]
    least, most = np.min([m.low for m in mates], axis=0), np.max([m.high for m in mates], axis=0)
    stated = row.get("boxes") or row.get("objects") or row.get("object") or []
    for item in stated if isinstance(stated, list) else [stated]:
        try:
            box = tuple(float(number) for number in item.get("box", item.get("bbox", ())))
            label = " ".join(str(item.get("label") or item.get("category") or "").split())
            entry = {"label": label} | ({"score": float(item["score"])} if item.get("score") is not None else {})
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise SourceError(f"Expected boxes of 6, 7 or 9 numbers, got {str(item)[:80]} ({name}).") from error
        if len(box) not in _SIZES or not np.isfinite(box).all():
            raise SourceError(f"Expected boxes of 6, 7 or 9 finite numbers, got {str(item)[:80]} ({name}).")
        placed = (*(np.array(box[:3]) + tile.origin).tolist(), *box[3:])
        low, high = box_around(placed)
        near = 0.02 * (tile.high - tile.low)
        cut = ((low < tile.low + near) & (tile.low > least)) | ((high > tile.high - near) & (tile.high < most))
        made.append(_Found(entry, placed, name, bool(cut.any()), low, high))
    return made


def _grouped(found: list[_Found], tiles: Mapping[str, Tile]) -> list[list[_Found]]:
    """Put boxes of one object together, those that overlap most first, at most one of each answer's tile."""
    group_of = [[box] for box in found]
    index = list(range(len(found)))
    for _, a, b in sorted(_pairs(found, tiles), key=lambda pair: (-pair[0], pair[1], pair[2])):
        one, other = group_of[index[a]], group_of[index[b]]
        if index[a] != index[b] and not {box.tile for box in one} & {box.tile for box in other}:
            one += other
            old = index[b]
            index = [index[a] if k == old else k for k in index]
    return [group_of[k] for k in dict.fromkeys(index)]


def _pairs(found: list[_Found], tiles: Mapping[str, Tile]) -> Iterator[tuple[float, int, int]]:
    """Yield pairs that are one object, with how much they overlap where both tiles see."""
    if not found:
        return
    lows, highs = np.array([box.low for box in found]), np.array([box.high for box in found])
    firsts, lasts = (np.array([getattr(tiles[box.tile], side) for box in found]) for side in ("low", "high"))
    for k, box in enumerate(found[:-1]):
        rest = slice(k + 1, None)
        # Beyond the side of one tile the other is alone; where both end, nothing is beyond.
        least = np.where(firsts[rest] == firsts[k], -np.inf, np.maximum(firsts[rest], firsts[k]))
        most = np.where(lasts[rest] == lasts[k], np.inf, np.minimum(lasts[rest], lasts[k]))
        one = _volume(np.maximum(lows[k], least), np.minimum(highs[k], most))
        other = _volume(np.maximum(lows[rest], least), np.minimum(highs[rest], most))
        shared = _volume(
            np.maximum(np.maximum(lows[rest], lows[k]), least), np.minimum(np.minimum(highs[rest], highs[k]), most)
        )
        alike = shared / np.maximum(one + other - shared, 1e-12)
        smaller = np.minimum(_volume(lows[rest], highs[rest]), _volume(lows[k], highs[k]))
        within = shared / np.maximum(smaller, 1e-12)
        for at in np.flatnonzero((alike >= _SAME_IOU) | (within >= _SAME_WITHIN)):
            mate = found[k + 1 + int(at)]
            if mate.tile != box.tile and mate.entry["label"].lower() == box.entry["label"].lower():
                yield float(max(alike[at], within[at])), k, k + 1 + int(at)


def _volume(low: Array, high: Array) -> Array:
    volume: Array = np.maximum(high - low, 0).prod(axis=-1)
    return volume


def _one_of(group: list[_Found], tile: Tile) -> dict[str, Any]:
    """Return the box of an object in the scan's frame."""
    best = max(group, key=lambda box: box.rank)
    entry, box = dict(best.entry), best.box
    if best.cut and len(group) > 1 and all(len(one.box) == 6 for one in group):
        low, high = np.min([one.low for one in group], axis=0), np.max([one.high for one in group], axis=0)
        box = (*((low + high) / 2).tolist(), *(high - low).tolist())
    entry["box"] = _rounded(map_box(box, tile.matrix, back=True))
    return entry | {"tiles": sorted(one.tile for one in group)}


def _rounded(box: tuple[float, ...]) -> list[float]:
    return [round(number, 6) for number in box]
