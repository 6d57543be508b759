"""The ceilings of the architecture page: short files, short functions, no second copy, names that say something."""

import ast
from collections import defaultdict
from pathlib import Path

FILE_CEILING = 400
FUNCTION_CEILING = 100
IDENTICAL_FROM = 4  # statements: bodies shorter than this may coincide without being copies
NAMELESS = {"utils", "util", "common", "helpers", "helper", "misc"}
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


def _functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, FUNCTION)]


def test_no_file_is_over_the_ceiling(python_files, root):
    long = {
        str(path.relative_to(root)): lines
        for path in python_files
        if (lines := len(path.read_text().splitlines())) > FILE_CEILING
    }
    assert not long, f"files over {FILE_CEILING} lines: split them along the ideas in them: {long}"


def test_no_file_of_a_page_is_over_the_ceiling(root):
    parts = [path for kind in ("js", "css", "html") for path in root.glob(f"packages/*/src/**/*.{kind}")]
    long = [f"{path.relative_to(root)}" for path in parts if len(path.read_text().splitlines()) > FILE_CEILING]
    assert len(parts) > 15
    assert not long, f"files over {FILE_CEILING} lines: split them along the ideas in them: {long}"


def test_no_function_is_over_the_ceiling(python_files, root):
    long = [
        f"{path.relative_to(root)}:{node.lineno} {node.name}"
        for path in python_files
        for node in _functions(path)
        if (node.end_lineno or node.lineno) - node.lineno + 1 > FUNCTION_CEILING
    ]
    assert not long, f"functions over {FUNCTION_CEILING} lines: {long}"


def test_no_two_functions_have_the_same_body(sources, root):
    bodies: dict[str, list[str]] = defaultdict(list)
    for path in sources:
        for node in _functions(path):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            statements = sum(isinstance(child, ast.stmt) for statement in body for child in ast.walk(statement))
            if statements >= IDENTICAL_FROM:
                key = "\n".join(ast.dump(statement) for statement in body)
                bodies[key].append(f"{path.relative_to(root)}:{node.lineno} {node.name}")
    copies = [places for places in bodies.values() if len(places) > 1]
    assert not copies, f"identical function bodies: keep one of each: {copies}"


def test_no_star_imports(python_files, root):
    stars = [
        f"{path.relative_to(root)}:{node.lineno}"
        for path in python_files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and any(name.name == "*" for name in node.names)
    ]
    assert not stars


def test_names_say_what_is_inside(python_files, root):
    nameless = [
        str(path.relative_to(root))
        for path in python_files
        if NAMELESS & {part.removesuffix(".py") for part in path.relative_to(root).parts}
    ]
    assert not nameless


def _is_overload(node: ast.stmt) -> bool:
    """Return whether a function only declares a signature for type checkers."""
    return any(getattr(decorator, "id", "") == "overload" for decorator in getattr(node, "decorator_list", []))


def test_public_names_have_docstrings(sources, root):
    bare = [
        f"{path.relative_to(root)}:{node.lineno} {node.name}"
        for path in sources
        for node in ast.parse(path.read_text()).body
        if isinstance(node, (*FUNCTION, ast.ClassDef))
        and not (node.name.startswith("_") or _is_overload(node) or ast.get_docstring(node))
    ]
    assert not bare, f"public names without a docstring: {bare}"
