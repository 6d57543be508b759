"""A tiny Qwen3-VL learns clouds: they are answered right by every command, and its pictures as before."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_vlms import leave_out_videos, vlm_kinds
from transformers import AutoModelForImageTextToText, AutoProcessor

from lamm_model.chat.command import ChatSession
from lamm_model.checkpoints.checkpoint import load_model
from lamm_model.errors import LammModelError, UsageError
from lamm_model.prediction.command import predict_files
from lamm_model.prediction.queries import PredictionOptions
from lamm_model.serving.engine import ChatEngine
from lamm_model.serving.messages import Attachment, ChatRequest
from lamm_model.training.rows.collation import Collator, MediaLoader
from lamm_model.training.rows.packing import pack_rows
from lamm_model.training.run.finetune import finetune
from lamm_model.training.run.preparation import prepare_model
from lamm_model.training.settings.settings import settings_from_tables
from lamm_model.training.step import isolation
from lamm_model.training.step.isolation import isolate

COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (50, 60, 220), "white": (250, 250, 250)}
QUESTION = "What colour?"


@pytest.fixture(scope="module")
def base(vlm_folder):
    return vlm_folder("qwen3_vl")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Eight clouds of one colour each and two pictures, with a question about each."""
    root, rng, records, asked = tmp_path_factory.mktemp("world"), np.random.default_rng(0), [], []
    for number in range(8):
        name = list(COLOURS)[number % 4]
        cloud = np.concatenate([rng.normal(size=(80, 3)), np.tile(COLOURS[name], (80, 1))], axis=1)
        np.save(root / f"{number}.npy", cloud.astype(np.float32))
        turns = [{"from": "human", "value": QUESTION}, {"from": "gpt", "value": name}]
        about = {"id": f"c{number}", "pcl": f"{number}.npy"}
        records.append({**about, "task_type": "normal", "conversations": turns})
        asked.append({**about, "query": QUESTION})
    for number in range(2):
        pixels = rng.integers(0, 255, (40 + 8 * number, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{number}.png")
    (root / "clouds.jsonl").write_text("\n".join(json.dumps(record) for record in records))
    (root / "VQA_clouds.json").write_text(json.dumps(asked))
    return root


def tables(base, world, model=(), **training):
    return {
        "model": {
            "base": str(base), "point_cloud_tower": "tiny", "system_message": False, "train_point_cloud_tower": True,
            **dict(model),
        },
        "adapters": {"rank": 8, "dropout": 0.0},
        "data": {"records": [str(world / "clouds.jsonl")], "row_tokens": 512, "packing": "mixed"},
        "training": {
            "max_steps": 80, "batch_rows": 4, "accumulation": 1, "precision": "fp32", "save_every": 100, "log_every": 1,
            "learning_rate": 4e-3, "warmup": 0.0, "schedule": "constant", **training,
        },
    }  # fmt: skip


@pytest.fixture(scope="module")
def run(base, world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, finetune(settings_from_tables(tables(base, world), "test"), folder)


def about_a_picture(processor, world, number):
    content = [{"type": "image", "path": str(world / f"{number}.png")}, {"type": "text", "text": "How many lamps?"}]
    return processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=True, return_dict=True,
        return_tensors="pt",
    )  # fmt: skip


def test_it_learns_eight_clouds_and_predicts_them(run, world, tmp_path):
    folder, record = run
    losses = [entry["loss"] for entry in record["log"] if "loss" in entry]
    assert losses[-1] < 0.1 < losses[0] / 10
    benchmark, output = world / "VQA_clouds.json", tmp_path / "answers.jsonl"
    predict_files(folder / "model", [(benchmark, output)], PredictionOptions(max_new_tokens=8, batch_size=3))
    answers = [json.loads(line)["text"] for line in output.read_text().splitlines()[1:]]
    assert answers == [list(COLOURS)[number % 4] for number in range(8)]


def test_its_pictures_are_answered_bit_for_bit_as_before(run, base, world):
    leave_out_videos()
    before, own = AutoModelForImageTextToText.from_pretrained(base).eval(), AutoProcessor.from_pretrained(base)
    after = AutoModelForImageTextToText.from_pretrained(run[0] / "model").eval()
    processor = AutoProcessor.from_pretrained(run[0] / "model")
    for number in range(2):
        prompt, same = about_a_picture(own, world, number), about_a_picture(processor, world, number)
        assert all(torch.equal(prompt[name], same[name]) for name in prompt)
        with torch.no_grad():
            assert torch.equal(after(**same).logits, before(**prompt).logits)
        options = {"max_new_tokens": 12, "do_sample": False}
        assert torch.equal(after.generate(**same, **options), before.generate(**prompt, **options))


def test_it_is_served_and_talked_with(run, base, world):
    model, processor = load_model(run[0] / "model")
    session = ChatSession(model, processor, max_new_tokens=8)
    session.show("point_cloud", world / "1.npy")
    assert "".join(session.ask(QUESTION)) == "green"
    session.show("image", world / "0.png")
    assert "".join(session.ask("And now?"))
    engine = ChatEngine(model, processor, batch_size=4)

    def request(question, kind, file):
        attachment = Attachment(kind, file.name, file.read_bytes())
        turns = [{"from": "human", "value": {"image": "<image>", "point_cloud": "<pcl>"}[kind] + question}]
        return ChatRequest(turns=turns, attachments=[attachment], max_new_tokens=8)

    try:
        jobs = []
        for number in (0, 1, 2, 3):  # side by side in one running batch
            pieces = []
            prompt = engine.prepare(request(QUESTION, "point_cloud", world / f"{number}.npy"))
            jobs.append((pieces, engine.submit(prompt, pieces.append)))
        picture = "".join(piece.text for piece in engine.answer(request("How many lamps?", "image", world / "0.png")))
    finally:
        engine.close()
    assert ["".join(piece.text for piece in pieces) for pieces, _ in jobs] == list(COLOURS)
    prompt = about_a_picture(processor, world, 0)
    new = model.generate(**prompt, max_new_tokens=8, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    assert picture == processor.answer_text(new)


@pytest.mark.parametrize("kind", vlm_kinds())
def test_packed_rows_have_the_loss_of_their_dialogues_alone(kind, vlm_folder, world):
    prepared = prepare_model(settings_from_tables(tables(vlm_folder(kind), world), "test"))
    model, processor, rows = prepared.model.eval(), prepared.processor, prepared.data.rows
    assert len(rows) < 8
    collate = Collator(processor.pad_token_id, MediaLoader(processor))

    def loss(some):
        batch = collate(some)
        del batch["facts"]
        inputs = isolate(batch, prepared.attention, model.config.text_config)
        with torch.no_grad():
            return model(**inputs, num_items_in_batch=1, use_cache=False).loss

    alone = pack_rows([dialogue for row in rows for dialogue in row.dialogues], 0, "none")
    torch.testing.assert_close(loss(rows), sum(loss([row]) for row in alone), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(loss(alone), loss(rows), rtol=1e-4, atol=1e-4)  # padded side by side


def test_where_packing_is_not_exact_each_dialogue_has_a_row(base, world, monkeypatch):
    proven = isolation.choose_proven

    def refuse(model, wanted, device, half, packing):
        if packing != "none":
            raise LammModelError("Expected dialogues in one row not to see each other.")
        return proven(model, wanted, device, half, packing)

    monkeypatch.setattr(isolation, "choose_proven", refuse)
    prepared = prepare_model(settings_from_tables(tables(base, world), "test"))
    assert [len(row.dialogues) for row in prepared.data.rows] == [1] * 8


def test_records_with_pictures_are_padded_and_teach_an_image_set_where_one_is_wanted(base, world, tmp_path):
    turns = [{"from": "human", "value": QUESTION}, {"from": "gpt", "value": "red"}]
    both = {"id": "both", "image": "0.png", "pcl": "0.npy", "task_type": "normal", "conversations": turns}
    alone = {"id": "alone", "image": "1.png", "task_type": "normal", "conversations": turns}
    text = {"id": "text", "task_type": "normal", "conversations": turns}
    (world / "mixed.jsonl").write_text("\n".join(json.dumps(record) for record in (both, alone, text)))
    rejected = {}
    for wanted in (False, True):
        built = tables(base, world, {"adapt_images": wanted}, max_steps=6)
        built["data"]["records"].append(str(world / "mixed.jsonl"))
        record = finetune(settings_from_tables(built, "test"), tmp_path / str(wanted))
        assert record["rows"] == record["dialogues"] == (10 if wanted else 9)
        rejected[wanted] = [name for names in record["rejected"].values() for name in names]
        model, _ = load_model(tmp_path / str(wanted) / "model")
        assert model.config.adapters["modalities"] == (["image", "point_cloud"] if wanted else ["point_cloud"])
    assert rejected == {False: ["mixed.jsonl:alone", "mixed.jsonl:text"], True: ["mixed.jsonl:text"]}


@pytest.mark.parametrize(
    ("section", "changed", "said"),
    [
        ("model", {"train": "full"}, "base stays frozen"),
        ("model", {"quantize": "4bit"}, "base stays frozen"),
        ("model", {"point_cloud_tower": ""}, "base needs a point_cloud_tower"),
        ("model", {"language_model": "x"}, "give either path"),
    ],
)
def test_what_a_base_cannot_be_is_refused_at_once(base, world, section, changed, said):
    built = tables(base, world)
    built[section] |= changed
    with pytest.raises(UsageError, match=said):
        settings_from_tables(built, "test")


def test_what_cannot_be_computed_on_top_is_refused_with_the_reason(base, world, parts, run):
    built = tables(base, world)
    built["compute"] = {"attention": "segments"}
    with pytest.raises(UsageError, match=r"its own masks and weights stay as they are"):
        prepare_model(settings_from_tables(built, "test"))
    with pytest.raises(LammModelError, match=r"model\.base = '/nowhere/at/all'"):
        prepare_model(settings_from_tables(tables("/nowhere/at/all", world), "test"))
    with pytest.raises(UsageError, match="got llama"):
        prepare_model(settings_from_tables(tables(parts.language, world), "test"))
    with pytest.raises(UsageError, match="--quantize none"):
        load_model(run[0] / "model", quantize="4bit")
