"""The table of tasks: complete, and the only place that knows a task by its name or its files by their prefix."""

import ast
from pathlib import Path

import pytest

import lamm_data
from lamm_data.benchmark.build import BUILDERS
from lamm_data.errors import UsageError
from lamm_data.records.tasks import (
    CONVERSION_TASKS,
    TASK_TABLE,
    TASK_TYPES,
    TASKS,
    TRUTH,
    benchmark_file_name,
    task_of_file_name,
)
from lamm_data.templates.pairs import PAIR_MAKERS
from lamm_data.templates.pools.pools import load_pool

PACKAGE = Path(lamm_data.__file__).parent
TABLE = PACKAGE / "records" / "tasks.py"


def test_every_row_can_be_served():
    for task in TASK_TABLE.values():
        assert task.kind in TRUTH
        assert task.task_type in TASK_TYPES
        assert task.modality in ("image", "pcl")
        assert all(load_pool(pool).questions for pool in task.pools)
        assert set(task.naming) <= set(task.pools)
        assert not task.presence or TASK_TABLE[task.presence].modality == task.modality
        assert not task.recipe_for or task.recipe_for in TASKS
    assert {task.kind for task in CONVERSION_TASKS.values()} == set(PAIR_MAKERS)
    assert {task.kind for task in TASKS.values()} == set(BUILDERS)


@pytest.mark.parametrize("task", [task for task in TASK_TABLE.values() if task.prefix], ids=lambda task: task.key)
def test_file_names_go_both_ways(task):
    name = benchmark_file_name(task.key, "Some_Set", "+variant")
    assert name == f"{task.prefix}_Some_Set+variant.json"
    assert task_of_file_name(name, task.modality) is task


def test_a_task_without_benchmark_files_has_no_file_name():
    with pytest.raises(UsageError, match="Expected a task"):
        benchmark_file_name("scene_graph", "x")


def constants(tree: ast.AST):
    """Yield a module's texts, docstrings and attributes' texts aside."""
    loose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in loose:
            yield node


def test_no_other_module_knows_a_prefix():
    prefixes = tuple(f"{task.prefix}_" for task in TASK_TABLE.values() if task.prefix)
    for path in PACKAGE.rglob("*.py"):
        if path != TABLE:
            found = [node.value for node in constants(ast.parse(path.read_text("utf-8")))]
            assert not [text for text in found if text.startswith(prefixes)], path


def test_no_other_module_switches_on_the_name_of_a_task():
    for path in PACKAGE.rglob("*.py"):
        if path == TABLE:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Compare):
                named = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
                about = "task" in ast.dump(node.left)
                assert not (about and set(map(str, named)) & TASK_TABLE.keys()), (path, node.lineno)
