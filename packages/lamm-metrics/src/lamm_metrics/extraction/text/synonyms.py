"""Built-in names for the benchmark's label sets, read from package data."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

from lamm_metrics.errors import UsageError


def read_table(name: str) -> dict[str, list[str]]:
    """Return a JSON table of word lists from the package's data.

    Args:
        name: File name.
    """
    text = (files("lamm_metrics.extraction") / "data" / name).read_text(encoding="utf-8")
    table: dict[str, list[str]] = json.loads(text)
    return table


@lru_cache(maxsize=1)
def _names() -> dict[str, list[str]]:
    return read_table("synonyms.json")


TRAPS: Sequence[str] = tuple(read_table("traps.json")["phrases"])


@lru_cache(maxsize=64)
def known_synonyms(labels: tuple[str, ...]) -> Mapping[str, Sequence[str]]:
    """Return the built-in further names of these labels; a label without any is left out.

    Args:
        labels: Labels as a benchmark file spells them (`diningtable`, `dining table` and `dining_table` are one).
    """
    by_key = _names()
    found = {label: by_key.get("".join(filter(str.isalnum, label.lower())), []) for label in labels}
    return {label: names for label, names in found.items() if names}


def installed_wordnet(purpose: str) -> Any:
    """Return WordNet as nltk reads it, where its data is on disk.

    Args:
        purpose: What it is wanted for, for the message.

    Raises:
        UsageError: It is not installed.
    """
    import nltk
    from nltk.corpus import wordnet

    for place in ("corpora/wordnet", "corpora/wordnet.zip"):
        try:
            nltk.data.find(place)
        except LookupError:
            continue
        return wordnet
    raise UsageError(
        f"Expected WordNet on disk for {purpose}, got none. Install it with `python -m nltk.downloader wordnet`."
    )


def wordnet_synonyms(labels: Sequence[str]) -> dict[str, list[str]]:
    """Return further names of any labels from WordNet: the lemmas of each label's first noun sense.

    Never used unless asked for, so that no number depends on what is installed.

    Args:
        labels: Labels; spaces and underscores are the same.

    Raises:
        UsageError: WordNet is not installed.
    """
    wordnet = installed_wordnet("synonyms of labels")
    names: dict[str, list[str]] = {}
    for label in labels:
        synsets = wordnet.synsets(label.replace(" ", "_"), pos=wordnet.NOUN)
        if synsets:
            names[label] = [lemma.replace("_", " ") for lemma in synsets[0].lemma_names()]
    return names
