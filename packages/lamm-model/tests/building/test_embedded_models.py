"""The embedded models on other people's photographs and clouds: through predict, chat and serve."""

import importlib.util
import json

import pytest
from click.testing import CliRunner

from lamm_model import AdapterSettings, add_adapters, build_pair, save_model
from lamm_model.cli import model as commands
from lamm_model.errors import LammModelError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    if importlib.util.find_spec("gguf") is None:
        pytest.skip("gguf is not installed (extra: demo)")
    try:
        model, processor = build_pair("embedded", "embedded", "tiny", freeze_point_cloud_tower=False)
    except LammModelError as fault:
        pytest.skip(f"the embedded models cannot be had: {fault}")
    add_adapters(model, AdapterSettings(rank=8))
    folder = tmp_path_factory.mktemp("embedded") / "checkpoint"
    save_model(model, processor, folder)
    return folder


def test_photographs_and_clouds_go_through_predict_and_chat(checkpoint, real_data, tmp_path):
    photos = sorted((real_data / "coco" / "images").glob("*.jpg"))
    names = ("bunny.pcd", "fuze.ply", "fuze_ascii.ply", "kitti_0000000000.pcd", "test_pcd.pcd")  # every one with points
    clouds = [real_data / "pointcloud" / name for name in names]
    kind = {"task_type": "description"}
    records = [
        {"id": path.stem, "image": str(path.relative_to(real_data)), "query": "What is this?", **kind}
        for path in photos
    ]
    records += [
        {"id": path.stem, "pcl": str(path.relative_to(real_data)), "query": "What is this?", **kind} for path in clouds
    ]
    (tmp_path / "Caption_real.json").write_text(json.dumps(records))
    out = tmp_path / "p.jsonl"
    arguments = ["predict", "--model", str(checkpoint), "--benchmark", str(tmp_path / "Caption_real.json")]
    arguments += ["--media-root", str(real_data)]
    result = CliRunner().invoke(
        commands, [*arguments, "--output", str(out), "--max-tokens", "6"], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    answers = [json.loads(line) for line in out.read_text().splitlines()[1:]]
    assert [answer["id"] for answer in answers] == [record["id"] for record in records]
    assert len(answers) == 9
    shown = "".join(f"/image {path}\nWhat is this?\n/reset\n" for path in photos)
    shown += "".join(f"/cloud {path}\nWhat is this?\n/reset\n" for path in clouds)
    chat = ["chat", "--model", str(checkpoint), "--task-type", "description", "--max-tokens", "6"]
    result = CliRunner().invoke(commands, chat, input=shown, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "Error" not in result.stderr
    said = [line for line in result.stdout.splitlines() if line.strip()]
    assert said == [line for answer in answers for line in answer["text"].splitlines() if line.strip()]
