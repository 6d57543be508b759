"""The page of measurements shows every result, each with the script that writes it."""

import importlib.util
import json
import re

from documentation_blocks import DOCS

spec = importlib.util.spec_from_file_location("measurements", DOCS / "measurements.py")
measurements = importlib.util.module_from_spec(spec)
spec.loader.exec_module(measurements)


def test_every_result_is_shown_with_its_script():
    page = measurements.measurements_page()
    assert len(measurements.results()) > 20
    for name in measurements.results():
        assert measurements.script(name).is_file(), name
        assert f"python benchmarks/{measurements.script(name).relative_to(measurements.BENCHMARKS)}\n" in page
    sections = re.split(r"^### ", page, flags=re.MULTILINE)[1:]
    assert len(sections) == len(measurements.results())
    assert all("\n| " in section and re.search(r"^\*.+\.\*", section, re.MULTILINE) for section in sections)


def test_numbers_are_those_of_the_results():
    page = measurements.measurements_page()
    rows = json.loads((measurements.BENCHMARKS / "results" / "training_gpu.json").read_text())["rows"]
    for row in rows.values():
        assert f"{row['useful_tokens_per_second']:,.0f}" in page
    assert "NVIDIA H200" in page
