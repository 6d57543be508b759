"""How projects write captions of Scan2Cap before they compare them: one row a way.

Every caption stands between `sos` and `eos`, and an object that was missed is captioned with these two words alone,
which n-gram scores do not take for nothing (one project leaves two blanks between them). Written from the rules that
the projects' code follows; tests hold the rows against its values.
"""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from lamm_metrics.metrics.captions.tokenizers import blank, ptb, whitespace

MOST_TOKENS = 30
"""Words of a reference that count where projects read ScanRefer's token lists."""


def _between(text: str) -> str:
    return f"sos {text} eos"


def scan2cap_tokens(text: str, most: int | None = None) -> str:
    """Return a caption as ScanRefer's token lists have it: lower case, dots and commas words of their own.

    >>> scan2cap_tokens("A chair, brown."), scan2cap_tokens("A chair, brown.", most=2)
    ('sos a chair , brown . eos', 'sos a chair eos')
    """
    words = text.lower().replace(".", " . ").replace(",", " , ").split()
    return _between(" ".join(words[:most]))


def _reference_tokens(text: str) -> str:
    return scan2cap_tokens(text, MOST_TOKENS)


def _spaced(text: str) -> str:
    return _between(text.lower().replace(".", " . ").replace(",", " , "))


class DenseText(NamedTuple):
    """What is done to an answer and a reference, how words and ROUGE's words are told apart, what a miss is called."""

    answer: Callable[[str], str]
    reference: Callable[[str], str]
    words: Callable[[str], tuple[str, ...]] = whitespace
    rouge: Callable[[str], tuple[str, ...]] = blank
    missed: str = "sos eos"


DenseTextName = Literal["scan2cap", "ll3da", "leo", "chatscene", "video3dllm"]
DENSE_TEXTS: Mapping[DenseTextName, DenseText] = {
    "scan2cap": DenseText(scan2cap_tokens, _reference_tokens),
    "ll3da": DenseText(lambda text: _between(" ".join(filter(None, text.split(" ")))), _reference_tokens),
    "leo": DenseText(lambda text: _between(text).replace(". ", " . "), _reference_tokens),
    "chatscene": DenseText(_between, _between, ptb, ptb),
    "video3dllm": DenseText(_spaced, _spaced, missed="sos  eos"),
}
"""Ways of writing captions by name."""
