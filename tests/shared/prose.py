"""What a page says in sentences: code, tables, headings and marks taken out."""

import re

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
