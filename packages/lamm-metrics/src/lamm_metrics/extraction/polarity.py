"""Say whether a statement without a yes or a no in it affirms or denies, clause by clause."""

import re
from enum import StrEnum


class Stance(StrEnum):
    """What one clause, or a whole text, says of what was asked."""

    AFFIRMS = "affirms"
    DENIES = "denies"
    HEDGES = "hedges"
    BOTH = "affirms one thing and denies another"


def _behind(*phrases: str) -> str:
    return "|".join(rf"(?<=\b{phrase})" for phrase in phrases)


_ARTICLES = [
    "a",
    "an",
    "the",
    "this",
    "that",
    "its",
    "every",
    "another",
    "one",
    "two",
    "some",
    "several",
    "these",
    "those",
]
_SAYS = ("say", "says", "read", "reads", "saying", "reading", "marked", "labelled", "labeled", "label")
_FORBIDDEN = (
    "entry|parking|smoking|stopping|standing|trespassing|exit|littering|swimming|dogs|u[ -]?turn|turn|left turn|"
    "right turn"
)
# Negations that deny nothing: names of signs, "no other", "not only", "whether or not".
_NO_DENIAL = re.compile(
    rf"(?<![^\W_])(?:no(?:(?:{_behind(*(f'{word} no' for word in _ARTICLES))})[ -](?=\w)"
    rf"|(?:{_behind(*(f'{word} no' for word in _SAYS))}) [a-z]+|(?<=\bof no)(?= \w)"
    r"|(?-i:(?<=[a-z] No)(?= [A-Z]))|-(?=\w)|\.? ?(?=\d)|n-\w+"
    rf"|[ -](?:{_FORBIDDEN})(?: \w+)? (?:signs?|symbols?|zones?|areas?|notices?|labels?|stickers?|logos?|markings?)\b"
    r"|(?:body|thing| one)? (?:other|else|further|additional|apparent issues?|problems?|worries|wonder|matter|need to|"
    r"exaggeration)\b(?: \w+){0,2}| (?:more|less|fewer) than\b|ne other than\b|thing (?:but|except)\b| denying\b"
    r"| (?:lack|shortage|absence) of\b|t (?:only|just|merely|far from|to mention|surprisingly|unlike|long ago)\b"
    rf"|t\b(?:{_behind('or not', 'whether not', 'if not', 'why not')}))"
    r"|can(?:'t|not) (?:help but|deny)\b)",
    re.IGNORECASE,
)
# What is quoted is said by a sign, not by the answer; a quoted yes or no of its own may be the answer.
_QUOTED = re.compile(
    r"\b(?:says?|reads?|saying|reading|label(?:l?ed)?|titled|named|called|words?|text|signs?|letters?)\b[^.\"\n]{0,30}"
    r"\"[^\"\n]{1,80}\"|\"[^\"\n]{0,60}\w [^\"\n]{1,60}\"|(?<!\w)'[^'\n]{1,60}\w [^'\n]{1,60}'(?!\w)",
    re.IGNORECASE,
)
_CAPITALS = re.compile(
    r"\b(?:text|words?|signs?|says|reads|saying|reading|written|marked|letters|titled|with) [A-Z]{2,}(?: [A-Z]{2,})+\b"
)
# Two negations that affirm.
_TWICE = re.compile(
    r"(?:\b(?P<be>is|are|was|were|does|do)(?: not| never|n't)|\bnot|\bnever)(?: \w{1,10}ly| at all| entirely)? "
    r"(?:absent|missing|without|lack(?:ing)?|unlikely|implausible|unclear that|nowhere|hidden|invisible)\b",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"(?P<sentence>[.!?](?=\s|$)|\n)|;|, | - |\((?=\w)|\b(?:but|however|although|though|while|whereas|because|since)\b|"
    r"(?=\b(?:rather than|instead of|as opposed to) )|\band (?=(?:he|she|it|they|there|i|the|is|are|has|have|does|do|"
    r"not|no|doesn't|don't|isn't|aren't)\b)|"
    r"(?P<relative>\b(?:who(?:se|m)?|which|that(?= (?:is|are|was|were|has|have|had|does|do|can|cannot|can't|isn't|"
    r"aren't|doesn't|don't|hasn't|seems?|appears?|lacks?|never|no longer|hardly|barely|rarely|will|would|could)\b)))|"
    r"(?<=[a-z] )(?<!\bis )(?<!\bam )(?<!\bare )(?<!\bwas )(?<!\bwere )(?<!'s )(?<!'re )(?=not \w+ing\b)",
    re.IGNORECASE,
)
# What something is without, up to the verb where it stands in a subject: "the man with no hat is smiling".
_WITHOUT = re.compile(
    r"(?<=\w) (?:with(?:out| no(?:t|ne)?)\b|(?:wearing|having|holding|of) no\b|(?:missing|lacking) (?=an?\b|its|his|"
    r"her|"
    r"the\b))(?: (?!(?:is|are|was|were|has|have|can|does|do|looks?|seems?|appears?)\b)[^ ]+)*",
    re.IGNORECASE,
)
_LEADING_WITHOUT = re.compile(r"\W*(?:and )?with(?:out| no(?:t|ne)?)\b", re.IGNORECASE)
_IS_WITHOUT = re.compile(r"(?:\b(?:is|are|was|were|be|seems?|appears?|looks?|goes?)|'s|'re|n't)$", re.IGNORECASE)
_DENIES = re.compile(
    r"\b(?:not|no|none|never|neither|nobody|nothing|without|lacks?|lacking|fails? to|cannot|unable to|nowhere|empty|"
    r"un(?:smiling|likely|happy|true)|hardly|barely any|scarcely|doubtful|false|i (?:\w{1,10} )?doubt|rather than|"
    r"instead of|as opposed to|absence of|devoid of|free of|lack of|failed to (?:find|see|spot|detect)|"
    r"little (?:chance|evidence|sign)|in the negative)\b|n't\b|"
    r"(?:\b(?:is|are|was|were|be|seems?|appears?|entirely|completely)|'s|'re|^\W*) "
    r"?(?:absent|missing|incorrect|wrong|untrue)\b",
    re.IGNORECASE,
)
_OPPOSITE = re.compile(
    r"\b(?:frown\w{0,3}|neutral|serious|stern|sad|straight face|blank expression|grim|pout\w{0,3}|scowl\w{0,3}|"
    r"unsmiling|solemn|angry|closed lips|expressionless|hides?|too (?:small|dark))\b",
    re.IGNORECASE,
)
_FACE = re.compile(
    r"\b(?:expressions?|face|mouth|lips|look|mood|gaze|smil\w+)\b|\bfrown|\bexpressionless", re.IGNORECASE
)
_PERSON = re.compile(
    r"\b(?:man|men|woman|women|person|people|boys?|girls?|child|children|kids?|baby|lady|guy|he|she|player|actor|"
    r"actress)\b",
    re.IGNORECASE,
)
_NOT_OPPOSITE = re.compile(
    r"(?:\bnot|n't|\bwithout) (?:an? )?(?:frown\w{0,3}|sad|serious|angry|unsmiling|neutral)\b", re.IGNORECASE
)
_HEDGES = re.compile(
    r"\b(?:maybe|perhaps|possibl[ye]|might|(?:could|may) (?:very |well |also |just ){0,2}be(?! (?:seen|found|spotted|"
    r"observed)\b)|could have|may(?= (?:not|"
    r"or|have|also|well|contain|show|include)\b)|not necessarily|conceivabl[ye]|(?:kind|sort) of\W*$|unclear|"
    r"hard to (?:tell|say)|it depends|not (?:entirely |completely |quite |really |fully |at all )?(?:sure|certain|"
    r"clear|obvious|confident)|uncertain|can(?:not|'t| not) (?:tell|say|be (?:sure|certain))|either|no (?:idea|clue|"
    r"way to "
    r"(?:tell|know|say))|not enough|inconclusive|debatable|ambiguous|if (?:so|there)|whether)\b",
    re.IGNORECASE,
)
_EXISTS = re.compile(
    r"\b(?:there (?:is|are|was|were|appears?|seems?|has|have|exists?|looks)\b|there's|there're|(?:i|we|you) (?:can |"
    r"do |could |clearly )?(?:see|spot|notice|find|observe|detect)|(?:shows?|contains?|includes?|depicts?|features?|"
    r"displays?|"
    r"captures?|showcases?)\b)",
    re.IGNORECASE,
)
_AFFIRMS = re.compile(
    r"\b(?:(?:is|are|am|was|were|'s|'re|appears? to be|seems? to be|looks to be) (?:\w{1,15} ){0,2}(?:\w{2,20}ing|"
    r"visible|present|shown|seen|located|happy|there|in|on|likely|probable|true|so|smil\w+)\b|(?:has|have|had|(?:it|"
    r"that|this)'s an?|i (?:do |would |should )?(?:believe|think|guess|suppose|assume|say|imagine|suspect) (?:so|that|"
    r"there|it)|i'd (?:say|think) so|smiles|grins|smirks|laughs|wears?|holds|carries|rides|sits|stands|walks|runs|lies|"
    r"(?:looks?|seems?|appears?) (?:\w{1,15} ){0,2}(?:happy|cheerful|joyful)|(?:can|could|may) be (?:seen|found|"
    r"spotted|observed)|is an?|are|does|do|"
    r"exists?|it (?:seems|appears|looks)(?: like it| so| that)?|(?:seems|looks|appears) (?:so|like it|that way|to be|"
    r"that)|(?:would|should|must) be|would (?:seem|appear) so|seems? like it)\b)|^\W*(?:it|he|she|they|there|that|"
    r"this) (?:\w{1,15}ly )?(?:is|are|was|were|does|do|has|have)\W*$|^\W*(?:(?:most|very|quite|highly|more than|fairly|"
    r"pretty|rather|almost|nearly) )?(?:probably|likely|presumably|apparently|seemingly|evidently|clearly|obviously|"
    r"naturally|doubtless|certainly|definitely|in all likelihood|by all means|undoubtedly|sure|certain|visible|present|"
    r"looks like it|seems (?:so|like it)|it does|it is)(?: (?:so|it is|it does|they are|there is|he is|she is|"
    r"there are))?\W*$|\b(?:probably|likely|presumably|apparently|"
    r"evidently) (?:an?|the|there|it)\b",
    re.IGNORECASE,
)
# "there is only a cat", "more like a cat than a dog", "no animals except a dog": one thing is affirmed, others denied.
_ONLY = re.compile(r"\b(?:only|just|merely|nothing but) (?!one\b|now\b|like\b|as\b)", re.IGNORECASE)
_RATHER = re.compile(r"\bmore (?:like|of|likely)\b[^.\n]{1,40}\bthan\b", re.IGNORECASE)
EXCEPT = re.compile(r"\b(?:except(?: for)?|apart from|aside from|other than|besides)\b", re.IGNORECASE)
# The same of Chinese, Japanese and Korean statements, which have no spaces between words.
_DENIES_EAST = re.compile(
    "没有|沒有|没看到|看不到|看不见|不是|不存在|并无|並無|いません|ありません|いない|ではない|見えません|없습니다|없어요|없다|아닙니다"
)
_AFFIRMS_EAST = re.compile("有|存在|是|います|あります|です|見えます|있습니다|있어요|있다|입니다|보입니다")
_HEDGES_EAST = re.compile(
    "可能|也许|也許|或许|或許|大概|不确定|不確定|不知道|不清楚|无法|無法|是否|吗|嗎|かもしれ|かりません|"
    "모르|아마|것 같|\\?"
)
_THINK_SO = re.compile(
    r"\b(?:i (?:do not|don't|would not|wouldn't) (?:think|believe|say|suppose) so|not that i can see|i (?:guess|think|"
    r"believe|suppose|would say) not|(?:it |that )?(?:seems|appears) not|(?:does not|doesn't) (?:look|seem|appear) "
    r"(?:like it|so|that way))\b",
    re.IGNORECASE,
)


def plain_statement(text: str) -> str:
    """Return a text without negations that deny nothing ("a no-parking sign"), double ones turned into what they mean.

    Args:
        text: A plain answer.
    """
    if '"' in text or "'" in text:
        text = _QUOTED.sub(" ", text)
    text = _NO_DENIAL.sub("", _CAPITALS.sub(" ", text))
    return _TWICE.sub(lambda found: f"{found['be'] or ''} visible", text)


def _clause_stance(clause: str) -> Stance | None:
    """Return what one clause says; `None` where it settles nothing."""
    if _THINK_SO.search(clause):
        return Stance.DENIES
    if _RATHER.search(clause):
        return Stance.BOTH
    if _HEDGES.search(clause):
        return Stance.HEDGES
    aside, rest = _WITHOUT.search(clause), ""
    if aside is not None and not _IS_WITHOUT.search(clause[: aside.start()]):
        if _FACE.search(aside.group()):
            return Stance.DENIES
        rest = clause[aside.end() :].strip()
        clause = clause[: aside.start()] + clause[aside.end() :]
    clause = _NOT_OPPOSITE.sub(" ", clause)
    denials = len(_DENIES.findall(clause))
    if denials:
        return Stance.DENIES if denials == 1 else Stance.BOTH
    stance = _plain_stance(clause)
    # Only what exists stands apart from what it is without: "there is a dog with no collar", not "he sits with no hat".
    limited = aside is not None and not rest and not _EXISTS.search(clause)
    return Stance.BOTH if limited and stance is Stance.AFFIRMS else stance


def _plain_stance(clause: str) -> Stance | None:
    """Return what a clause without a negation says: an opposite of smiling denies, a statement affirms."""
    exists = _EXISTS.search(clause) is not None
    if _OPPOSITE.search(clause):
        if not exists or _FACE.search(clause):
            return Stance.DENIES
        if _PERSON.search(clause):
            return Stance.BOTH
    if exists and _ONLY.search(clause):
        return Stance.BOTH
    return Stance.AFFIRMS if exists or _AFFIRMS.search(clause) else None


def _stance_east(text: str) -> Stance | None:
    """Return what a Chinese, Japanese or Korean text says: one that affirms and denies is about two things."""
    if _HEDGES_EAST.search(text):
        return Stance.HEDGES
    denies, affirms = _DENIES_EAST.search(text), _AFFIRMS_EAST.search(_DENIES_EAST.sub(" ", text))
    if denies is not None:
        return Stance.DENIES if affirms is None else Stance.BOTH
    return None if affirms is None else Stance.AFFIRMS


def stance_of(text: str) -> Stance | None:
    """Return what a text without a yes or a no says, by its first clause that says anything.

    A denial that comes first stands, whatever is said besides. An affirmation stands where no later clause denies
    something: "there is a dog, but no cat" answers two questions.

    Args:
        text: What `plain_statement` gave.

    Example:
        >>> [stance_of(text).name for text in ("She is smiling.", "There is no dog.", "It might be.")]
        ['AFFIRMS', 'DENIES', 'HEDGES']
    """
    first: Stance | None = None
    start, relative, doubted = 0, False, False
    for border in [*_CLAUSE.finditer(text), None]:
        clause = text[start : len(text) if border is None else border.start()]
        asked = border is not None and border.group() == "?"
        stance = None if asked or not clause.strip() else _clause_stance(clause)
        if border is not None:
            start = border.end()
        denied = stance in (Stance.DENIES, Stance.BOTH)
        if relative and first is None:
            doubted |= denied  # "a man who has no hair": said of one thing only
        elif first is None:
            first = stance
        elif first is Stance.AFFIRMS and denied and not _LEADING_WITHOUT.match(clause):
            return Stance.BOTH
        relative = border is not None and border["relative"] is not None
    if first is None and not text.isascii():
        return _stance_east(text)
    if first is Stance.DENIES and EXCEPT.search(text):
        return Stance.BOTH
    return Stance.BOTH if doubted and first in (None, Stance.AFFIRMS) else first
