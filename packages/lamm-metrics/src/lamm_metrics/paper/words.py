"""Which words the published protocol takes for a label (LAMM v1, its entity matching).

The published code splits an answer into words, drops stop words, reduces each word to its WordNet base form and looks
for a lemma of the *first* WordNet synset of the label. The result depends on WordNet 3.0 alone, so the words that pass
are worked out once for the benchmark's labels and shipped as a table; nothing has to be downloaded. Consequences that
look odd are the protocol's own: "machine" passes for automobile, "wheel" for bicycle, nothing at all can pass for
`diningtable`, and "not a dog" passes for dog.
"""

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any

from lamm_metrics.extraction.text.synonyms import installed_wordnet


@lru_cache
def _table(name: str) -> Any:
    return json.loads((files("lamm_metrics.paper") / "data" / name).read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def _tokenizers() -> tuple[Any, Any]:
    from nltk.tokenize.destructive import NLTKWordTokenizer
    from nltk.tokenize.punkt import PunktSentenceTokenizer

    # Untrained: nltk's trained model knows more abbreviations, none of which is a word of any label.
    return PunktSentenceTokenizer(), NLTKWordTokenizer()


@lru_cache(maxsize=4096)
def tokens(text: str) -> tuple[str, ...]:
    """Return the words of a lower-cased answer as nltk's `word_tokenize` splits them, without its trained data.

    Example:
        >>> tokens("A dog. Isn't it?")
        ('a', 'dog', '.', 'is', "n't", 'it', '?')
    """
    sentences, words = _tokenizers()
    return tuple(word for sentence in sentences.tokenize(text.lower()) for word in words.tokenize(sentence))


@lru_cache(maxsize=4096)
def accepted_words(label: str) -> frozenset[str]:
    """Return every word that the published protocol takes for a label; empty where nothing can pass.

    Args:
        label: The label as the benchmark file spells it.

    Raises:
        UsageError: The label is in no shipped table and WordNet is not installed.

    Example:
        >>> sorted(accepted_words("truck"))[:3]
        ['motortruck', 'motortrucks', 'truck']
        >>> accepted_words("diningtable")
        frozenset()
    """
    shipped: dict[str, list[str]] = _table("accepted_words.json")["labels"]
    if label.lower() in shipped:
        return frozenset(shipped[label.lower()])
    return derive_accepted_words(label, installed_wordnet(f"the paper protocol with the label {label!r}"))


def mentions(label: str, text: str) -> bool:
    """Return whether the published entity matching finds a label in an answer.

    Example:
        >>> mentions("dog", "This is certainly not a dog."), mentions("person", "Two women.")
        (True, False)
    """
    return not accepted_words(label).isdisjoint(tokens(text))


def derive_accepted_words(label: str, wordnet: Any) -> frozenset[str]:
    """Work the accepted words of a label out from WordNet, as the published code would look them up.

    Args:
        label: The label.
        wordnet: nltk's WordNet corpus reader.

    Returns:
        All lower-case words whose base form is a lemma of the label's first synset, without stop words.
    """
    synsets = wordnet.synsets(label)
    lemmas = set(synsets[0].lemma_names()) if synsets else {label}
    stop_words = set(_table("stop_words.json"))
    return frozenset(
        word
        for lemma in lemmas
        for word in _inflections(lemma, wordnet)
        if word == word.lower() and word not in stop_words and wordnet.morphy(word) in lemmas
    )


def _inflections(lemma: str, wordnet: Any) -> set[str]:
    """Return every word that one step of WordNet's detachment rules, or its list of exceptions, can lead to a lemma."""
    found = {lemma}
    for rules in wordnet.MORPHOLOGICAL_SUBSTITUTIONS.values():
        found.update(lemma[: len(lemma) - len(new)] + old for old, new in rules if lemma.endswith(new))
    # nltk offers no public way to list the exceptions.
    for exceptions in wordnet._exception_map.values():
        found.update(word for word, bases in exceptions.items() if lemma in bases)
    return found
