"""`lamm data render`: a picture a view, a listing, and a list of what could not be read."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from lamm_data.errors import SourceError
from lamm_data.render.command import render


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "clouds/deep").mkdir(parents=True)
    np.save(tmp_path / "clouds/one.npy", rng.uniform(-1, 1, (500, 3)).astype(np.float32))
    np.save(tmp_path / "clouds/deep/two.npy", rng.uniform(-1, 1, (500, 3)).astype(np.float32))
    return tmp_path


def test_a_folder_becomes_pictures_and_a_listing(folder):
    objects = folder / "objects.jsonl"
    row = {"pcl": "one.npy", "objects": [{"label": "cube", "box": [0, 0, 0, 2, 2, 2]}]}
    objects.write_text(json.dumps(row) + "\n")
    output = folder / "pictures"
    arguments = [str(folder / "clouds"), "--output", str(output), "--views", "3", "--size", "128", "--workers", "1"]
    result = CliRunner().invoke(render, [*arguments, "--annotations", str(objects)])
    assert result.exit_code == 0, result.output
    listing = [json.loads(line) for line in (output / "views.jsonl").read_text().splitlines()]
    assert [line["picture"] for line in listing] == [
        *(f"deep/two.npy.{number}.png" for number in (1, 2, 3)),
        *(f"one.npy.{number}.png" for number in (1, 2, 3)),
    ]
    assert all(Image.open(output / line["picture"]).size == (128, 128) for line in listing)
    assert [line["objects"] for line in listing[:3]] == [[], [], []]
    assert all(line["objects"][0]["label"] == "cube" and line["objects"][0]["share"] > 0.9 for line in listing[3:])


def test_a_damaged_file_is_listed_and_the_others_are_drawn(folder):
    (folder / "clouds/bad.ply").write_bytes(b"ply\nrubbish")
    arguments = [str(folder / "clouds"), "--output", str(folder / "out"), "--views", "1", "--workers", "1"]
    result = CliRunner().invoke(render, arguments)
    assert isinstance(result.exception, SourceError)
    assert "2 pictures" in result.output
    assert "bad.ply" in result.output


@pytest.mark.parametrize("row", [{"objects": []}, {"pcl": "a", "objects": [{"label": "x", "box": [1, 2]}]}, [1]])
def test_objects_without_a_cloud_or_a_box_are_named(folder, row):
    (folder / "objects.jsonl").write_text(json.dumps(row) + "\n" if isinstance(row, dict) else "[[1]]")
    arguments = [
        str(folder / "clouds"),
        "--output",
        str(folder / "out"),
        "--annotations",
        str(folder / "objects.jsonl"),
    ]
    result = CliRunner().invoke(render, arguments)
    assert isinstance(result.exception, SourceError)
    assert "line 1" in str(result.exception)
