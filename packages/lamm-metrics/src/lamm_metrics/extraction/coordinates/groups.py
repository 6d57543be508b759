"""Find the groups of numbers that boxes and points are made of, in brackets, tags, keys or lines of their own.

Four kinds of group are recognised, in this order of precedence where they overlap:

* location tokens, whose meaning the token itself fixes: Kosmos-2 `<patch_index_0044>` (32 x 32 grid), PaliGemma
  `<loc0123>` (1024 bins, y first), Florence-2 `<loc_123>` (1000 bins);
* keyed numbers: `x1=..., y1=...`, JSON or XML with `xmin`, `left`, `cx`, `width` and their like;
* bracketed numbers: `[..]`, `(..)`, `{..}` and tags such as `<box>`, `<|box_start|>`, `<|det|>`;
* bare numbers that fill a line of their own, with at most a name before them.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Group:
    """Numbers that stand together in an answer.

    Attributes:
        start: Index of the group's first character.
        end: Index behind its last character.
        numbers: The numbers as written; `nan` where an item is no finite number.
        name: A word that stands among the numbers (`["dog", 0.1, ...]`).
        keys: For keyed numbers, the canonical keys in the same order (`x1`, `cx`, `w` ...); empty otherwise.
        frame: `None` for numbers in the declared convention; `corners` for the two corners of a box whatever the
            declared layout, in the declared units; `unit` where location tokens fixed the value: fractions of the
            image, corners x first.
        score: A confidence that stands among the numbers under a key of its own.
    """

    start: int
    end: int
    numbers: tuple[float, ...]
    name: str | None = None
    keys: tuple[str, ...] = ()
    frame: str | None = None
    score: float | None = None


_ALIASES = {
    "x1": "x1 xmin x_min x_1 left minx min_x xtl x0 x_left x_top_left",
    "y1": "y1 ymin y_min y_1 top miny min_y ytl y0 y_top y_top_left",
    "x2": "x2 xmax x_max x_2 right maxx max_x xbr x_right x_bottom_right",
    "y2": "y2 ymax y_max y_2 bottom maxy max_y ybr y_bottom y_bottom_right",
    "x": "x",
    "y": "y",
    "z": "z",
    "w": "w width",
    "h": "h height",
    "cx": "cx center_x x_center xc centerx x_c",
    "cy": "cy center_y y_center yc centery y_c",
    "cz": "cz center_z z_center zc centerz z_c",
    "dx": "dx l length lx size_x x_size",
    "dy": "dy ly size_y y_size",
    "dz": "dz lz size_z z_size",
    "yaw": "yaw heading theta rotation rz angle",
    "score": "score confidence conf probability prob",
}
_CANON = {alias: key for key, aliases in _ALIASES.items() for alias in aliases.split()}
NUMBER = r"[-+]?(?:\d{1,18}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][-+]?\d{1,3})?"
# `a`: without it "ı" and "İ" pass for "i" where case is ignored, and are no key.
_KEYED = re.compile(
    rf"(?<![A-Za-z0-9])(?P<key>(?a:{'|'.join(sorted(_CANON, key=len, reverse=True))}))\d{{0,2}}[\"']?(?: ?[:=] ?|"
    rf" is |>)[\"']? ?(?P<number>{NUMBER})(?![\d\w.]*\w)",
    re.IGNORECASE,
)
# The key sets that make a box or a point, longest first.
SETS = (
    ("cx", "cy", "cz", "dx", "dy", "dz", "yaw"),
    ("x", "y", "z", "dx", "w", "h", "yaw"),
    ("cx", "cy", "cz", "dx", "dy", "dz"),
    ("x", "y", "z", "dx", "dy", "dz"),
    ("cx", "cy", "cz", "dx", "w", "h"),
    ("x", "y", "z", "dx", "w", "h"),
    ("x1", "y1", "x2", "y2"),
    ("x1", "y1", "w", "h"),
    ("x", "y", "w", "h"),
    ("cx", "cy", "w", "h"),
    ("x", "y"),
    ("cx", "cy"),
)
_BY_SET = {frozenset(keys): keys for keys in SETS}
_OPEN_TAG = re.compile(
    r"<(?:\|?(?:box|bbox|bndbox|det|quad|point|bounding_box|begin_of_box|loc|location|coordinates?)(?:_start)?\|?)>",
    re.IGNORECASE,
)
_CLOSE_TAG = re.compile(
    r"</(?:box|bbox|bndbox|det|quad|point|bounding_box|loc|location|coordinates?)>|<\|(?:/(?:box|det|point|quad)|"
    r"(?:box|"
    r"quad|point)_end|end_of_box)\|>",
    re.IGNORECASE,
)
_ANGLE = re.compile(r"[{\[(]? ?((?:< ?\d{1,4}(?:\.\d{1,6})? ?>[ ,]?){2,9}+)[}\])]?")
_QUOTED = re.compile(rf"[\"'] ?({NUMBER}(?:(?: ?, ?| ){NUMBER}){{3,8}}) ?[\"']")
_BRACKET = re.compile(r"[\[({]([^\[\](){}]{1,240}+)[\])}]")
_NUMERIC = re.compile(NUMBER)
_NAMED = re.compile(rf" ?[\"']?([^\d\"']{{1,60}}?)(?:[\"']? ?[:=] ?|[\"']? )({NUMBER})")
_LETTER = re.compile(r"[^\W\d_]")
_NO_NUMBER = frozenset(("nan", "inf", "infinity", "null", "none", "n/a"))
_UNITS = re.compile(r"(?<=\d) ?(?:m|px|pixels?|meters?|metres?|rad|cm|deg)\b|(?<=\d) ?%", re.IGNORECASE)
_BARE_NAME = r"^(?P<name>[^\d\n\[\](){}<>=]{0,60}?)"
_BARE_LINE, _BARE_POINT, _BARE_NAMED = (
    re.compile(
        rf"{before}(?P<numbers>(?<![\w.])(?:{NUMBER})(?:(?: ?[,;|] ?| )(?:{NUMBER})){{{more}}}){behind}$", re.MULTILINE
    )
    for before, more, behind in (
        (_BARE_NAME, "3,8", "[ .|]{0,3}"),
        (_BARE_NAME, "1", "[ .|]{0,3}"),
        ("^", "3,8", "[ ,;:|-]{1,3}[A-Za-z][A-Za-z _-]{0,40}"),
    )
)
_OPEN_END = re.compile(rf"[\[({{] ?(?:[\"'\w]{{0,40}}[,:] ?)?[\"']?{NUMBER}[^\[\](){{}}\n]{{0,120}}$")
_PATCH = re.compile(r"<patch_index_(\d{4})>")
_PALI = re.compile(r"<loc(\d{4})>")
_PALI_NAME = re.compile(r" ?([^<>;\n]{1,80}+)")
_FLORENCE = re.compile(r"<loc_(\d{1,4})>")
_KEY = re.compile(r"^[\"']?[A-Za-z_ ]{1,20}?[\"']? ?[=:] ?(?=[-+.\d])")


def mark_brackets(text: str) -> str:
    """Write tags, quotes and angle-bracketed bins that enclose numbers as square brackets, and nothing else of them."""
    if '"' in text or "'" in text:
        text = _QUOTED.sub(r"[\1]", text)
    if "<" not in text:
        return text
    text = _ANGLE.sub(lambda found: "[" + ",".join(re.findall(r"[\d.]+", found.group(1))) + "]", text)
    return _CLOSE_TAG.sub("]", _OPEN_TAG.sub("[", text))


def find_groups(text: str, points: bool = False) -> list[Group]:
    """Return all groups of numbers in what `mark_brackets` gave, from left to right, without overlap.

    Args:
        text: A plain answer, marked.
        points: Whether two numbers on a line of their own are a group too.
    """
    found = [*_location_tokens(text), *_keyed(text)]
    taken = sorted((group.start, group.end) for group in found)
    bare = [*_bare_lines(text, _BARE_LINE), *_bare_lines(text, _BARE_POINT if points else _BARE_NAMED)]
    for group in (*_bracketed(text), *bare):
        if not _overlaps(taken, group.start, group.end):
            found.append(group)
    found.sort(key=lambda group: group.start)
    kept: list[Group] = []
    for group in found:
        if not kept or group.start >= kept[-1].end:
            kept.append(group)
    return kept


def _overlaps(taken: list[tuple[int, int]], start: int, end: int) -> bool:
    place = bisect_left(taken, (start, start))
    if place < len(taken) and taken[place][0] < end:
        return True
    return place > 0 and taken[place - 1][1] > start


def ends_inside(text: str) -> bool:
    """Return whether the answer breaks off within a bracket of numbers."""
    return _OPEN_END.search(text[-200:]) is not None


def _number(item: str) -> float | None:
    """Return the number an item is; `nan` for what stands for no finite one; `None` for anything with a name in it."""
    bare = _KEY.sub("", _UNITS.sub("", item.strip().strip("\"'").strip()))
    if _NUMERIC.fullmatch(bare):
        value = float(bare)
        return value if abs(value) < 1e15 else float("nan")
    if bare.lower().strip("+-") in _NO_NUMBER or not _LETTER.search(bare):
        return float("nan")
    return None


def _bracketed(text: str) -> list[Group]:
    groups = []
    for found in _BRACKET.finditer(text):
        inside = found.group(1)
        if not any(char.isdigit() for char in inside) and "nan" not in inside.lower():
            continue
        pieces = inside.split(";")
        if len(pieces) > 1 and all(piece.count(",") == pieces[0].count(",") >= 1 for piece in pieces):
            offset = found.start() + 1
            for piece in pieces:
                groups.extend(_items(offset, offset + len(piece), piece))
                offset += len(piece) + 1
            continue
        groups.extend(_items(found.start(), found.end(), inside))
    return groups


def _items(start: int, end: int, inside: str) -> list[Group]:
    """Read the items between two brackets: numbers and at most one name; anything else makes no group."""
    numbers: list[float] = []
    names: list[str] = []
    parts = re.split(r"[,;|]", inside)
    if len(parts) == 1 or (len(parts) == 2 and all(" " in part.strip() for part in parts)):
        parts = re.split(r"[,;| \n]", inside)
    for part in parts:
        if not part.strip():
            continue
        value = _number(part)
        if value is None:
            named = _NAMED.fullmatch(part.strip())
            if named is not None:
                value = float(named.group(2))
                names.append(named.group(1).strip())
        if value is None:
            names.append(part.strip().strip("\"'"))
        else:
            numbers.append(value)
    for place in (0, -1):  # a name or a score that is null
        if len(numbers) in (5, 7) and parts[place].strip().strip("\"'").lower() in _NO_NUMBER:
            del numbers[place]
    words = [name for name in names if name and not re.fullmatch(r"[xyzwhXYZWH]\w?|[xy](?:min|max)", name)]
    if not numbers or len(words) > 1 or len(numbers) > 12:
        return []
    return [Group(start, end, tuple(numbers), words[0] if words else None)]


def _bare_lines(text: str, pattern: re.Pattern[str]) -> list[Group]:
    return [
        Group(
            found.start("numbers"),
            found.end("numbers"),
            tuple(float(number) for number in _NUMERIC.findall(found["numbers"])),
        )
        for found in pattern.finditer(text)
    ]


def _keyed(text: str) -> Iterator[Group]:
    """Yield a group for each run of keyed numbers that makes a box or a point."""
    run: dict[str, float] = {}
    start = end = 0
    for found in _KEYED.finditer(text):
        key = _CANON[found["key"].lower()]
        if run and (key in run or found.start() - end > 60):
            yield from _keyed_group(run, start, end)
            run = {}
        if not run:
            start = found.start()
        run[key] = float(found["number"])
        end = found.end()
    yield from _keyed_group(run, start, end)


def _keyed_group(run: dict[str, float], start: int, end: int) -> Iterator[Group]:
    score = run.pop("score", None)
    keys = _BY_SET.get(frozenset(run))
    if keys is not None:
        numbers = tuple(run[key] if abs(run[key]) < 1e15 else float("nan") for key in keys)
        yield Group(start, end, numbers, keys=keys, score=score)
    elif len(run) >= 3 and not {"w", "h"} >= set(run):
        # Some keys are missing: an incomplete box, whose reader reports it as malformed.
        yield Group(start, end, tuple(run.values()), score=score)


def _location_tokens(text: str) -> list[Group]:
    """Return boxes written in tokens whose grid is part of the token."""
    groups: list[Group] = []
    for pattern, size, decode in ((_PATCH, 2, _kosmos), (_PALI, 4, _paligemma), (_FLORENCE, 4, _florence)):
        run: list[re.Match[str]] = []
        for token in pattern.finditer(text):
            if run and token.start() - run[-1].end() > 1:
                run = []
            run.append(token)
            if len(run) == size:
                bins = [int(part.group(1)) for part in run]
                name = _PALI_NAME.match(text, run[-1].end()) if pattern is _PALI else None
                written = name.group(1).strip() or None if name is not None else None
                groups.append(Group(run[0].start(), run[-1].end(), decode(bins), written, frame="unit"))
                run = []
    return groups


def _kosmos(bins: list[int]) -> tuple[float, ...]:
    """Return the centres of two cells of the 32 x 32 grid (arXiv 2306.14824, decoded as transformers does)."""
    nan = float("nan")
    if max(bins) >= 1024:
        return (nan, nan, nan, nan)
    left, right = sorted((bins[0] % 32, bins[1] % 32))
    top, bottom = sorted((bins[0] // 32, bins[1] // 32))
    # A box inside one row or column of cells spans the whole cell; its corners would otherwise fall together.
    x1, x2 = (left / 32, (left + 1) / 32) if left == right else ((left + 0.5) / 32, (right + 0.5) / 32)
    y1, y2 = (top / 32, (top + 1) / 32) if top == bottom else ((top + 0.5) / 32, (bottom + 0.5) / 32)
    return (x1, y1, x2, y2)


def _paligemma(bins: list[int]) -> tuple[float, ...]:
    """Return four bins of 1024, y first."""
    top, left, bottom, right = (number / 1024 for number in bins)
    return (left, top, right, bottom)


def _florence(bins: list[int]) -> tuple[float, ...]:
    """Return four bins of 1000, decoded to the bins' centres."""
    return tuple((number + 0.5) / 1000 for number in bins)
