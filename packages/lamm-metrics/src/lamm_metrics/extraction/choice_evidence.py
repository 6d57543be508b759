"""The evidence for an option in an answer whose mentions of options are private characters (see `option_texts`).

Each function looks for one kind of evidence and returns the options it speaks for: none, one, or several.
"""

import re
from functools import lru_cache

from lamm_metrics.extraction.option_texts import BOTH, LETTER, MENTION, SEVERAL
from lamm_metrics.extraction.text.assertion import Force, forces
from lamm_metrics.extraction.text.names import NameHit

_M = MENTION
_MENTION = re.compile(MENTION)

_FILLER = (
    r"(?:(?:the|an?|that|it|it's|its|is|are|option|choice|answer|letter|number|clearly|definitely|probably|likely|most|"
    r"therefore|thus|simply|just|only|be|would|should|must|for|with|correct|right|best|i|say|choose|pick) ){0,6}"
)
_OPENING = re.compile(rf"[\s\"'(\[{{<:*=-]{{0,4}}{_FILLER}[\"'(\[{{<]?({_M})", re.IGNORECASE)
_OPENS = re.compile(r"[)\]}>.:,;\"'!\s/-]|$")
_ENDS = re.compile(r"[)\"']?(?:[.,;:!\n]|$)")
_LIST = re.compile(
    rf"[)\]\"']{{0,2}}(?:,|;|/| ?&)? ?(?:(?:or|and|nor|&) )?(?:(?:also|maybe|possibly|perhaps|even) )?"
    rf"(?:(?:an?|the|option|choice) ){{0,2}}[\"'(\[]?({_M})",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    rf"(?:^|[.!?:\n] ?)(?:(?:so|thus|hence|therefore|that's|that is|it's|it is|this is|i'd say|i say|answer|option|"
    rf"choose|pick),? ){{0,3}}[(\[\"']?({_M})[)\]\"']?[.!]?$",
    re.IGNORECASE,
)
_CONCLUSION = re.compile(
    rf"(?:^|[.!?\n])[^.!?\n\ue000-\ue300]{{0,160}}\b(?:is|are|was|were|be)(?: (?:the|an?|most likely|probably))? "
    rf"[(\[\"']?({_M})[)\]\"']?[.!]?$",
    re.IGNORECASE,
)
_DECLARED = re.compile(
    rf"\b(?:(?:answer|option|choice|pick|selection|guess|vote|response|one)s?(?: (?:is|would be|should be|must be|=)|"
    rf" ?[:=])(?: (?!not\b|never\b)[a-z']{{1,12}}){{0,4}}"
    rf"|(?:choose|chose|select|selected|pick|picked|go with|going with|went with|opt for|settle on|settled on|vote for|"
    rf"answer with|conclude|change my answer to|stick with|must be|has to be|leaves|leaving)"
    rf"(?: (?:the|for|option|choice|answer|letter|is|only|us|with))*) ?[:\"'(\[]* ?(?P<object>{_M})"
    rf"|(?P<subject>{_M})[)\]\"'.]? (?:(?:is|seems|looks|appears|would be|must be|remains|matches|fits)"
    rf"(?: (?:to be|clearly|probably|definitely|most likely|obviously|indeed))? (?:the )?(?:correct|right|best|answer|"
    rf"most|proper|true|only)\b|it is\b|remains\b|is left\b)"
    rf"|\bbetween {_M} (?:and|or) {_M},? (?:[a-z':]{{1,10}} ){{0,4}}(?P<better>{_M})"
    rf"|(?:答案|正解|答え|选项|正确|选择|选|정답|답)[^\n.\ue000-\ue300]{{0,12}}(?P<asian>{_M})",
    re.IGNORECASE,
)
# What denies an option that it follows: "B isn't", "C cannot be", "A, but that is wrong".
_REFUTED = re.compile(
    r"[)\]\"']{0,2}(?:,? (?:(?:also|clearly|definitely|both|probably|simply) )?"
    r"(?:(?:is|are|was|does|do|can|could|would|should)(?:n't| not)(?! (?:only|just|necessarily|be ruled|be excluded))"
    r"|cannot\b(?! be (?:ruled|excluded))|makes no\b|"
    r"(?:is|are) (?:all |both |far |much |way )?too \w)"
    r"|,? (?:but|however|though|although),? (?:it|that|this|which)(?:'s| is| was| seems| does|)? ?"
    r"(?:n't|not|incorrect|wrong|unlikely|false)\b)",
    re.IGNORECASE,
)
_DOUBTED = re.compile(
    r"[)\]\"']{0,2} (?:also )?(?:(?:might|may|could)(?: (?:also|well|first))? (?:seem|look|appear|be|have|fit)\b"
    r"|(?:seems?|looks?|appears?|is) (?:plausible|possible|tempting|close|reasonable|likely at first)\b)",
    re.IGNORECASE,
)
_RIGHT_MARK, _WRONG_MARK = "[✓✔✅☑👍⭕🟢]", "[✗✘❌✖🚫👎🔴]"
_RIGHT = re.compile(
    r"(?:^\W{0,3}|[-:=(?,|]|\bis|->|\bmaybe) ?(?:this is |that is |it is |the )?(?:correct|yes|true|right|"
    r"a match|matches)(?![A-Za-z0-9_])",
    re.IGNORECASE,
)
_WRONG = re.compile(
    r"(?:^\W{0,3}|[-:=(?,|]|\bis|->) ?(?:this is |that is |it is )?(?:incorrect|no|not|false|wrong|eliminated|"
    r"ruled out|unlikely)(?![A-Za-z0-9_])|n't\b",
    re.IGNORECASE,
)
_WORD_OR_MARK = re.compile(rf"\w|{_RIGHT_MARK}|{_WRONG_MARK}")
_MARKED_BEFORE = re.compile(rf"(?:\A|\n)[\ufe0f *-]{{0,3}}({_RIGHT_MARK}|{_WRONG_MARK})[\ufe0f *-]{{0,3}}\Z")
_SIGN = re.compile(f"({_RIGHT_MARK}|{_WRONG_MARK})")
_SIGN_NEXT = re.compile(
    rf"[.;!?)\"' ]{{0,4}}(?:{_RIGHT_MARK}|{_WRONG_MARK}|[-:(=] ?(?:correct|incorrect|wrong|right|true|false|yes|no)\b|"
    r"(?:correct|incorrect|wrong|right|true|false|yes|no)\b(?=[.!)]? ?(?:\n|$|[-:,;(])))",
    re.IGNORECASE,
)
_LISTED = re.compile(rf"^[-*•(\[ ]{{0,4}}([{chr(LETTER)}-{chr(BOTH + 25)}])[)\].:]? ?(?!\n|$)", re.MULTILINE)
_SECTION_END = re.compile(r"\n|[.;!](?= |$)")
_ORDINAL = re.compile(
    r"(?:^|\bthe |\bis |[:.\"'(] ?)(?:(?P<word>(?a:first|second|third|fourth|fifth|sixth|last))|"
    r"(?P<digit>[1-9])(?:st|nd|rd|th)) (?:option|choice|answer|one)\b|"
    r"\b(?:option|choice) (?:number |no\.? ?|#)?"
    r"(?:\(?(?P<plain>[1-9])\b|(?P<named>(?a:one|two|three|four|five|six))\b)",
    re.IGNORECASE,
)
_WORDS = ("first", "second", "third", "fourth", "fifth", "sixth")
_NAMED = ("one", "two", "three", "four", "five", "six")


def number_of(char: str) -> int:
    """Return the option of a mention, -1 for one that fits several."""
    return -1 if char == SEVERAL else (ord(char) - LETTER) % 0x100


def _hits(text: str) -> list[NameHit]:
    return [NameHit(found.group(), found.start(), found.end()) for found in _MENTION.finditer(text)]


@lru_cache(maxsize=64)
def _judged(text: str) -> dict[int, Force]:
    """Return the force of every mention of a text, by its place."""
    return {hit.start: force for hit, force in forces(text, _hits(text), _REFUTED, _DOUBTED)}


def asserted(text: str, weakly: bool = True) -> set[int]:
    """Return the options that are asserted: by letter, else by text.

    Args:
        text: An answer or a part of one.
        weakly: Whether, where nothing is asserted, what is weakly meant counts ("it could be A").
    """
    judged = _judged(text)
    for wanted in (Force.ASSERTED, Force.WEAK) if weakly else (Force.ASSERTED,):
        chars = [text[place] for place, force in judged.items() if force is wanted]
        if chars:
            lettered = {number_of(char) for char in chars if chr(LETTER) <= char < SEVERAL}
            texts = {number_of(char) for char in chars if not chr(LETTER) <= char < chr(BOTH)}
            # Letters say more than texts, unless the texts speak of other options only: "It is true: B is heavier".
            return lettered if lettered & texts or not texts else texts | lettered
    return set()


def _with_companions(text: str, place: int) -> set[int]:
    """Return the option mentioned at a place and those joined to it, "A or B"; none of those that are but restated."""
    chars = [text[place]]
    other = _LIST.match(text, place + 1)
    while other is not None:
        chars.append(other[1])
        other = _LIST.match(text, other.end())
    restated = {char for char in chars if chr(BOTH) <= char < SEVERAL}
    return set() if len(restated) > 1 else {number_of(char) for char in chars}


def opening(text: str, final: bool = False) -> set[int]:
    """Return the option that a text opens with, and those joined to it.

    Args:
        text: An answer, or a final statement in it.
        final: Whether it is a final statement, in which nothing need follow.
    """
    found = _OPENING.match(text)
    if found is None or _judged(text)[found.start(1)] < (Force.WEAK if final else Force.ASSERTED):
        return set()
    if not final:
        tail = _ENDS if found[1] < chr(LETTER) else _OPENS
        if not tail.match(text, found.end()) or len(set(_LISTED.findall(text))) > 1:
            return set()
    return _with_companions(text, found.start(1))


def listed(text: str) -> set[int]:
    """Return the options of a text that is nothing but several of them: "A, B, C"."""
    if _WORD_OR_MARK.search(text):
        return set()
    numbers = {number_of(char) for char in _MENTION.findall(text)}
    return numbers if len(numbers) > 1 else set()


def closing(text: str) -> set[int]:
    """Return the option that is the whole last sentence or line, or of which that says "... is B"."""
    found = _CLOSING.search(text, max(0, len(text) - 60)) or _CONCLUSION.search(text, max(0, len(text) - 200))
    return set() if found is None or _judged(text)[found.start(1)] is Force.DENIED else {number_of(found[1])}


def declared(text: str) -> set[int]:
    """Return the option of the last "the answer is B" / "I choose B" / "B is correct" that is not denied."""
    last: set[int] = set()
    for found in _DECLARED.finditer(text):
        place = found.start(found.lastgroup or 0)
        if _judged(text)[place] is not Force.DENIED:
            last = _with_companions(text, place)
    return last


def reviewed(text: str) -> set[int]:
    """Return the one option that an option-by-option review marks as right."""
    right: set[int] = set()
    wrong: set[int] = set()
    signed = False
    if len(set(_MENTION.findall(text))) < 2 and not _SIGN.search(text):
        return set()
    mentions = _hits(text)
    for place, hit in enumerate(mentions):
        limit = mentions[place + 1].start if place + 1 < len(mentions) else len(text)
        section = text[hit.end : min(limit, hit.end + 160)]
        border = _SECTION_END.search(section)
        signed_next = _SIGN_NEXT.match(section)
        section = section[: border.start()] if border and not signed_next else section
        before = _MARKED_BEFORE.search(text, max(0, hit.start - 9), hit.start)
        sign = before or _SIGN.search(section)
        if sign:
            signed = True
            (right if re.match(_RIGHT_MARK, sign[1]) else wrong).add(number_of(hit.label))
        elif _WRONG.search(section):
            wrong.add(number_of(hit.label))
        elif _RIGHT.search(section):
            right.add(number_of(hit.label))
    return right if len(right) == 1 and (wrong or signed) and not right & wrong else set()


def places(text: str, count: int) -> set[int]:
    """Return options called by their place: "the second option", "option 3"."""
    numbers = set()
    for found in _ORDINAL.finditer(text):
        if found["word"]:
            word = found["word"].lower()
            number = count - 1 if word == "last" else _WORDS.index(word)
        elif found["named"]:
            number = _NAMED.index(found["named"].lower())
        else:
            number = int(found["digit"] or found["plain"]) - 1
        hit = NameHit("", found.start(), found.end())
        if number < count and forces(text, [hit])[0][1] is not Force.DENIED:
            numbers.add(number)
    return numbers
