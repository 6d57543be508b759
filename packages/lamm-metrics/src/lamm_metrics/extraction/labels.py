"""Read a class label of a closed set."""

import re
from collections.abc import Mapping, Sequence

from lamm_metrics.extraction.result import Extraction, Status
from lamm_metrics.extraction.text.answer import final_statements, fold, overlong, plain_answer
from lamm_metrics.extraction.text.assertion import Force, forces
from lamm_metrics.extraction.text.names import NameHit, NameIndex, name_index, words_of
from lamm_metrics.extraction.text.refusal import split_refusal
from lamm_metrics.extraction.text.synonyms import TRAPS, known_synonyms

_HAIR_COLOURS = frozenset(
    {"black", "brown", "blond", "blonde", "gray", "grey", "red", "white", "bald", "auburn", "ginger"}
)
_HAIR_AFTER = re.compile(r"(?:[ -]?(?:colou?red|or|and)?[ -]?(?:\w{1,12}[ ,-]{1,2}){0,3})hair", re.IGNORECASE)
_HAIR_BEFORE = re.compile(r"\bhair(?:style)?(?:'s)?(?: colou?r)?\b[^.;!?\n]{0,40}$", re.IGNORECASE)
_OTHER_PART = re.compile(
    r"\b(?:eyes?|shirt|jacket|dress|skin|background|hat|suit|glasses|beard|eyebrows|top|lipstick|tie|coat)\b",
    re.IGNORECASE,
)
_HEADLINE_EXTRA = re.compile(
    r"\b(?:an?|the|this|that|is|it|its|it's|image|picture|photo|shows?|of|label|class|category|object|s|in|"
    r"most likely|likely|probably|answer|subject|to me|sure|"
    r"certainly|okay|ok)\b|[\W_]",
    re.IGNORECASE,
)


def _asserted(text: str, index: NameIndex, hair: bool) -> tuple[list[str], list[str]]:
    """Return labels asserted and weakly asserted in a text, each once, in order."""
    hits = list(index.find(text))
    if hair:
        hits = _about_hair(text, hits)
    strong: dict[str, None] = {}
    weak: dict[str, None] = {}
    for hit, force in forces(text, hits):
        if force is Force.ASSERTED:
            strong[hit.label] = None
        elif force is Force.WEAK:
            weak[hit.label] = None
    return list(strong), list(weak)


def _about_hair(text: str, hits: list[NameHit]) -> list[NameHit]:
    """Keep the colours that are said of hair, where the text speaks of hair at all ("brown eyes and black hair")."""
    of_hair = []
    for hit in hits:
        after, before = text[hit.end : hit.end + 40], text[max(0, hit.start - 60) : hit.start]
        ahead = _HAIR_AFTER.match(after)
        behind = _HAIR_BEFORE.search(before)
        part_next = _OTHER_PART.match(after.lstrip())
        if part_next is None and (
            (ahead and not _OTHER_PART.search(ahead.group())) or (behind and not _OTHER_PART.search(behind.group()))
        ):
            of_hair.append(hit)
    return of_hair or [hit for hit in hits if not _OTHER_PART.match(text[hit.end : hit.end + 40].lstrip())]


def _headline(text: str, index: NameIndex) -> str | None:
    """Return the label of a first line or sentence, or of a last line, that says nothing but one label."""
    found = set()
    head = re.split(r"\n|[.!](?: |$)", text[:300], maxsplit=1)[0]
    tail = text[-120:].rsplit("\n", 1)[-1] if "\n" in text[-120:] else ""
    for line in (head, tail):
        hits = list(index.find(line[:200]))
        if len(hits) == 1:
            rest = line[: hits[0].start] + " " + line[hits[0].end : 200]
            if not _HEADLINE_EXTRA.sub("", rest):
                found.add(hits[0].label)
    return found.pop() if len(found) == 1 else None


def extract_label(
    text: str, labels: Sequence[str], synonyms: Mapping[str, Sequence[str]] | None = None
) -> Extraction[str]:
    r"""Find the one label of a closed set that an answer asserts.

    A name counts as a whole word or phrase, in singular or plural, also under a synonym. Denied names ("not a dog") do
    not count; weakly meant ones ("could be a cat", "next to a truck") count only where nothing stronger is said. Of
    several asserted labels the final answer decides ("the answer is", `<answer>`, `\boxed`, a first or last line that
    is nothing but a label); without one the answer is `ambiguous`.

    Args:
        text: A free-form answer.
        labels: The closed set; the value returned is one of these, spelled as given.
        synonyms: Further names per label. `None` takes the built-in names for the benchmark's label sets.

    Returns:
        The label; `ambiguous` where different labels are asserted and no final-answer cue decides.

    Example:
        >>> extract_label("It is not a dog; I see a kitten.", ["cat", "dog"]).value
        'cat'
    """
    fault = overlong(text)
    if fault:
        return Extraction(None, Status.MALFORMED, fault)
    if synonyms is None:
        synonyms = known_synonyms(tuple(labels))
    index = name_index(labels, synonyms, TRAPS)
    hair = bool(labels) and all(label.lower().removesuffix(" hair") in _HAIR_COLOURS for label in labels)
    plain, declined = split_refusal(plain_answer(text))
    exact = _exact(plain, labels)
    if exact is not None:
        return Extraction(exact, Status.OK)
    for statement in final_statements(plain):
        strong, weak = _asserted(statement, index, hair)
        candidates = strong or weak
        if len(candidates) == 1:
            return Extraction(candidates[0], Status.OK, "final statement")
        if candidates:
            return Extraction(None, Status.AMBIGUOUS, f"final statement names {', '.join(candidates[:5])}")
    headline = _headline(plain, index)
    if headline is not None:
        return Extraction(headline, Status.OK, "headline")
    return _from_whole(plain, index, hair, declined)


def _from_whole(plain: str, index: NameIndex, hair: bool, declined: bool) -> Extraction[str]:
    strong, weak = _asserted(plain, index, hair)
    for candidates in (strong, weak):
        if len(candidates) == 1:
            return Extraction(candidates[0], Status.OK)
        if candidates:
            return Extraction(None, Status.AMBIGUOUS, f"names {', '.join(candidates[:5])}")
    if declined:
        return Extraction(None, Status.REFUSED)
    return Extraction(None, Status.NONE)


def _exact(plain: str, labels: Sequence[str]) -> str | None:
    """Return the label an answer consists of, word for word."""
    if len(plain) > 100:
        return None
    words = words_of(fold(plain))
    return next((label for label in labels if words and words_of(label) == words), None)
