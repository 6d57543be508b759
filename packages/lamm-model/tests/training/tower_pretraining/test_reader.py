"""A reader learns what pictures show, is written whole, and passes it to a language model in its own embeddings."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from transformers import AutoModel, AutoModelForCausalLM

from lamm_data import write_world
from lamm_model import AdapterSettings, add_adapters, build_pair
from lamm_model.cli import model as cli
from lamm_model.errors import LammModelError, UsageError
from lamm_model.training.tower_pretraining.reader import ReaderSettings, pretrain_reader
from lamm_model.training.tower_pretraining.transcripts import Transcript

COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (50, 60, 220)}
SETTINGS = ReaderSettings(steps=60, batch=8, learning_rate=3e-3, layers=(1, 2), grid=4)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Give pictures of one square each: its colour, and where its left edge is."""
    root, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    made = []
    for number in range(24):
        name, left = list(COLOURS)[number % 3], int(rng.integers(0, 24))
        canvas = np.full((32, 32, 3), 230, np.uint8)
        canvas[8:24, left : left + 8] = COLOURS[name]
        Image.fromarray(canvas).save(root / f"{number}.png")
        made.append(Transcript(root / f"{number}.png", (name, f"%{round(100 * left / 32):02}")))
    return made


@pytest.mark.parametrize("kind", ["lite", "clip"])
def test_it_learns_and_is_used(pictures, parts, tmp_path, kind):
    steps = []
    tower = str(getattr(parts, kind))
    numbers = pretrain_reader(
        pictures, tower, str(parts.language), tmp_path / "reader", SETTINGS, lambda step, *_: steps.append(step)
    )
    assert (numbers["pictures"], numbers["slots"], steps[-1]) == (24, 2, 60)
    assert numbers["words"] > 0.9
    assert numbers["numbers"] < 6
    assert not list(tmp_path.glob(".*"))

    reader = AutoModel.from_pretrained(tmp_path / "reader").eval()
    model, processor = build_pair(parts.language, tmp_path / "reader")
    pixels = processor.image_processor([pictures[0].image])["pixel_values"]
    embeddings = AutoModelForCausalLM.from_pretrained(parts.language).get_input_embeddings().weight
    red = min((processor.tokenizer(f, add_special_tokens=False)["input_ids"] for f in (" red", "red")), key=len)
    seen = model.encode_images(pixels)
    assert seen.shape == (1, processor.image_tokens, embeddings.shape[1])
    torch.testing.assert_close(seen[0, 0], embeddings[red[0]].detach())
    torch.testing.assert_close(model.model.image_projector(seen), seen)
    add_adapters(model, AdapterSettings(rank=2))
    learns = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert learns
    assert all("lora_" in name for name in learns)
    torch.testing.assert_close(reader(pixels).last_hidden_state, seen)


def test_the_number_of_threads_changes_nothing(pictures, parts, tmp_path):
    before = torch.get_num_threads()
    for threads in (1, 3):
        torch.set_num_threads(threads)
        try:
            folder = tmp_path / str(threads)
            pretrain_reader(
                pictures, str(parts.lite), str(parts.language), folder, replace(SETTINGS, steps=4, batch=20)
            )
            assert torch.get_num_threads() == threads
        finally:
            torch.set_num_threads(before)
    files = [(tmp_path / str(threads) / "model.safetensors").read_bytes() for threads in (1, 3)]
    assert files[0] == files[1]


def test_same_seed_same_reader(pictures, parts, tmp_path):
    for name in ("a", "b"):
        few = ReaderSettings(steps=2, batch=4, layers=(1,), grid=4)
        pretrain_reader(pictures[:8], str(parts.lite), str(parts.language), tmp_path / name, few)
    first, second = (AutoModel.from_pretrained(tmp_path / name).state_dict() for name in ("a", "b"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_reader_for_another_language_model_is_refused(pictures, parts, tmp_path):
    few = ReaderSettings(steps=1, batch=4, layers=(1,), grid=4)
    pretrain_reader(pictures[:4], str(parts.lite), str(parts.language), tmp_path / "reader", few)
    with pytest.raises(UsageError, match="lamm model pretrain-reader"):
        build_pair(parts.language, tmp_path / "reader", projector_type="mlp")


def test_the_command_reads_a_world_once(parts, tmp_path):
    write_world(tmp_path / "world", images=18, rooms=0)
    words = ["pretrain-reader", "--source", "sample", "--root", str(tmp_path / "world"), "--steps", "1", "--json"]
    words += ["--image-tower", str(parts.lite), "--language-model", str(parts.language), "--layers", "1,2"]
    done = CliRunner().invoke(cli, [*words, "--output", str(tmp_path / "reader")])
    assert done.exit_code == 0, done.output
    assert '"slots": 42' in done.stdout
    again = CliRunner().invoke(cli, [*words, "--output", str(tmp_path / "reader")])
    assert "nothing was done" in again.output
    wrong = CliRunner().invoke(cli, [*words, "--output", str(tmp_path / "other"), "--layers", "fine"])
    assert wrong.exit_code == 2


def test_a_source_without_pictures_is_refused(tmp_path):
    from lamm_model.training.tower_pretraining.transcripts import read_transcripts

    with pytest.raises(LammModelError, match="annotated pictures"):
        read_transcripts("sample_halls", tmp_path, None)
