"""The tokens that `lamm data view` shows are those that training learns."""

import tomllib
from pathlib import Path

import pytest

from lamm_data.records.instruction import InstructionRecord
from lamm_model import build_pair, save_model
from lamm_model.errors import UsageError
from lamm_model.training.rows.token_masks import open_token_masks

RECORD = {
    "id": "1",
    "image": "photo.png",
    "conversations": [
        {"from": "human", "value": "How many lamps?"},
        {"from": "gpt", "value": "There are 3 lamps."},
        {"from": "human", "value": "A red chair?"},
        {"from": "gpt", "value": "Yes."},
    ],
}


@pytest.fixture(scope="module")
def pair(parts):
    return build_pair(parts.language, parts.clip, use_system=False)


def test_answers_and_their_ends_are_learnt_and_nothing_else(pair, tmp_path):
    save_model(*pair, tmp_path / "model")
    record = InstructionRecord.from_dict(RECORD)
    tokens = open_token_masks(str(tmp_path / "model"))(record)
    learnt = "".join(text for text, role in tokens if role == "learnt")
    assert learnt == "There are 3 lamps.<|im_end|>Yes.<|im_end|>"
    assert [role for _, role in tokens].count("medium") == 1
    row = pair[1].encode_dialogue(RECORD["conversations"], media=["image"])
    assert sum(role == "learnt" for _, role in tokens) == sum(label != -100 for label in row["labels"])
    assert len(tokens) == len(row["input_ids"]) - pair[1].image_tokens + 1


def test_a_configuration_will_do_before_there_is_a_model(parts, tmp_path):
    config = tmp_path / "my.toml"
    config.write_text(
        f'[model]\nlanguage_model = "{parts.language}"\nimage_tower = "{parts.clip}"\n'
        'prompt_format = "chat"\n[data]\nrecords = ["x.jsonl"]\n'
    )
    tokens = open_token_masks(str(config))(InstructionRecord.from_dict(RECORD))
    assert "system" in "".join(text for text, role in tokens if role == "seen")
    assert {role for _, role in tokens} == {"learnt", "seen", "medium"}


def test_what_is_no_model_is_said():
    with pytest.raises(UsageError, match="nothing at nowhere"):
        open_token_masks("nowhere")


def test_the_package_offers_it():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["lamm.token_masks"] == {
        "lamm": "lamm_model.training.rows.token_masks:open_token_masks"
    }
