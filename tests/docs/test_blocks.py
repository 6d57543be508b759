"""Every block of the documentation does what it says; pages that load a language model are in tests/integration."""

import json
import re
import tomllib

import pytest
from documentation_blocks import DOCS, HEAVY, ROOT, blocks, follow

PAGES = sorted(
    page
    for path in DOCS.rglob("*.md")
    if (page := str(path.relative_to(DOCS))) not in HEAVY and any(block.does_something for block in blocks(page))
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """One folder a page, so that a block finds what the blocks before it wrote."""
    made = {}

    def folder(page):
        if page not in made:
            made[page] = tmp_path_factory.mktemp(re.sub(r"\W", "_", page))
        return made[page]

    return folder


@pytest.mark.parametrize(
    "block", [block for page in PAGES for block in blocks(page) if block.does_something], ids=lambda block: block.name
)
def test_block_runs(block, folders):
    if block.reason:
        pytest.skip(f"{block.name}: {block.reason}")
    follow(block, folders(block.page))


def test_every_reason_stands_before_a_block():
    for path in DOCS.rglob("*.md"):
        page = str(path.relative_to(DOCS))
        reasons = path.read_text(encoding="utf-8").count("<!-- not run:")
        assert reasons == sum(bool(block.reason) for block in blocks(page)), page


def test_fences_are_closed_and_name_their_language():
    for path in [*DOCS.rglob("*.md"), ROOT / "README.md"]:
        fences = re.findall(r"^```(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert len(fences) % 2 == 0, path.name
        assert all(not closing for closing in fences[1::2]), path.name


def test_data_that_is_only_shown_can_be_read():
    for path in DOCS.rglob("*.md"):
        for block in blocks(str(path.relative_to(DOCS))):
            if block.language == "toml":
                tomllib.loads(block.body)
            elif block.language == "json" and not block.title.endswith(".jsonl"):
                json.loads(block.body)
