"""Every example in a docstring of the package holds."""

import doctest
import pkgutil
from importlib import import_module

import pytest

import lamm_metrics

MODULES = [module.name for module in pkgutil.walk_packages(lamm_metrics.__path__, "lamm_metrics.")]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_hold(name):
    if name.startswith("lamm_metrics.gpt"):
        pytest.importorskip("openai")
    if name == "lamm_metrics.bridges.inspect_tasks":
        pytest.importorskip("inspect_ai", reason="needs inspect: `nox -s bridges`")
    result = doctest.testmod(import_module(name))
    assert result.failed == 0
