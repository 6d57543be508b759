import json
import subprocess
import sys
from collections import Counter

import pytest
from click.testing import CliRunner

from lamm_data.cli import COMMANDS, data
from lamm_data.errors import UsageError
from lamm_data.records.instruction import read_records
from lamm_data.templates.command import describe

HEAVY = ("numpy", "PIL", "openai", "pycocotools", "torch", "rich", "open3d")


@pytest.mark.parametrize("argv", [["--help"], ["sample", "--help"], ["convert", "--help"], ["benchmark", "--help"]])
def test_help_imports_nothing_heavy(argv):
    code = (
        "import sys\nfrom lamm_data.cli import data\n"
        f"try:\n    data({argv!r})\nexcept SystemExit as stop:\n    assert not stop.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "Usage" in done.stdout


def test_public_names_load_on_first_use():
    code = f"import lamm_data, sys; print([n for n in {HEAVY!r} if n in sys.modules]); lamm_data.read_records"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    import lamm_data

    assert all(getattr(lamm_data, name) for name in lamm_data.__all__)
    with pytest.raises(AttributeError):
        lamm_data.nothing  # noqa: B018


def test_every_listed_command_can_be_loaded():
    runner = CliRunner()
    for name in data.list_commands(None):
        result = runner.invoke(data, [name, "--help"])
        assert result.exit_code == 0, (name, result.output)
        assert name in COMMANDS


def test_an_unknown_command_is_misuse():
    assert CliRunner().invoke(data, ["ghost"]).exit_code == 2


def test_sample_convert_and_benchmark_run_after_each_other(tmp_path):
    runner, root = CliRunner(), str(tmp_path / "w")
    drawn = runner.invoke(data, ["sample", "--output", root, "--images", "36", "--rooms", "8", "--json"])
    assert json.loads(drawn.stdout)["images"] == 36
    out = tmp_path / "w" / "i.jsonl"
    made = runner.invoke(data, ["convert", "--root", root, "--output", str(out), "--tasks", "vqa,ocr", "--json"])
    counts = json.loads(made.stdout)
    assert len(read_records(out)) == counts["vqa: records written"] + counts["ocr: records written"]
    built = runner.invoke(data, ["benchmark", "--root", root, "--output", str(tmp_path / "b"), "--per-task", "2"])
    assert built.exit_code == 0
    assert len(list((tmp_path / "b").iterdir())) == 13


def test_unknown_task_is_one_of_our_errors(tmp_path, world):
    result = CliRunner().invoke(
        data, ["convert", "--root", str(world), "--output", str(tmp_path / "x"), "--tasks", "no"]
    )
    assert isinstance(result.exception, UsageError)
    assert result.exception.exit_code == 2
    assert not (tmp_path / "x").exists()


def test_a_folder_in_the_place_of_a_file_is_named_and_nothing_is_written(tmp_path, world):
    runner, records, folder = CliRunner(), tmp_path / "i.jsonl", tmp_path / "folder"
    folder.mkdir()
    convert = ["convert", "--root", str(world), "--tasks", "ocr", "--output"]
    assert runner.invoke(data, [*convert, str(records)]).exit_code == 0
    for call in ([*convert, str(folder)], ["check", str(records), "--output", str(folder)],
                 ["dedup", str(records), "--output", str(folder)],
                 ["export", str(records), "--to", "llava", "--output", str(folder)]):  # fmt: skip
        error = runner.invoke(data, call).exception
        assert isinstance(error, UsageError)
        assert f"got a folder: {folder}" in str(error)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "i.jsonl"]


def test_a_run_without_records_and_a_check_without_findings_say_so(tmp_path, world):
    assert describe(Counter({"detection: items read": 2, "detection: left out: media missing": 2})).splitlines()[1] == (
        f"{'':28}{0:10d}  records written"
    )
    runner, records = CliRunner(), tmp_path / "i.jsonl"
    runner.invoke(data, ["convert", "--root", str(world), "--tasks", "ocr", "--output", str(records)])
    count = len(read_records(records))
    assert runner.invoke(data, ["check", str(records)]).stdout.splitlines()[-1].split() == [
        *["records", "without", "findings"], str(count)
    ]  # fmt: skip
