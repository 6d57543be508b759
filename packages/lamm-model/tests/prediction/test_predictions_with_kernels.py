"""Answers about point clouds do not depend on which kernel implementation runs."""

import json

import numpy as np
import pytest
import torch

from lamm_model import LammPointCloudConfig, build_pair, save_model
from lamm_model.prediction.command import predict_files
from lamm_model.prediction.queries import PredictionOptions

FUSED = {
    "num_points": 90,
    "use_color": True,
    "stages": [
        {"centres": 20, "radius": 0.6, "neighbours": 8, "mlp": [8, 16]},
        {"centres": 6, "radius": 1.5, "neighbours": 12, "mlp": [16, 32]},
    ],
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "position_hidden_size": 8,
    "num_task_tokens": 2,
}


@pytest.mark.parametrize("tower", ["fused", "grouped"])
def test_predictions_are_identical_whichever_implementation_is_forced(
    tower, parts, cloud_config, media, tmp_path, monkeypatch
):
    pytest.importorskip("numba", reason="numba is not installed")
    config = LammPointCloudConfig.preset("epcl", **FUSED) if tower == "fused" else cloud_config
    model, processor = build_pair(parts.language, parts.clip, config, seed=1, freeze_point_cloud_tower=False)
    stages = model.model.point_cloud_tower.eval().stages
    assert all(stage.can_fuse() == (tower == "fused") for stage in stages)
    for module in stages.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_var.uniform_(0.5, 2.0)
    save_model(model, processor, tmp_path / "checkpoint")
    clouds = np.random.default_rng(3).normal(size=(4, 200, 6)).astype(np.float32)
    clouds[..., 3:] = (60 * clouds[..., 3:] + 128).clip(0, 255)
    clouds[1, :, :3] = clouds[1, :, :3].round()  # ties and duplicates
    records = []
    for number, cloud in enumerate(clouds):
        np.save(tmp_path / f"{number}.npy", cloud)
        records.append({"id": f"r{number}", "pcl": f"{number}.npy", "query": "How many chairs are there?"})
    (tmp_path / "VQA_rooms.json").write_text(json.dumps(records))
    found = {}
    for name in ("reference", "numba"):
        monkeypatch.setenv("LAMM_KERNELS", name)
        out = tmp_path / f"{name}.jsonl"
        pair = (tmp_path / "VQA_rooms.json", out)
        predict_files(tmp_path / "checkpoint", [pair], PredictionOptions(batch_size=4), device="cpu")
        found[name] = [json.loads(line) for line in out.read_text().splitlines()[1:]]
    assert found["numba"] == found["reference"]
    assert len({answer["text"] for answer in found["numba"]}) > 1, "the clouds do not reach the answers"
