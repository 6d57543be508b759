"""Read the words that an answer says stand in the image."""

import re
import string

from lamm_metrics.extraction.result import Extraction, Status
from lamm_metrics.extraction.text.answer import answer_part, overlong
from lamm_metrics.extraction.text.refusal import split_refusal

_SPACE = re.compile(r"[^\S\n]+")
_BREAKS = re.compile(r" ?\n[ \n]*")
_DOUBLE = re.compile(r"[\"“”„«»]([^\"“”„«»\n]{1,300}+)[\"“”«»]")
_SINGLE = re.compile(r"(?<![^\W_])['‘’`]([^'‘’`\n]{1,300}+(?:['’](?=\w)[^'‘’`\n]{1,100}+){0,3})['’`](?![^\W_])")
_BOLD = re.compile(r"\*\*([^*\n]{1,200}+)\*\*")
_INTRO = re.compile(
    r"(?:\b(?:text|words?|sign|image|picture|letters?|phrases?|it|reads?|says?|following|ocr|answer|are|is|"
    r"writing|title|label|content)\b[^:\n]{0,80}):",
    re.IGNORECASE,
)
_SAYS = re.compile(
    r"\b(?:says?|reads?|displays the words?|shows the words?|saying|reading|(?:text|words?|sign|writing|label|"
    r"phrase)(?: \w+){0,6} (?:is|are))(?: (?:the )?(?:words?|text|phrase))? (?P<rest>[^\n]{1,300}+)",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"[,;]? (?:(?:written|printed|displayed|painted|shown|visible|in (?:the|large|big|white|black|red|bold|"
    r"capital|all caps|upper|blue|yellow|green)|on (?:the|a|it|top)|which|that|and (?:the|is|it)|at the|above|"
    r"below|with|for)\b).*$|\.(?: .*)?$",
    re.IGNORECASE,
)
_MARKER = re.compile(r"^[ \t]{0,8}(?:[-*•]|\d{1,3}[.)])[ \t]", re.MULTILINE)
_NOTHING = re.compile(
    r"\b(?:no|any|without|not (?:contain|have|show|include)(?: any)?) (?:\w+ ){0,3}(?:text|words?|writing|"
    r"letters?|phrases?)\b|^\W*(?:none|n/a|nothing|no text|null|\[\])\W*$",
    re.IGNORECASE,
)
_PROSE = re.compile(
    r"\b(?:image|picture|photo|there (?:is|are)|i (?:can )?see|the (?:sign|text|word|building)|appears?|shows?|"
    r"depicts?|is written|this is)\b",
    re.IGNORECASE,
)
_EDGES = (
    string.punctuation.replace("&", "")
    .replace("$", "")
    .replace("%", "")
    .replace("#", "")
    .replace("@", "")
    .replace("+", "")
    + "“”‘’«»„…–—、。，"
)


def _split(pieces: list[str]) -> list[str]:
    words = []
    for piece in pieces:
        for word in piece.split():
            bare = word.strip(_EDGES)
            if bare:
                words.append(bare)
    return words


def _quoted(text: str) -> list[str]:
    pieces = _DOUBLE.findall(text)
    return pieces or _SINGLE.findall(text)


def _listed(text: str) -> list[str] | None:
    """Return the items of an answer that is a list: bullets, numbered lines, or what follows an introducing colon."""
    marked = _MARKER.findall(text)
    if len(marked) >= 1 and (len(marked) > 1 or _MARKER.match(text)):
        lines = [_MARKER.sub("", line, count=1) for line in text.split("\n") if _MARKER.match(line)]
        return [line for line in lines if line.strip()]
    intro = _INTRO.search(text[:400])
    if intro is not None and text[intro.end() :].strip():
        return text[intro.end() :].strip().split("\n")
    return None


def extract_words(text: str) -> Extraction[list[str]]:
    """List the words or phrases that an answer recognised in an image, split at white space, case kept.

    Quoted parts are taken where there are any (and bold parts of prose); otherwise the items of a list or what follows
    a colon; otherwise what follows "says" or "reads"; otherwise, where the answer is no prose, all of it. Punctuation
    around a word is dropped, inside a word it stays.

    Args:
        text: A free-form answer.

    Returns:
        The words; an empty list with status `ok` where the answer says that there is no text.

    Example:
        >>> extract_words('The sign reads "GRAND HOTEL, 1920".').value
        ['GRAND', 'HOTEL', '1920']
    """
    fault = overlong(text)
    if fault:
        return Extraction([], Status.MALFORMED, fault)
    plain = _BREAKS.sub("\n", _SPACE.sub(" ", answer_part(text))).strip()
    plain, declined = split_refusal(plain)
    pieces = _quoted(plain)
    if not pieces:
        if _NOTHING.search(plain):
            return Extraction([], Status.OK, "no text stated")
        pieces = _unquoted(plain)
    words = _split(pieces)
    if words:
        return Extraction(words, Status.OK)
    return Extraction([], Status.REFUSED if declined else Status.NONE)


def _unquoted(plain: str) -> list[str]:
    bold = _BOLD.findall(plain)
    if bold and _PROSE.search(plain):
        return bold
    listed = _listed(plain)
    if listed is not None:
        return listed
    if not _PROSE.search(plain) and _SAYS.search(plain) is None:
        return [plain]
    says = _SAYS.search(plain)
    return [_TAIL.sub("", says["rest"])] if says is not None else []
