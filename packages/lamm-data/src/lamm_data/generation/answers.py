"""Reading what a model answered, however loosely it kept to the format.

JSON where it obeyed, `Question:`/`Answer:` lines where it did not, and what is whole of an answer that was cut off.
Model output is untrusted text: it is decoded, never evaluated, and every way to fail has a reason of its own
(`UnusableAnswerError`). Parsers are told whether the server stopped at its length limit, so that the end of the text
may be incomplete: what is not whole is dropped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any

from lamm_data.files.settings import packaged_toml
from lamm_data.generation.prompts import Example, Prompt
from lamm_data.generation.rows import Row
from lamm_llm import Reply, loads, without_thinking

Rounds = list[tuple[str, str]]

_MARK = re.compile(
    r"^[\s>*#_\-]*(?:\d+[.)]\s*)?[*_]*(?P<role>question|answer|q|a|user|human|person|assistant|gpt)"
    r"\s*(?:\d+|#\d+)?\s*[*_]*\s*:[*_]*\s*",
    re.IGNORECASE | re.MULTILINE,
)
_ASKING = {"question", "q", "user", "human", "person"}
_SENTENCE_END = re.compile(r"[.!?][\"')\]]?(?=\s|$)")
_FENCE = re.compile(r"^\s*```[a-z]*\s*|\s*```\s*$", re.IGNORECASE)
_ROUND_OBJECT = re.compile(r"\{[^{}]*\}")
_BULLET = re.compile(r"^\s*(?:[-*•]|\(?[0-9A-Za-z]{1,3}[.)])\s+")
_YES_OR_NO = re.compile(r"(?:yes|no)\b", re.IGNORECASE)
_MAX_ANSWER = 200_000
_MAX_OPTION = 200
_LONGEST_REFUSAL = 400


class UnusableAnswerError(Exception):
    """An answer no record can be made from.

    Attributes:
        reason: One word for counting: `empty`, `refusal`, `filtered`, `unparsable`, `cut_off`, `too_few`,
            `repeats_example`.
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
        items: Statements, or wrong options.
        salvaged: True when only part of what the model wrote could be used.
    """

    rounds: tuple[tuple[str, str], ...] = ()
    description: str = ""
    items: tuple[str, ...] = ()
    salvaged: bool = False


def parse_dialogue(text: str, *, cut_off: bool = False, most: int | None = None) -> Answer:
    r"""Read rounds of question and answer.

    >>> parse_dialogue("Question: What is it?\nAnswer: A cat.").rounds
    (('What is it?', 'A cat.'),)
    """
    rounds = _rounds_from_json(text)
    if rounds is None:
        rounds = _rounds_from_lines(text)
        if cut_off and rounds:
            rounds = _without_unfinished(rounds)
    clean, dropped = _clean(rounds)
    if not clean:
        what = "The answer holds no complete pair of a question and its answer."
        raise UnusableAnswerError("cut_off" if cut_off else "unparsable", what)
    return Answer(rounds=tuple(clean[: most or None]), salvaged=dropped or cut_off or len(clean) > (most or len(clean)))


def parse_description(text: str, *, cut_off: bool = False) -> Answer:
    """Read one description; an unfinished last sentence is dropped."""
    values = _json_value(text)
    if isinstance(values, dict):
        description = values.get("description")
        if not isinstance(description, str) or not description.strip():
            raise UnusableAnswerError("unparsable", "The JSON object holds no text under `description`.")
        return Answer(description=description.strip())
    if text.lstrip().startswith(("{", "```")) and not cut_off:
        raise UnusableAnswerError("unparsable", "The answer begins like JSON but is none.")
    plain = re.sub(r'^\s*(?:```(?:json)?)?\s*\{\s*"description"\s*:\s*"', "", text).strip()
    if not cut_off:
        return Answer(description=plain)
    ends = [match.end() for match in _SENTENCE_END.finditer(plain)]
    if len(ends) < 2:
        raise UnusableAnswerError("cut_off", "The answer was cut off before two sentences were complete.")
    return Answer(description=plain[: ends[-1]], salvaged=True)


def parse_statements(text: str, *, cut_off: bool = False, most: int | None = None) -> Answer:
    r"""Read statements that questions and answers were turned into.

    Lines that still ask, or that begin with yes or no, state nothing and are dropped, and so are more than asked for.

    >>> parse_statements("1. The chair is red.\nYes, it is.").items
    ('The chair is red.',)
    """
    items = _items(text, "statements", cut_off=cut_off)
    stated = [item for item in items if not item.endswith("?") and not _YES_OR_NO.match(item)]
    if not stated:
        what = "The answer holds no statement that stands by itself."
        raise UnusableAnswerError("cut_off" if cut_off else "unparsable", what)
    return Answer(items=tuple(stated[:most]), salvaged=len(stated) < (most or len(items)) or cut_off)


def parse_options(text: str, taken: Iterable[str], wanted: int, *, cut_off: bool = False) -> Answer:
    """Read the wanted number of wrong options, which differ from the right answers (`taken`) and from each other."""
    seen = {_folded(answer) for answer in taken}
    options: list[str] = []
    items = _items(text, "options", cut_off=cut_off)
    for item in items:
        if _folded(item) not in seen and len(item) <= _MAX_OPTION:
            seen.add(_folded(item))
            options.append(item.rstrip("."))
    if len(options) < wanted:
        what = f"Expected {wanted} wrong options that differ from the right answers, got {len(options)}."
        raise UnusableAnswerError("cut_off" if cut_off else "too_few", what)
    return Answer(items=tuple(options[:wanted]), salvaged=len(items) > wanted)


def _folded(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _items(text: str, key: str, *, cut_off: bool) -> list[str]:
    """Give the strings of a JSON list, or the lines of a text, without marks and numbers in front."""
    values = _json_value(text)
    if isinstance(values, dict):
        values = values.get(key)
    if isinstance(values, list):
        return [tidy for item in values if isinstance(item, str) and (tidy := _tidy(item))]
    if text.lstrip().startswith(("{", "[", "`")):
        return [tidy for item in _strings_of_cut_list(text) if (tidy := _tidy(item))] if cut_off else []
    lines = text[:_MAX_ANSWER].splitlines()
    lines = lines[:-1] if cut_off else lines
    return [tidy for line in lines if (tidy := _tidy(_BULLET.sub("", line)))]


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


def looks_refused(text: str) -> bool:
    """Tell whether a short answer declines, or speaks of the model, instead of answering.

    >>> looks_refused("I'm sorry, but I can't assist with that."), looks_refused("A dog sits there.")
    (True, False)
    """
    return len(text) <= _LONGEST_REFUSAL and bool(_refusal().search(text))


@cache
def _refusal() -> re.Pattern[str]:
    return re.compile("|".join(packaged_toml("quality/checks", "phrases.toml")["refusal"]), re.IGNORECASE)


def _json_value(text: str) -> Any:
    """Decode the JSON object or list in the text, or give None; a text without any character cannot be used."""
    if not text.strip():
        raise UnusableAnswerError("empty", "The answer is empty.")
    if text[:1] in ("{", "[") and len(text) <= _MAX_ANSWER:
        with suppress(ValueError, RecursionError):  # an answer that is nothing but JSON, the usual case
            return loads(text)
    body = _FENCE.sub("", text[:_MAX_ANSWER])
    start = min((at for at in (body.find("{"), body.find("[")) if at >= 0), default=-1)
    if start < 0:
        return None
    body = body[start:]
    for candidate in (body, re.sub(r",\s*([}\]])", r"\1", body)):
        try:
            return json.JSONDecoder(strict=False).raw_decode(candidate)[0]
        except (ValueError, RecursionError):
            continue
    return None


def _rounds_from_json(text: str) -> list[Any] | None:
    """Give the list of rounds when the text holds one as JSON, else None."""
    values = _json_value(text)
    if isinstance(values, dict):
        lists = [value for key, value in values.items() if isinstance(value, list)]
        values = values.get("rounds", lists[0] if lists else [values])
    if isinstance(values, list):
        return values
    if '"question"' in text and '"answer"' in text:
        return [item for item in map(_json_value, _ROUND_OBJECT.findall(text[:_MAX_ANSWER])) if isinstance(item, dict)]
    return None


def _rounds_from_lines(text: str) -> list[Any]:
    """Pair question lines with the answer lines that follow them."""
    marks = list(_MARK.finditer(text))
    turns = []
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    for mark, end in zip(marks, ends, strict=False):
        body = text[mark.end() : end]
        turns.append((mark["role"].lower() in _ASKING, body))
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
        if not question or not answer or question.lower() in seen:
            continue
        seen.add(question.lower())
        clean.append((question, answer))
    return clean, len(clean) < len(rounds)


def _pair(item: Any) -> tuple[str, str]:
    if isinstance(item, dict):
        question, answer = item.get("question"), item.get("answer")
    elif isinstance(item, list) and len(item) == 2:
        question, answer = item
    else:
        return "", ""
    if not isinstance(question, str) or not isinstance(answer, str):
        return "", ""
    return _tidy(question), _tidy(answer)


def _tidy(text: str) -> str:
    return text.strip().strip("*").strip()


def read_answer(prompt: Prompt, row: Row, reply: Reply) -> Answer:
    """Read a reply as the prompt's kind of answer."""
    if reply.refusal:
        raise UnusableAnswerError("refusal", f"The model refused: {reply.refusal}")
    if reply.finish == "content_filter":
        raise UnusableAnswerError("filtered", "The server's content filter stopped the answer.")
    try:
        answer = _parse(prompt, row, without_thinking(reply.text), reply.finish == "length")
    except UnusableAnswerError as unusable:
        if unusable.reason != "cut_off" and looks_refused(reply.text):
            raise _refused(reply.text) from None
        raise
    if not answer.rounds and looks_refused(" ".join([answer.description, *answer.items])):
        raise _refused(reply.text)
    return _without_examples(answer, prompt.examples)


def _parse(prompt: Prompt, row: Row, text: str, cut_off: bool) -> Answer:
    if prompt.answer == "description":
        return parse_description(text, cut_off=cut_off)
    if prompt.answer == "dialogue":
        return parse_dialogue(text, cut_off=cut_off, most=prompt.rounds)
    if prompt.answer == "options":
        return parse_options(text, row.questions[0].answers, prompt.options, cut_off=cut_off)
    used = min(len(row.questions), prompt.questions_used or len(row.questions))
    return parse_statements(text, cut_off=cut_off, most=used)


def _refused(text: str) -> UnusableAnswerError:
    return UnusableAnswerError("refusal", f"The model refused: {' '.join(text.split())[:200]}")


def _without_examples(answer: Answer, examples: tuple[Example, ...]) -> Answer:
    """Drop rounds that a small model copied from an example; short answers may be equal by chance."""
    copied = {pair for example in examples for pair in example.rounds}
    long_answers = {text for _, text in copied if len(text.split()) > 5}
    rounds = tuple(pair for pair in answer.rounds if pair not in copied and pair[1] not in long_answers)
    same = bool(answer.description) and any(answer.description == example.description for example in examples)
    same = same or (bool(answer.items) and any(answer.items == example.items for example in examples))
    if same or (answer.rounds and not rounds):
        raise UnusableAnswerError("repeats_example", "The answer repeats an example; speak of this picture instead.")
    return replace(answer, rounds=rounds, salvaged=answer.salvaged or len(rounds) < len(answer.rounds))
