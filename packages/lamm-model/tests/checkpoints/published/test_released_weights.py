"""Released files: LAMM's deltas, EPCL's checkpoint and OpenAI's CLIP, made here under the published key names."""

import argparse
import json
import pickle
import resource
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch.nn import functional as F

from lamm_model import LammPointCloudModel, build_pair, load_model
from lamm_model.checkpoints.published.lamm_delta import convert_file
from lamm_model.checkpoints.published.torch_archive import read_archive
from lamm_model.cli import model as commands
from lamm_model.errors import LammModelError, UsageError
from lamm_model.model.adapters import adapter_state

WIDTH, BLOCKS = 64, 2


def released(model, name="image"):
    """The model's weights under the names of LAMM's released files, in half precision."""
    prefix = "llama_model.base_model.model.model."
    state = {
        prefix + key.replace(".weight", ".default.weight"): value.half()
        for key, value in adapter_state(model, name).items()
    }
    projector = model.model.get_submodule(f"{name}_projector").linear
    state |= {"llama_proj.weight": projector.weight.half(), "llama_proj.bias": projector.bias.half()}
    return {key: value.detach().clone() for key, value in state.items()}


@pytest.fixture
def tuned(pair):
    from lamm_model import AdapterSettings, add_adapters
    from lamm_model.model.adapter_layers import lora_layers

    model, _ = pair
    add_adapters(model, AdapterSettings(rank=4), seed=3)
    torch.manual_seed(5)
    for layer in lora_layers(model):
        for low_rank in layer.lora_B.values():
            torch.nn.init.normal_(low_rank.weight, std=0.2)
    return model


def convert(path, output, parts, **options):
    return convert_file(path, output, str(parts.language), str(parts.clip), **options)


def test_released_delta_is_converted_with_every_key(tuned, parts, tmp_path):
    state = released(tuned)
    torch.save(state, tmp_path / "pytorch_model.pt")
    assert convert(tmp_path / "pytorch_model.pt", tmp_path / "c", parts) == {"adapter": 16, "projector": 2}
    model, processor = load_model(tmp_path / "c")
    assert processor.prompt_format == "lamm"
    mine = adapter_state(model, "image")
    for key, value in adapter_state(tuned, "image").items():
        assert torch.equal(mine[key], value.half().float())
    assert torch.equal(model.model.image_projector.linear.bias, state["llama_proj.bias"].float())


def test_delta_with_strange_or_missing_keys_is_refused(tuned, parts, tmp_path):
    state = released(tuned)
    torch.save({**state, "opt_proj.weight": torch.zeros(1)}, tmp_path / "bad.pt")
    with pytest.raises(LammModelError, match=r"unknown keys \['opt_proj.weight'\]"):
        convert(tmp_path / "bad.pt", tmp_path / "c", parts)
    gone = next(key for key in state if "layers.1" in key)
    torch.save({key: value for key, value in state.items() if key != gone}, tmp_path / "gone.pt")
    with pytest.raises(LammModelError, match=r"missing keys \['layers.1"):
        convert(tmp_path / "gone.pt", tmp_path / "c", parts)
    with pytest.raises(UsageError, match="--language-model"):
        convert_file(tmp_path / "gone.pt", tmp_path / "c", None, str(parts.clip))
    with pytest.raises(UsageError, match="exists"):
        convert(tmp_path / "gone.pt", tmp_path, parts)


def openai_visual(generator, prefix="", side=32, patch=16):
    """A CLIP vision tower under OpenAI's names, with random numbers."""

    def draw(*size):
        return torch.randn(*size, generator=generator) * 0.1

    tokens = (side // patch) ** 2 + 1
    state = {
        "class_embedding": draw(WIDTH), "positional_embedding": draw(tokens, WIDTH), "proj": draw(WIDTH, 24),
        "conv1.weight": draw(WIDTH, 3, patch, patch),
        **{f"{name}.{leaf}": 1.0 + draw(WIDTH) for name in ("ln_pre", "ln_post") for leaf in ("weight", "bias")},
    }  # fmt: skip
    for number in range(BLOCKS):
        block = f"transformer.resblocks.{number}."
        state |= {
            block + "ln_1.weight": 1.0 + draw(WIDTH), block + "ln_1.bias": draw(WIDTH),
            block + "attn.in_proj_weight": draw(3 * WIDTH, WIDTH), block + "attn.in_proj_bias": draw(3 * WIDTH),
            block + "attn.out_proj.weight": draw(WIDTH, WIDTH), block + "attn.out_proj.bias": draw(WIDTH),
            block + "ln_2.weight": 1.0 + draw(WIDTH), block + "ln_2.bias": draw(WIDTH),
            block + "mlp.c_fc.weight": draw(4 * WIDTH, WIDTH), block + "mlp.c_fc.bias": draw(4 * WIDTH),
            block + "mlp.c_proj.weight": draw(WIDTH, 4 * WIDTH), block + "mlp.c_proj.bias": draw(WIDTH),
        }  # fmt: skip
    return {prefix + key: value for key, value in state.items()}


def openai_blocks(state, x):
    """CLIP's residual attention blocks, written from the paper's description with OpenAI's names."""
    heads = WIDTH // 64
    for number in range(BLOCKS):
        part = {key.split(f"resblocks.{number}.")[1]: v for key, v in state.items() if f"resblocks.{number}." in key}
        y = F.layer_norm(x, (WIDTH,), part["ln_1.weight"], part["ln_1.bias"])
        q, k, v = (y @ part["attn.in_proj_weight"].T + part["attn.in_proj_bias"]).split(WIDTH, dim=-1)
        q, k, v = (z.unflatten(-1, (heads, -1)).transpose(1, 2) for z in (q, k, v))
        mixed = ((q @ k.transpose(-1, -2)) / (WIDTH // heads) ** 0.5).softmax(-1) @ v
        x = x + mixed.transpose(1, 2).flatten(2) @ part["attn.out_proj.weight"].T + part["attn.out_proj.bias"]
        y = F.layer_norm(x, (WIDTH,), part["ln_2.weight"], part["ln_2.bias"])
        y = y @ part["mlp.c_fc.weight"].T + part["mlp.c_fc.bias"]
        x = x + (y * (1.702 * y).sigmoid()) @ part["mlp.c_proj.weight"].T + part["mlp.c_proj.bias"]
    return x


def openai_patch_features(state, pixels):
    x = F.conv2d(pixels, state["conv1.weight"], stride=16).flatten(2).transpose(1, 2)
    x = torch.cat([state["class_embedding"].expand(len(x), 1, -1), x], dim=1) + state["positional_embedding"]
    return openai_blocks(state, F.layer_norm(x, (WIDTH,), state["ln_pre.weight"], state["ln_pre.bias"]))[:, 1:]


def test_openai_clip_and_the_converted_tower_see_the_same(parts, tmp_path):
    state = openai_visual(torch.Generator().manual_seed(0))
    text = {"token_embedding.weight": torch.zeros(5, 24), "logit_scale": torch.tensor(1.0)}
    torch.save({**{f"visual.{key}": value.half() for key, value in state.items()}, **text}, tmp_path / "ViT.pt")
    counts = convert_file(tmp_path / "ViT.pt", tmp_path / "clip", None, "")
    assert counts == {"converted": len(state), "left_out": 2}
    model, processor = build_pair(parts.language, tmp_path / "clip")
    pixels = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    half = {key: value.half().float() for key, value in state.items()}
    expected = openai_patch_features(half, pixels)
    torch.testing.assert_close(model.encode_images(pixels), expected, atol=2e-5, rtol=1e-4)
    assert processor.image_processor.size == 32


def test_published_torchscript_archive_is_read_without_running_it(parts, tmp_path):
    state = openai_visual(torch.Generator().manual_seed(0))

    class Whole(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.visual = torch.nn.Module()
            for key, value in state.items():
                *path, leaf = key.split(".")
                home = self.visual
                for name in path:
                    if not hasattr(home, name):
                        home.add_module(name, torch.nn.Module())
                    home = getattr(home, name)
                home.register_parameter(leaf, torch.nn.Parameter(value))

        def forward(self, x):
            return x

    torch.jit.script(Whole()).save(tmp_path / "ViT.pt")
    assert convert_file(tmp_path / "ViT.pt", tmp_path / "clip", None, "") == {"converted": len(state), "left_out": 0}
    pixels = torch.randn(1, 3, 32, 32)
    model, _ = build_pair(parts.language, tmp_path / "clip")
    torch.testing.assert_close(model.encode_images(pixels), openai_patch_features(state, pixels), atol=2e-5, rtol=1e-4)


def test_clip_with_strange_or_missing_keys_is_refused(tmp_path):
    state = openai_visual(torch.Generator().manual_seed(0), "visual.")
    torch.save({**state, "visual.extra.weight": torch.zeros(1)}, tmp_path / "extra.pt")
    with pytest.raises(LammModelError, match=r"unknown keys \['extra.weight'\]"):
        convert_file(tmp_path / "extra.pt", tmp_path / "clip", None, "")
    del state["visual.transformer.resblocks.1.ln_2.bias"]
    torch.save(state, tmp_path / "gone.pt")
    with pytest.raises(LammModelError, match=r"missing keys \['.*layers.1.layer_norm2.bias'\]"):
        convert_file(tmp_path / "gone.pt", tmp_path / "clip", None, "")


def epcl_checkpoint(generator, hierarchical=True):
    """An EPCL checkpoint under the published names: tower, detector, arguments, and metrics as numpy numbers."""

    def draw(*size):
        return torch.randn(*size, generator=generator) * 0.2

    stages = [(3, 8, 16), (16 + 3, 32, WIDTH)] if hierarchical else [(3, 8, 16, WIDTH)]
    state = OrderedDict()
    for number, widths in enumerate(stages):
        for layer in range(len(widths) - 1):
            home = f"pre_encoder.{f'layers.{number}.' if hierarchical else ''}mlp_module.layer{layer}."
            size = widths[layer + 1]
            state[home + "conv.weight"] = draw(size, widths[layer], 1, 1)
            norm = {"weight": 1 + draw(size), "bias": draw(size), "running_mean": draw(size)}
            norm |= {"running_var": 1 + draw(size).abs(), "num_batches_tracked": torch.tensor(7)}
            state |= {f"{home}bn.bn.{key}": value for key, value in norm.items()}
    for home, sizes in {
        "te_encoder.trans.0": (WIDTH, WIDTH), "te_encoder.trans.2": (WIDTH, WIDTH),
        "encoder.pos_embed.0": (12, 3), "encoder.pos_embed.2": (WIDTH, 12),
        "encoder_to_decoder_projection.layers.0": (8, WIDTH), "query_projection.layers.0": (8, 8),
        "mlp_heads.sem_cls_head.layers.0": (19, 8), "decoder.layers.0.linear1": (8, 8),
    }.items():  # fmt: skip
        state |= {f"{home}.weight": draw(*sizes), f"{home}.bias": draw(sizes[0])}
    state["te_encoder.embedding.weight"] = draw(19, WIDTH)
    state["pos_embedding.gauss_B"] = draw(3, 4)
    state |= openai_visual(generator, "encoder.clip_vit.")
    args = argparse.Namespace(
        preenc_npoints=16, vit_num_token=4, pointnet_downsample=hierarchical, use_color=False, preenc_radius=0.4,
        clip_vit="ViT-L/14", enc_dim=WIDTH, dataset_name="scannet",
    )  # fmt: skip
    return {"model": state, "args": args, "epoch": 3, "best_val_metrics": {0.25: np.float64(61.5)}}


def direct_epcl(state, cloud):
    """One cloud through the published steps, in loops; see `lamm_model.towers.point_cloud` for the source."""
    xyz, features = cloud, None
    for number, (centres, radius, count) in enumerate([(16, 0.2, 64), (4, 0.8, 256)]):
        picked = [0]
        distance = ((xyz - xyz[0]) ** 2).sum(1)
        while len(picked) < centres:
            picked.append(int(distance.argmax()))
            distance = torch.minimum(distance, ((xyz - xyz[picked[-1]]) ** 2).sum(1))
        groups = []
        for centre in xyz[picked]:
            near = (((xyz - centre) ** 2).sum(1) < radius**2).nonzero()[:, 0][:count]
            x = (xyz[near] - centre) / radius
            x = x if features is None else torch.cat([x, features[near]], dim=1)
            for layer in range(2):
                home = f"pre_encoder.layers.{number}.mlp_module.layer{layer}."
                x = x @ state[home + "conv.weight"][:, :, 0, 0].T
                mean, var = state[home + "bn.bn.running_mean"], state[home + "bn.bn.running_var"]
                x = (x - mean) / (var + 1e-5).sqrt() * state[home + "bn.bn.weight"] + state[home + "bn.bn.bias"]
                x = x.relu()
            groups.append(x.amax(0))
        xyz, features = xyz[picked], torch.stack(groups)

    def two_layers(home, x, first, second):
        x = F.gelu(x @ state[f"{home}.{first}.weight"].T + state[f"{home}.{first}.bias"])
        return x @ state[f"{home}.{second}.weight"].T + state[f"{home}.{second}.bias"]

    clip = {key.removeprefix("encoder.clip_vit."): v for key, v in state.items() if "clip_vit" in key}
    x = features + two_layers("encoder.pos_embed", xyz, 0, 2)
    x = F.layer_norm(x, (WIDTH,), clip["ln_pre.weight"], clip["ln_pre.bias"])
    x = torch.cat([x, two_layers("te_encoder.trans", state["te_encoder.embedding.weight"], 0, 2)])
    return openai_blocks(clip, x[None])[0, :4]


def test_epcl_checkpoint_becomes_a_tower_that_computes_the_published_steps(tmp_path, parts):
    content = epcl_checkpoint(torch.Generator().manual_seed(0))
    torch.save(content, tmp_path / "epcl.pth")
    result = CliRunner().invoke(commands, ["convert", str(tmp_path / "epcl.pth"), "--output", str(tmp_path / "tower")])
    assert result.exit_code == 0, result.output
    detector = 4 * 2 + 1 + 6  # heads, the detector's position code, what of CLIP is not on a cloud's way
    assert f"{len(content['model']) - detector} tensors converted, {detector} tensors left out" in result.output
    tower = LammPointCloudModel.from_pretrained(tmp_path / "tower").eval()
    assert [stage["neighbours"] for stage in tower.config.stages] == [64, 256]
    assert [stage["radius"] for stage in tower.config.stages] == [0.2, 0.8]
    clouds = torch.rand(2, 200, 3, generator=torch.Generator().manual_seed(1))
    found = tower(clouds).last_hidden_state
    for cloud, tokens in zip(clouds, found, strict=True):
        torch.testing.assert_close(tokens, direct_epcl(content["model"], cloud), atol=2e-4, rtol=1e-3)
    model, _ = build_pair(parts.language, None, str(tmp_path / "tower"))
    assert model.config.point_cloud_tokens == 4


def test_epcl_with_one_stage(tmp_path):
    torch.save(epcl_checkpoint(torch.Generator().manual_seed(0), hierarchical=False), tmp_path / "epcl.pth")
    convert_file(tmp_path / "epcl.pth", tmp_path / "tower", None, "")
    config = json.loads((tmp_path / "tower" / "config.json").read_text())
    assert config["stages"] == [{"centres": 16, "radius": 0.4, "neighbours": 64, "mlp": [8, 16, WIDTH]}]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: content["model"].update({"encoder.new.weight": torch.zeros(1)}), "encoder.new.weight"),
        (lambda content: content["model"].pop("te_encoder.trans.2.bias"), r"missing keys \['task_projection.2.bias'\]"),
        (lambda content: setattr(content["args"], "use_color", True), "without colours"),
        (lambda content: content.pop("args"), "preenc_npoints"),
    ],
)
def test_epcl_that_does_not_fit_is_refused(tmp_path, change, words):
    content = epcl_checkpoint(torch.Generator().manual_seed(0))
    change(content)
    torch.save(content, tmp_path / "epcl.pth")
    with pytest.raises(LammModelError, match=words):
        convert_file(tmp_path / "epcl.pth", tmp_path / "tower", None, "")
    assert not (tmp_path / "tower").exists()


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_file_of_no_known_kind_is_no_delta_that_lacks_an_option(tmp_path):
    torch.save({"foo.bar": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(LammModelError, match=r"unknown keys \['foo\.bar'\].*Only LAMM's own deltas"):
        convert_file(tmp_path / "other.pt", tmp_path / "c", None, "")
    assert not (tmp_path / "c").exists()


def test_hostile_files_are_refused_and_never_run(tmp_path):
    ran = tmp_path / "ran"
    torch.save({"llama_proj.weight": Hostile(ran)}, tmp_path / "tensor.pt")
    torch.save({"model": {}, "args": Hostile(ran)}, tmp_path / "args.pt")
    namespace = argparse.Namespace(inner=Hostile(ran))
    torch.save({"model": {}, "args": namespace}, tmp_path / "namespace.pt")
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(Hostile(ran)))
    (tmp_path / "torn.pt").write_bytes(b"PK\x03\x04torn")
    (tmp_path / "empty.pt").write_bytes(b"")
    for name in ("tensor", "args", "namespace", "raw", "torn", "empty", "missing"):
        with pytest.raises(LammModelError, match=f"{name}.pt"):
            read_archive(tmp_path / f"{name}.pt")
    assert not ran.exists()


REFUSED = {
    "a name": b"cos\nsystem\n(S'true'\ntR.",
    "a function's attributes": b"ctorch._utils\n_rebuild_tensor_v2\n(N}S'__defaults__'\n(I1\ntstb.",
    "a tensor of nothing": b"ctorch._utils\n_rebuild_tensor_v2\n(I0\nI0\n(I1\nt(I1\ntI00\nNtR.",
    "a storage that is not there": b"((S'storage'\nctorch\nFloatStorage\nS'9'\nS'cpu'\nI4\ntQ.",
    "no pickle": b"\x80\x02junk",
    "a mark that claims room for 2^31": b"\x80\x02}r\xff\xff\xff\x7f0a",
    "bytes that claim 2^60": b"\x80\x05\x96" + b"\xff" * 7 + b"\x0f.",
    "half a number": b"\x80\x02J\x01.",
}


@pytest.mark.parametrize("what", sorted(REFUSED))
def test_forged_archives_are_refused(tmp_path, what):
    with zipfile.ZipFile(tmp_path / "forged.pt", "w") as archive:
        archive.writestr("a/data.pkl", REFUSED[what])
        archive.writestr("a/data/0", b"\0" * 16)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(LammModelError, match=r"forged\.pt"):
        read_archive(tmp_path / "forged.pt")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20  # KiB


def forged(size, stride, offset=0, compression=zipfile.ZIP_STORED, count=4):
    """A tensor of any claimed size over a storage of four numbers."""
    import io

    tuples = [f"({''.join(f'I{value}{chr(10)}' for value in values)}t" for values in (size, stride)]
    body = f"ctorch._utils\n_rebuild_tensor_v2\n((S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI{count}\ntQ"
    body += f"I{offset}\n{tuples[0]}{tuples[1]}I00\nNtR."
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("a/data.pkl", body)
        archive.writestr("a/data/0", np.arange(4, dtype=np.float32).tobytes())
    return buffer.getvalue()


def test_tensors_are_cut_out_within_their_storage(tmp_path):
    path = tmp_path / "t.pt"
    path.write_bytes(forged((2, 2), (1, 2)))
    assert read_archive(path).tolist() == [[0.0, 2.0], [1.0, 3.0]]
    for wrong in [
        forged((5,), (1,)), forged((2,), (1,), offset=3), forged((2,), (-1,), offset=1), forged((1 << 40,), (0,)),
        forged((2, 2), (1,)), forged((4,), (1,), count=8), forged((2,), (1,), compression=zipfile.ZIP_DEFLATED),
    ]:  # fmt: skip
        path.write_bytes(wrong)
        with pytest.raises(LammModelError, match=r"t\.pt"):
            read_archive(path)
