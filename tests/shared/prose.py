"""What a page says in sentences: code, tables, headings and marks taken out."""

import re

MEAN, MOST = 18, 40  # words of a sentence
DATE = re.compile(
    r"\b20\d\d-\d\d\b|\b\d{1,2}\.? (?:January|February|March|April|May|June|July|August|September|October|November|"
    r"December) 20\d\d\b"
)
# The story of the development belongs to nobody who reads a guide.
HISTORY = re.compile(
    r"\b(?:we|We|our|Our|ours|us|I)\b|\bused to be\b|\bno longer\b|\bformerly\b|\bpreviously\b|\b(?:was|were) tried\b|"
    r"\btried by hand\b|\b(?:was|were) measured\b|\bof that day\b|\bhas not run\b|\bwas built\b|\bfirst version\b"
)
WORD = re.compile(r"\S*\w\S*")


def sentences(text):
    """Return the sentences of a page's paragraphs and list items; inline code and a link count as their words."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"<[a-zA-Z/][^>]*>", "", text)
    found = []
    for block in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )", text):
        lines = [line for line in block.splitlines() if line.strip()]
        if not lines or all(re.match(r" {4,}(?![-*] |\d+\. )", line) for line in lines):
            continue  # a block of code by its indent
        prose = " ".join(line.strip() for line in lines if not re.match(r"\s*(?:#|\||!\[|!!!|:::)", line))
        prose = re.sub(r"^(?:[-*]|\d+\.) ", "", prose.strip())
        prose = re.sub(r"`[^`]+`", "CODE", prose)
        prose = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", prose)
        prose = prose.replace("**", "").replace("*", "")
        prose = re.sub(r"\b(e\.g|i\.e|etc|Sec|Fig|vs|cf|et al)\.", r"\1", prose)
        found += [part for part in re.split(r"(?<=[.!?])[\"')]*\s+", prose) if WORD.search(part)]
    return found


def length(sentence):
    """Return the number of words of a sentence."""
    return len(WORD.findall(sentence))


def said(text):
    """Return a page's sentences without what stands in double quotes, which somebody else says."""
    return sentences(re.sub(r"\"[^\"\n]*\"|“[^”\n]*”", "", text))


def faults(text, decisions=False):
    """Return what makes a page hard to read; tables of the README that say when they were measured are left out."""
    text = re.sub(r"<!-- (?:demo table|measured) -->.*?<!-- end -->", "", text, flags=re.DOTALL)
    lengths = [length(sentence) for sentence in sentences(text)]
    mean = sum(lengths) / max(1, len(lengths))
    found = [f"a mark of a merge: {mark}" for mark in re.findall(r"^(?:<{7}|>{7}|={7}$).*", text, re.MULTILINE)]
    found += [f"a sentence has {mean:.1f} words on average, expected {MEAN} at most"] if mean > MEAN else []
    found += [
        f"a sentence of {length(sentence)} words: {sentence[:100]}..."
        for sentence in sentences(text)
        if length(sentence) > MOST
    ]
    if not decisions:
        found += [
            f"a date: {date}"
            for date in DATE.findall(re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))
        ]
        found += [f"{word!r} in: {one[:100]}" for one in said(text) for word in HISTORY.findall(one)]
    return found
