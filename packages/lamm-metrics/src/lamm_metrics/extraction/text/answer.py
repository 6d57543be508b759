"""Bring a free-form answer into the plain form that all extractors read, and find what it declares as final.

Everything here runs in time linear in the length of the text: runs of white space are folded first, and no pattern can
start a long scan at more than a bounded number of places.
"""

import re
import unicodedata

_QUOTES = dict.fromkeys("“”„‟«»＂「」『』〝〞", '"') | dict.fromkeys("‘’‚‛′＇", "'")
_DASHES = dict.fromkeys("‐‑‒–−－﹣", "-") | {"—": " - ", "―": " - "}
_MARKS = {"。": ". ", "，": ", ", "、": ", ", "：": ": ", "；": "; ", "！": "! ", "？": "? ", "（": "(", "）": ")"}
_MARKS |= {
    "【": "[",
    "】": "]",
    "\u200b": "",
    "\u200c": "",
    "\u200d": "",
    "\ufeff": "",
    "\u00ad": "",
    "…": "...",
    "×": "x",
}


class _Plain(dict[int, str]):
    """Translation table that works each character out once, on first sight.

    Characters are normalised one by one, because normalising a whole text sorts runs of combining marks in quadratic
    time.
    """

    def __missing__(self, code: int) -> str:
        char = chr(code)
        digit = unicodedata.digit(char, None)
        plain = str(digit) if digit is not None else unicodedata.normalize("NFKC", char)
        self[code] = plain if len(plain) <= 4 else char
        return self[code]


_TABLE = _Plain({ord(char): plain for char, plain in (_QUOTES | _DASHES | _MARKS).items()})
_TABLE.update({code: chr(code) for code in range(128)})

_SPACE = re.compile(r"[^\S\n]{2,}|[^\S\n ]")
_BREAKS = re.compile(r" ?\n[ \n]*")
_THINK_END = re.compile(r"</(?:think|thinking|thought|reasoning|analysis)>|◁/think▷|\[/THINK\]", re.IGNORECASE)
_THINK_START = re.compile(r"<(?:think|thinking|thought|reasoning|analysis)>|◁think▷|\[THINK\]", re.IGNORECASE)
_NEXT_TURN = re.compile(
    r"###\s?(?:human|user|assistant|question|instruction)\b|<\|(?:im_end|endoftext|eot_id|end)\|>|</s>", re.IGNORECASE
)
_SPECIAL = re.compile(
    r"<\|(?:im_start|begin_of_text|start_header_id|end_header_id)\|>|<s>|<(?:bos|eos|pad|unk)>", re.IGNORECASE
)
# How GLM-4 and its kin mark a final answer, which may be a box of coordinates, too.
_ANSWER_BOX = re.compile(r"<\|(begin|end)_of_box\|>")
_MARKDOWN = re.compile(
    r"\*{1,3}|`{1,3}(?:json|xml|python|text)?|^#{1,6} ?|^> ?|(?<![^\W_])__|__(?![^\W_])", re.MULTILINE
)
_LATEX = re.compile(r"\\(?:text|mathrm|mathbf|textbf|boldsymbol)\{([^{}]{0,200})\}|\\[()\[\]]|\$")


# What the rules for thinking, turns, Markdown and LaTeX begin with; most answers have none of it.
_OUTPUT_MARK = re.compile(r"[<◁]|\[/?think|###", re.IGNORECASE)
_WRITTEN_MARK = re.compile(r"[*`#>_\\$]")


def last_match(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """Return the last place where a pattern matches.

    Args:
        pattern: A compiled pattern.
        text: Where to look.
    """
    last = None
    for found in pattern.finditer(text):
        last = found
    return last


def answer_part(text: str) -> str:
    """Return the part of a model's output that answers: no thinking block, nothing behind the end of the turn.

    Args:
        text: The raw output.

    Returns:
        The remaining text; empty where the output stops inside its thinking block.
    """
    if _OUTPUT_MARK.search(text) is None:
        return text
    end = last_match(_THINK_END, text)
    if end is not None:
        text = text[end.end() :]
    start = _THINK_START.search(text)
    if start is not None:
        text = text[: start.start()]
    text = _ANSWER_BOX.sub(lambda found: "<answer>" if found[1] == "begin" else "</answer>", _SPECIAL.sub(" ", text))
    turn = _NEXT_TURN.search(text)
    if turn is not None and text[: turn.start()].strip():
        text = text[: turn.start()]
    return text


MAX_CHARACTERS = 65_536


def overlong(text: str) -> str:
    """Say that an answer is too long to be one; empty for any other.

    Only the answering part counts, so that a long thinking block does no harm.

    Args:
        text: The raw output.
    """
    if len(text) <= MAX_CHARACTERS:
        return ""
    length = len(answer_part(text))
    if length <= MAX_CHARACTERS:
        return ""
    return f"an answer of {length} characters; at most {MAX_CHARACTERS} are read"


def fold(text: str) -> str:
    """Return plain characters (ASCII digits, quotes and dashes) and single spaces; line breaks are kept."""
    if not text.isascii():
        text = text.translate(_TABLE)
    text = _SPACE.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n"))
    return (_BREAKS.sub("\n", text) if "\n" in text else text).strip()


def plain_answer(text: str) -> str:
    """Return the answering part of an output, folded and without Markdown and LaTeX marks."""
    text = fold(answer_part(text))
    if _WRITTEN_MARK.search(text) is None:
        return text
    text = _LATEX.sub(lambda found: found.group(1) or "", text)
    return fold(_MARKDOWN.sub("", text))


_TAGGED = re.compile(r"<(?:answer|final_answer|final)>\s?([^<>]{1,400}+)", re.IGNORECASE)
_BOXED = re.compile(r"\\?boxed\s?\{([^{}]{0,200}+)\}")
_KEYED = re.compile(
    r"[\"'](?:final[_ ])?(?:answer|label|class|category|prediction|result|count|choice|option|response|number|"
    r"total)[\"']"
    r"\s?:\s?(\"[^\"\n]{0,300}+\"|'[^'\n]{0,300}+'|[^\s\"',}{\[\]]{1,40}+)",
    re.IGNORECASE,
)
_FINAL = re.compile(
    r"\b(?:(?:so|thus|hence|therefore|in conclusion|overall|in summary|to conclude|"
    r"conclusion)\b,? ?(?:i (?:conclude|believe|think|would say) "
    r"(?:that )?)?(?:my |the )?(?:final |correct |best |right )?(?:answer|label|class|category|count|total|result)?"
    r"|(?:my |the )?(?:final|correct|right|best|most (?:likely|appropriate|accurate|suitable|"
    r"probable)) (?:answer|label|class|category|"
    r"count|number|result|choice|option|fit|match|guess|description|classification|candidate)"
    r"|(?:my |the )answer|answer|ans(?=\.? ?:)|final count|grand total)"
    r"(?: to (?:the|this|your) question)?(?: here)?"
    r"(?: (?:is|would be|should be|must be|will be|has to be)(?: that)?)?(?: ?[:=]| ?->)?",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|\n")


def _strip_quotes(text: str) -> str:
    return text.strip().strip("\"'").strip()


def final_statements(text: str) -> list[str]:
    r"""Return what a plain answer itself declares as its answer, strongest and latest first.

    In order: an `<answer>` element, a `\boxed{}` value, the `"answer"` field of a JSON object, the sentence after the
    last "final answer" / "the answer is" / "therefore".
    """
    found: list[str] = []
    for pattern, mark in ((_TAGGED, "<"), (_BOXED, "{"), (_KEYED, ":")):
        last = last_match(pattern, text) if mark in text else None
        if last is not None and _strip_quotes(last.group(1)):
            found.append(_strip_quotes(last.group(1)))
    found.extend(_after_cues(text))
    return found


def _after_cues(text: str) -> list[str]:
    """Return the sentences behind the last explicit cue and, apart from it, the last connective."""
    explicit, connective = None, None
    for cue in _FINAL.finditer(text):
        words = cue.group().lower().strip()
        if words == "answer" and text[cue.end() : cue.end() + 1] not in {":", ","}:
            continue
        if "answer" in words or words.endswith((":", "is", "=")):
            explicit = cue
        else:
            connective = cue
    sentences = [_sentence_behind(text, cue.end()) for cue in (explicit, connective) if cue is not None]
    return [sentence for sentence in sentences if sentence]


def _sentence_behind(text: str, place: int) -> str:
    rest = text[place : place + 400].lstrip(" \n,:")
    end = _SENTENCE_END.search(rest)
    return (rest[: end.start()] if end else rest).strip()
