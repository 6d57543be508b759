"""Published point-cloud towers, made here under the published key names, and what is said of their licences."""

import json
import logging

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file
from transformers import AutoModel

from lamm_model import build_pair
from lamm_model.checkpoints.published.point_towers import convert_point_tower
from lamm_model.cli import model as commands
from lamm_model.errors import LammModelError, UsageError
from lamm_model.model.hub import CardFacts, model_card
from lamm_model.towers.configuration_point_cloud import cloud_preset, cloud_tower
from lamm_model.towers.licences import _tell

SMALL = {"stride": [2, 2], "enc_depths": [2, 1, 1], "patch_size": 1024}
SIZES = {
    "sonata": {**SMALL, "enc_channels": [16, 32, 32], "enc_num_head": [1, 2, 2]},
    "utonia": {**SMALL, "enc_channels": [18, 36, 36], "enc_num_head": [1, 2, 2]},
    "ptv3": {
        **SMALL, "enc_channels": [16, 32, 32], "enc_num_head": [1, 2, 2], "dec_depths": [1, 1],
        "dec_channels": [32, 32], "dec_num_head": [2, 2],
    },
    "point-bert": {"hidden_size": 64, "num_attention_heads": 1, "num_hidden_layers": 2, "group_width": 32},
}  # fmt: skip


def published(kind, prefix="", beside=True):
    """A small tower of a kind, and its weights as its authors publish them."""
    torch.manual_seed(0)
    tower = cloud_tower(cloud_preset(kind, **SIZES[kind])).eval()
    state = {prefix + key.replace("blocks.", "blocks.blocks."): value for key, value in tower.state_dict().items()}
    if kind != "point-bert":
        state = {prefix + key: value for key, value in tower.state_dict().items()}
    if kind in ("sonata", "utonia"):
        state[f"{prefix}embedding.mask_token"] = torch.zeros(1, len(state[f"{prefix}embedding.stem.linear.bias"]))
    if kind == "utonia":
        speeds = 10.0 ** (-torch.arange(0, 6, 2) / 6)
        blocks = {key.rsplit(".qkv", 1)[0] for key in state if ".attn.qkv" in key}
        state |= {f"{block}.rope.inv_freq": speeds.clone() for block in blocks}
    return tower, state


@pytest.mark.parametrize(
    ("kind", "prefix", "left_out"),
    [("sonata", "", 1), ("utonia", "module.student.backbone.", 6), ("ptv3", "module.backbone.", 1),
     ("point-bert", "module.point_encoder.", 1)],
)  # fmt: skip
def test_every_key_of_a_published_file_is_accounted_for(tmp_path, kind, prefix, left_out):
    tower, state = published(kind, prefix)
    extra = {"module.seg_head.weight": torch.zeros(1)} if prefix else {}
    torch.save({"state_dict": {**state, **extra}}, tmp_path / "file.pth")
    counts = convert_point_tower(kind, tmp_path / "file.pth", tmp_path / "tower")
    assert counts == {"converted": len(tower.state_dict()), "left_out": left_out}
    again = AutoModel.from_pretrained(tmp_path / "tower").eval()
    for key, value in tower.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key
    theirs, ours = again.config.to_dict(), tower.config.to_dict()
    differing = {key for key in ours if ours[key] != theirs[key]}
    assert differing <= {
        "_name_or_path",
        "weights_licence",
        "weights_source",
        "dtype",
        "architectures",
        "transformers_version",
    }


def test_safetensors_and_stated_sizes_are_read(tmp_path):
    _, state = published("sonata")
    save_file(state, tmp_path / "model.safetensors")
    assert convert_point_tower("sonata", tmp_path / "model.safetensors", tmp_path / "a")["left_out"] == 1
    stated = {"order": ["hilbert", "z"], "enc_num_head": [2, 4, 4], "enc_patch_size": [64] * 3, "stride": [2, 4]}
    torch.save({"config": stated, "state_dict": state}, tmp_path / "sonata.pth")
    convert_point_tower("sonata", tmp_path / "sonata.pth", tmp_path / "b")
    config = AutoModel.from_pretrained(tmp_path / "b").config
    assert (config.order, config.enc_num_head) == (["hilbert", "z"], [2, 4, 4])
    assert (config.patch_size, config.stride) == (64, [2, 4])


def test_a_file_of_another_network_is_refused_with_its_keys(tmp_path):
    _, sonata = published("sonata")
    _, utonia = published("utonia")
    gone = next(key for key in sonata if key.endswith("attn.proj.bias"))
    cases = (
        ("utonia", sonata, r"without the keys \*.attn.rope.inv_freq"),
        ("concerto", utonia, "left-over keys enc.enc0.block0.attn.rope.inv_freq"),
        ("ptv3", sonata, r"missing keys \['embedding.stem.conv.weight'"),
        ("sonata", {key: value for key, value in sonata.items() if key != gone}, rf"missing keys \['{gone}'"),
        ("sonata", {**sonata, "enc.enc0.odd": torch.zeros(1)}, r"extra keys \['enc.enc0.odd'"),
        ("point-bert", sonata, "norm.weight"),
        ("sonata", {"other": torch.zeros(1)}, "a tower's weights"),
    )
    for number, (kind, state, words) in enumerate(cases):
        torch.save({"state_dict": state}, tmp_path / f"{number}.pth")
        with pytest.raises(LammModelError, match=words):
            convert_point_tower(kind, tmp_path / f"{number}.pth", tmp_path / "tower")
        assert not (tmp_path / "tower").exists()
    with pytest.raises(LammModelError, match="owner/name/file"):
        convert_point_tower("sonata", tmp_path / "nothing.pth", tmp_path / "tower")
    with pytest.raises(UsageError, match="exists"):
        convert_point_tower("sonata", tmp_path / "0.pth", tmp_path)


def test_the_licence_is_said_and_stays_with_the_weights(tmp_path, parts, caplog):
    _, state = published("sonata")
    torch.save({"state_dict": state}, tmp_path / "sonata.pth")
    _tell.cache_clear()
    with caplog.at_level(logging.WARNING, "lamm_model"):
        asked = ["convert", "--kind", "sonata", str(tmp_path / "sonata.pth"), "--output", str(tmp_path / "tower")]
        result = CliRunner().invoke(commands, asked)
    assert result.exit_code == 0, result.output
    assert "1 tensors left out" in result.output
    assert [record.message for record in caplog.records if "cc-by-nc-4.0" in record.message] == [
        "The weights of the point-cloud tower (sonata, facebook/sonata, sonata.pth) are under cc-by-nc-4.0: "
        "neither they nor a model with them may be used commercially."
    ]
    assert "license: cc-by-nc-4.0" in (tmp_path / "tower" / "README.md").read_text(encoding="utf-8")
    model, _ = build_pair(parts.language, None, str(tmp_path / "tower"))
    assert "| point_cloud_tower | sonata, facebook/sonata, sonata.pth | cc-by-nc-4.0 |" in model_card(
        model.config, CardFacts()
    )
    model.save_pretrained(tmp_path / "whole")
    saved = json.loads((tmp_path / "whole" / "config.json").read_text(encoding="utf-8"))
    assert saved["point_cloud_config"]["weights_licence"] == "cc-by-nc-4.0"


def test_a_towers_folder_without_some_weights_is_refused(tmp_path, parts):
    tower, _ = published("sonata")
    tower.save_pretrained(tmp_path / "tower")
    state = {key: value for key, value in tower.state_dict().items() if "enc2" not in key}
    save_file(state, tmp_path / "tower" / "model.safetensors", {"format": "pt"})
    with pytest.raises(LammModelError, match=r"missing_keys.*enc\.enc2"):
        build_pair(parts.language, None, str(tmp_path / "tower"))


def test_an_untrained_published_tower_says_so(caplog):
    from lamm_model.towers.configuration_point_cloud import starts_untrained

    with caplog.at_level(logging.WARNING, "lamm_model"):
        starts_untrained("sonata-small")
        starts_untrained("tiny-ptv3")
    assert [record.getMessage() for record in caplog.records] == [
        "The point-cloud tower sonata-small starts untrained. `lamm model convert --kind sonata FILE --output TOWER` "
        "makes one with the published weights: then name its folder."
    ]
