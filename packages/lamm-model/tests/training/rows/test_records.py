"""Records with pictures and clouds: both are seen, where the dialogue says."""

import json
from pathlib import Path

import pytest

from lamm_data import InstructionRecord, Turn
from lamm_model.training.rows.collation import Collator, MediaLoader
from lamm_model.training.rows.records import encode, load_training_data, media_of
from lamm_model.training.settings.tables import DataSettings


def kinds_of(processor, ids):
    names = {processor.image_token_id: "i", processor.point_cloud_token_id: "c"}
    return "".join(dict.fromkeys(names.get(token, "") for token in ids))


@pytest.mark.parametrize("question", ["What is there?", "<image>\n<pcl>\nWhat is there?"])
def test_a_record_of_picture_and_cloud_trains_on_both(pair, media, tmp_path, question):
    model, processor = pair
    turns = [{"from": "human", "value": question}, {"from": "gpt", "value": "A lamp."}]
    file = tmp_path / "records.jsonl"
    file.write_text(json.dumps({"id": "both", "image": "0.png", "pcl": "1.npy", "conversations": turns}))
    data = load_training_data(DataSettings(records=(str(file),), media_root=str(media)), processor)
    assert not data.rejected
    assert data.media == {str(media / "0.png"), str(media / "1.npy")}
    batch = Collator(processor.pad_token_id, MediaLoader(processor))(data.rows)
    assert batch["pixel_values"].shape[0] == batch["point_clouds"].shape[0] == 1
    assert kinds_of(processor, batch["input_ids"][0].tolist()) == "ic"
    inputs = {key: batch[key] for key in ("input_ids", "labels", "modality_ids", "pixel_values", "point_clouds")}
    assert model(**inputs).loss > 0


@pytest.mark.parametrize(
    ("question", "order"),
    [
        ("<pcl>\nWhat is there? <image>", "ci"),
        ("First <pcl> then\n<image>\nwhat?", "ci"),
        ("<image>\nand <pcl>?", "ic"),
        ("What?", "ic"),
    ],
)
def test_media_stand_in_the_order_of_their_markers(pair, question, order):
    processor = pair[1]
    record = InstructionRecord([Turn("human", question), Turn("gpt", "A lamp.")], image="a.png", pcl="b.npy")
    media = media_of(record, Path("root"))
    assert "".join(kind[0].replace("p", "c") for kind, _ in media) == order
    assert dict(media) == {"image": "root/a.png", "point_cloud": "root/b.npy"}
    assert kinds_of(processor, encode(record, "x", media, processor).input_ids) == order
