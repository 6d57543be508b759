"""Where a model fails on a task: by class, size, number and kind of question, and which class it takes for which."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod, sqrt
from typing import Any, NamedTuple

from lamm_metrics.answers.kinds import answers_of
from lamm_metrics.metrics.question_types import sqa3d_type
from lamm_metrics.records.tasks import find_task
from lamm_metrics.records.truth import YES_NO
from lamm_metrics.report.shown import known, sides_of
from lamm_metrics.results.report import Report, Sample
from lamm_metrics.results.score import BOX, BOX_3D
from lamm_metrics.statistics import wilson

# Groups of a kind and classes of a table that are shown; the rarest come together.
MOST, REST = 12, "others"
# A kind of question that fewer records are of is none.
ENOUGH = 5
LETTER = re.compile(r"\((.{1,3}?)\) ")
# Ends of ranges, and what they are called. Sizes are shares of the image and cubic metres.
AREAS = ((0.01, "below 1 % of the image"), (0.1, "1 to 10 %"), (float("inf"), "above 10 %"))
VOLUMES = ((0.1, "below 0.1 m³"), (1.0, "0.1 to 1 m³"), (float("inf"), "above 1 m³"))
COUNTS = ((0, "0"), (1, "1"), (3, "2 to 3"), (7, "4 to 7"), (15, "8 to 15"), (float("inf"), "16 or more"))
# Rates of detection, which are no scores of a part of the set.
RATES = ("precision", "recall", "f1")
FOUND = "Share of true boxes found,"


class Group(NamedTuple):
    """The records, or boxes, of one kind: how many, their mean value, and its interval where there is one."""

    n: int
    value: float | None
    low: float | None = None
    high: float | None = None


Groups = dict[str, Group]


def breakdown_of(report: Report) -> dict[str, Groups]:
    """Return the groups of a report's records by what tells them apart, in the order in which they are shown."""
    task = find_task(report.task)
    closed = task is not None and answers_of(task).read is not None
    valued = [(sample, value) for sample in report.samples if (value := known(sample.value)) is not None]
    # An error of 0 or 1 is no share, though it may look like one.
    shares = report.headline.higher_is_better and all(0 <= value <= 1 for _, value in valued)
    found = {"By part of the set": _parts(report), **_classes(report)}
    if closed:
        found["By true class"] = _means(((truth_class(sample), value) for sample, value in valued), shares)
    elif task is not None and answers_of(task).plot == "count":
        found["By true number"] = _ranged(((_number(sample), value) for sample, value in valued), COUNTS, shares)
    found |= _boxes(report, valued, shares)
    if not found["By part of the set"]:
        kinds = Counter(sqa3d_type(sample.query) for sample, _ in valued if sample.query)
        named = {kind for kind, count in kinds.items() if count >= ENOUGH and kind != "other"}
        asked = ((kind if (kind := sqa3d_type(sample.query)) in named else REST, value) for sample, value in valued)
        found["By how the question begins"] = _means(asked, shares) if len(named) > 1 else {}
    return {title: groups for title, groups in found.items() if len(groups) > 1}


def truth_class(sample: Sample) -> str:
    """Return the true class of a sample with a closed answer: its label, or the letter of the right option."""
    letter = LETTER.match(sample.truth)
    return letter.group(1) if letter else YES_NO.get(sample.truth.strip().lower(), sample.truth)


def confusion_of(report: Report) -> dict[str, Any] | None:
    """Return which true class was answered how often by which; None where answers are no classes.

    Returns:
        `labels`, the commonest, then `others` where there are more, `rows` [labels, labels + 1] with the unread answers
        last.
    """
    task = find_task(report.task)
    if task is None or answers_of(task).read is None or not report.samples:
        return None
    pairs = [(truth_class(one), one.extracted if one.status == "ok" else None) for one in report.samples]
    counts = Counter(truth for truth, _ in pairs)
    counts.update({answer: 0 for _, answer in pairs if answer is not None and answer not in counts})
    if len(counts) < 2:
        return None
    named = [name for name, _ in counts.most_common(MOST)]
    labels = [*sorted(named), *[REST] * (len(counts) > MOST)]
    place = {name: number for number, name in enumerate(labels)}
    rows = [[0] * (len(labels) + 1) for _ in labels]
    for truth, answer in pairs:
        column = len(labels) if answer is None else place.get(answer, len(labels) - 1)
        rows[place.get(truth, len(labels) - 1)][column] += 1
    return {"labels": labels, "rows": rows}


def boxes_of(report: Report) -> dict[str, int] | None:
    """Return how many true boxes and points were found, and how many answered ones are right; None without any."""
    marks = [mark for sample in report.samples for mark in sample.marks]
    if not any(mark.true for mark in marks):
        return None
    counts = Counter((mark.true, mark.matched) for mark in marks)
    sides = {"found": (True, True), "missed": (True, False), "right": (False, True), "wrong": (False, False)}
    return {name: counts[side] for name, side in sides.items()}


def _parts(report: Report) -> Groups:
    """Return the scores of the parts of a set, such as the types of its questions."""
    head, at, tail = report.headline.name.partition("@")
    groups: Groups = {}
    for score in report.scores:
        own, own_at, own_tail = score.name.partition("@")
        start, slash, part = own.partition("/")
        if slash and (start, own_at, own_tail) == (head, at, tail) and part not in RATES:
            sides = sides_of(score) if score.interval else None
            groups[part] = Group(int(score.extra.get("n", score.n)), known(score.value), *(sides or (None, None)))
    return groups


def _classes(report: Report) -> dict[str, Groups]:
    """Return what the headline says of each class, such as AP."""
    true = [mark.label for sample in report.samples for mark in sample.marks if mark.true]
    # A metric compares names without case and blanks; the page writes them as the records do.
    written, sizes = {_bare(label): label for label in true}, Counter(map(_bare, true))
    found: dict[str, Groups] = defaultdict(dict)
    for key, value in report.headline.extra.items():
        kind, slash, name = key.partition("/")
        if slash and name:
            found[f"{kind.upper()} of each class"][written.get(_bare(name), name)] = Group(
                sizes[_bare(name)], known(value)
            )
    return {title: dict(sorted(groups.items(), key=_largest)[:MOST]) for title, groups in found.items()}


def _bare(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


def _largest(entry: tuple[str, Group]) -> tuple[int, str]:
    return -entry[1].n, entry[0]


def _boxes(report: Report, valued: Sequence[tuple[Sample, float]], shares: bool) -> dict[str, Groups]:
    """Return which share of true boxes was found by size, and records by how many boxes are true."""
    true = [mark for sample in report.samples for mark in sample.marks if mark.true]
    if not any(mark.kind in (BOX, BOX_3D) for mark in true):
        return {}
    flat = ((_area(mark.numbers), float(mark.matched)) for mark in true if mark.kind == BOX)
    solid = ((prod(mark.numbers[3:6]), float(mark.matched)) for mark in true if mark.kind == BOX_3D)
    many = ((float(sum(mark.true for mark in sample.marks)), value) for sample, value in valued)
    return {
        f"{FOUND} by size": _ranged(flat, AREAS, shares=True),
        f"{FOUND} by size in space": _ranged(solid, VOLUMES, shares=True),
        "By number of true boxes": _ranged(many, COUNTS, shares),
    }


def _area(numbers: Sequence[float]) -> float:
    return abs(numbers[2] - numbers[0]) * abs(numbers[3] - numbers[1])


def _number(sample: Sample) -> float:
    try:
        return float(sample.truth)
    except ValueError:
        return 0.0


def _ranged(values: Iterable[tuple[float, float]], ranges: Sequence[tuple[float, str]], shares: bool) -> Groups:
    """Return the means of values by the range that their key lies in, in the order of the ranges."""
    named = ((next(name for end, name in ranges if key <= end), value) for key, value in values)
    groups = _means(named, shares)
    return {name: groups[name] for _, name in ranges if name in groups}


def _means(values: Iterable[tuple[str, float]], shares: bool) -> Groups:
    """Return the mean of the values of each name, the commonest first, letters in order; the rarest come together.

    Args:
        values: Names and values.
        shares: Whether the values are shares, none of which can lie above 1.
    """
    by_name: dict[str, list[float]] = defaultdict(list)
    for name, value in values:
        by_name[name].append(value)
    letters = all(len(name) == 1 for name in by_name)
    names = sorted(by_name, key=lambda name: (0 if letters else -len(by_name[name]), name))
    for name in names[MOST:]:
        if name != REST:
            by_name[REST] += by_name.pop(name)
    return {name: _group(by_name[name], shares) for name in dict.fromkeys([*names[:MOST], *by_name])}


def _group(values: Sequence[float], shares: bool) -> Group:
    """Return the mean of values, with Wilson's interval where all are 0 or 1 of a share, else by their spread."""
    n, mean = len(values), sum(values) / len(values)
    if shares and set(values) <= {0.0, 1.0}:
        return Group(n, mean, *(wilson(sum(values), n) or (None, None)))
    if n < ENOUGH:
        return Group(n, mean)
    half = 1.96 * sqrt(sum((value - mean) ** 2 for value in values) / (n - 1) / n)
    return Group(n, mean, max(0.0, mean - half), min(1.0, mean + half) if shares else mean + half)


Reports = Mapping[str, Mapping[str, Report]]


def tasks_of(arranged: Reports) -> dict[str, Any]:
    """Return of each set the groups with every model's value, the confusions and the counts of boxes, for the page."""
    names = dict.fromkeys(name for reports in arranged.values() for name in reports)
    return {name: _task({model: one[name] for model, one in arranged.items() if name in one}) for name in names}


def _task(reports: Mapping[str, Report]) -> dict[str, Any]:
    groups: dict[str, dict[str, dict[str, Any]]] = {}
    for model, report in reports.items():
        for title, own in breakdown_of(report).items():
            for name, group in own.items():
                row = groups.setdefault(title, {}).setdefault(name, {"name": name, "n": group.n, "models": {}})
                row["models"][model] = [_short(number) for number in group[1:]]
    kinds: Sequence[tuple[str, Callable[[Report], Any]]] = (("confusion", confusion_of), ("boxes", boxes_of))
    others = {
        kind: {model: found for model, one in reports.items() if (found := make(one)) is not None}
        for kind, make in kinds
    }
    higher = next(iter(reports.values())).headline.higher_is_better
    listed = [
        {"title": title, "higher": higher or title.startswith(FOUND), "rows": list(rows.values())}
        for title, rows in groups.items()
    ]
    return {"groups": listed, **others}


def _short(number: float | None) -> float | None:
    return None if known(number) is None or number is None else round(number, 4)
