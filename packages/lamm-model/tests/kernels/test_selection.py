"""How an implementation is chosen, forced and printed, and that choosing costs no heavy import."""

import json
import subprocess
import sys

import pytest
import torch
from click.testing import CliRunner

from lamm_model import kernels
from lamm_model.errors import UsageError
from lamm_model.kernels import selection
from lamm_model.kernels.command import kernels as command

CPU = torch.device("cpu")


def test_numba_is_chosen_on_the_cpu_and_the_interpreter_never():
    assert selection.choose("ball_query", CPU) == "numba"
    assert selection.choose("group", CPU) == "reference"


def test_without_numba_the_reference_runs(monkeypatch):
    found = selection.importlib.util.find_spec
    monkeypatch.setattr(selection.importlib.util, "find_spec", lambda name: None if name == "numba" else found(name))
    assert selection.choose("farthest_point_sample", CPU) == "reference"
    assert kernels.farthest_point_sample(torch.rand(1, 5, 3), 2).shape == (1, 2)
    with pytest.raises(UsageError, match="numba is not installed"):
        kernels.farthest_point_sample(torch.rand(1, 5, 3), 2, implementation="numba")


def test_argument_wins_over_context_over_environment(monkeypatch):
    pytest.importorskip("triton")
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setenv(selection.ENVIRONMENT_VARIABLE, "triton")
    assert selection.choose("ball_query", CPU) == "triton"
    with kernels.use_implementation("reference"):
        assert selection.choose("ball_query", CPU) == "reference"
        assert selection.choose("ball_query", CPU, "numba") == "numba"
        with kernels.use_implementation(None):
            assert selection.choose("ball_query", CPU) == "triton"
    monkeypatch.delenv(selection.ENVIRONMENT_VARIABLE)
    assert selection.choose("ball_query", CPU) == "numba"


def test_a_forced_name_leaves_operations_without_it_alone():
    with kernels.use_implementation("numba"):
        assert selection.choose("group", CPU) == "reference"


def test_forcing_what_cannot_run_names_the_reason(monkeypatch):
    with pytest.raises(UsageError, match="CUDA devices only"):
        kernels.farthest_point_sample(torch.rand(1, 5, 3), 2, implementation="cuda")
    with pytest.raises(UsageError, match="out of cuda, triton, numba, reference, got 'fast'"):
        kernels.farthest_point_sample(torch.rand(1, 5, 3), 2, implementation="fast")
    pytest.importorskip("triton")
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(UsageError, match="TRITON_INTERPRET"):
        kernels.ball_query(1.0, 1, torch.rand(1, 5, 3), torch.rand(1, 5, 3), implementation="triton")


def test_the_command_prints_the_choice():
    result = CliRunner().invoke(command, ["--device", "cpu"])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert any(line.split()[:3] == ["farthest_point_sample", "numba", "chosen"] for line in lines)
    assert any("the CUDA C++ kernel runs on CUDA devices only" in line for line in lines)


def test_the_command_prints_json():
    rows = json.loads(CliRunner().invoke(command, ["--json", "--device", "cpu"]).stdout)
    assert {"operation": "group", "implementation": "reference", "obstacle": None, "chosen": "yes"} in rows
    assert {row["operation"] for row in rows} == set(selection.OPERATIONS)


def test_the_command_reports_bad_use():
    result = CliRunner().invoke(command, ["--device", "abacus"])
    assert isinstance(result.exception, UsageError)


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, lamm_model, lamm_model.kernels, lamm_model.kernels.command\n"
        "heavy = {'torch', 'numpy', 'numba', 'triton'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_exists():
    for name in kernels.__all__:
        assert getattr(kernels, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = kernels.nothing
