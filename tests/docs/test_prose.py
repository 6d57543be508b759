"""Every page can be read: short sentences, no dates, no story of its making, links that lead somewhere."""

import re

import pytest
from documentation_blocks import DOCS, ROOT
from prose import faults

# Says what was decided and what was left: what else exists, and why not, is its subject.
DECISIONS = "docs/decisions.md"
READMES = sorted(ROOT.glob("packages/*/README.md"))
PAGES = [*sorted(DOCS.rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md", *READMES]
LINK = re.compile(r"\]\(([^)\s]+)\)")
WRITTEN = ("downloads", "measurements")  # with reference/, written when the site is built
SITE = re.search(r"^site_url: (\S+)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)[1]


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
