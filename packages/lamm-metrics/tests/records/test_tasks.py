"""Tasks: one row each, built in or brought by an installed package through the entry point group `lamm.tasks`."""

import ast
import sys
from pathlib import Path

import pytest

import lamm_metrics
from lamm_metrics import (
    TASKS,
    UsageError,
    all_tasks,
    chance_predictions,
    compare_conventions,
    score,
    task_named,
    task_of_file,
)
from lamm_metrics import task_of_record as belongs
from lamm_metrics.answers.kinds import ANSWERS, described, reader_of
from lamm_metrics.records.truth import TRUTHS

PACKAGE = Path(lamm_metrics.__file__).parent
# The table itself, that of published rules, the paper's formulas by task, and what stays as it was published.
TABLES = (
    "records/tasks.py",
    *(f"protocols/{family}.py" for family in ("images", "judged", "open_answers", "rule", "scenes")),
    "paper/metric.py",
)


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """A package as pip would install it, with the tasks that a test writes down."""
    all_tasks.cache_clear()

    def install(rows):
        (tmp_path / "lamm_more_tasks.py").write_text(f"from lamm_metrics import Task\nROWS = {rows}\n")
        info = tmp_path / "lamm_more_tasks-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lamm-more-tasks\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[lamm.tasks]\nmore = lamm_more_tasks:ROWS\n")
        monkeypatch.syspath_prepend(str(tmp_path))

    yield install
    sys.modules.pop("lamm_more_tasks", None)
    all_tasks.cache_clear()


SIGNS = 'Task("signs", "Signs", "image", "option", "choice", ("accuracy",))'


@pytest.mark.parametrize("rows", [SIGNS, f"[{SIGNS}]"])
def test_a_package_brings_a_task_with_one_row(plugin, rows, tmp_path):
    plugin(rows)
    records = [{"id": i, "gt_choice": i % 2, "gt_choices": ["stop", "yield"], "image": f"{i}.png"} for i in range(6)]
    report = score("signs", records, [{"id": i, "text": "(A)"} for i in range(6)], draws=2)
    assert (report.task, report.headline.value) == ("signs", 0.5)
    assert [sample.truth for sample in report.samples[:2]] == ["(A) stop", "(B) yield"]
    assert {guess.choice for guess in chance_predictions("signs", records, seed=1)} == {0, 1}
    assert task_of_file("Signs_Roads.json").key == "signs"
    assert belongs({"task": "signs"}).key == "signs"
    lamm_metrics.write_report(tmp_path / "r.html", [report])


@pytest.mark.parametrize(
    "row",
    [
        'Task("vqa", "Other", "image", "option", "choice", ("accuracy",))',
        'Task("signs", "Signs", "image", "colour", "choice", ("accuracy",))',
        '["no task"]',
    ],
)
def test_what_is_no_task_of_its_own_is_refused(plugin, row):
    plugin(row)
    with pytest.raises(UsageError, match=r"lamm_more_tasks:ROWS.*Tell the authors"):
        task_named("signs")


def test_an_unknown_kind_of_answer_is_refused(plugin):
    plugin('Task("signs", "Signs", "image", "option", "colours", ("accuracy",))')
    with pytest.raises(UsageError, match="kind of answer"):
        chance_predictions("signs", [{"id": 1, "gt_choice": 0, "gt_choices": ["a"]}])


def test_every_row_names_known_kinds():
    for task in TASKS.values():
        assert task.truth_kind in TRUTHS
        assert task.extractor in ANSWERS
        assert described(task)["truth"] == list(task.truth)


def test_names_of_files_tell_the_task():
    assert task_of_file("a/Keypoints_Detection_LSP.json").key == "keypoint_detection"
    assert [task_of_file("Detection_X.json", modality).key for modality in ("image", "pcl")] == [
        "detection",
        "detection3d",
    ]
    assert task_of_file("VG_ScanRefer.json").key == "visual_grounding3d"
    assert task_of_file("Detection.json") is None
    assert all(task_of_file(f"{task.prefix}_x.json", task.modality) is task for task in TASKS.values())


def test_records_tell_the_task_by_name_or_by_truth():
    assert belongs({"task": "locating", "object": []}).key == "locating"
    assert belongs({"object": [{"label": "bed", "bbox": [0, 0, 0, 1, 1, 1]}]}).key == "detection3d"
    assert belongs({"object": [{"label": "cat", "bbox": [0, 0, 1, 1]}]}).key == "detection"
    assert belongs({"num": 3}).key == "counting"
    assert belongs({"task": ["counting"], "id": 1}) is None


def test_an_open_task_has_no_reader():
    with pytest.raises(UsageError, match=r"classification, .*got 'caption'"):
        reader_of("caption")


def _strings(tree):
    """String constants of code that decide something: no docstring, default argument, name of a class or message."""
    skipped = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(node.value)
        if isinstance(node, ast.FunctionDef):
            skipped |= {*node.args.defaults, *node.args.kw_defaults}
        if isinstance(node, ast.ClassDef):
            skipped |= {part.value for part in node.body if isinstance(part, ast.Assign)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in skipped:
            yield node


def test_no_code_outside_the_tables_knows_a_task_by_name():
    # Metrics are found by names of which two are those of tasks, and COCO's protocol always reports detection;
    # MSQA has a type of questions of such a name, and answers in JSON name their captions so.
    allowed = {
        ("metrics/registry.py", "counting"),
        ("metrics/question_types.py", "counting"),
        ("metrics/registry.py", "yes_no"),
        ("answers/captioned.py", "caption"),
        ("coco/scores.py", "detection"),
        ("cli.py", "detection"),
    }
    found = {
        (path.relative_to(PACKAGE).as_posix(), node.value)
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).as_posix() not in TABLES
        for node in _strings(ast.parse(path.read_text("utf-8")))
        if node.value in TASKS
    }
    assert found - allowed == set()
    drawn = "\n".join(path.read_text("utf-8") for path in (PACKAGE / "report" / "data").glob("*.js"))
    assert not [key for key in TASKS if f'"{key}"' in drawn]


def test_arguments_in_a_wrong_order_say_so():
    references, predictions = [{"id": 1, "num": 1}], [{"id": 1, "text": "1"}]
    with pytest.raises(UsageError, match="Expected the name of a task, got a list"):
        score(references, predictions, "counting")
    with pytest.raises(UsageError, match="Expected the name of a task, got a list"):
        compare_conventions("detection", references, predictions)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"gt_bbox": [0, 0, 0, 1, 1, 1]}, "`sentences` beside `gt_bbox`, at least one string, got none"),
        ({"gt_bbox": [0, 0, 0, 1, 1, 1], "sentences": [3]}, "`sentences` beside `gt_bbox`"),
        ({"gt_bbox": [0, 0, 0, 1, 1, 1], "sentences": ["a"], "proposal_bbox": "x"}, "`proposal_bbox` to be 6, 7 or 9"),
        ({"object": [{"label": "bed", "bbox": [0, 0, 0, 1, 1, 1]}]}, '"sentences"} with at least one sentence each'),
    ],
)
def test_an_object_without_its_captions_is_refused(record, expected):
    with pytest.raises(lamm_metrics.LammMetricsError) as raised:
        score("dense_caption3d", [{"id": 1, **record}], [{"id": 1, "text": ""}])
    assert expected in str(raised.value)


def test_a_situation_says_which_number_is_missing():
    for rotation in ([0, 0, 0, 0], [0, 0, 1], {"_x": 0, "_y": 0, "_z": 1}):
        with pytest.raises(lamm_metrics.LammMetricsError, match="`rotation` to be a quaternion x, y, z, w"):
            score("localisation3d", [{"id": 1, "position": [0, 0, 0], "rotation": rotation}], [{"id": 1, "text": ""}])
