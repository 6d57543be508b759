"""Importing the package is cheap: nothing heavy comes along."""

import json
import subprocess
import sys

import pytest


def loaded(code):
    """The modules that are loaded after running code in a fresh process."""
    script = f"{code}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(result.stdout))


HEAVY = {"nltk", "torch", "transformers", "openai", "PIL", "scipy", "sklearn", "pycocotools", "sacrebleu", "open3d"}


def test_package_alone_imports_not_even_numpy():
    assert not (HEAVY | {"numpy"}) & loaded("import lamm_metrics")


def test_cli_imports_click_and_nothing_heavy():
    assert not (HEAVY | {"numpy", "rich"}) & loaded("import lamm_metrics.cli")


@pytest.mark.parametrize("use", ["lamm_metrics.score", "lamm_metrics.make_metric('detection_ap', 'detection')"])
def test_scoring_imports_numpy_and_nothing_else_heavy(use):
    modules = loaded(f"import lamm_metrics; {use}")
    assert "numpy" in modules
    assert not HEAVY & modules


def test_classification_and_captions_need_no_nltk_data():
    code = (
        "import lamm_metrics as m\n"
        "m.score('classification', [{'id': 1, 'label': 'cat'}], [{'id': 1, 'text': 'cats'}])\n"
        "m.score('caption', [{'id': 1, 'sentences': ['a cat']}], [{'id': 1, 'text': 'a cat'}])"
    )
    assert "nltk" not in loaded(code)
