"""Every packaged recipe, applied to the sample world's benchmark, writes files that lamm-metrics scores."""

import json
from pathlib import Path

import pytest

from lamm_data import KINDS, apply_recipe, build_benchmark, packaged_recipes, read_recipe, write_world
from lamm_metrics import chance_predictions, score


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A small sample world, its benchmark, and the training split's records for examples."""
    root = tmp_path_factory.mktemp("world")
    write_world(root / "data", images=96, rooms=16, seed=3, benchmark_fraction=0.5)
    for folder, split in (("benchmark", "benchmark"), ("train", "train")):
        build_benchmark("sample", root / "data", root / folder, split=split, per_task=12)
    return root


@pytest.mark.parametrize("name", [name for name in packaged_recipes() if name != "alignment"])
def test_variants_are_scored(world, tmp_path, name):
    recipe = read_recipe(name, KINDS)
    made = apply_recipe(recipe, sorted((world / "benchmark").glob("*.json")), world / "data", tmp_path, world / "train")
    assert {variant.variant for variant in made} == {variant.name for variant in recipe.variants}
    for variant in made:
        task = json.loads(Path(variant.path).read_text())[0]["task"]
        report = score(task, variant.path, chance_predictions(task, variant.path), draws=10)
        assert report.headline.n > 0
        assert report.headline.value is not None
