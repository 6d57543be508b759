"""Every page can be read: short sentences, no dates, no story of its making, links that lead somewhere."""

import re

import pytest
from documentation_blocks import DOCS, ROOT
from prose import DATE, HISTORY, length, said, sentences

MEAN, MOST = 18, 40  # words of a sentence
# Written by `benchmarks/metrics/verification.py`; its words are names of other people's numbers.
GENERATED = {"docs/verification.md"}
# Says what was decided and what was left: what else exists, and why not, is its subject.
DECISIONS = "docs/decisions.md"
READMES = sorted(ROOT.glob("packages/*/README.md"))
PAGES = [
    path
    for path in [*sorted(DOCS.rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md", *READMES]
    if str(path.relative_to(ROOT)) not in GENERATED
]
LINK = re.compile(r"\]\(([^)\s]+)\)")
WRITTEN = ("downloads", "measurements")  # with reference/, written when the site is built
SITE = re.search(r"^site_url: (\S+)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)[1]


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page_can_be_read(page):
    wrong = faults(page.read_text(encoding="utf-8"), decisions=page == ROOT / DECISIONS)
    assert not wrong, "\n".join(wrong)


def test_hard_pages_are_noticed():
    long = "The value, " + "which was resampled by group and then by record, " * 5 + "is a bound."
    assert "a sentence of 50 words" in " ".join(faults(f"Short one.\n\n{long}\n"))
    assert "on average" in faults("This sentence has nineteen words " + "and more " * 7 + ".\n")[0]
    assert faults("Run on 2026-11-26.") == ["a date: 2026-11"]
    assert faults("Buckets were tried by hand.")
    assert faults("Our loss is lower.")
    assert len(faults("<<<<<<< HEAD\nOne.\n=======\nTwo.\n>>>>>>> other\n")) == 3
    assert not faults('It answers "I am sorry, we cannot see it."\n\n| a | we |\n\n```text\n2026-01-01 our log\n```\n')


def target(page, link):
    """Return the file that a link of a README leads to, or None if it leads nowhere."""
    if link.startswith(SITE):
        name = link.removeprefix(SITE).partition("#")[0].strip("./") or "index"
        if name.startswith("reference") or name in WRITTEN:
            return DOCS
        path = DOCS / f"{name}.md"
    else:
        path = page.parent / link.partition("#")[0]
    return path if path.exists() else None


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *READMES], ids=lambda page: page.parent.name
)
def test_links_outside_the_site_lead_somewhere(page):
    """Links within the site are held by `mkdocs build --strict`."""
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if page in READMES:
            assert link.startswith("https://"), f"{link}: PyPI shows this file without the others"
        if link.startswith(SITE) or "://" not in link:
            assert target(page, link), link


def test_addresses_of_the_site_are_those_of_its_pages():
    addresses = re.compile(r"https://lamm[\w-]*\.readthedocs\.io/[\w./#-]*")
    for path in [*ROOT.glob("packages/*/src/**/*.py"), *ROOT.glob("packages/*/pyproject.toml")]:
        for address in addresses.findall(path.read_text(encoding="utf-8")):
            assert address.startswith(SITE), f"{path}: {address}"
            assert target(path, address), f"{path}: {address} is no page"
