"""Import direction between the packages, and what importing or asking for help may load."""

import ast
import json
import re
import subprocess
import sys

import click
import pytest

from lamm_cli.main import lamm

HEAVY = ("torch", "numpy", "transformers", "openai", "nltk", "PIL", "peft", "open3d", "numba")
MAY_IMPORT = {
    "lamm_llm": set(),
    "lamm_metrics": {"lamm_llm"},
    "lamm_data": {"lamm_llm", "lamm_metrics"},
    "lamm_model": {"lamm_data", "lamm_llm"},
    "lamm_cli": {"lamm_llm", "lamm_data", "lamm_model", "lamm_metrics"},
}
# What anyone may import besides the roots: the commands themselves.
OPEN = ("lamm_cli.main", *(f"{package}.cli" for package in MAY_IMPORT))
LOADED = "import json, sys; print(json.dumps([name for name in {names} if name in sys.modules]))"


def _imported(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_packages_import_only_what_they_may(sources, root):
    wrong = []
    for path in sources:
        package = path.relative_to(root / "packages").parts[2]
        others = (_imported(ast.parse(path.read_text())) & MAY_IMPORT.keys()) - {package}
        if beyond := others - MAY_IMPORT[package]:
            wrong.append(f"{path.relative_to(root)} imports {sorted(beyond)}")
    assert not wrong


def _inner(text: str, own: str = "") -> set[str]:
    """Return the modules inside packages other than `own` that a program imports from."""
    found = {node.module or "" for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)}
    return {
        module
        for module in found
        if (package := module.partition(".")[0]) in MAY_IMPORT and module not in (package, *OPEN) and package != own
    }


def test_packages_import_each_other_from_their_roots(sources, root):
    wrong = {
        str(path.relative_to(root)): inner
        for path in sources
        if (inner := _inner(path.read_text(), path.relative_to(root / "packages").parts[2]))
    }
    assert not wrong, f"import from the root, and add to it what it lacks: {wrong}"


def test_documents_examples_and_benchmarks_import_from_roots(root):
    fence = re.compile(r"^```python[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    pages = [*root.glob("docs/**/*.md"), *root.glob("packages/*/README.md"), root / "README.md"]
    programs = [(path, block) for path in pages for block in fence.findall(path.read_text())]
    # What the speed of training and of kernels consists of is measured part by part, inside the package.
    inside = {root / "benchmarks" / room for room in ("training", "kernels")}
    folders = ("examples", "benchmarks", "tests/pipeline", "tests/integration")
    files = [path for folder in folders for path in root.glob(f"{folder}/**/*.py") if path.parent not in inside]
    programs += [(path, path.read_text()) for path in files]
    wrong = {f"{path.relative_to(root)}: {inner}" for path, text in programs if (inner := _inner(text, "lamm_cli"))}
    assert not wrong, f"import from the root, and add to it what it lacks: {wrong}"


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_importing_a_package_loads_nothing_heavy(package):
    heavy = [name for name in HEAVY if not (package == "lamm_metrics" and name == "numpy")]
    program = f"import {package}; {LOADED.format(names=heavy)}"
    loaded = json.loads(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout)
    assert loaded == []


def _commands(group: click.Group, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    context = click.Context(group)
    found: list[tuple[str, ...]] = [prefix]
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        found += _commands(command, (*prefix, name)) if isinstance(command, click.Group) else [(*prefix, name)]
    return found


def test_no_help_text_loads_anything_heavy():
    """Every --help is asked for in one process: a heavy module loaded by any of them would stay in sys.modules."""
    commands = _commands(lamm)
    assert len(commands) > 10
    program = f"""
import sys
from click.testing import CliRunner
from lamm_cli.main import lamm
for command in {commands!r}:
    result = CliRunner().invoke(lamm, [*command, "--help"])
    loaded = [name for name in {HEAVY!r} if name in sys.modules]
    if result.exit_code or loaded or "Usage:" not in result.output:
        sys.exit(f"lamm {{' '.join(command)}}: exit {{result.exit_code}}, loads {{loaded}}: {{result.output[-300:]}}")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_models_of_others_are_loaded_in_the_one_place_that_runs_no_code_of_theirs(sources, root):
    wrong = []
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text())):
            owner = node.func.value if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else None
            if isinstance(owner, ast.Name) and owner.id.startswith("Auto") and node.func.attr == "from_pretrained":
                wrong.append(f"{path.relative_to(root)}:{node.lineno}")
    assert wrong == [], "call lamm_model.model.saving.pretrained, which says no to code in a model's folder"
