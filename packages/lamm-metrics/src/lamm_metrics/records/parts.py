"""The parts of a benchmark that are scored beside the whole, and the published rules by which records belong to them.

A record states its parts under its own keys (`unique`, `easy`, `view_dependent`, `eval_type`, `setting`). The functions
below tell them from the annotations as the projects publish them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from lamm_metrics.errors import LammMetricsError
from lamm_metrics.records.truth import Reference, mark_of

# Key of a record that is true or false: the part of each.
_MARKED: Mapping[str, tuple[str, str]] = {
    "unique": ("unique", "multiple"),
    "easy": ("easy", "hard"),
    "view_dependent": ("view_dependent", "view_independent"),
}
# Key of a record that names a part, and the names that are parts.
_NAMED: Mapping[str, tuple[str, ...]] = {
    "split": ("unique", "multiple"),
    "eval_type": ("zt_wo_d", "zt_w_d", "st_wo_d", "st_w_d", "mt"),
    "setting": ("random", "popular", "adversarial"),
}
TARGETS = ("zt", "st", "mt")
PARTS = tuple(dict.fromkeys(part for parts in (*_MARKED.values(), *_NAMED.values(), TARGETS) for part in parts))
"""Every part in the order in which scores are listed."""

# nyu40 names that ScanRefer tells apart; all others are one class.
SCANREFER_CLASSES = frozenset({
    "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture", "counter", "desk", "curtain",
    "refrigerator", "shower curtain", "toilet", "sink", "bathtub",
})  # fmt: skip
# M3DRef-CLIP and Video-3D-LLM tell these apart too.
M3DREF_CLASSES = SCANREFER_CLASSES | {"wall", "floor"}
_OTHERS = "others"
_VIEW_WORDS = frozenset(
    {"front", "behind", "back", "right", "left", "facing", "leftmost", "rightmost", "looking", "across"}
)
_MOST_EASY = 2


def parts_of(record: Reference) -> tuple[str, ...]:
    """Return the parts that a record says it belongs to.

    >>> parts_of({"unique": False, "easy": True}), parts_of({"eval_type": "zt_w_d"}), parts_of({"split": "val"})
    (('multiple', 'easy'), ('zt_w_d',), ())
    """
    found = [
        parts[0 if mark_of(record[key]) else 1]
        for key, parts in _MARKED.items()
        if key in record and (key != "unique" or "split" not in record)
    ]
    named = (str(record[key]).lower() for key in _NAMED if key in record)
    known = {part for parts in _NAMED.values() for part in parts}
    return tuple(dict.fromkeys([*found, *(part for part in named if part in known)]))


def in_order(parts: Iterable[str]) -> list[str]:
    """Return distinct parts in the order in which scores are listed."""
    return sorted(set(parts), key=PARTS.index)


def scanrefer_multiple(
    rows: Sequence[Mapping[str, Any]],
    nyu40: Mapping[str, str],
    classes: Literal["scanrefer", "m3dref"] = "scanrefer",
) -> list[bool]:
    """Return for each description of ScanRefer whether its scene holds several annotated objects of the target's class.

    Objects count that the rows name, not all that were scanned, as in the projects' code. A class is the object's nyu40
    name where it is one of those told apart; all other names, unknown ones too, are one class together.

    Args:
        rows: The annotation, `scene_id`, `object_id` and `object_name` each.
        nyu40: The nyu40 name of each raw name, columns 2 and 8 of ScanNet's own `scannetv2-labels.combined.tsv`.
        classes: Whose list of classes: "m3dref" also tells walls and floors apart.

    Raises:
        LammMetricsError: A row lacks one of the keys, such as its scene.

    >>> rows = [{"scene_id": "s", "object_id": str(i), "object_name": name} for i, name in enumerate(["lamp", "bin"])]
    >>> scanrefer_multiple(rows, {"lamp": "lamp"})
    [True, True]
    """
    apart = M3DREF_CLASSES if classes == "m3dref" else SCANREFER_CLASSES
    objects: dict[tuple[str, str], str] = {}
    for number, row in enumerate(rows):
        lacking = [key for key in ("scene_id", "object_id", "object_name") if not str(row.get(key, "")).strip()]
        if lacking:
            raise LammMetricsError(
                f"Expected {', '.join(f'`{key}`' for key in lacking)} in row {number} of the annotation, got "
                f"{str(dict(row))[:120]}. Use the annotation as ScanRefer publishes it."
            )
        name = nyu40.get(str(row["object_name"]).replace("_", " "), _OTHERS)
        objects[str(row["scene_id"]), str(row["object_id"])] = name if name in apart else _OTHERS
    counts = Counter((scene, name) for (scene, _), name in objects.items())
    keys = ((str(row["scene_id"]), str(row["object_id"])) for row in rows)
    return [counts[scene, objects[scene, item]] > 1 for scene, item in keys]


def nr3d_easy(stimulus_id: str) -> bool:
    """Return whether a stimulus of Nr3D or Sr3D shows at most two objects of the target's class, the target included.

    Raises:
        LammMetricsError: It is not written `scene-class-number-target[-distractor…]`.

    >>> nr3d_easy("scene0025_00-office_chair-2-7-9"), nr3d_easy("scene0025_00-lamp-3-4-5-6")
    (True, False)
    """
    parts = stimulus_id.split("-", 4)
    if len(parts) < 4 or not parts[2].isdecimal():
        raise LammMetricsError(
            f"Expected a stimulus written scene-class-number-target, got {stimulus_id[:80]!r}. Use `stimulus_id` of "
            "the published table."
        )
    return int(parts[2]) <= _MOST_EASY


def nr3d_view_dependent(tokens: Iterable[str]) -> bool:
    """Return whether an utterance of Nr3D or Sr3D depends on where one stands: one of ten words, case included.

    >>> nr3d_view_dependent(["the", "left", "door"]), nr3d_view_dependent(["Left", "left-most"])
    (True, False)
    """
    return not _VIEW_WORDS.isdisjoint(tokens)
