"""Give each group of numbers the name that the answer writes beside it."""

import re
from collections.abc import Sequence
from itertools import pairwise

from lamm_metrics.extraction.coordinates.groups import Group
from lamm_metrics.extraction.text.names import NameHit, name_index
from lamm_metrics.extraction.text.synonyms import known_synonyms

_FIELD = re.compile(
    r"[\"']?\b(?:label|name|class(?:_name)?|category|object|cls|type|ref|joint|keypoint|text_content|"
    r"object_name|phrase|alt|description)[\"']?\s?[:=]\s?"
    r"(?:\"([^\"\n]{0,80}+)\"|'([^'\n]{0,80}+)'|([A-Za-z][\w -]{0,60}))",
    re.IGNORECASE,
)
_TAG = re.compile(
    r"(?:<ref>|<\|object_ref_start\|>|<\|ref\|>|<p>|<phrase>|<cls>|<label>|<name>|<class>|<category>|"
    r"<object_name>|<type>)\s?([^<>]{1,80}+)\s?"
    r"(?:</(?:ref|p|phrase|cls|label|name|class|category|object_name|type)>|<\|object_ref_end\|>|<\|/ref\|>)",
    re.IGNORECASE,
)
_ITEM_END = re.compile(r"</(?:item|object|annotation|detection|instance|entry)>", re.IGNORECASE)
_SCORE = re.compile(
    r"[\"']?\b(?:score|confidence|conf|probability|prob|certainty)[\"']?(?: (?:is|of|"
    r"score))?\s?[:=]?\s?[\"']?(\d{1,3}(?:\.\d{1,10})?|\.\d{1,10})\s?(%)?",
    re.IGNORECASE,
)
_BARE_SCORE = re.compile(r"[\])}]? ?(?:[,:;-] ?)?\(?(0?\.\d{1,6}|1\.0{1,4})\)?(?=\s|[;,]|$)")
_SCORE_AHEAD = re.compile(
    r"(?:\b(?:score|confidence|conf|probability|prob|certainty)\b(?: (?:is|of|score))?\s?[:=]?\s?|"
    r"(?<![\w.,])(?=0?\.\d|1\.0))(\d{1,3}(?:\.\d{1,10})?|\.\d{1,10})\s?(%)?[\s)\]:,|-]{0,4}"
    r"(?:\b(?:at|box|bbox|in)\b[\s:]{0,2}){0,2}$",
    re.IGNORECASE,
)
_CARRY = re.compile(
    r"(?:[\s,;&\[\](){}\"']|\band\b|\bas well as\b|\balso\b|\banother(?: one)?\b|\bat\b|<[^<>]{1,40}>){0,12}",
    re.IGNORECASE,
)
_LISTED = re.compile(r" ?(?:,|and|,? and|&)(?: (?:an?|the|one))? ", re.IGNORECASE)
_SENTENCE = re.compile(r"\n|[.!?](?= )|;")
_NOISE = re.compile(
    r"\b(?:there(?:'s| is| are)?|an?|the|is|are|was|at|in|on|of|located|position(?:ed|s)?|found|with|has|have|"
    r"its|it|that|this|can|be|seen|see|i|bounding|box(?:es)?|bbox|coordinates?|location|region|area|as|follows|from|to|"
    r"and|detected|object(?:s)?|image|given|by|for|placed|visible|"
    r"around|near|shows?|also|one|another|two|three|four|five|approximately|lies|"
    r"center(?:ed)?|centre|centred|size|situated|score|confidence|point|keypoint|joint|label|answer|here|where|"
    r"which|you|output|result|results|within|next|first|second)\b|[^\w\s-]|\d+|(?<!\w)-|-(?!\w)|_",
    re.IGNORECASE,
)
_WINDOW = 200
# A JSON key right before a group, and the keys that say what the numbers are instead of whose.
_KEY_AHEAD = re.compile(r"[\"']([^\"'\n:]{1,60})[\"'] ?: ?[\[({\s\"']{0,6}$")
_COORDINATE_KEY = re.compile(
    r"\W*(?:b(?:ounding)?[ _-]?box(?:es)?|box(?:es)?|points?|coord(?:inate)?s?|locations?|positions?|regions?|areas?|"
    r"rect(?:angle)?s?|xyxy|xywh|polygons?|quad|corners?|cent(?:er|re)|size|dimensions?|extents?|rotation|bndbox|"
    r"keypoints?|joints?|det(?:ection)?s?|results?|answer|outputs?|objects?|instances|annotations?|image|id|"
    r"predictions?|data|items?|top[_ -]?left|bottom[_ -]?right|obb|aabb)(?:[ _-]?[23]d)?[ _-]?\d{0,3}\W*",
    re.IGNORECASE,
)
_BARE_KEY = re.compile(
    r"\b(?:b(?:ounding)?_?box(?:es)?|box(?:es)?|points?|coord(?:inate)?s?|location|position|center|centre|xyxy|xywh)"
    r"_?[23]d\b|\b(?:bounding|b)_box(?:es)?\b|\b[xy][12]\b|\b(?:assistant|user) ?:",
    re.IGNORECASE,
)
_NO_NAME = frozenset(("", "null", "none", "nil", "nan", "n/a", "undefined", "unknown"))
_NEXT_ITEM = re.compile(r"</?(?:item|object|annotation)>|\n\n|<ref>|<p>|<phrase>", re.IGNORECASE)
_AFTER_GROUP = re.compile(r"[\s\])},;:-]{1,6}")
_NEW_SENTENCE = re.compile(r"[.!?](?=\s)|\n")


def _named(name: str | None) -> str | None:
    """Return a written name; `None` for null and its like, and for a key that says what the numbers are."""
    if name is None or name.strip().strip("\"'").lower() in _NO_NAME or _COORDINATE_KEY.fullmatch(name):
        return None
    return name


def _context(text: str, groups: Sequence[Group], place: int) -> tuple[str, str]:
    """Return the text between the group before and this one, and between this one and the next, both bounded."""
    group = groups[place]
    low = groups[place - 1].end if place else 0
    high = groups[place + 1].start if place + 1 < len(groups) else len(text)
    return text[max(low, group.start - _WINDOW) : group.start], text[group.end : min(high, group.end + _WINDOW)]


def _tags_behind(text: str, groups: Sequence[Group]) -> bool:
    """Return whether tags stand behind their boxes: the first one does, and none stands before it."""
    if not groups or "<" not in text:
        return False
    gap = _AFTER_GROUP.match(text, groups[0].end)
    start = groups[0].end if gap is None else gap.end()
    return _TAG.match(text, start) is not None and _TAG.search(text, 0, groups[0].start) is None


def _tag_ahead(before: str) -> tuple[str | None, str]:
    """Return the name in the last tag before a group, and what stands between the two."""
    before = _ITEM_END.split(before)[-1]
    tags = [*_TAG.finditer(before)]
    return (tags[-1].group(1).strip(), before[tags[-1].end() :]) if tags else (None, before)


def _explicit(before: str, after: str, behind: bool) -> str | None:
    """Return the name in a label field of the same object, or in a tag behind the group; empty where it is null.

    Args:
        before: What stands before the group.
        after: What stands behind it.
        behind: Whether tags stand right behind their groups.
    """
    before = _ITEM_END.split(before)[-1]
    inner_before = before[before.rfind("{") + 1 :] if "{" in before else before
    fields = [*_FIELD.finditer(inner_before)]
    if fields and "}" not in inner_before[fields[-1].end() :]:
        return _field_value(fields[-1])
    inner_after = after.split("}", 1)[0]
    field = _FIELD.search(inner_after)
    if field is not None and "{" not in inner_after[: field.start()]:
        return _field_value(field)
    gap = _AFTER_GROUP.match(after) if behind else None
    tag = (
        _TAG.match(after, 0 if gap is None else gap.end())
        if behind
        else _TAG.search(_NEXT_ITEM.split(after, maxsplit=1)[0])
    )
    return tag.group(1).strip() if tag is not None else None


def _field_value(found: re.Match[str]) -> str:
    return next(part for part in found.groups() if part is not None).strip()


def _open_name(context: str, last: bool) -> str | None:
    """Return the words of a context that can name an object, where no closed set says which names exist."""
    context = _BARE_KEY.sub(" ", context)
    pieces = _SENTENCE.split(context)
    for piece in reversed(pieces) if last else pieces:
        name = " ".join(_NOISE.sub(" ", piece).split())
        if name:
            words = name.split()
            return " ".join(words[-3:] if last else words[:3]).lower()
    return None


def read_score(group: Group, before: str, after: str) -> float | None:
    """Return the confidence written beside a group: under a key, or as a bare fraction right behind it."""
    if group.score is not None:
        return group.score if 0 <= group.score <= 1 else None
    inner = after.split("}", 1)[0].split("\n", 1)[0]
    found = _SCORE.search(inner[:80])
    if found is None and "{" in before:
        found = _SCORE.search(before[before.rfind("{") :])
    if found is not None:
        value = float(found.group(1)) / (100 if found.group(2) else 1)
        return value if 0 <= value <= 1 else None
    ahead = _SCORE_AHEAD.search(before)
    bare = ahead if ahead is not None else _BARE_SCORE.match(after)
    if bare is None:
        return None
    value = float(bare.group(1)) / (100 if bare is ahead and ahead.group(2) else 1)
    return value if 0 <= value <= 1 else None


def pair_names(
    text: str, groups: Sequence[Group], labels: Sequence[str] | None
) -> list[tuple[str | None, float | None]]:
    """Return the name and the score of each group.

    Args:
        text: The text the groups were found in.
        groups: Groups from left to right.
        labels: A closed set of names, or `None` to take the words as written.

    Returns:
        One pair per group. With a closed set a name outside it is `None`.
    """
    if labels is not None:
        return _pair_closed(text, groups, labels)
    pairs: list[tuple[str | None, float | None]] = []
    behind, words_behind = _tags_behind(text, groups), False
    for place, group in enumerate(groups):
        before, after = _context(text, groups, place)
        before = _TAG.sub(lambda found: " " * len(found.group()), before) if behind else before
        earlier = pairs[-1][0] if pairs else None
        if place == 0:
            words_behind = not _open_name(before, True) and "{" not in before and _open_name(after, False) is not None
        edge = words_behind or place == 0 or place + 1 == len(groups)
        if words_behind and _open_name(after, False) is not None:
            before, earlier = "", None
        name = _open(group, before, after, earlier, edge, behind)
        pairs.append((name, read_score(group, before, after)))
    return pairs


def _open(group: Group, before: str, after: str, earlier: str | None, edge: bool, behind: bool) -> str | None:
    """Return the name of a group where no closed set says which names exist.

    Args:
        group: The group.
        before: What stands before it.
        after: What stands behind it.
        earlier: The name of the group before.
        edge: Whether words behind it are its own.
        behind: Whether tags stand right behind their groups.
    """
    if group.name is not None:
        return _named(group.name)
    tag, between = _tag_ahead(before)
    if tag is not None and (_NEW_SENTENCE.search(between) is None or _open_name(between, True) is None):
        return _named(tag)
    field = _explicit(before, after, behind)
    if field is not None:
        return _named(field)
    key = _KEY_AHEAD.search(before)
    if key is not None:
        return _named(key.group(1))
    if earlier is not None and _CARRY.fullmatch(before):
        return earlier
    return _named(_open_name(before, True) or (_open_name(after, False) if edge else None))


def _run_length(text: str, groups: Sequence[Group], place: int) -> int:
    """Return how many groups follow one another from `place` on with nothing but connectives between them."""
    end = place + 1
    while end < len(groups) and _CARRY.fullmatch(
        text, groups[end - 1].end, min(groups[end].start, groups[end - 1].end + 60)
    ):
        end += 1
    return end - place


def _named_in_turn(text: str, groups: Sequence[Group], place: int, hits: list[NameHit], before: str) -> list[str]:
    """Return the names of a run of groups that a list of as many announces: "a dog and a cat are at [..] and [..]"."""
    if len(hits) < 2:
        return []
    length = _run_length(text, groups, place)
    listed = hits[-length:]
    joined = len(listed) == length > 1 and all(
        _LISTED.fullmatch(before, left.end, right.start) for left, right in pairwise(listed)
    )
    alone = joined and (len(hits) == length or not _LISTED.fullmatch(before, hits[-length - 1].end, listed[0].start))
    return [hit.label for hit in listed] if alone else []


def _closed_field(before: str, after: str, hits: Sequence[NameHit], behind: bool) -> str | None:
    """Return what a tag or a label field writes beside a group, unless a name of the set stands nearer to it."""
    tag, between = _tag_ahead(before)
    if tag is not None and not any(hit.start >= len(before) - len(between) for hit in hits):
        return tag
    return _explicit(before, after, behind) if tag is None else None


def _pair_closed(text: str, groups: Sequence[Group], labels: Sequence[str]) -> list[tuple[str | None, float | None]]:
    index = name_index(labels, known_synonyms(tuple(labels)))
    used = -1  # end of the last name that was given away as standing behind its group
    queue: list[str] = []  # names announced for the groups to come
    pairs: list[tuple[str | None, float | None]] = []
    behind = _tags_behind(text, groups)
    for place, group in enumerate(groups):
        before, after = _context(text, groups, place)
        before = _TAG.sub(lambda found: " " * len(found.group()), before) if behind else before
        score = read_score(group, before, after)
        offset = group.start - len(before)
        hits = [found for found in index.find(before) if offset + found.start >= used]
        written = group.name or _closed_field(before, after, hits, behind)
        if written is not None:
            hit = next(iter(index.find(written)), None)
            pairs.append((hit.label if hit is not None else None, score))
            continue
        queue = queue or _named_in_turn(text, groups, place, hits, before)
        if queue:
            name: str | None = queue.pop(0)
        elif hits:
            name = hits[-1].label
        elif pairs and _CARRY.fullmatch(before):
            name = pairs[-1][0]
        else:
            last = place + _run_length(text, groups, place) - 1  # "[..] and [..] are dogs"
            after = after if last == place else _context(text, groups, last)[1]
            hit = next(iter(index.find(_SENTENCE.split(after, maxsplit=1)[0])), None)
            name = hit.label if hit is not None else None
            used = groups[last].end + hit.end if hit is not None else used
        pairs.append((name, score))
    return pairs
