"""Letterboxed pictures: what is written about them moves with them."""

import json

import pytest
from PIL import Image

from lamm_model import LammImageProcessor, build_pair
from lamm_model.errors import LammModelError
from lamm_model.processing.coordinates import answer_mapping, answer_to_picture, dialogue_to_input, map_coordinates
from lamm_model.processing.image_processing_lamm import picture_size


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A picture twice as wide as high, and one turned on its side by its camera."""
    root = tmp_path_factory.mktemp("wide")
    Image.new("RGB", (80, 40)).save(root / "wide.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (80, 40)).save(root / "turned.jpg", exif=exif)
    return root


def test_boxes_and_points_move_and_nothing_else():
    text = "Box [0.0, 0.5, 1.0, 1.0], point (0.2,0.334); (3, 4), [0.1, 0.2, 0.3], [1.5, 0.5], (1, 0) and 0.7."
    moved = "Box [0.0, 0.25, 0.5, 0.5], point (0.1, 0.167); (3, 4), [0.1, 0.2, 0.3], [1.5, 0.5], (1, 0) and 0.7."
    assert map_coordinates(text, lambda points: points / 2) == moved


def test_question_and_answer_move_there_and_back(wide):
    letterbox = LammImageProcessor(size=64, resize="letterbox")
    turns = [{"from": "human", "value": "What is at [0.5, 0.0]?"}, {"from": "gpt", "value": "[0.0, 0.0, 1.0, 1.0]"}]
    moved = dialogue_to_input(letterbox, turns, [wide / "wide.png"], "r")
    assert [turn["value"] for turn in moved] == ["What is at [0.5, 0.25]?", "[0.0, 0.25, 1.0, 0.75]"]
    assert answer_to_picture(letterbox, moved[1]["value"], [wide / "wide.png"], "r") == turns[1]["value"]
    assert answer_to_picture(letterbox, "[0.25, 0.5]", [wide / "turned.jpg"], "r") == "[0.0, 0.5]"
    assert answer_mapping(letterbox, [wide / "wide.png"])("[0.5, 0.75]") == "[0.5, 1.0]"


def test_squashed_pictures_need_nothing(wide):
    squash = LammImageProcessor(size=64)
    turns = [{"from": "human", "value": "What is at [0.5, 0.0]?"}]
    assert dialogue_to_input(squash, turns, [wide / "wide.png"], "r") is turns
    assert answer_mapping(squash, [wide / "wide.png"]) is None


def test_several_pictures_of_different_shape_are_ambiguous(wide):
    letterbox = LammImageProcessor(size=64, resize="letterbox")
    both = [wide / "wide.png", wide / "turned.jpg"]
    with pytest.raises(LammModelError, match="record 5"):
        answer_to_picture(letterbox, "[0.5, 0.5]", both, "record 5")
    assert answer_to_picture(letterbox, "no place", both, "record 5") == "no place"


def test_size_is_upright_and_read_from_the_header(wide, tmp_path):
    assert picture_size(wide / "wide.png") == (80, 40)
    assert picture_size(wide / "turned.jpg") == (40, 80)
    (tmp_path / "torn.png").write_bytes(b"junk")
    with pytest.raises(LammModelError, match=r"torn\.png"):
        picture_size(tmp_path / "torn.png")


def test_prediction_maps_question_and_answer(parts, wide, tmp_path, monkeypatch):
    from lamm_model.prediction.predictor import Predictor
    from lamm_model.prediction.queries import PredictionOptions, read_queries

    model, processor = build_pair(parts.language, parts.clip, image_resize="letterbox")
    assert processor.image_processor.resize == "letterbox"
    path = wide / "Detection_wide.json"
    path.write_text(json.dumps([{"id": 1, "image": "wide.png", "query": "What is at [0.5, 0.0]?"}]))
    predictor = Predictor(model, processor, PredictionOptions(max_new_tokens=2))
    (query,) = read_queries(path).queries
    asked = processor.tokenizer.decode(predictor.prepare(query).row["input_ids"])
    assert "What is at [0.5, 0.25]?" in asked
    monkeypatch.setattr(predictor, "_texts", lambda rows, reading: ["A dog at [0.0, 0.25, 0.5, 0.75]."])
    ((_, answer),) = next(iter(predictor.answer([query])))
    assert answer["text"] == "A dog at [0.0, 0.0, 0.5, 1.0]."


def test_training_rows_are_mapped_as_questions_are(parts, wide):
    from lamm_data.records.instruction import read_records
    from lamm_model.training.rows.records import encode

    _, processor = build_pair(parts.language, parts.clip, image_resize="letterbox")
    turns = [{"from": "human", "value": "Where is the dog?"}, {"from": "gpt", "value": "At [0.0, 0.0, 1.0, 1.0]."}]
    record = {"id": "1", "image": "wide.png", "conversations": turns, "task_type": "detection"}
    (wide / "records.json").write_text(json.dumps([record]))
    (read,) = read_records(wide / "records.json")
    row = encode(read, "1", [("image", str(wide / "wide.png"))], processor)
    learnt = processor.tokenizer.decode([token for token in row.labels if token != -100])
    assert "At [0.0, 0.25, 1.0, 0.75]." in learnt
