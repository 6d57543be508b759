"""Every message of the errors that people see: one line, what was expected and found, what to do, and no more."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for path in ROOT.glob("packages/*/src/**/*.py"))
# Errors of click that commands raise themselves.
OF_CLICK = {"UsageError", "ClickException", "BadParameter", "BadOptionUsage"}
HOLE = "{}"
# These put faults and a remedy together; the call holds the remedy last.
REMEDIES = {"FileFaultsError"}
# What ends a message with a sentence of its own.
SENTENCES = {"did_you_mean"}
BARRED = re.compile(
    r"\b(please|invalid|failed to|unable to|oops|sorry)\b|!|\b(docs|packages|tests|src|benchmarks)/", re.I
)
SAYS = re.compile(r"\bExpected\b.*\b(got|found)\b", re.I | re.S)
# A sentence that ends, sentences filled in behind one, or a list of faults.
END = re.compile(r"[.?] ?(\{\})*$|:\n\{\}$")
TWO = re.compile(r"[.?] +\S", re.S)


class Message(NamedTuple):
    """The text of one error as the code has it, with `{}` for what is filled in."""

    where: str
    error: str
    text: str
    ends_with: str


def error_names(trees: dict[Path, ast.Module]) -> set[str]:
    """Return the classes with an exit status, and all that derive from one."""
    classes = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found = {
        one.name
        for one in classes
        if any(isinstance(part, ast.Assign) and ast.unparse(part.targets[0]) == "exit_code" for part in one.body)
    }
    while True:
        more = {one.name for one in classes if {ast.unparse(base).split(".")[-1] for base in one.bases} & found}
        if more <= found:
            return found | OF_CLICK
        found |= more


def texts(node: ast.expr) -> list[tuple[str, str]]:
    """Return what a string expression can be, with `{}` for what is filled in, and the name of what ends it."""
    match node:
        case ast.Constant(value=str(text)):
            return [(text, "")]
        case ast.JoinedStr(values=parts):
            text = "".join(part.value if isinstance(part, ast.Constant) else HOLE for part in parts)
            last = parts[-1].value if parts and isinstance(parts[-1], ast.FormattedValue) else None
            called = ast.unparse(last.func).split(".")[-1] if isinstance(last, ast.Call) else ""
            return [(text, called)]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return [(a + b, end) for a, _ in texts(left) or [(HOLE, "")] for b, end in texts(right) or [(HOLE, "")]]
        case ast.IfExp(body=one, orelse=other):
            return texts(one) + texts(other)
    return []


def messages(trees: dict[Path, ast.Module], names: set[str]) -> Iterator[Message]:
    """Yield the messages that stand in the calls of error classes."""
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or (error := ast.unparse(node.func).split(".")[-1]) not in names:
                continue
            said = node.args[-1:] if error in REMEDIES else node.args
            for text, end in (found for argument in said for found in texts(argument)):
                if re.search(r"\w \w", text):
                    yield Message(f"{path.relative_to(ROOT)}:{node.lineno}", error, text, end)


def fault(message: Message) -> str:
    """Return what is wrong with the form of a message; empty where nothing is."""
    text, remedy = message.text, message.error in REMEDIES
    # A list of faults has a line each.
    if "\n" in text.replace(f":\n{HOLE}\n", " ").replace(f":\n{HOLE}", ""):
        return "more than one line"
    if found := BARRED.search(text):
        return f"says {found[0]!r}"
    if not (END.search(text) or message.ends_with in SENTENCES):
        return "ends without a period"
    # What begins with a hole goes on from another error's sentence.
    if not (remedy or text.startswith(HOLE) or SAYS.search(text) or TWO.search(text)):
        return "says neither what was got nor what to do"
    return ""


@pytest.fixture(scope="module")
def found() -> list[Message]:
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}
    return list(messages(trees, error_names(trees)))


def test_every_message_has_the_form_of_the_house(found):
    wrong = [f"{one.where}: {what}: {one.text!r}" for one in found if (what := fault(one))]
    assert not wrong, "\n".join(wrong)


def test_the_messages_of_every_package_are_found(found):
    assert len(found) > 700
    assert {one.where.split("/")[1] for one in found} == {path.name for path in ROOT.glob("packages/*")}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Expected a task, got {}. Choose another.", ""),
        ("Expected all files, got none for:\n{}\nAdd them.", ""),
        ("Expected a task, got {}", "ends without a period"),
        ("Expected a task,\ngot {}.", "more than one line"),
        ("Invalid task {}. Choose another.", "says 'Invalid'"),
        ("Failed to read {}.", "says 'Failed to'"),
        ("Expected a task, got {}. Please choose another.", "says 'Please'"),
        ("Expected a file, got none. See docs/formats.md.", "says 'docs/'"),
        ("The task is wrong.", "says neither what was got nor what to do"),
    ],
)
def test_another_form_is_noticed(text, what):
    assert fault(Message("x.py:1", "UsageError", text, "")) == what
