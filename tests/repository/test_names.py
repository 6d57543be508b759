"""Names of modules and files that stand in texts and in strings lead somewhere: patches, `-m`, resources, documents."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

DOTTED = re.compile(r"(?<![\w./-])lamm_(?:llm|metrics|data|model|cli)(?:\.[A-Za-z_]\w*)+")
SLASHED = re.compile(r"(?<![\w./-])lamm_(?:llm|metrics|data|model|cli)(?:/[\w.-]+)+(?:/|\b)")
FOLDERS = ("tests", "docs", "examples", "benchmarks", "packages/*/tests", "packages/*/src")
ENDINGS = {".py", ".md", ".toml"}
MEANT_TO_BE_MISSING = {"lamm_data.gone", "lamm_metrics.nonsense"}
# Names of inspect's registry, which look like paths.
REGISTERED = {"lamm_metrics/benchmark"}


@cache
def bound(path: Path) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names that a module imports, and those that it, its classes and their instances define.

    A package's root names what it offers in strings.
    """
    imported, defined = set(), {"__file__", "__path__"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            imported |= {(name.asname or name.name).partition(".")[0] for name in node.names}
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            defined.add(node.id if isinstance(node, ast.Name) else node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and path.name == "__init__.py":
            defined |= set(node.value.split())
    return frozenset(imported), frozenset(defined)


def leads_somewhere(dotted: str, root: Path) -> bool:
    """Return whether a dotted name is a module, or something that a module imports or defines."""
    package, *parts = dotted.split(".")
    place = root / "packages" / package.replace("_", "-") / "src" / package
    while parts and (place / parts[0]).is_dir():
        place /= parts.pop(0)
    if parts and (place / f"{parts[0]}.py").is_file():
        place /= f"{parts.pop(0)}.py"
    if not parts:
        return True
    module = place if place.is_file() else place / "__init__.py"
    if not module.is_file():
        return False
    imported, defined = bound(module)
    return parts[0] in imported or set(parts) <= defined or (parts[0] in defined and not place.is_file())


def texts(root: Path) -> list[tuple[str, str]]:
    """Return the texts in which names stand, by the path of the file."""
    files = [path for folder in FOLDERS for place in root.glob(folder) for path in place.rglob("*")]
    files += [
        *root.glob("*.md"),
        *root.glob("packages/*/*.md"),
        *root.glob("packages/*/pyproject.toml"),
        root / "noxfile.py",
    ]
    shown = [
        path for path in files if path.suffix in ENDINGS and path.name != "CHANGELOG.md" and path != Path(__file__)
    ]
    return [(str(path.relative_to(root)), path.read_text()) for path in shown]


def test_dotted_names_resolve(root):
    stale = {
        f"{path}: {name}"
        for path, text in texts(root)
        for name in DOTTED.findall(text)
        if name not in MEANT_TO_BE_MISSING and not leads_somewhere(name, root)
    }
    assert not sorted(stale)


def test_paths_inside_packages_exist(root):
    stale = set()
    for path, text in texts(root):
        for name in SLASHED.findall(text):
            package = name.partition("/")[0]
            found = (root / "packages" / package.replace("_", "-") / "src" / name).exists()
            if not found and name not in REGISTERED:
                stale.add(f"{path}: {name}")
    assert not sorted(stale)


@pytest.mark.parametrize("name", ["lamm_data.gone", "lamm_data.files.gone", "lamm_data.files.settings.gone"])
def test_a_stale_name_is_noticed(name, root):
    assert not leads_somewhere(name, root)
    assert leads_somewhere("lamm_data.files.settings.load_toml", root)
    assert leads_somewhere("lamm_data.load_toml", root)
