"""Read a yes or a no."""

import re
import unicodedata
from functools import lru_cache

from lamm_metrics.extraction.polarity import EXCEPT, Stance, plain_statement, stance_of
from lamm_metrics.extraction.result import Extraction, Status
from lamm_metrics.extraction.text.answer import final_statements, last_match, overlong, plain_answer
from lamm_metrics.extraction.text.correction import after_correction
from lamm_metrics.extraction.text.refusal import split_refusal
from lamm_metrics.extraction.text.synonyms import read_table

_TABLE = read_table("yes_no.json")


def _one_of(*names: str) -> str:
    words = [word for name in names for word in _TABLE[name]]
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


# Yes and no of other languages, whatever may follow them.
_WORDS = {word: _one_of(word, f"{word}_joined", f"{word}_alone") for word in ("yes", "no")}
# Behind a word that means something else where a sentence goes on.
_STOP = r"(?=[\"')\]]{0,2} ?(?:[.,;:!?)(\n،؛؟।]|-+ |$))"
_YES = (
    r"(?:(?:yes|yeah|yep|yup|yea|aye|true|correct|affirmative|sure thing|that's right|that is right|"
    rf"{_one_of('yes')})(?![^\W_]|[-'])|{_one_of('yes_joined')}|是(?!否|不是)(?=\w)|有(?!没有|沒有|可能|点|點)(?=\w)|"
    rf"(?:{_one_of('yes_alone')}){_STOP})"
)
_NO = (
    r"(?:(?:no(?! (?:problem|worries|doubt|idea|clue|wonder|matter)\b)|nope|nah|nay|false|incorrect|negative|"
    r"not really|not at all(?! (?:sure|clear|certain|obvious))|(?:definitely|certainly|absolutely|of course|probably|"
    r"most likely|likely|apparently|clearly) not?|"
    rf"(?:not|un)[ -]?likely|never|{_one_of('no')})(?![^\W_]|[-'])|{_one_of('no_joined')}|"
    rf"(?:{_one_of('no_alone')}){_STOP})"
)
_OPENING = (
    r"\W{0,4}(?:(?:well|ok|okay|sure|hmm|oh|so|and|answer|a|the answer is|it is|it's|this is|that is|that's|i think|"
    r"i believe|i would say|i'd say|my answer is|i guess|maybe|perhaps|possibly|probably|most likely|likely|certainly|"
    r"definitely|absolutely|indeed|unfortunately|sadly|in short|actually|sorry|hmm+|no wait|"
    r"wait)\b[,.:!]{0,3}\s?){0,3}\W{0,3}"
)
_LEADING = re.compile(rf"{_OPENING}(?:(?P<no>{_NO})|(?P<yes>{_YES}))", re.IGNORECASE)
# A word that agrees, unless what follows says otherwise: "Indeed, there is no dog."
_AGREES = re.compile(
    r"(?:\W{0,4}(?:indeed|absolutely|certainly|definitely|of course|surely|exactly|undoubtedly)(?![^\W_]|-)[,.!:]?"
    r" ?)++",
    re.IGNORECASE,
)
_VERDICT = re.compile(
    rf"(?<![^\W_])(?:(?P<no>(?:no|nope)(?:{_STOP}|(?= (?:because|since|as|to (?:that|this|the))\b))|"
    rf"(?<=is )(?:false|incorrect)|false(?=\W*$))|(?P<yes>yes|yeah|yep|affirmative|(?<=is )(?:true|correct)(?! \w)|"
    r"(?<=is )true(?= that\b)|(?:true|correct)(?=\W*$)))(?![^\W_]|-)",
    re.IGNORECASE,
)
_NOT_TRUE = re.compile(
    r"(?:\b(?:is|are|was|be)(?: not|n't)|\bnot)(?: (?:entirely|quite|really|at all|exactly|"
    r"actually))? (?P<word>true|correct|right|accurate|"
    r"the case|false|incorrect|wrong)\b",
    re.IGNORECASE,
)
# What follows is denied as a whole: "it is not true that there is no dog".
_FALSE_THAT = re.compile(
    r"\W{0,4}(?:it|that)(?:'s| is|(?= isn't))(?: (?:false|untrue|incorrect|wrong)|(?:(?: is)?n't| not)(?: (?:true|"
    r"correct|right|"
    r"the case))?) that\b",
    re.IGNORECASE,
)
_FLIPPED = {Stance.AFFIRMS: False, Stance.DENIES: True}
_BOTH = re.compile(r"\b(?:yes and no|yes or no|no and yes|yes/no|both yes)\b", re.IGNORECASE)
# Two negations that affirm.
_CERTAINLY = re.compile(
    r"\b(?:there(?:'s| is) )?(?:no|without(?: a| any)?|beyond(?: a| any)?|(?:hardly|barely|little|not much)(?: any)?) "
    r"(?:doubt|question)\b(?: that\b)?|\bmore likely than not\b",
    re.IGNORECASE,
)
_LATER = re.compile(
    rf"[.!?\n;] ?(?:so,? |but,? )?(?:(?P<no>(?:no|nope|false|{_WORDS['no']}){_STOP})"
    rf"|(?P<yes>(?:yes|yeah|yep|true|{_WORDS['yes']}){_STOP}))",
    re.IGNORECASE,
)
_SPACED, _UNSPACED = (
    "|".join(word for word in _TABLE["answer"] if (word < "\u2e80") is spaced) for spaced in (True, False)
)
_CUE = re.compile(
    rf"(?:(?<![^\W_])(?:{_SPACED})|{_UNSPACED})[^\w\n]{{0,4}}(?:(?:est|es|é|è|ist|lautet|is|er|är|jest|je|είναι|هي|هو|"
    rf"है|là|是|为|為|は|은|는)"
    rf"(?![^\W_](?<=[a-zéèä]))[^\w\n]{{0,4}})?(?:(?P<no>{_NO})|(?P<yes>{_YES}))",
    re.IGNORECASE,
)
_SHORT = 200
_LETTERS = 300  # so far from either end, decomposed letters are composed


def _read(found: re.Match[str], why: str = "") -> Extraction[bool]:
    return Extraction(found["yes"] is not None, Status.OK, why)


def _composed(text: str) -> str:
    """Return a text with its opening and its end in composed letters, which is where words of other languages count."""
    if text.isascii():
        return text
    if len(text) <= 2 * _LETTERS:
        return unicodedata.normalize("NFC", text)
    ends = [unicodedata.normalize("NFC", part) for part in (text[:_LETTERS], text[-_LETTERS:])]
    return text[_LETTERS:-_LETTERS].join(ends)


def extract_yes_no(text: str) -> Extraction[bool]:
    """Decide whether an answer affirms (`True`) or denies (`False`).

    What the answer declares as final decides first, then the yes or no it opens with (in some forty languages), then
    the only one of the two words it uses. An answer without either is read as a statement, clause by clause: a negation
    or an opposite ("a neutral expression") denies, a plain statement ("the woman is smiling") affirms; a negation of
    something else ("a dog with no collar", "a No Entry sign") is no denial. Hedges without a verdict ("maybe", "maybe
    not") are `none`; where one thing is affirmed and another denied ("a dog, but no cat") the answer is `ambiguous`.

    Args:
        text: A free-form answer.

    Example:
        >>> extract_yes_no("No, the man is not smiling.").value, extract_yes_no("She is smiling.").value
        (False, True)
    """
    if len(text) <= _SHORT:
        return _known(text)
    fault = overlong(text)
    return Extraction(None, Status.MALFORMED, fault) if fault else _read_any(text)


def _read_any(text: str) -> Extraction[bool]:
    plain = _composed(plain_answer(text))
    if "doubt" in plain or "question" in plain or "than not" in plain:
        plain = _CERTAINLY.sub("certainly", plain)
    plain, declined = split_refusal(plain)
    denied = _FALSE_THAT.match(plain)
    if denied is not None:
        value = _FLIPPED.get(stance_of(plain_statement(plain[denied.end() :])) or Stance.HEDGES)
        return Extraction(value, Status.AMBIGUOUS if value is None else Status.OK, "a statement called false")
    plain = plain_statement(_NOT_TRUE.sub(_turned, plain))
    if _BOTH.search(plain):
        return Extraction(None, Status.AMBIGUOUS, "yes and no")
    corrected = after_correction(plain)
    found = None if corrected is None else _of_whole(corrected)
    if found is None or found.status is not Status.OK:
        found = _of_whole(plain)
    return Extraction(None, Status.REFUSED) if declined and found.status is Status.NONE else found


_known = lru_cache(maxsize=4096)(_read_any)  # answers to thousands of questions are a few short sentences


def _turned(found: re.Match[str]) -> str:
    """Return what "is not true" and its like mean."""
    return "is true" if found["word"].lower() in {"false", "incorrect", "wrong"} else "is false"


def _of_whole(plain: str) -> Extraction[bool]:
    """Read a text by its final statement, its opening, its only verdict, or as a statement."""
    for statement in final_statements(plain):
        opening = _LEADING.match(statement)
        if opening is not None:
            return _read(opening, "final statement")
        words = {found.lastgroup for found in _VERDICT.finditer(statement)}
        if len(words) == 1:
            return Extraction(words == {"yes"}, Status.OK, "final statement")
    elsewhere = last_match(_CUE, plain)
    if elsewhere is not None:
        return _read(elsewhere, "final statement")
    # A question that is said again comes before its answer.
    for part in (plain[plain.rfind("?") + 1 :], plain):
        opening = _LEADING.match(part)
        if opening is not None:
            return _of_opening(part, opening)
    agrees = _AGREES.match(plain)
    if agrees is not None:
        rest = _of_whole(plain[agrees.end() :])
        return rest if rest.status is not Status.NONE or rest.detail else Extraction(True, Status.OK)
    return _of_statement(plain)


def _of_opening(plain: str, opening: re.Match[str]) -> Extraction[bool]:
    """Read a text that opens with a verdict: it stands unless the text says the opposite as plainly."""
    closing = _LEADING.fullmatch(plain.rsplit("\n", 1)[-1].strip(" .!"))
    later = {found.lastgroup for found in _LATER.finditer(plain, opening.end())}
    if closing is not None:
        later.add(closing.lastgroup)
    if plain[opening.end() :][:1] == " " and opening["no"] and EXCEPT.search(plain):  # "No animals except a dog"
        return Extraction(None, Status.AMBIGUOUS, Stance.BOTH.value)
    if later - {opening.lastgroup}:
        return Extraction(None, Status.AMBIGUOUS, "opens with one word and goes on with the other")
    return _read(opening)


def _of_statement(plain: str) -> Extraction[bool]:
    words = {found.lastgroup for found in _VERDICT.finditer(plain)}
    if len(words) == 2:
        return Extraction(None, Status.AMBIGUOUS, "both yes and no")
    if words:
        return Extraction(words == {"yes"}, Status.OK)
    match stance_of(plain):
        case Stance.AFFIRMS:
            return Extraction(True, Status.OK, "affirmed in a statement")
        case Stance.DENIES:
            return Extraction(False, Status.OK, "denied in a statement")
        case Stance.BOTH:
            return Extraction(None, Status.AMBIGUOUS, Stance.BOTH.value)
        case Stance.HEDGES:
            return Extraction(None, Status.NONE, "hedged")
    return Extraction(None, Status.NONE)
