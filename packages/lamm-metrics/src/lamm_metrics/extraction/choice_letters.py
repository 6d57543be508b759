"""Find the letters and labels of options in an answer, and join each with its own text beside it."""

import re
from collections.abc import Mapping, Sequence

from lamm_metrics.extraction.option_borders import CJK, PRONOUN
from lamm_metrics.extraction.option_texts import BOTH, LETTER, TEXT, OptionTexts
from lamm_metrics.extraction.text.synonyms import read_table

_CUE = (
    r"(?:option|choice|answer|letter|ans|antwort|respuesta|opci[oó]n|r[eé]ponse|risposta|resposta|opzione|op[cç][aã]o|"
    r"ответ|вариант)"
)
_FILLER = r"(?: (?:is|was|would be|should be|must be|will be|therefore|thus|clearly|most likely|probably|definitely|"
_FILLER += r"correct|correcta|es|est|ist|è|é|la|le|die|the|option|choice|letter)){0,4}"
# Words in front of a capital that names a thing in the question and no option: "sample A", "vitamin C".
_HEAD_WORDS = frozenset(read_table("lettered.json")["words"])
_NAMED = re.compile(r"\b([^\W\d_]{2,20}) [A-Z](?:,? (?:and|or|to|&) [A-Z]|, [A-Z]|/[A-Z]){0,9}(?![\w)'])")
_OUTSIDE = rf"(?<![^\W{CJK}])"
# A letter marked as an option: (B), [B], B), B. at a line's start, option B, or a bare capital that cannot be a word.
_MARKED = re.compile(
    rf"{_OUTSIDE}(?:[(\[<]\s?(?:option |choice )?(?P<bracket>[A-Za-z])\s?[)\]>]"
    rf"|{_CUE}s?{_FILLER} ?[:#=]? ?[\"'(\[]?(?P<option>(?-i:[A-Z])|[a-z](?= ?(?:[.,;:!?)\]\"'\n(]|\Z| -)))"
    rf"[\"')\]]?(?![^\W{CJK}]|['^*+#°=²]|\.\w|-\w| [+*×÷·<>∪∩=^/\\] )"
    r"|(?P<closed>(?-i:[A-Z])|(?<![^\n:].)(?<![^\n: ])[a-z])\)(?!\w)"
    r"|[\"'](?P<quoted>(?-i:[A-Z]))[\"']"
    rf"|(?<![$€£^°*+=×·∪∩√\\&.'-])(?P<bare>(?-i:[B-HJ-Z]))(?![^\W{CJK}]|['&^*+#%°=>×÷·∪∩_]|<(?!/)|\.\w|-\w|-(?!\s)"
    r"| [+*×÷·<>∪∩=^/\\] )"
    rf"|(?<![$€£^°*+=×·∪∩√\\&.'-])(?P<article>(?-i:[AI]))(?=[.,;:!?)}}\]/\ue000-\ue300]|\Z|\n|</|[{CJK}]| "
    r"(?:it is|is|or|and|nor|because|since|fits|seems|looks|with|as|over|but|which|would|matches|due|rather|instead|"
    r"was|cannot|can|-|\W)(?!\w))"
    r"(?!\.\w|[+*×÷·>∪∩^-]\S|<(?!/)| [+*×÷·<>∪∩=^/\\] ))",
    re.IGNORECASE,
)
_CUE_BEFORE = re.compile(rf"(?:{_CUE}s?|\b(?:is|are|be|was|it's|its|say|choose|chose|select|pick|picked|with|for|"
                         r"and|or|nor|not|than|over|both|either|neither|between|only|just|so|as|es|la|ist|est|to|but|"
                         r"definitely|probably|therefore|thus|hence|of)) $", re.IGNORECASE)  # fmt: skip
_SCIENCE_BEFORE = re.compile(r"(?:\d ?|[+*×÷·∪∩=^/°] |(?<![a-z_=-])[<>] ?)$")
_NOUN_AFTER = re.compile(
    r" (?:alleles?|genes?|genotypes?|phenotypes?|chromosomes?|atoms?|ions?|bonds?|molecules?|axis|major|minor|sharp|"
    r"flat|strings?|blocks?)\b"
)
_WORD_BEFORE = re.compile(r"\b([^\W\d_]{2,20}) $")
_NO_NOUNS = frozenset(
    ["a", "also", "and", "answer", "answers", "are", "as", "at", "be", "best", "better", "between", "both", "but", "by",
     "certainly", "choice", "choose", "chose", "clearly", "conclude", "correct", "could", "definitely", "depicts",
     "describes", "either", "exactly", "fits", "for", "from", "go", "guess", "hence", "i", "in", "is", "it", "just"]
)  # fmt: skip
_OPTION_AFTER = re.compile(rf" [{chr(TEXT)}-{chr(TEXT + 25)}]")
_ENDS_LINE = re.compile(r"[.!]?(?:\n|$)")
_CUES = frozenset({"answer", "option", "choice", "letter", "is", "ans", "final", "correct"})
_INITIAL_BEFORE = re.compile(r"\b[A-Z][a-z]+ $")
_INITIALS_AFTER = re.compile(r"\. ?[A-Z]\. ?[A-Z]")
_INITIAL_AFTER = re.compile(r"\. [A-Z][a-z]")
_LONE = re.compile(r"\W*([A-Za-z])\W*")
_FIRST = re.compile(r"[\s\"'(\[-]{0,3}(?P<letter>[a-z])[).:](?= |$)")

_WITH_TEXT = re.compile(
    rf"(?P<letter>[{chr(LETTER)}-{chr(LETTER + 25)}])[)\].:,;\"'\s]{{0,4}}(?:-|=|is|would be|means|says|"
    rf"represents|stands for|:)?[:\s]{{0,2}}(?:an? |the )?[\"'(]?(?P<text>[{chr(TEXT)}-{chr(LETTER + 25)}])"
)
_TEXT_THEN_LETTER = re.compile(
    rf"(?P<text>[{chr(TEXT)}-{chr(TEXT + 25)}])[\"'.]?,? ?[(\[]?(?:(?:that is|which is|i\.e\.),? )?"
    rf"(?:{_CUE} )?(?P<letter>[{chr(LETTER)}-{chr(LETTER + 25)}])[)\]]?",
    re.IGNORECASE,
)


def mark_letters(text: str, letters: Mapping[str, int], texts: OptionTexts) -> str:
    """Put a private character in the place of every letter that stands for an option.

    Args:
        text: A plain answer in which the options' texts are marked already.
        letters: The index of the option of each capital.
        texts: The options' texts.
    """
    lone = _LONE.fullmatch(text) or _FIRST.match(text)
    if lone is not None:
        text = f"{text[: lone.start(1)]}{lone[1].upper()}{text[lone.end(1) :]}"
    named: list[set[int]] = []  # worked out where a bare letter asks for it

    def replace(found: re.Match[str]) -> str:
        group, whole = found.lastgroup or "", found.group()
        start, end = found.span(group)
        letter, before, after = found[group], text[max(0, start - 24) : start], text[end : end + 24]
        number = letters.get(letter.upper())
        if _is_word(letter, group, after) or (group == "bracket" and _is_abbreviation(letter, text, found.start())):
            return whole
        # The article of "A soft object", where soft is an option.
        option_next = group == "article" and _OPTION_AFTER.match(after)
        if option_next and (ord(after[1]) - TEXT != number or not _ENDS_LINE.match(text, end + 2)):
            return whole
        if group in ("bare", "article", "quoted"):
            named[:] = named or [_named_letters(text, texts.heads)]
            if start in named[0] or _is_no_option(before, after):
                return whole
        char = _char_of(letter, number, texts)
        if char and group == "option":
            return whole[: start - found.start()] + char + whole[end - found.start() :]
        return char or whole

    return _MARKED.sub(replace, text)


def _is_word(letter: str, group: str, after: str) -> bool:
    """Return whether a letter is the article "a", the pronoun "I" or the first of several initials."""
    if _INITIALS_AFTER.match(after) or _NOUN_AFTER.match(after) or (letter == "I" and PRONOUN.match(after)):
        return True
    worded = group == "option" and letter in "AI" and re.match(r" [A-Za-z]{2}", after)
    return bool(worded) and not _VERB_AFTER.match(after)


_VERB_AFTER = re.compile(
    r" (?:over|because|since|as|is|or|and|but|which|would|matches|seems|fits|due|rather|instead|was|cannot|can)\b",
    re.IGNORECASE,
)


def _is_abbreviation(letter: str, text: str, start: int) -> bool:
    """Return whether a letter in brackets stands for the word in front of it: "carbon (C)", "red eyes (E)"."""
    word = _WORD_BEFORE.search(text, max(0, start - 24), start)
    return word is not None and word[1][0].lower() == letter.lower() and word[1].lower() not in _NO_NOUNS


def _named_letters(text: str, heads: frozenset[str]) -> set[int]:
    """Return where letters stand that name something: the A and the B of "samples A and B"."""
    places: set[int] = set()
    for found in _NAMED.finditer(text):
        head = found[1].lower()
        known = head in heads or head in _HEAD_WORDS or head.removesuffix("s") in _HEAD_WORDS
        if known or (found[1].isupper() and head not in _CUES):
            places.update(range(found.end(1), found.end()))
    return places


def _char_of(letter: str, number: int | None, texts: OptionTexts) -> str:
    """Return the mention of a letter: of the option it calls, else of the one whose text it is."""
    if number is not None:
        return chr(LETTER + number)
    text = texts.letter_texts.get(letter)
    return "" if text is None else chr(TEXT + text)


def _is_no_option(before: str, after: str) -> bool:
    """Return whether a capital is a unit, a part of a formula or an initial rather than an option."""
    if _SCIENCE_BEFORE.search(before):
        return True
    if _INITIAL_AFTER.match(after) is None or _CUE_BEFORE.search(before):
        return False
    return _INITIAL_BEFORE.search(before) is not None


def join_mentions(text: str, texts: OptionTexts, capitals: Sequence[str]) -> str:
    """Join a letter with its own option's text beside it into one mention: "(B) blue", "blue (B)", "B is blue".

    Args:
        text: An answer in which texts and letters are marked.
        texts: The options' texts.
        capitals: The letter of each option.
    """

    def joined(found: re.Match[str]) -> str:
        number, other = ord(found["letter"]) - LETTER, ord(found["text"])
        if other >= LETTER:  # two letters: the second may be the first one's text
            own = other - LETTER < len(capitals) and texts.letter_texts.get(capitals[other - LETTER]) == number
        else:
            own = other - TEXT == number
        return chr(BOTH + number) if own else found.group()

    return _TEXT_THEN_LETTER.sub(joined, _WITH_TEXT.sub(joined, text))


SHORT = 3  # a label of up to so many letters may as well be a word, so it must stand where a label stands
_LEAD = (
    rf"(?:^[*#\s]{{0,4}}|[>{{\"'] ?|\n[*#>\s-]{{0,4}}|(?<!\w)(?:{_CUE}|label)s?{_FILLER}:? ?[\"'*]{{0,2}}|"
    rf"[{CJK}][:：]? ?|"
    r"\b(?:it(?: is|'s)|go with|choose|pick|select|say|be) )"
)
_TAIL = r"(?=$|[.):,;\n<}\"'*。]| ?-| (?:is|because|since|fits|matches|seems)\b)"


def mark_labels(text: str, labels: tuple[str, ...]) -> str:
    """Put private characters in the place of labels, as they stand in parentheses or where an answer names them.

    Args:
        text: A raw answer: signs such as # and * are labels here, where plain text drops them as markup.
        labels: The label of each option; none where the options are called by letters.
    """
    for number, label in sorted(enumerate(labels), key=lambda pair: -len(pair[1])):
        text = re.sub(rf"\({re.escape(label)}\)", chr(LETTER + number), text, flags=re.IGNORECASE)
    if any(chr(LETTER + number) in text for number in range(len(labels))):
        return text
    for number, label in enumerate(labels):
        short = len(label) <= SHORT or not label.isalnum()
        place = _LEAD if short else _OUTSIDE
        tail = _TAIL if short else rf"(?![^\W{CJK}])"
        pattern = rf"({place}){re.escape(label)}{tail}"
        text = re.sub(pattern, rf"\1{chr(LETTER + number)}", text, flags=re.IGNORECASE)
    return text
