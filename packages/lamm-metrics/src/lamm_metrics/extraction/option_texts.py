"""Find the options' own texts in an answer: as written first, in looser forms where they fit one option only."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from lamm_metrics.extraction.option_borders import CJK, is_frame, stands
from lamm_metrics.extraction.text.answer import fold
from lamm_metrics.extraction.text.formulas import written

# Private characters stand for mentions of options: by text, by letter, by both; SEVERAL fits more than one option.
TEXT, LETTER, BOTH, SEVERAL = 0xE000, 0xE100, 0xE200, "\ue300"
MENTION = "[\ue000-\ue300]"

_TOKEN = re.compile(rf"(?<![\w.])\.\d+|\d+(?:,\d{{3}}(?!\d))*(?:\.\d+)?|[{CJK}]|[^\W\d_{CJK}]+|\S")
_ARTICLES = frozenset({"a", "an", "the"})
_SILENT = frozenset("',!?_^\u2010")
_INNER_HYPHEN = re.compile(r"(?<=[^\W\d_])-(?=[^\W\d_])")
_SENTENCE_ENDS = frozenset('.!?:"')
_OPERATORS = frozenset("+-*/=^<>")
_EDGE = frozenset("\"'.,;:!?")
_SAME = {"degrees": "°", "degree": "°", "percent": "%", "&": "and", "celsius": "c", "fahrenheit": "f"}
_LONGEST = 400  # tokens of an option that are compared
_MOST_MENTIONS = 5000
_GOES_ON = re.compile(r"[\"')]?(?:,|;| -| [a-z(])")


class _Option(NamedTuple):
    number: int
    tokens: tuple[str, ...]
    loose: tuple[str, ...]
    lead: int  # tokens in front of the first one of the loose form


@lru_cache(maxsize=65_536)
def _loose_token(token: str) -> str:
    if token[0].isdigit() or (token[0] == "." and len(token) > 1):
        token = token.replace(",", "")
        whole, point, rest = token.partition(".")
        rest = rest.rstrip("0")
        return (whole or "0") + (point + rest if rest else "")
    folded = token.casefold()
    return _SAME.get(folded, folded)


def _loose(tokens: Sequence[str]) -> list[tuple[str, int]]:
    """Return the tokens that count when one looks less closely, each with its place."""
    found = []
    last = len(tokens) - 1
    for place, token in enumerate(tokens):
        if len(token) > 3:
            found.append((_loose_token(token), place))
            continue
        if token in _SILENT or (token == '"' and place in (0, last)):
            continue
        if token == "." and (place in (0, last) or len(tokens[place - 1]) > 1):
            continue
        if place < last and token.lower() in _ARTICLES and tokens[place + 1][0].isalnum():
            # The A of "sample A", of "A B C", of "C, A" and of "b/a" is none.
            begins = place == 0 or tokens[place - 1] in _SENTENCE_ENDS
            formula = place > 0 and tokens[place - 1] in _OPERATORS
            if not formula and (token != "A" or (begins and len(tokens[place + 1]) > 1)):
                continue
        found.append((_loose_token(token), place))
    return found


class OptionTexts:
    """The texts of a question's options, found in answers.

    Args:
        options: The texts as the record spells them.
        letters: What the question calls each option where that is one letter; a text that is but such a letter is read
            as the letter.
    """

    def __init__(self, options: Sequence[str], letters: Sequence[str]) -> None:
        self.raw: dict[str, list[int]] = {}
        self.letter_texts: dict[str, int] = {}
        self._by_first: dict[str, list[tuple[tuple[str, ...], list[_Option]]]] = {}
        keys: dict[tuple[str, ...], list[_Option]] = {}
        self._letters = known = frozenset(letters)
        single = all(len(option.strip()) == 1 for option in options)
        for number, option in enumerate(options):
            text = written(option, lines=False) or fold(option)
            self.raw.setdefault(option.strip(), []).append(number)
            if text in known or (text.upper() in known and single):
                self.letter_texts.setdefault(text, number)
                continue
            tokens = tuple(_TOKEN.findall(_INNER_HYPHEN.sub("\u2010", text))[:_LONGEST])
            loose = _loose(tokens) or [(token, place) for place, token in enumerate(tokens)]
            if loose:
                key = tuple(token for token, _ in loose)
                keys.setdefault(key, []).append(_Option(number, tokens, key, loose[0][1]))
        for key, owners in keys.items():
            self._by_first.setdefault(key[0], []).append((key, owners))
        for entries in self._by_first.values():
            entries.sort(key=lambda entry: -len(entry[0]))
        self.heads = _heads(options, known)

    def mark(self, text: str) -> str:
        """Put a private character in the place of every option's text; the longest reading wins.

        A text that names options thousands of times settles on none: it becomes one mention that fits several.

        Args:
            text: An answer as `written` returns it.
        """
        parts, end = [], 0
        for number, (start, stop, char) in enumerate(self._find(text)):
            if number == _MOST_MENTIONS:
                return SEVERAL
            parts += [text[end:start], char]
            end = stop
        return "".join([*parts, text[end:]]) if parts else text

    def _find(self, text: str) -> Iterator[tuple[int, int, str]]:
        hyphenated = _INNER_HYPHEN.sub("\u2010", text)
        places = [(found.start(), found.end()) for found in _TOKEN.finditer(hyphenated)]
        tokens = [hyphenated[start:end] for start, end in places]
        loose = _loose(tokens)
        chain = [token for token, _ in loose]
        resume, before = 0, 0
        for index, (token, place) in enumerate(loose):
            entries = self._by_first.get(token)
            if entries is None or place < resume:
                continue
            for key, owners in entries:
                stop = index + len(key)
                if stop > len(chain) or chain[stop - 1] != key[-1] or tuple(chain[index:stop]) != key:
                    continue
                last = loose[stop - 1][1]
                option, first = _settle(owners, tokens, place, resume)
                lettered = len(key) == 1 and token.upper() in self._letters
                if lettered and all(tuple(tokens[first : first + len(one.tokens)]) != one.tokens for one in owners):
                    continue  # the letter A, not the option A'
                start, end = places[first][0], places[last][1]
                if not stands(text, start, end, key) or (len(key) == 1 and is_frame(text, start, end, before)):
                    continue
                before = end
                end = _with_end_mark(text, end, owners, option)
                resume = last + 1
                yield places[first][0], end, SEVERAL if option is None else chr(TEXT + option)
                break


def _settle(owners: list[_Option], tokens: list[str], place: int, resume: int) -> tuple[int | None, int]:
    """Return which of the options that share a loose form is written here, and the token with which it starts."""
    if len(owners) == 1 and not owners[0].lead:
        return owners[0].number, place
    starts = {
        owner.number: place - owner.lead
        for owner in owners
        if owner.lead <= place - resume
        and [token.casefold() for token in tokens[place - owner.lead : place]]
        == [token.casefold() for token in owner.tokens[: owner.lead]]
    }
    if len(owners) == 1:
        return owners[0].number, starts.get(owners[0].number, place)
    for same in (tuple, _trimmed, lambda part: _trimmed(token.casefold() for token in part)):
        fits = [
            owner
            for owner in owners
            if owner.number in starts
            and same(tokens[starts[owner.number] : starts[owner.number] + len(owner.tokens)]) == same(owner.tokens)
        ]
        longest = max((len(owner.tokens) for owner in fits), default=0)
        fits = [owner for owner in fits if len(owner.tokens) == longest]
        if fits:
            return (fits[0].number if len(fits) == 1 else None), starts[fits[0].number]
    return None, place


def _trimmed(tokens: Iterable[str]) -> tuple[str, ...]:
    found = list(tokens)
    while found and found[-1] in _EDGE:
        found.pop()
    return tuple(found)


def _with_end_mark(text: str, end: int, owners: list[_Option], option: int | None) -> int:
    """Return where a reading ends with its own last mark, which would pass for the end of the answer's sentence."""
    mark = text[end : end + 1]
    own = mark in {".", "!", "?"} and any(owner.number == option and owner.tokens[-1] == mark for owner in owners)
    return end + 1 if own and (mark == "?" or _GOES_ON.match(text, end + 1)) else end


def _heads(options: Sequence[str], letters: frozenset[str]) -> frozenset[str]:
    """Return the words in front of single letters in options: the "sample" of "sample A"."""
    return frozenset(word.lower() for word, name in _HEAD.findall("\n".join(options)) if name in letters)


_HEAD = re.compile(r"([^\W\d_]{2,20}) ([A-Z])(?![^\W_])")


@lru_cache(maxsize=1024)
def option_texts(options: tuple[str, ...], letters: tuple[str, ...]) -> OptionTexts:
    """Return the texts of a question's options, prepared once and kept.

    Args:
        options: The texts.
        letters: The options' letters, none where they are called otherwise.
    """
    return OptionTexts(options, letters)
