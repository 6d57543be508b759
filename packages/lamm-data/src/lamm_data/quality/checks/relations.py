"""Do relations that a text states contradict the annotated triples?

Triples are never complete, so a relation that no triple holds is no fault. A fault is one that a triple about the same
two objects rules out: "under" where "on" is annotated, or "the horse rides the man".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import pairwise

from lamm_data.files.settings import packaged_toml
from lamm_data.generation.rows import Row
from lamm_data.quality.checks.record import Finding
from lamm_data.quality.checks.vocabulary import label_words, plural_forms
from lamm_data.writing.words import words_of

_SENTENCE = re.compile(r"[.!?;:\n]+|, (?:and|while|but)\b")
_LINKING = frozenset(
    words_of("""
    is are was were be being that which who can seen appears appear located positioned situated placed found s there
    clearly directly currently right just partly partially also still seems shown visible lies lie lying stands stand
    standing sits sit sitting rests rest resting hangs hang hanging parked walks walking
""")
)
_BEFORE_NOUN = 3
"""Words between a predicate and its object: an article and at most two adjectives."""
Mention = tuple[int, int, str]


def check_relations(text: str, row: Row, turn: int) -> Iterator[Finding]:
    """Compare the relations that an answer states with a row's triples.

    Objects that the row holds several times are left out: the text may mean another of them.

    Yields:
        Findings of the kind wrong_relation.
    """
    counts = Counter(item.label.lower() for item in row.objects)
    triples = [(subject.lower(), predicate, target.lower()) for subject, predicate, target in row.relations]
    names = {name for subject, _, target in triples for name in (subject, target) if counts[name] < 2}
    for sentence in _SENTENCE.split(text):
        words = words_of(sentence)
        mentions = list(_mentions(words, names))
        for first, second in pairwise(mentions):
            meaning = _meaning_between(words[first[1] : second[0]])
            if meaning and first[2] != second[2]:
                against = _contradicted(first[2], meaning, second[2], triples)
                if against:
                    yield Finding(
                        "wrong_relation", f"{' '.join(words[first[0] : second[1]])}, annotated {against}", turn
                    )


def _mentions(words: list[str], names: set[str]) -> Iterator[Mention]:
    """Find names in a sentence as `(start, end, name)`, longest first, without overlaps."""
    forms = {form: name for name in names for form in _forms_of(name)}
    longest = max((len(form) for form in forms), default=0)
    at = 0
    while at < len(words):
        for length in range(longest, 0, -1):
            name = forms.get(tuple(words[at : at + length]))
            if name:
                yield at, at + length, name
                at += length - 1
                break
        at += 1


@lru_cache(maxsize=20_000)
def _forms_of(name: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(words_of(form)) for word in label_words(name) for form in plural_forms(word))


@cache
def _predicates() -> tuple[dict[tuple[str, ...], str], dict[str, str], dict[str, frozenset[str]]]:
    """Load meanings by words, and for each meaning its inverse and what it rules out."""
    table = packaged_toml("quality/checks", "predicates.toml")
    meanings = {tuple(phrase.split()): name for name, entry in table.items() for phrase in entry["words"]}
    inverses = {name: entry["inverse"] for name, entry in table.items()}
    return meanings, inverses, {name: frozenset(entry["against"]) for name, entry in table.items()}


def _meaning_between(words: list[str]) -> str:
    """Read the words between two mentions: linking words, a predicate, and at most an article and two adjectives."""
    meanings = _predicates()[0]
    start = 0
    while start < len(words):
        for end in range(min(len(words), start + 6), start, -1):
            meaning = meanings.get(tuple(words[start:end]))
            if meaning:
                return meaning if len(words) - end <= _BEFORE_NOUN else ""
        if words[start] not in _LINKING:
            return ""
        start += 1
    return ""


def _contradicted(subject: str, meaning: str, target: str, triples: list[tuple[str, str, str]]) -> str:
    """Give the triple that rules a relation out, as text; empty when none does or another one confirms it."""
    meanings, inverses, against = _predicates()
    ruled_out = ""
    for first, predicate, second in triples:
        annotated = meanings.get(tuple(words_of(predicate)), "")
        if (first, second) == (target, subject):
            annotated = inverses.get(annotated, "")
        elif (first, second) != (subject, target):
            continue
        if annotated == meaning:
            return ""
        if annotated in against[meaning]:
            ruled_out = f"{first} {predicate} {second}"
    return ruled_out
