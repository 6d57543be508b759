"""Input: mixing weights, compact tokens, and pictures that the JPEG decoder may halve."""

import json
import pickle
from array import array
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from lamm_model import LammImageProcessor
from lamm_model.errors import LammModelError
from lamm_model.model.answer_loss import IGNORED
from lamm_model.training.rows.collation import Collator, MediaLoader
from lamm_model.training.rows.loading import EpochBatches, TrainLoader
from lamm_model.training.rows.packing import pack_rows
from lamm_model.training.rows.records import load_training_data
from lamm_model.training.settings.tables import DataSettings


@pytest.fixture
def files(tmp_path):
    """Two files of 40 dialogues about one picture."""
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    names = []
    for file in ("few", "many"):
        turns = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "A lamp."}]
        about = {"image": "a.png", "task_type": "normal", "conversations": turns}
        lines = [json.dumps({"id": f"{file}{n}", **about}) for n in range(40)]
        path = tmp_path / f"{file}.jsonl"
        path.write_text("\n".join(lines))
        names.append(str(path))
    return tuple(names)


def test_a_batch_is_as_if_records_of_unreadable_media_had_never_been_in_it(pair, dialogues_about):
    def load(media, variants=()):
        if bad in media:
            raise LammModelError("Expected a picture, got none.")
        return {"media": list(media)}

    found = dialogues_about(pair[1], ("image", "point_cloud", "text"))
    bad = found[0].media[0]
    rows = pack_rows(found, 4096, "mixed")
    left = pack_rows([one for one in found if bad not in one.media], 4096, "mixed")
    assert len(rows) == len(left) == 1
    batch, expected = Collator(0, load)(rows), Collator(0, load)(left)
    facts = batch.pop("facts")
    assert facts == replace(expected.pop("facts"), unreadable=(("0", "Expected a picture, got none"),) * 3)
    assert batch.pop("media") == expected.pop("media") == [found[3].media[0]]
    assert all(torch.equal(batch[name], expected[name]) for name in expected)
    nothing = Collator(0, load)(pack_rows(found[:3], 4096))
    assert nothing["labels"].ne(IGNORED).sum() == 0
    assert (nothing["media"], nothing["facts"].kinds) == ([], frozenset())


def test_shares_repeat_one_file_and_thin_another(files, pair):
    settings = DataSettings(records=files, shares=(2.5, 0.5), packing="none")
    data = load_training_data(settings, pair[1])
    ids = [dialogue.id for row in data.rows for dialogue in row.dialogues]
    assert data.records == len(ids)
    few = [ids.count(f"few.jsonl:few{n}") for n in range(40)]
    many = [ids.count(f"many.jsonl:many{n}") for n in range(40)]
    assert set(few) == {2, 3}
    assert set(many) == {0, 1}
    assert 10 < sum(many) < 30
    assert [n for n, times in enumerate(few) if times == 3] == [
        n for n in range(40) if load_counts(files, pair, (0.5, 0.5))[n]
    ]


def load_counts(files, pair, shares):
    data = load_training_data(DataSettings(records=files, shares=shares, packing="none"), pair[1])
    ids = [dialogue.id for row in data.rows for dialogue in row.dialogues]
    return [ids.count(f"few.jsonl:few{n}") for n in range(40)]


def test_tokens_are_held_in_nine_bytes(files, pair):
    data = load_training_data(DataSettings(records=files), pair[1])
    dialogue = data.rows[0].dialogues[0]
    columns = (dialogue.input_ids, dialogue.labels, dialogue.modality_ids)
    assert [type(column) for column in columns] == [array] * 3
    assert sum(column.itemsize for column in columns) == 9


@pytest.fixture
def photograph(tmp_path):
    rng = np.random.default_rng(0)
    rough = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)).resize((640, 480))
    path = tmp_path / "photograph.jpg"
    rough.save(path, quality=90)
    return path


def test_values_are_those_of_plain_arithmetic(photograph):
    prepared = LammImageProcessor(size=224).prepare(photograph)
    with Image.open(photograph) as image:
        square = ImageOps.exif_transpose(image).convert("RGB").resize((224, 224), Image.Resampling.BICUBIC)
    processor = LammImageProcessor()
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (processor.image_mean, processor.image_std))
    plain = torch.from_numpy(np.asarray(square, dtype=np.float32) / 255.0).permute(2, 0, 1)
    assert torch.equal(prepared, (plain - mean) / std)


def test_a_scaled_picture_is_nearly_the_whole_one(photograph, tmp_path):
    processor = LammImageProcessor(size=224, jpeg_scaling=True)
    whole = LammImageProcessor(size=224).prepare(photograph)
    step = 1 / 255 / min(processor.image_std)
    assert 0 < (processor.prepare(photograph) - whole).abs().mean() < 2 * step
    processor.save_pretrained(tmp_path / "kept")
    assert LammImageProcessor.from_pretrained(tmp_path / "kept").jpeg_scaling
    large = LammImageProcessor(size=400, jpeg_scaling=True)  # 320 x 240 would be too small for it
    assert torch.equal(large.prepare(photograph), LammImageProcessor(size=400).prepare(photograph))


def numbers(batches):
    return [number for batch in batches for number, _ in batch]


def test_the_order_is_a_permutation_that_depends_on_seed_and_epoch_alone():
    lengths = [n % 37 for n in range(203)]
    dealt = EpochBatches(lengths, batch=8, seed=1)
    first = numbers(dealt)
    assert sorted(first) == list(range(203))
    assert first == numbers(dealt)
    dealt.set_epoch(1)
    assert numbers(dealt) != first
    again = EpochBatches(lengths, batch=8, seed=1)
    again.set_epoch(1)
    assert numbers(again) == numbers(dealt)
    batches = [[lengths[n] for n in first[start : start + 8]] for start in range(0, 200, 8)]
    spans = [max(batch) - min(batch) for batch in batches]
    assert sum(spans) / len(spans) < 6


def test_workers_get_the_rows_of_their_batches_and_never_a_fork(files, pair):
    """All rows, pickled for each worker, would be gigabytes; a fork would hold the locks of this process's threads."""
    rows = load_training_data(DataSettings(records=files, packing="none"), pair[1]).rows
    collate = Collator(0, MediaLoader(pair[1]))
    batches = [EpochBatches([row.tokens for row in rows], 8, seed=1) for _ in range(2)]
    loader = TrainLoader(rows, collate, batches[0], workers=2)
    assert loader.multiprocessing_context.get_start_method() == "spawn"
    assert len(pickle.dumps(loader.dataset)) < 1000
    alone = TrainLoader(rows, collate, batches[1])
    for one, other in zip(loader, alone, strict=True):
        assert one["facts"] == other["facts"]
        assert torch.equal(one["input_ids"], other["input_ids"])
        assert torch.equal(one["pixel_values"], other["pixel_values"])
