"""Pushing models with their card to a host that speaks the Hub's API over a socket."""

import json
import os
import subprocess
import sys

import pytest
import torch
from hub_server import TOKEN, Repository, serve_hub

from lamm_model import load_model, save_model
from lamm_model.checkpoints.push import UNKNOWN, licence_of, push_model
from lamm_model.errors import LammModelError, UsageError
from lamm_model.model.hub import CardFacts, model_card

NAME = "me/rooms"


@pytest.fixture
def hub():
    with serve_hub() as served:
        yield served


@pytest.fixture
def run(pair, with_adapters, parts, tmp_path):
    """A finished run: its model, and what it says of itself."""
    model, processor = pair
    with_adapters(model)
    save_model(model.eval(), processor, tmp_path / "run" / "model")
    (parts.language / "README.md").write_text("---\nlicense: mit\n---\n# A language model\n")
    about = {"records": {"/far/away/rooms.json": "ab" * 32}, "media": 12}
    record = {"data": about, "dialogues": 20, "loss": 1.25, "steps": 7}
    (tmp_path / "run" / "finetune.json").write_text(json.dumps(record))
    yield tmp_path / "run"
    (parts.language / "README.md").unlink()


def pushed(hub, code, *arguments, token=TOKEN):
    """Run Python with the host for the Hub, as people do who set HF_ENDPOINT."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {"HF_ENDPOINT": hub.url, "HF_TOKEN": token, "HF_HUB_DISABLE_XET": "1"}
    argv = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=120, check=False)


COMMAND = "from lamm_model.cli import model; model()"


def test_a_run_arrives_with_its_card_and_opens_as_it_was(hub, run, pair, batch_of, tmp_path):
    done = pushed(hub, COMMAND, "push", run, NAME)
    assert done.returncode == 0, done.stderr
    assert f"{NAME}, private" in done.stdout
    repository = hub.repositories[NAME]
    assert repository.private
    assert len(repository.commits) == 1
    home = tmp_path / "fetched"
    for name, content in repository.files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(content)
    card = repository.files["README.md"].decode()
    for words in (
        "pipeline_tag: \"image-text-to-text\"", "import lamm_model", f'from_pretrained("{NAME}")', "| mit |", UNKNOWN,
        "rooms.json (SHA-256 abababababab)", "20 dialogues about 12 media", "| training loss | 1.25 |", "| steps | 7 |",
        "arXiv:2306.06687", "adapter sets: image, point_cloud",
    ):  # fmt: skip
        assert words in card
    assert "/far/away" not in card
    model, processor = pair
    batch = batch_of(processor, [("image",), ("point_cloud",)])
    assert torch.equal(load_model(home)[0](**batch).loss, model(**batch).loss)


@pytest.fixture
def here(hub, monkeypatch):
    """The host for the Hub within this process."""
    for name, value in {"ENDPOINT": hub.url, "HF_HUB_OFFLINE": False, "HF_HUB_DISABLE_XET": True}.items():
        monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    return hub


def test_push_to_hub_uploads_the_whole_model(here, pair, with_adapters):
    model, _ = pair
    with_adapters(model)
    assert "/commit/" in model.push_to_hub(NAME, private=False)
    files = here.repositories[NAME].files
    assert {"README.md", "config.json", "model.safetensors", "import_lamm_model.py"} <= files.keys()
    assert not here.repositories[NAME].private


def test_refusals_are_one_line_and_hold_no_token(here, run):
    here.failing["/commit/main"] = (500, f"the commit of {TOKEN} failed\nfor now")
    with pytest.raises(LammModelError, match="push again") as caught:
        push_model(run, NAME)
    assert TOKEN not in str(caught.value)
    assert "\n" not in str(caught.value)
    here.failing = {}
    here.repositories[NAME] = Repository(private=False)
    with pytest.raises(UsageError, match="Expected a private repository"):
        push_model(run, NAME)
    assert here.repositories[NAME].files == {}


def test_a_public_model_needs_a_licence_and_a_folder_a_model(run, tmp_path):
    with pytest.raises(UsageError, match="--licence"):
        push_model(run, NAME, public=True)
    with pytest.raises(LammModelError, match=r"without config\.json"):
        push_model(tmp_path, NAME)
    assert licence_of(str(tmp_path)) == UNKNOWN


def test_cards_are_read_by_the_hub(pair):
    from huggingface_hub import ModelCard

    facts = CardFacts("apache-2.0", {"language_model": "lmsys/vicuna-7b-v1.5"}, metrics={"accuracy": 0.5})
    card = ModelCard(model_card(pair[0].config, facts, NAME))
    assert card.data.license == "apache-2.0"
    assert card.data.base_model == ["lmsys/vicuna-7b-v1.5"]
    assert card.data.tags == ["lamm", "point-cloud"]
    assert "| accuracy | 0.5 |" in card.text
