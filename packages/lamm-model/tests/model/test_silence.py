"""Tokens that say nothing take no place: in prompts, in generation, and in the rows of training."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from lamm_model import build_pair, load_model
from lamm_model.answering.decoding import decode_rows
from lamm_model.answering.prompt_state import MediaFeatures
from lamm_model.checkpoints.export import export_checkpoint
from lamm_model.errors import LammModelError, UsageError
from lamm_model.model.silence import spoken, spoken_places
from lamm_model.training.run.cache_features import cache_features
from lamm_model.training.run.finetune import FEATURES, finetune
from lamm_model.training.run.preparation import prepare_model
from lamm_model.training.settings.settings import settings_from_tables
from lamm_model.training.tower_pretraining.reader import ReaderSettings, pretrain_reader
from lamm_model.training.tower_pretraining.transcripts import Transcript

TOLD = {"red": ((220, 40, 40), ("red",)), "blue": ((50, 60, 220), ("blue", "%40", "top left"))}
LONGEST = 8


@pytest.fixture(scope="module")
def reader(parts, tmp_path_factory):
    """Give a folder of pictures, and a reader that says more of blue ones than of red ones."""
    root = tmp_path_factory.mktemp("reader")
    transcripts = []
    for number in range(12):
        colour, told = TOLD[("red", "blue")[number % 2]]
        Image.fromarray(np.full((32, 32, 3), colour, np.uint8)).save(root / f"{number}.png")
        transcripts.append(Transcript(root / f"{number}.png", told))
    settings = ReaderSettings(steps=60, batch=8, learning_rate=3e-3, layers=(1, 2), grid=4)
    pretrain_reader(transcripts, str(parts.lite), str(parts.language), root / "tower", settings)
    return root


@pytest.fixture
def pair(parts, reader):
    model, processor = build_pair(parts.language, reader / "tower", prompt_format="chat", use_system=False)
    return model.eval(), processor


@pytest.fixture
def records(reader):
    file = reader / "records.jsonl"
    lines = [
        {"id": f"{number}", "image": f"{number}.png", "task_type": "normal",
         "conversations": [{"from": "human", "value": "What?"}, {"from": "gpt", "value": f"A lamp, {number}."}]}
        for number in range(6)
    ]  # fmt: skip
    file.write_text("\n".join(map(json.dumps, lines)))
    return file


def tables(parts, reader, records, **data):
    return {
        "model": {"language_model": str(parts.language), "image_tower": str(reader / "tower"),
                  "prompt_format": "chat", "system_message": False},
        "adapters": {"rank": 4, "dropout": 0.0},
        "data": {"records": [str(records)], "row_tokens": 128, "packing": "mixed", **data},
        "training": {"max_steps": 2, "batch_rows": 2, "accumulation": 1, "precision": "fp32", "log_every": 1},
    }  # fmt: skip


def prompt_of(processor, **options):
    turns = [{"from": "human", "value": "What?"}]
    return processor.encode_dialogue(turns, n_images=1, for_generation=True, **options)


def test_only_placeholders_that_speak_keep_their_place():
    ids = [1, 9, 9, 9, 9, 9, 9, 2, 8, 8, 3]
    assert list(spoken_places(ids, [(9, 3, 1), (9, 3, 0), (8, 2, 2)])) == [0, 1, 7, 8, 9, 10]
    assert list(spoken_places([1, 2], [])) == [0, 1]
    assert spoken(torch.tensor([[[0.0, 0.0], [0.0, -1.0]]])).tolist() == [[False, True]]


def test_answers_are_those_of_generate(pair, reader):
    model, processor = pair
    features = MediaFeatures(model, processor)
    row = prompt_of(processor)
    lengths = []
    for number in (0, 1):
        picture = reader / f"{number}.png"
        prompt = features.prompt_row(row, [("image", picture)], LONGEST)
        lengths.append(len(row["input_ids"]) - len(prompt.ids))
        steps = list(decode_rows(model, processor, [prompt]))
        answer = [new.token for step in steps for new in step if new.token is not None]
        made = model.generate(
            input_ids=torch.tensor([row["input_ids"]]),
            pixel_values=processor.image_processor([picture])["pixel_values"],
            max_new_tokens=LONGEST,
            do_sample=False,
        )
        assert made[0, len(row["input_ids"]) :].tolist()[: len(answer)] == answer
    assert lengths[0] > lengths[1] >= 0


def test_a_pass_without_them_is_a_pass_with_them_masked(pair, reader):
    model, processor = pair
    row, pictures = prompt_of(processor), [reader / "0.png", reader / "1.png"]
    pixels = processor.image_processor(pictures)["pixel_values"]
    ids = torch.tensor([row["input_ids"]] * 2)
    with torch.inference_mode():
        both = model(input_ids=ids, pixel_values=pixels, logits_to_keep=1).logits
        for number, picture in enumerate(pictures):
            prompt = MediaFeatures(model, processor).prompt_row(row, [("image", picture)], 1)
            features = prompt.media[0][1][None]
            alone = model(input_ids=torch.tensor([prompt.ids]), image_features=features, logits_to_keep=1).logits
            torch.testing.assert_close(both[number], alone[0], atol=1e-4, rtol=1e-3)


def test_media_of_another_number_are_refused(pair, reader):
    model, processor = pair
    ids = torch.tensor([prompt_of(processor)["input_ids"]])
    with pytest.raises(LammModelError, match="Give all media of the dialogue"):
        model.generate(input_ids=ids, max_new_tokens=2)


def test_training_rows_hold_what_is_said(parts, reader, records, tmp_path):
    wanted = settings_from_tables(tables(parts, reader, records), "test")
    prepared = prepare_model(wanted, tmp_path / "features")
    dialogues = {one.id: one for row in prepared.data.rows for one in row.dialogues}
    image = prepared.processor.image_token_id
    counts = [list(dialogues[f"records.jsonl:{number}"].input_ids).count(image) for number in range(6)]
    assert counts[0] == counts[2] == counts[4] < counts[1] == counts[3] == counts[5] == prepared.processor.image_tokens
    with pytest.raises(UsageError, match=r"data\.feature_cache"):
        prepare_model(wanted)


def test_a_run_reads_media_once_and_leaves_no_features(parts, reader, records, tmp_path):
    reports = []
    wanted = settings_from_tables(tables(parts, reader, records), "test")
    done = finetune(wanted, tmp_path / "run", lambda step, steps, log: reports.append(log))
    assert [log["features"] for log in reports if "features" in log] == [6.0]
    assert not (tmp_path / "run" / FEATURES).exists()
    cache_features(wanted, tmp_path / "cache")
    cached = tables(parts, reader, records, feature_cache=str(tmp_path / "cache"))
    again = finetune(settings_from_tables(cached, "test"), tmp_path / "again")
    assert done["loss"] == pytest.approx(again["loss"])


def test_a_picture_that_cannot_be_read_is_left_out_by_its_record(parts, reader, records, tmp_path):
    (reader / "broken.png").write_bytes(b"no picture")
    line = json.loads(records.read_text().splitlines()[0])
    more = reader / "more.jsonl"
    more.write_text(f"{records.read_text()}\n{json.dumps({**line, 'id': 'b', 'image': 'broken.png'})}")
    prepared = prepare_model(settings_from_tables(tables(parts, reader, more), "test"), tmp_path / "features")
    (reason,) = prepared.data.rejected
    assert reason.startswith("Expected media that can be read")
    assert prepared.data.rejected[reason] == ["more.jsonl:b"]
    assert prepared.data.dialogues == 6


def test_a_picture_that_is_not_there_is_named_before_the_others_are_read(parts, reader, records, tmp_path):
    (reader / "few.jsonl").write_text(records.read_text().replace("5.png", "absent.png"))
    with pytest.raises(LammModelError, match=r"absent\.png \(record few\.jsonl:5, missing\)"):
        prepare_model(settings_from_tables(tables(parts, reader, reader / "few.jsonl"), "test"), tmp_path / "features")
    assert not (tmp_path / "features").exists()


def test_a_tower_that_reads_is_not_trained(parts, reader, records, tmp_path):
    wanted = settings_from_tables(tables(parts, reader, records), "test")
    prepared = prepare_model(wanted, tmp_path / "features")
    prepared.model.config.freeze_image_tower = False
    from lamm_model.training.run.cache_features import open_features

    with pytest.raises(UsageError, match="Expected frozen towers"):
        open_features(wanted, prepared.model, prepared.processor, tmp_path / "other")


def test_projectors_alone_are_nothing_to_train(parts, reader, records, tmp_path):
    wanted = settings_from_tables(tables(parts, reader, records), "test")
    with pytest.raises(UsageError, match=r"Set model\.train = 'adapters'"):
        prepare_model(replace(wanted, model=replace(wanted.model, train="projectors")), tmp_path / "features")


def test_vllm_does_not_get_it(parts, reader, records, tmp_path):
    wanted = settings_from_tables(tables(parts, reader, records), "test")
    finetune(replace(wanted, training=replace(wanted.training, max_steps=1)), tmp_path / "run")
    with pytest.raises(UsageError, match="lamm model serve"):
        export_checkpoint(tmp_path / "run" / "model", tmp_path / "whole", to="vllm")
    export_checkpoint(tmp_path / "run" / "model", tmp_path / "whole")
    assert load_model(tmp_path / "whole")[0].config.silent_media
