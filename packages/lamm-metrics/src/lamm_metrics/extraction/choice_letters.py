"""Find the option letters of a multiple-choice answer: declared, leading, or asserted somewhere."""

import re
from functools import lru_cache

_NEGATED_BEFORE = re.compile(
    r"(?:\bnot|n't|\bneither|\bnor|\brather than|\binstead of|\bexclud\w{1,4}|\beliminat\w{1,4}|"
    r"\brul\w{1,4} out|\bthan|\bexcept|\bunlike|\bover|\bnor is|\bdiscard\w{0,3}|\breject\w{0,3}|\bdismiss\w{0,3})"
    r"(?: (?:be|the|option|choice|answer|letter|is|likely|consider|choose|select|pick|necessarily))*[ :\"'(\[]*$",
    re.IGNORECASE,
)
_NEGATED_AFTER = re.compile(
    r"[)\].\"':]{0,3}(?! ?(?:because|since|as|and|so|if|but|which|matches|"
    r"fits)\b)(?: ?[a-z -]{1,40})?,? (?:(?:is|are|was|were|would be|can be|seems?|looks?|"
    r"must be) ?(?:\w{1,12} )?(?:not|n't|incorrect|wrong|unlikely|"
    r"ruled out|eliminated|excluded|false|out\b|implausible)|(?:isn't|aren't|can't be|cannot be|does not|"
    r"doesn't|do not|don't|makes no)\b)"
    r"|[)\].\"':]{0,3},? ?(?:but|however),? (?:(?:it|that|this)(?:'s| is) |that )?(?:not|incorrect|wrong)"
    r"|[)\].\"':]{0,3},? (?:but|however),? (?:it|that|this) (?:is|was|seems?|isn't|doesn't|"
    r"does not) ?(?:incorrect|wrong|not|unlikely|fit)?",
    re.IGNORECASE,
)
# A letter marked as an option: (B), [B], B), B. at a line's start, option B, or a bare capital that cannot be a word.
_MARKED = re.compile(
    r"(?<![A-Za-z0-9_])(?:[(\[{<]\s?(?P<bracket>[A-Za-z])\s?[)\]}>]"
    r"|\b(?:option|choice|answer|letter|options|choices)s? ?[:#]? ?[\"'(\[]?(?P<option>[A-Z]|"
    r"(?-i:[b-hj-z]))[\"')\]]?(?![A-Za-z0-9_]|')"
    r"|(?P<closed>(?-i:[A-Z]))\)(?![A-Za-z0-9_])"
    r"|(?P<quoted>[\"'](?-i:[A-Z])[\"'])"
    r"|(?P<bare>(?-i:[B-HJ-Z]))(?![A-Za-z0-9_]|['&]|\.[A-Za-z0-9_]|-\w)"
    r"|(?P<article>(?-i:[AI]))(?=[.,;:!?)]|\Z|\n| (?:is|or|and|nor|because|since|fits|seems|looks|with|"
    r"as)\b)(?!\.[A-Za-z0-9_]))",
    re.IGNORECASE,
)
_DECLARED = re.compile(
    r"\b(?:(?:answer|option|choice|pick|selection|guess|vote|response)(?: (?:is|would be|should be|must be|=)|"
    r" ?[:=])(?: (?:the |option|choice|letter))*"
    r"|(?:choose|chose|select|selected|pick|picked|go with|going with|went with|opt for|settle on|vote for|"
    r"answer with|conclude)(?: (?:the|for|option|choice|answer|letter|is))*)"
    r" ?[:\"'(\[]* ?(?P<letter>[A-Za-z])(?![A-Za-z0-9_]|['’])"
    r"|(?<![A-Za-z0-9_])[(\[\"']?(?P<subject>(?-i:[A-Z]))[)\]\"'.]? (?:is|seems|looks|appears|would be|"
    r"must be)(?: (?:to be|clearly|probably|definitely|most likely|obviously))? "
    r"(?:the )?(?:correct|right|best|answer|most|proper|true)\b",
    re.IGNORECASE,
)
_LEADING = re.compile(
    r"[\s\"'(\[{<:*-]{0,4}(?:(?:option|choice|answer|"
    r"letter)s? ?[:#]? ?)?[\"'(\[{<]?(?P<letter>[A-Za-z])(?P<tail>[)\]}>.:,;\"'!]|\s-|\s|/|$)",
    re.IGNORECASE,
)
_ALSO = re.compile(
    r"[)\]\"'.]{0,2} ?(?:or|and|/|&|,)(?: (?:also|maybe|possibly|"
    r"perhaps))? ?(?:option )?[\"'(\[]?(?P<letter>[A-Z])(?![A-Za-z0-9_]|')"
)


_OPTION_START = re.compile(
    r"(?<![A-Za-z0-9_])(?:[(\[](?P<bracket>[A-Za-z])[)\]]|(?P<closed>[A-Z])[).:]|option (?P<option>[A-Z])\b)",
    re.IGNORECASE,
)
_RIGHT = re.compile(
    r"(?:^\W{0,3}|[-:=(?,]|\bis|->|\bmaybe) ?(?:this is |that is |it is |the )?(?:correct|yes|true|right|✓|✔|✅|"
    r"a match|matches)(?![A-Za-z0-9_])|[✓✔✅]",
    re.IGNORECASE,
)
_WRONG = re.compile(
    r"(?:^\W{0,3}|[-:=(?,]|\bis|->) ?(?:this is |that is |it is )?(?:incorrect|no|not|false|wrong|✗|✘|❌|eliminated|"
    r"ruled out|unlikely)(?![A-Za-z0-9_])|[✗✘❌]|n't\b",
    re.IGNORECASE,
)
_SECTION_END = re.compile(r"\n|[.;!](?= |$)")


def verdict_letters(text: str, count: int) -> list[int]:
    """Return the one option that an option-by-option review calls right, where it calls every other one wrong.

    Args:
        text: A plain answer.
        count: Number of options.
    """
    right: set[int] = set()
    wrong: set[int] = set()
    starts = list(_OPTION_START.finditer(text))
    for place, found in enumerate(starts):
        number = _position(found[found.lastgroup or 0], count)
        if number is None:
            continue
        limit = starts[place + 1].start() if place + 1 < len(starts) else len(text)
        section = text[found.end() : min(limit, found.end() + 160)]
        border = _SECTION_END.search(section)
        section = section[: border.start()] if border else section
        if _WRONG.search(section):
            wrong.add(number)
        elif _RIGHT.search(section):
            right.add(number)
    return sorted(right) if len(right) == 1 and wrong and not right & wrong else []


_ORDINAL = re.compile(
    r"\b(?:(?P<word>(?a:first|second|third|fourth|fifth|sixth|last))|(?P<digit>[1-9])(?:st|nd|rd|th)) (?:option|"
    r"choice|answer|one)\b|\b(?:option|choice) (?:number |no\.? ?|#)?(?:\(?(?P<plain>[1-9])\b|"
    r"(?P<named>(?a:one|two|three|four|five|six))\b)",
    re.IGNORECASE,
)
_WORDS = ("first", "second", "third", "fourth", "fifth", "sixth")
_NAMED = ("one", "two", "three", "four", "five", "six")


def ordinal_options(text: str, count: int) -> list[int]:
    """Return options called by their place: "the second option", "option 3".

    Args:
        text: A plain answer.
        count: Number of options.
    """
    numbers = set()
    for found in _ORDINAL.finditer(text):
        if found["word"]:
            word = found["word"].lower()
            number = count - 1 if word == "last" else _WORDS.index(word)
        elif found["named"]:
            number = _NAMED.index(found["named"].lower())
        else:
            number = int(found["digit"] or found["plain"]) - 1
        if number < count and not _denied(text, found.start(), found.end()):
            numbers.add(number)
    return sorted(numbers)


# Words that follow an option "A", but never the article.
_AFTER_OPTION = re.compile(
    r" (?:over|because|since|as|is|or|and|but|which|would|matches|seems|fits|due|rather|instead|was|cannot|can)\b"
)


def _position(letter: str, count: int) -> int | None:
    """Return the index of an option letter, `None` for a letter beyond the options."""
    number = ord(letter.upper()) - 65
    return number if 0 <= number < count else None


def _denied(text: str, start: int, end: int) -> bool:
    return _denied_between(text[max(0, start - 60) : start], text[end : end + 80])


@lru_cache(maxsize=1024)  # a text that repeats itself is judged once
def _denied_between(before: str, after: str) -> bool:
    return _NEGATED_BEFORE.search(before) is not None or _NEGATED_AFTER.match(after) is not None


def _article(text: str, letter: str, end: int) -> bool:
    """Return whether a letter is the article "a" or the pronoun "I" rather than an option."""
    if letter not in {"a", "A", "I"} or re.match(r" [a-z]", text[end : end + 2]) is None:
        return False
    return letter != "A" or _AFTER_OPTION.match(text, end) is None


def _with_companions(text: str, number: int, end: int, count: int) -> list[int]:
    """Return the letter and those joined to it: "A or B"."""
    numbers = [number]
    also = _ALSO.match(text, end)
    while also is not None and len(numbers) < count:
        other = _position(also["letter"], count)
        if other is None or _article(text, also["letter"], also.end("letter")):
            break
        numbers.append(other)
        also = _ALSO.match(text, also.end("letter"))
    return sorted(set(numbers))


# An answer that is nothing but several option letters chooses none of them.
_ONLY_LETTERS = re.compile(r"[\s(\[\"']{0,4}(?:[A-Z](?![A-Za-z0-9_])[\s()\[\]\"'.,;:/]{0,6}){2,26}")


def leading_letter(text: str, count: int, lower_case: bool = False) -> list[int]:
    """Return the option letter (and those joined to it) that a text opens with.

    Args:
        text: A plain answer or a final statement.
        count: Number of options.
        lower_case: Whether a small letter followed by a space counts too.
    """
    if _ONLY_LETTERS.fullmatch(text):
        places = (_position(letter, count) for letter in re.findall("[A-Z]", text))
        return sorted({place for place in places if place is not None})
    found = _LEADING.match(text)
    if found is None:
        return []
    letter, tail = found["letter"], found["tail"]
    number = _position(letter, count)
    if number is None or _article(text, letter, found.end("letter")):
        return []
    if letter.islower() and tail.isspace() and not lower_case and found.end() < len(text):
        return []
    if tail == "'" and text[found.end() : found.end() + 1].isalpha():
        return []
    if tail == "." and text[found.end() : found.end() + 1].isalnum():
        return []
    if _denied(text, found.start("letter"), found.end("letter")):
        return []
    return _with_companions(text, number, found.end("letter"), count)


def declared_letters(text: str, count: int) -> list[int]:
    """Return the letter of the last "the answer is B" / "I choose B" / "B is correct" that is not denied."""
    last: list[int] = []
    for found in _DECLARED.finditer(text):
        group = "letter" if found["letter"] else "subject"
        letter, end = found[group], found.end(group)
        number = _position(letter, count)
        if number is None or _article(text, letter, end) or _denied(text, found.start(group), end):
            continue
        if re.search(r"\b(?:not|n't|never)\b", found.group(), re.IGNORECASE):
            continue
        last = _with_companions(text, number, end, count)
    return last


_CLOSING = re.compile(r"(?:^|[.!?:\n] ?)[(\[]?(?P<letter>[A-Z])[)\]]?[.!]?$")


def closing_letter(text: str, count: int) -> list[int]:
    """Return the option letter that is the whole last sentence or line of a text.

    Args:
        text: A plain answer.
        count: Number of options.
    """
    found = _CLOSING.search(text[-12:])
    number = None if found is None else _position(found["letter"], count)
    return [] if number is None else [number]


_DENIED_LIST = re.compile(
    r"(?:[)\]\"']{0,2}(?:, ?(?:and |or |nor )?| (?:and|or|nor) )(?:option )?[\"'(\[]?[A-Z](?![A-Za-z0-9_]|')){1,25}"
)


def asserted_letters(text: str, count: int) -> list[int]:
    """Return all option letters that stand marked as such somewhere in the text and are not denied.

    A denial reaches over a list that ends in "or", "nor" or "and" ("after excluding A, C and D").

    Args:
        text: A plain answer.
        count: Number of options.
    """
    numbers: set[int] = set()
    denied_until = 0
    for found in _MARKED.finditer(text):
        group = found.lastgroup
        if group is None:
            continue
        letter = found[group].strip("\"'")
        number = _position(letter, count)
        if number is None or (group in {"bare", "option"} and _article(text, letter, found.end(group))):
            continue
        if _denied(text, found.start(), found.end()):
            row = _DENIED_LIST.match(text, found.end())
            if row is not None and re.search(r"\b(?:and|or|nor)\b", row.group()):
                denied_until = row.end()
        elif found.start() >= denied_until:
            numbers.add(number)
    return sorted(numbers)
