"""What stands around an option's text in an answer: whether the reading ends there, and speaks of the option at all."""

import re

CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_ATTACHED_BEFORE = re.compile(r"(?:[-+*^×÷·<>±∪∩√$€£¥~_°]|\d[/:.,]|\w\([\"']?)$")
_MINUS_BEFORE = re.compile(r"[A-Za-z]-$")
_NEGATION_BEFORE = re.compile(r"\b(?:non|un|anti|semi|in|pre|sub)-$", re.IGNORECASE)
_OPERATOR_BEFORE = re.compile(r"(?:[+*^×÷·±∪∩/] ?|(?<![=-])[<>] ?|[\w)] - |[^\W_]')$")
_TUPLE_BEFORE, _TUPLE_AFTER = re.compile(r"[\[(][^\[\]()]*, ?$"), re.compile(r", ?[^\[\]()]{1,10}[\])]")
_LISTED_BEFORE = re.compile(r"(?:(?:^|[\n.:;(])[(*]?|\b(?:option|choice|answer)(?: is)? )[A-Z]\)? - $", re.IGNORECASE)
_NUMBER_BEFORE = re.compile(r"\d ?$")
_TAG = re.compile(r"</?[a-z_]{2,20}> ?$")
_ATTACHED_AFTER = re.compile(r"[+*#^%°$€£×÷·>∪∩_]|<(?!/)|-(?!\w)|-\d|[/:.,]\d|=")
_OPERATOR_AFTER = re.compile(r" ?(?:[+*^×÷·>∪∩=/]|<(?!/)) ?[\w(√-]| - ?\d")
PRONOUN = re.compile(
    r"[ '](?:am|was|would|will|can|could|cannot|think|thought|believe|guess|see|saw|say|said|chose|choose|pick|picked|"
    r"select|consider|considered|have|had|do|did|don|need|know|notice|note|conclude|made|must|should|first|also|"
    r"initially|m|d|ve|ll|am|apologi[sz]e|stand|change|find|found|get|got|go|went|used|want)\b"
)
_NEITHER_AFTER = re.compile(r" [^.;\n]{1,40}? nor\b")
_DETERMINER = re.compile(
    r" (?!(?:because|since|as|is|it|there|rather|instead|would|was|might|could|may|matches|fits|seems|looks|or|and|"
    r"not) )[a-z]"
)
# What may not follow an option that is but one of these words.
_ALONE = {"no": _DETERMINER, "not": _DETERMINER, "a": _DETERMINER, "i": PRONOUN}
# Words of the frame of an answer that may be options too: "Option B is right", "Judging from the picture, ...".
_VERDICTS = frozenset({"right", "correct", "true", "false", "wrong", "best"})
_FUNCTION_WORDS = frozenset(
    ["is", "are", "was", "were", "be", "been", "am", "do", "does", "did", "has", "have", "had", "it", "that", "this",
     "these", "those", "he", "she", "they", "we", "you", "who", "which", "what", "when", "where", "there", "here",
     "the", "a", "an", "in", "on", "at", "of", "to", "by", "for", "from", "with", "as", "and", "or", "but", "so", "if",
     "not", "more", "less", "most", "than"]
)  # fmt: skip
_CLAUSE_END = re.compile(
    r"[\"')*]{0,2}(?:[.,;:!?\n<}\]]|$| (?:[✅❌✓✗-]|rather|not|because|since|is (?:the )?(?:right|correct))(?!\w))"
)
_MEDIA = frozenset({"image", "picture", "photo", "scene", "figure", "point"})
_VERDICT_BEFORE = re.compile(r"(?:[)\]\"'*]|\b[A-Z]) (?:is|as|to be|must be|would be)(?: the)? $")
_VERDICT_AFTER = re.compile(r" (?:answer|option|choice|one|match|description)\b")
_WAIT_BEFORE = re.compile(r"\b(?:wait|hmm+|oh|actually)[,.]? $", re.IGNORECASE)
_ONE_BEFORE = re.compile(r"\b(?:right|correct|wrong|first|last|best|this|that|which|the|only|other|better) $")
_ONE_AFTER = re.compile(r" (?:can|could|would|may|might|should|sees|of)\b")
_MEDIUM_BEFORE = re.compile(
    r"\b(?:from|according to|based on|looking at|in|by|with|see|of|use) (?:what )?(?:the|this) $", re.IGNORECASE
)
_MEDIUM_AFTER = re.compile(r" (?:shows?|shown|gives|supports|depicts|suggests|cloud|provided|above|one|you|we)\b")


def stands(text: str, start: int, end: int, key: tuple[str, ...]) -> bool:
    """Return whether a reading ends where it should: "8" is not in "-8", "5" not in "5%", "Na" not in "Na+".

    Args:
        text: The answer.
        start: Index of the reading's first character.
        end: Index behind its last character.
        key: The option in tokens, in lower case.
    """
    before, after = _TAG.sub(" ", text[max(0, start - 24) : start]), text[end : end + 12]
    if before and _joins(before[-1], text[start]):
        return False
    if after and _joins(text[end - 1], after[0]):
        return False
    if _ATTACHED_AFTER.match(after) and not (after[0] == "=" and len(key) > 1):
        return False
    if key == ("neither",) and _NEITHER_AFTER.match(text, end):
        return False
    if any(len(token) > 2 and token.isalpha() for token in key):
        return _NEGATION_BEFORE.search(before) is None
    if _ATTACHED_BEFORE.search(before) and not _MINUS_BEFORE.search(before):
        return False
    operator = _OPERATOR_BEFORE.search(before) and not _LISTED_BEFORE.search(before)
    if operator or _OPERATOR_AFTER.match(after) or _TUPLE_BEFORE.search(before) or _TUPLE_AFTER.match(after):
        return False
    if key[0].isalpha() and len(key[0]) <= 2 and _NUMBER_BEFORE.search(before):
        return False
    loose_sign = key[0] in "-+±" and text[start + 1 : start + 2].isspace()
    if loose_sign or (key[-1] in "-+*" and text[max(start, end - 2) : end - 1].isspace()):
        return False
    pattern = _ALONE.get(key[0]) if len(key) == 1 else None
    return pattern is None or pattern.match(after) is None


def is_frame(text: str, start: int, end: int, before: int) -> bool:
    """Return whether a word belongs to the frame of the answer: the "right" of "(B) red is right", with red an option.

    Args:
        text: The answer.
        start: Index of the word's first character.
        end: Index behind its last character.
        before: Index behind the reading in front of it.
    """
    word = text[start:end].lower()
    if not word.isalpha():
        return False
    if word in _VERDICTS:
        subject = text[before:start] if before and start - before < 24 else ""
        said_of = re.fullmatch(r"[)\]\"'*.]{0,3} (?:is|as|to be|must be|would be)(?: the)? ", subject) is not None
        said_of = said_of or _VERDICT_BEFORE.search(text, max(0, start - 16), start) is not None
        return said_of or _VERDICT_AFTER.match(text, end) is not None
    if word in _FUNCTION_WORDS:
        return _CLAUSE_END.match(text, end) is None
    if word == "no":
        return _WAIT_BEFORE.search(text, max(0, start - 10), start) is not None
    if word == "one":
        counted = _ONE_BEFORE.search(text, max(0, start - 12), start)
        return counted is not None or _ONE_AFTER.match(text, end) is not None
    if word in _MEDIA:
        framed = _MEDIUM_BEFORE.search(text, max(0, start - 24), start) is not None
        return framed or _MEDIUM_AFTER.match(text, end) is not None
    return False


def _joins(left: str, right: str) -> bool:
    """Return whether two characters belong to one word or number."""
    return left.isalnum() and right.isalnum() and not (_is_cjk(left) or _is_cjk(right))


def _is_cjk(char: str) -> bool:
    return "\u3040" <= char <= "\u30ff" or "\u3400" <= char <= "\u9fff" or "\uac00" <= char <= "\ud7af"
