"""Read the noun phrases of an answer."""

import re
from functools import lru_cache

from lamm_metrics.extraction.result import Extraction, Status
from lamm_metrics.extraction.text.answer import overlong, plain_answer
from lamm_metrics.extraction.text.refusal import split_refusal
from lamm_metrics.extraction.text.synonyms import read_table

_TOKEN = re.compile(r"[^\W\d_]+(?:[-'][^\W\d_]+){0,3}|[^\s\w]|\d+")
_CLOSED = frozenset(read_table("closed_words.json")["words"])


@lru_cache(maxsize=1)
def _tagger_ready() -> bool:
    """Return whether nltk's tagger data is on disk; asked once."""
    import nltk

    try:
        nltk.data.find("taggers/averaged_perceptron_tagger_eng/")
    except LookupError:
        return False
    return True


def _chunk(tokens: list[tuple[str, bool]]) -> list[str]:
    """Join runs of words that belong to noun phrases."""
    phrases: list[str] = []
    run: list[str] = []
    for word, inside in [*tokens, ("", False)]:
        if inside:
            run.append(word.lower())
        elif run:
            phrases.append(" ".join(run))
            run = []
    return phrases


def _tagged(words: list[str]) -> list[str]:
    """Return noun phrases by nltk's tagger: adjectives and nouns in a row that end in a noun."""
    import nltk

    phrases: list[str] = []
    run: list[tuple[str, str]] = []
    for word, tag in [*nltk.pos_tag(words), ("", "END")]:
        if tag.startswith(("NN", "JJ")) and word[:1].isalpha():
            run.append((word.lower(), tag))
            continue
        while run and not run[-1][1].startswith("NN"):
            run.pop()
        if run:
            phrases.append(" ".join(part for part, _ in run))
        run = []
    return phrases


def extract_noun_phrases(text: str, use_tagger: bool | None = None) -> Extraction[list[str]]:
    """List the noun phrases of an answer in order, lower-cased, head noun last.

    With nltk's tagger data on disk, runs of adjectives and nouns that end in a noun. Without it, runs of words that
    are in no closed class (articles, prepositions, pronouns, auxiliaries, common verbs of descriptions): coarser, but
    needs no data.

    Args:
        text: A free-form answer.
        use_tagger: Force (`True`) or forbid (`False`) the tagger; `None` uses it where its data is on disk. Give
            `False` where numbers must not depend on the machine.

    Example:
        >>> extract_noun_phrases("A brown dog is sitting on the wooden bench.", use_tagger=False).value
        ['brown dog', 'wooden bench']
    """
    fault = overlong(text)
    if fault:
        return Extraction([], Status.MALFORMED, fault)
    plain, declined = split_refusal(plain_answer(text))
    words = _TOKEN.findall(plain)
    if use_tagger or (use_tagger is None and words and _tagger_ready()):
        phrases = _tagged(words)
    else:
        phrases = _chunk([(word, word[:1].isalpha() and word.lower() not in _CLOSED) for word in words])
    if phrases:
        return Extraction(phrases, Status.OK)
    return Extraction([], Status.REFUSED if declined else Status.NONE)
