"""Read the words that an answer says stand in the image."""

import re
import string
import unicodedata

from lamm_metrics.extraction.result import Extraction, Status
from lamm_metrics.extraction.text.answer import answer_part, fold, overlong
from lamm_metrics.extraction.text.refusal import split_refusal

_DOUBLE = re.compile(r"[\"“”„«»]([^\"“”„«»\n]{1,300}+)[\"“”«»]")
_SINGLE = re.compile(r"(?<![^\W_])['‘’`]([^'‘’`\n]{1,300}+(?:['’](?=\w)[^'‘’`\n]{1,100}+){0,3})['’`](?![^\W_])")
_BOLD = re.compile(r"\*\*([^*\n]{1,200}+)\*\*")
_INTRO = re.compile(
    r"(?:\b(?:text|words?|sign|image|picture|letters?|phrases?|it|reads?|says?|following|ocr|answer|are|is|"
    r"writing|title|label|content|output|name)\b[^:\n]{0,80}):",
    re.IGNORECASE,
)
_SAYS = re.compile(
    r"\b(?:says?|reads?|displays the words?|shows the words?|saying|reading|(?:text|words?|sign|writing|label|"
    r"phrase|names?|numbers?|brand|title|logo|plate|letters?)(?: \w+){0,6} (?:is|are)(?! (?:too|not|very|quite|"
    r"blur\w+|illegible|unreadable|unclear|small|tiny|hard|difficult|written|printed|displayed|visible|partially|"
    r"partly|barely|obscured|cut off|in|on|"
    r"at)\b))(?: (?:the )?(?:words?|text|phrase))? (?P<rest>[^\n]{1,300}+)",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"[,;]? (?:(?:written|printed|displayed|painted|shown|visible|in (?:the|large|big|white|black|red|bold|"
    r"capital|all caps|upper|blue|yellow|green)|on (?:the|a|it|top)|which|that|and (?:the|is|it)|at the|above|"
    r"below|with|for)\b).*$|\.(?: .*)?$",
    re.IGNORECASE,
)
_ANSWER = re.compile(r"<(?:answer|final_answer|text)>([^<>]{1,4000}+)", re.IGNORECASE)
_JSON_KEY = re.compile(r"[\"'][\w -]{1,40}[\"'] ?: ?(?=[\"'\[{\d])")
_AND = re.compile(r",? and (?=[A-Z\d])")  # between words of a list
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
    + "“”‘’«»„…–—、。，《》〈〉「」『』"
)


_LONGEST = 300  # composing sorts combining marks in quadratic time; no word is longer


def plain_word(word: str) -> str:
    """Return a word in the form that does not depend on how its letters are encoded.

    Full-width and half-width letters, digits of any script, typographic quotes and dashes become plain ones, decomposed
    letters composed ones. White space may come of it (a full-width comma brings its own).

    Args:
        word: A word as written.

    Example:
        >>> plain_word("ＳＡＬＥ"), plain_word("cafe\u0301")
        ('SALE', 'café')
    """
    if word.isascii():
        return word
    folded = fold(word)
    return unicodedata.normalize("NFC", folded) if len(folded) <= _LONGEST else folded


def _split(pieces: list[str]) -> list[str]:
    words = []
    for piece in pieces:
        for word in map(plain_word, piece.split()):
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
    around a word is dropped, inside a word it stays. Letters come back plain: full-width as ASCII, decomposed composed.

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
    plain, declined = split_refusal(fold(answer_part(text)))
    tagged = _ANSWER.search(plain)
    plain = plain if tagged is None else tagged.group(1).strip()
    pieces = _quoted(_JSON_KEY.sub("", plain) if "{" in plain else plain)
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
    if says is None:
        return []
    rest = _TAIL.sub("", says["rest"])
    several = " are " in plain[says.start() : says.start("rest")]
    return [_AND.sub(" ", rest) if several else rest]
