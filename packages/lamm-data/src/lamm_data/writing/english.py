"""English agreement for template filling: articles, plurals, verbs, sentences."""

from __future__ import annotations

from lamm_data.files.settings import packaged_toml

_WORDS = packaged_toml("writing", "english.toml")
_IRREGULAR: dict[str, str] = _WORDS["irregular"]
_SINGULAR = {plural: singular for singular, plural in _IRREGULAR.items()}
_PAIRS = frozenset(_WORDS["pairs"])
_UNCHANGED = frozenset(_WORDS["unchanged"]) | _PAIRS
_SINGULAR_IN_S = frozenset(_WORDS["singular_in_s"])
_MASS = frozenset(_WORDS["mass"])
_MANY = frozenset(_WORDS["many"])
_DETERMINERS = frozenset(_WORDS["determiners"]) | _MANY
# Endings whose "es" is all plural ("boxes"); elsewhere only the "s" is ("horses", "apples").
_ES = ("sses", "xes", "zzes", "ches", "shes")
_VOWEL_SOUND = ("hour", "honest", "heir")
_CONSONANT_SOUND = ("uni", "use", "usu", "euro", "one", "ufo", "ute")


def with_article(noun: str) -> str:
    """Put the indefinite article before a noun phrase; plurals, mass nouns and phrases with a determiner get none.

    >>> with_article("arrow"), with_article("unicycle"), with_article("scissors"), with_article("two men")
    ('an arrow', 'a unicycle', 'scissors', 'two men')
    """
    low = noun.lower()
    if not low.strip() or low.split()[0] in _DETERMINERS or low.split()[-1] in _MASS or takes_are(noun):
        return noun
    vowel = (low[0] in "aeiou" and not low.startswith(_CONSONANT_SOUND)) or low.startswith(_VOWEL_SOUND)
    return f"{'an' if vowel else 'a'} {noun}"


def plural(noun: str) -> str:
    """Form the plural of a noun phrase by its last word; a plural stays as it is.

    >>> plural("wine glass"), plural("baby"), plural("person"), plural("sea shells")
    ('wine glasses', 'babies', 'people', 'sea shells')
    """
    head, space, last = noun.rpartition(" ")
    low = last.lower()
    if low in _UNCHANGED or low in _SINGULAR or is_plural(low):
        return noun
    if low in _IRREGULAR:
        last = _IRREGULAR[low]
    elif low.endswith(("s", "x", "z", "ch", "sh")):
        last += "es"
    elif low.endswith("y") and low[-2:-1] not in "aeiou":
        last = last[:-1] + "ies"
    else:
        last += "s"
    return f"{head}{space}{last}"


def is_plural(word: str) -> bool:
    """Guess from its ending whether a single word is a plural."""
    if word in _IRREGULAR or word in _SINGULAR_IN_S:
        return False
    return len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is"))


def takes_are(noun: str) -> bool:
    """Tell whether a noun phrase takes a plural verb.

    >>> takes_are("skis"), takes_are("trees"), takes_are("people"), takes_are("bus"), takes_are("two men")
    (True, True, True, False, True)
    """
    words = noun.lower().split()
    if not words or words[0] in ("a", "an", "one", "each", "every"):
        return False
    return words[0] in _MANY or words[-1] in _PAIRS or words[-1] in _SINGULAR or is_plural(words[-1])


def singular(noun: str) -> str:
    """Form the singular of a noun phrase by its last word.

    >>> singular("strawberries"), singular("boxes"), singular("people"), singular("glass"), singular("cookies")
    ('strawberry', 'box', 'person', 'glass', 'cookie')
    """
    head, space, last = noun.rpartition(" ")
    low = last.lower()
    if low in _SINGULAR:
        last = _SINGULAR[low]
    elif low not in _UNCHANGED and is_plural(low):
        if low.endswith("ies") and low not in ("cookies", "pies", "ties", "movies", "zombies"):
            last = last[:-3] + "y"
        elif low.endswith(_ES):
            last = last[:-2]
        else:
            last = last[:-1]
    return f"{head}{space}{last}"


def mid_sentence(noun: str) -> str:
    """Write a capitalised class name as it stands inside a sentence; other capitals are left alone.

    >>> mid_sentence("Baby handkerchiefs"), mid_sentence("TV"), mid_sentence("Coca Cola")
    ('baby handkerchiefs', 'TV', 'Coca Cola')
    """
    return noun[:1].lower() + noun[1:] if noun[1:].islower() else noun


def as_sentence(text: str) -> str:
    """Start with a capital and end with a mark.

    >>> as_sentence("a red circle")
    'A red circle.'
    """
    text = text.strip()
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."
