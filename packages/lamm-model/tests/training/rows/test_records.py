"""Records of every layout as rows of tokens: media in their places, system messages, text alone, what is rejected."""

import json
from pathlib import Path

import pytest

from lamm_data import InstructionRecord, Turn
from lamm_model.errors import LammModelError
from lamm_model.training.rows.collation import Collator, MediaLoader
from lamm_model.training.rows.records import encode, load_training_data, media_of, rejections
from lamm_model.training.settings.settings import settings_from_tables
from lamm_model.training.settings.tables import DataSettings

ASKED, ANSWERED = "Do they differ?", "Yes."


def talk(question, answer=ANSWERED, **keys):
    return {"conversations": [{"from": "human", "value": question}, {"from": "gpt", "value": answer}], **keys}


def messages(*turns, **keys):
    return {"messages": [{"role": role, "content": content} for role, content in turns], **keys}


def row_of(record, processor, root):
    read = InstructionRecord.from_dict(record, text_only=True)
    return encode(read, "x", media_of(read, root), processor)


def pieces(dialogue, processor):
    """The row as text, each medium as one mark."""
    marks = {processor.image_token_id: ("<i>", processor.image_tokens),
             processor.point_cloud_token_id: ("<c>", processor.point_cloud_tokens)}  # fmt: skip
    text, position, ids = "", 0, list(dialogue.input_ids)
    while position < len(ids):
        mark, size = marks.get(ids[position], ("", 0))
        start = position
        if mark:
            position += size
            text += mark
            continue
        while position < len(ids) and ids[position] not in marks:
            position += 1
        text += processor.tokenizer.decode(ids[start:position])
    return text


@pytest.fixture
def one_wording(media):
    """The same two pictures among the same words, in the layouts of five tools."""
    asked = f"One: <image> Two: <image> {ASKED}"
    images = ["0.png", "1.png"]
    parts = [{"type": "text", "text": "One: "}, {"type": "image_url", "image_url": {"url": "0.png"}},
             {"type": "text", "text": " Two: "}, {"type": "image", "path": "1.png"},
             {"type": "text", "text": f" {ASKED}"}]  # fmt: skip
    return {
        "ours, and LLaVA's": talk(asked, image=images),
        "ShareGPT": {"images": images, "conversations": [{"from": "user", "value": asked},
                                                         {"from": "chatgpt", "value": ANSWERED}]},
        "OpenAI's messages": messages(("user", parts), ("assistant", ANSWERED)),
        "ms-swift": messages(("user", asked), ("assistant", ANSWERED), images=images),
        "old ms-swift": {"query": asked, "response": ANSWERED, "images": images},
    }  # fmt: skip


def test_media_stand_where_their_placeholders_stood_in_every_layout(one_wording, media, pair):
    _, processor = pair
    rows = {name: row_of(record, processor, media) for name, record in one_wording.items()}
    for name, row in rows.items():
        assert [path.rpartition("/")[2] for _, path in row.media] == ["0.png", "1.png"], name
        joined = "".join(pieces(row, processor).split())
        assert joined.index("One:<i>") < joined.index("Two:<i>") < joined.index("".join(ASKED.split())), (name, joined)
    first = "".join(pieces(rows["ours, and LLaVA's"], processor).split())
    assert {"".join(pieces(row, processor).split()) for row in rows.values()} == {first}


def test_a_record_keeps_both_its_image_and_its_cloud(media, pair):
    _, processor = pair
    for question, order in ((ASKED, "<i><c>"), (f"Cloud <pcl> beside <image>. {ASKED}", "<c>beside<i>")):
        row = row_of(talk(question, image="0.png", pcl="1.npy"), processor, media)
        assert order in "".join(pieces(row, processor).split())
        assert {kind for kind, _ in row.media} == {"image", "point_cloud"}
        assert {1, 2} <= set(row.modality_ids)


def test_images_in_later_questions_and_the_system_message_are_kept(media, pair):
    _, processor = pair
    record = messages(("system", "Answer in one word."), ("user", "Hello"), ("assistant", "Hi."),
                      ("user", f"Look: <image> {ASKED}"), ("assistant", ANSWERED), images=["0.png"])  # fmt: skip
    text = pieces(row_of(record, processor, media), processor)
    assert text.index("Answer in one word.") < text.index("Hello") < text.index("Look:") < text.index("<i>")
    assert "<i>" in text[text.index("Look:") : text.index(ASKED)]


def test_text_alone_is_read_and_learnt(media, pair):
    _, processor = pair
    row = row_of(messages(("user", "Hello"), ("assistant", "Hi.")), processor, media)
    assert row.media == ()
    assert set(row.modality_ids) == {0}
    assert row.learnt


FAULTY = [
    (talk("<image> <image> x", image="0.png", id="two marks"), "Expected a"),
    (talk(ASKED, image="0.png", id="silent") | {"conversations": []}, "Expected `conversations`"),
    (messages(("user", ASKED), ("tool", "{}"), images=["0.png"], id="tool"), "from 'gpt', got 'tool'"),
    (messages(("user", ASKED), ("assistant", "x"), videos=["a.mp4"], images=["0.png"], id="film"), "`videos`"),
    (talk(f"Look <pcl> there. {ASKED}", image="0.png", id="other kind"), "Expected a medium of kind point_cloud"),
    (talk("word " * 500, image="0.png", id="long"), "longer than row_tokens"),
]


def load(tmp_path, media, processor, records, **options):
    (tmp_path / "r.jsonl").write_text("\n".join(json.dumps(record) for record in records))
    data = {"records": [str(tmp_path / "r.jsonl")], "media_root": str(media), "row_tokens": 256}
    settings = settings_from_tables({"model": {"path": "m"}, "data": data}, "test").data
    return load_training_data(settings, processor, **options)


def test_what_cannot_be_laid_out_is_rejected_by_id_and_ends_no_run(tmp_path, media, pair):
    _, processor = pair
    data = load(tmp_path, media, processor, [talk(ASKED, image="0.png", id="good"), *(row for row, _ in FAULTY)])
    assert (data.records, data.dialogues) == (1 + len(FAULTY), 1)
    by_id = {name: reason for reason, names in data.rejected.items() for name in names}
    assert by_id.keys() == {f"r.jsonl:{row['id']}" for row, _ in FAULTY}
    for row, words in FAULTY:
        assert words in by_id[f"r.jsonl:{row['id']}"]
    assert len(rejections(data.rejected)) == len(data.rejected)
    many = rejections({f"reason {number}": ["a"] for number in range(15)})
    assert many[-1] == "5 rejected for other reasons"
    with pytest.raises(LammModelError, match=r"found none: 1 rejected, .*: r\.jsonl:two marks"):
        load(tmp_path, media, processor, [FAULTY[0][0]])


def test_text_alone_is_rejected_where_nothing_would_learn_it(tmp_path, media, pair):
    _, processor = pair
    records = [talk(ASKED, image="0.png", id="good"), talk("Hello", id="text")]
    assert load(tmp_path, media, processor, records).dialogues == 2
    rejected = load(tmp_path, media, processor, records, learns_text=False).rejected
    assert rejected == {"about no medium, and nothing that is trained serves text alone": ["r.jsonl:text"]}


def test_a_medium_without_a_tower_is_named(tmp_path, media, pair):
    _, processor = pair
    processor.point_cloud_tokens = 0
    data = load(tmp_path, media, processor, [talk(ASKED, image="0.png"), talk(ASKED, pcl="0.npy", id="cloud")])
    assert data.rejected == {"the model has no tower for point_cloud media": ["r.jsonl:cloud"]}


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
