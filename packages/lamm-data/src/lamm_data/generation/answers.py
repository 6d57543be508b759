"""Reading what a model answered, however loosely it kept to the format.

JSON where it obeyed, `Question:`/`Answer:` lines where it did not, and what is whole of an answer that breaks off. Of
several JSON values the last that is usable counts: those before it are drafts and echoes of the format. Every way to
fail has a reason of its own (`UnusableAnswerError`). Parsers are told whether the server stopped at its length limit,
so that the end of the text may be incomplete: what is not whole is dropped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from lamm_llm import json_values

Rounds = list[tuple[str, str]]

_MARK = re.compile(
    r"^[\s>*#_\-]*(?:\d+[.)]\s*)?[*_]*(?P<role>question|answer|q|a|user|human|person|assistant|gpt)"
    r"\s*(?:\d+|#\d+)?\s*[*_]*\s*:[*_]*\s*",
    re.IGNORECASE | re.MULTILINE,
)
_ASKING = {"question", "q", "user", "human", "person"}
_SENTENCE_END = re.compile(r"[.!?][\"')\]]?(?=\s|$)")
_FENCE = re.compile(r"\A\s*```[a-z]*[ \t]*\n?|\n?[ \t]*```\s*\Z", re.IGNORECASE)
_BULLET = re.compile(r"^\s*(?:[-*•]|\(?[0-9A-Za-z]{1,3}[.)])\s+")
_YES_OR_NO = re.compile(r"(?:yes|no)\b", re.IGNORECASE)
_DESCRIPTION_KEY = re.compile(r'\A\s*(?:```(?:json)?)?\s*\{\s*"description"\s*:\s*"', re.IGNORECASE)
_TEMPLATE = re.compile(r"[<\[{][^<>\[\]{}]*[^\W\d_][^<>\[\]{}]*[>\]}]\.?|(?:string|text|str)", re.IGNORECASE)
_OPENING = re.compile(
    r"\A(?:(?:sure(?: thing)?|certainly|of course|absolutely|okay|ok|great|alright|got it|understood|no problem)"
    r"\s*[!,.]\s*)?(?:here(?:[\x27’]s| is| are)|below is|the following is)\b[^\n:]{0,80}\b(?:description|caption|"
    r"answer|response|statements?|options|list|version|summary|text|conversation|dialogue)\b[^\n:]{0,60}:\s*(?=\S)|"
    r"\A(?:sure(?: thing)?|certainly|of course|absolutely|okay|ok|alright|got it|understood|no problem|"
    r"(?:great|good) question)\s*[!.]\s+(?=\S)",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"\A[#*_\s]*(?:(?:final|detailed|image|scene)\s+)*(?:description|answer|response|output|caption|statements?|options)"
    r"[*_ ]*:[*_]*\s*|\A#{1,6} [^\n]*\n\s*",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"\s*(?:\n|(?<=[.!?]) )[*_(]*(?:i hope th(?:is|at)|let me know|feel free|please let me know|would you like|"
    r"if you(?: have|[\x27’]d like| would like| need| want)|do you (?:want|need)|is there anything|"
    r"(?:note|word count|disclaimer)\b[^\n:]{0,30}:)[^\n]*\s*\Z",
    re.IGNORECASE,
)
_SCORE = re.compile(r"^[\W_]*score[\W_]*?:[\W_]*([1-5])(?:\s*/\s*5)?\b(?![.,]\d)", re.IGNORECASE | re.MULTILINE)
_UNSUPPORTED = re.compile(r"^[\W_]*unsupported[\W_]*?:[ \t]*(.+)$", re.IGNORECASE | re.MULTILINE)
BEST_SCORE = 5
_MAX_ANSWER = 200_000
_MAX_OPTION = 200
_LONGEST_TEMPLATE = 80


class UnusableAnswerError(Exception):
    """An answer no record can be made from.

    Attributes:
        reason: One word for counting: `empty`, `refusal`, `filtered`, `unparsable`, `markup`, `cut_off`, `too_few`,
            `repeats_example`, `contradictory`.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Answer:
    """A usable answer.

    Attributes:
        rounds: Question and answer pairs (dialogues).
        description: The text (descriptions).
        items: Statements, wrong options, or the words that a verdict calls unsupported.
        score: A verdict's score, 1 to 5; 0 for all else.
        salvaged: True when only part of what the model wrote could be used.
    """

    rounds: tuple[tuple[str, str], ...] = ()
    description: str = ""
    items: tuple[str, ...] = ()
    score: int = 0
    salvaged: bool = False


def parse_dialogue(text: str, *, cut_off: bool = False, most: int | None = None) -> Answer:
    r"""Read rounds of question and answer.

    >>> parse_dialogue("Question: What is it?\nAnswer: A cat.").rounds
    (('What is it?', 'A cat.'),)
    """
    values, broken = _json_of(text)
    usable = [(clean, dropped) for clean, dropped in map(_clean, _lists_of_rounds(values)) if clean]
    if usable:
        clean, dropped = usable[-1]
        dropped = dropped or broken or len(usable) > 1
    else:
        rounds = _rounds_from_lines(text[:_MAX_ANSWER])
        if cut_off and rounds:
            rounds = _without_unfinished(rounds)
        clean, dropped = _clean(rounds)
    if not clean:
        raise _nothing_whole("The answer holds no complete pair of a question and its answer", cut_off)
    return Answer(rounds=tuple(clean[: most or None]), salvaged=dropped or cut_off or len(clean) > (most or len(clean)))


def parse_description(text: str, *, cut_off: bool = False) -> Answer:
    """Read one description; an unfinished last sentence is dropped."""
    values, broken = _json_of(text)
    found = [value for value in map(_described, values) if value]
    if found:
        plain = _without_chat(found[-1])
        return Answer(description=plain or found[-1], salvaged=len(found) > 1 or plain != found[-1])
    plain, keyed = _DESCRIPTION_KEY.subn("", text)
    if not keyed and (broken or any(isinstance(value, dict) for value in values) or text.lstrip()[:1] in ("{", "[")):
        raise UnusableAnswerError("unparsable", "The answer holds JSON, but no text under `description`.")
    whole = plain.strip() if keyed else _without_chat(_FENCE.sub("", plain))
    if not (cut_off or keyed):
        if _is_blank(whole):
            raise UnusableAnswerError("unparsable", "The answer holds no description.")
        return Answer(description=whole, salvaged=whole != plain.strip())
    ends = [match.end() for match in _SENTENCE_END.finditer(whole)]
    if len(ends) < 2:
        raise _nothing_whole("The answer breaks off before two sentences were complete", cut_off)
    return Answer(description=whole[: ends[-1]], salvaged=True)


def parse_statements(text: str, *, cut_off: bool = False, most: int | None = None) -> Answer:
    r"""Read statements that questions and answers were turned into.

    Lines that still ask, or that begin with yes or no, state nothing and are dropped, and so are more than asked for.

    >>> parse_statements("1. The chair is red.\nYes, it is.").items
    ('The chair is red.',)
    """
    items, whole = _items(text, "statements", cut_off=cut_off)
    stated = [item for item in items if not item.endswith("?") and not _YES_OR_NO.match(item)]
    if not stated:
        raise _nothing_whole("The answer holds no statement that stands by itself", cut_off)
    return Answer(items=tuple(stated[:most]), salvaged=len(stated) < (most or len(items)) or not whole)


def parse_options(text: str, taken: Iterable[str], wanted: int, *, cut_off: bool = False) -> Answer:
    """Read the wanted number of wrong options, which differ from the right answers (`taken`) and from each other."""
    seen = {_folded(answer) for answer in taken}
    options: list[str] = []
    items, _ = _items(text, "options", cut_off=cut_off)
    for item in items:
        if _folded(item) not in seen and len(item) <= _MAX_OPTION:
            seen.add(_folded(item))
            options.append(item.rstrip("."))
    if len(options) < wanted:
        what = f"Expected {wanted} wrong options that differ from the right answers, got {len(options)}"
        raise _nothing_whole(what, cut_off, "too_few")
    return Answer(items=tuple(options[:wanted]), salvaged=len(items) > wanted)


def parse_verdict(text: str, *, cut_off: bool = False) -> Answer:
    r"""Read a verdict: a score from 1 to 5, and the words that are not supported.

    Lines will do in place of JSON. Verdicts that differ, and a best score beside unsupported words, are none.

    >>> parse_verdict('{"unsupported": ["two dogs"], "score": 2}').score
    2
    >>> parse_verdict("Unsupported: two dogs\nScore: 2").items
    ('two dogs',)
    """
    values, _ = _json_of(text)
    verdicts = {verdict for value in values if isinstance(value, dict) and (verdict := _verdict(value))}
    if not values:
        scores = {int(score) for score in _SCORE.findall(text[:_MAX_ANSWER])}
        quotes = tuple(_strings(_UNSUPPORTED.findall(text[:_MAX_ANSWER])))
        verdicts = {(score, tuple(quote for quote in quotes if _folded(quote) != "none")) for score in scores}
    if not verdicts:
        raise _nothing_whole("The answer holds no score from 1 to 5 with the unsupported words", cut_off)
    score, quotes = next(iter(verdicts))
    if len(verdicts) > 1 or (quotes and score == BEST_SCORE):
        what = f"The answer holds a score of {score} and {len(quotes)} unsupported parts, or several verdicts"
        raise UnusableAnswerError("contradictory", f"{what}. Give one verdict that agrees with itself.")
    return Answer(items=quotes, score=score, salvaged=cut_off)


def _verdict(value: dict[str, Any]) -> tuple[int, tuple[str, ...]] | None:
    """Give the score and the quotes of a JSON object; None where it is no verdict."""
    score, quotes = _field(value, "score"), _field(value, "unsupported")
    if isinstance(score, str) and score.strip().isdecimal():
        score = int(score)
    whole = isinstance(score, int | float) and not isinstance(score, bool) and score in range(1, BEST_SCORE + 1)
    if not whole or not isinstance(quotes, list) or not all(isinstance(quote, str) for quote in quotes):
        return None
    return int(score), tuple(quote.strip() for quote in quotes if quote.strip())


def _nothing_whole(what: str, cut_off: bool, reason: str = "unparsable") -> UnusableAnswerError:
    if cut_off:
        return UnusableAnswerError("cut_off", f"{what}: it was cut off at the limit of tokens. Raise --max-tokens.")
    return UnusableAnswerError(reason, f"{what}.")


def _folded(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _json_of(text: str) -> tuple[list[Any], bool]:
    """Decode the JSON in the text; a text without any character cannot be used."""
    if not text.strip():
        raise UnusableAnswerError("empty", "The answer is empty.")
    return json_values(text[:_MAX_ANSWER])


def _is_blank(text: str) -> bool:
    """Tell whether a text says nothing: no letter or digit, or a place to be filled, as in an echoed format."""
    return not any(map(str.isalnum, text)) or (len(text) < _LONGEST_TEMPLATE and bool(_TEMPLATE.fullmatch(text)))


def _described(value: Any) -> str:
    """Give the description that a JSON object holds; empty for any other value."""
    text = _field(value, "description") if isinstance(value, dict) else None
    return text.strip() if isinstance(text, str) and not _is_blank(text.strip()) else ""


def _field(item: dict[str, Any], *names: str) -> Any:
    """Give the value under one of some keys, whatever their case."""
    for name in names:
        if name in item:
            return item[name]
    return next((value for key, value in item.items() if key.lower() in names), None)


def _without_chat(text: str) -> str:
    """Leave out what a chatbot writes around its answer: "Sure, here is ...:", a heading, "Let me know if ..."."""
    text = _LABEL.sub("", _OPENING.sub("", text.strip()))
    while shorter := _CLOSING.search(text):
        text = text[: shorter.start()]
    return text.strip()


def _items(text: str, key: str, *, cut_off: bool) -> tuple[list[str], bool]:
    """Give the strings of a JSON list, or the lines of a text, without marks in front; and whether all is there."""
    values, broken = _json_of(text)
    lists = (_field(value, key) if isinstance(value, dict) else value for value in values)
    found = [items for value in lists if isinstance(value, list) and (items := _strings(value))]
    if found:
        return found[-1], not cut_off
    if broken:
        return _strings(_strings_of_cut_list(text[:_MAX_ANSWER])), False
    if values or text.lstrip().startswith(("{", "[", "`")):
        return [], not cut_off
    lines = text[:_MAX_ANSWER].splitlines()
    lines = lines[:-1] if cut_off else lines
    lines = [line for line in lines if not line.rstrip().endswith(":")]
    return _strings(_BULLET.sub("", line) for line in _without_chat("\n".join(lines)).splitlines()), not cut_off


def _strings(values: Iterable[Any]) -> list[str]:
    return [tidy for item in values if isinstance(item, str) and not _is_blank(tidy := _tidy(item))]


def _strings_of_cut_list(text: str) -> list[str]:
    """Give the whole strings of a JSON list that ends in the middle."""
    decoder, strings, at = json.JSONDecoder(strict=False), list[str](), text.find("[") + 1
    while (at := text.find('"', at)) >= 0:
        try:
            item, at = decoder.raw_decode(text, at)
        except ValueError:
            break
        strings.append(str(item))
    return strings


def _lists_of_rounds(values: list[Any]) -> list[list[Any]]:
    """Give each list of rounds that the JSON values of a text hold; rounds that stand by themselves make the first."""
    lists: list[list[Any]] = [[]]
    for value in values:
        if isinstance(value, dict):
            found = [item for item in value.values() if isinstance(item, list)]
            rounds = _field(value, "rounds")
            if isinstance(rounds, list) or found:
                lists.append(rounds if isinstance(rounds, list) else found[0])
            else:
                lists[0].append(value)
        elif isinstance(value, list):
            alone = all(isinstance(item, str) for item in value)
            lists[0].extend([value] if alone else [])
            lists.extend([] if alone else [value])
    return lists


def _rounds_from_lines(text: str) -> list[Any]:
    """Pair question lines with the answer lines that follow them."""
    marks = list(_MARK.finditer(text))
    turns = []
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    for mark, end in zip(marks, ends, strict=False):
        body = text[mark.end() : end]
        turns.append((mark["role"].lower() in _ASKING, body))
    if turns:
        turns[-1] = turns[-1][0], _CLOSING.sub("", turns[-1][1])
    pairs = pairwise(turns)
    return [
        {"question": question, "answer": answer}
        for (asks, question), (asks_next, answer) in pairs
        if asks and not asks_next
    ]


def _without_unfinished(rounds: list[Any]) -> list[Any]:
    """Cut the last answer to its complete sentences, or drop the round when it has none."""
    last = rounds[-1]
    ends = [match.end() for match in _SENTENCE_END.finditer(last["answer"])]
    if not ends:
        return rounds[:-1]
    return [*rounds[:-1], {**last, "answer": last["answer"][: ends[-1]]}]


def _clean(rounds: list[Any]) -> tuple[Rounds, bool]:
    """Keep whole rounds with new questions; tell whether any was dropped."""
    clean: Rounds = []
    seen: set[str] = set()
    for item in rounds:
        question, answer = _pair(item)
        if _is_blank(question) or _is_blank(answer) or question.lower() in seen:
            continue
        seen.add(question.lower())
        clean.append((question, answer))
    return clean, len(clean) < len(rounds)


def _pair(item: Any) -> tuple[str, str]:
    if isinstance(item, dict):
        question, answer = _field(item, "question", "q"), _field(item, "answer", "a")
    elif isinstance(item, list) and len(item) == 2:
        question, answer = item
    else:
        return "", ""
    if not isinstance(question, str) or not isinstance(answer, str):
        return "", ""
    return _tidy(question), _OPENING.sub("", _tidy(answer))


def _tidy(text: str) -> str:
    return text.strip().strip("*").strip()
