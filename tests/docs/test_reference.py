"""The pages of names have every public name, and every name that documents and examples use."""

import ast
import importlib
import importlib.util

import pytest
from documentation_blocks import DOCS, ROOT, blocks

spec = importlib.util.spec_from_file_location("reference", DOCS / "reference.py")
reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference)
PAGES = {package: reference.names_page(package, "") for package in reference.INTRODUCTIONS}


@pytest.mark.parametrize("package", PAGES)
def test_every_public_name_is_on_its_page(package):
    names = importlib.import_module(package).__all__
    lacking = [name for name in names if f".{name}\n" not in PAGES[package]]
    assert not lacking


def imported(source):
    """Return the names that a program imports from packages of LAMM, each with its package."""
    return {
        (statement.module, alias.name)
        for statement in ast.walk(ast.parse(source))
        if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith("lamm_")
        for alias in statement.names
        if f"{statement.module}.{alias.name}" not in PAGES
    }


def test_names_that_documents_and_examples_import_are_on_a_page():
    shown = [block.body for path in DOCS.rglob("*.md") for block in blocks(str(path.relative_to(DOCS)))
             if block.language == "python"]  # fmt: skip
    programs = shown + [path.read_text(encoding="utf-8") for path in (ROOT / "examples").glob("*.py")]
    used = set().union(*map(imported, programs))
    assert len(used) > 20
    assert not {(module, name) for module, name in used if f".{name}\n" not in PAGES.get(module, "")}
