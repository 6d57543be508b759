"""Prediction: batched as one by one, resumed as uninterrupted, in order, blind on request."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from lamm_model import save_model
from lamm_model.answering.decoding import answer_rows
from lamm_model.answering.prompt_state import PromptRow
from lamm_model.errors import LammModelError, UsageError
from lamm_model.prediction.command import predict_files
from lamm_model.prediction.journal import pair_outputs
from lamm_model.prediction.predictor import Predictor
from lamm_model.prediction.queries import PredictionOptions, answer_lengths, read_queries

WORDS = ["red chair", "blue table", "lamps", "box", "picture"]


@pytest.fixture(scope="session")
def folder(parts, cloud_config, with_adapters, tmp_path_factory):
    from lamm_model import build_pair

    model, processor = build_pair(parts.language, parts.clip, cloud_config, seed=1, freeze_point_cloud_tower=False)
    with_adapters(model)
    place = tmp_path_factory.mktemp("checkpoint") / "c"
    save_model(model, processor, place)
    return place


@pytest.fixture
def bench(media):
    records = [
        {"id": f"r{i}", "image": f"{i % 3}.png", "query": f"How many {WORDS[i % 5]} {'are there ' * (i % 4)}?"}
        for i in range(14)
    ]
    path = media / "Counting_tiny.json"
    path.write_text(json.dumps(records))
    return path


def predictions(path):
    return [json.loads(line) for line in path.read_text().splitlines()[1:]]


def test_batched_equals_one_by_one_and_generate(folder, bench, media, tmp_path):
    from lamm_model import load_model

    for size in (1, 5):
        predict_files(folder, [(bench, tmp_path / f"{size}.jsonl")], PredictionOptions(batch_size=size))
    batched = predictions(tmp_path / "5.jsonl")
    assert batched == predictions(tmp_path / "1.jsonl")
    assert [answer["id"] for answer in batched] == [f"r{i}" for i in range(14)]
    model, processor = load_model(folder)
    for record, answer in zip(json.loads(bench.read_text())[:4], batched, strict=False):
        inputs = processor(
            [{"from": "human", "value": record["query"]}], images=[media / record["image"]], task_type="counting"
        )
        tokens = model.generate(**inputs, max_new_tokens=16, do_sample=False)
        assert processor.answer_texts(tokens[:, inputs["input_ids"].shape[1] :]) == [answer["text"]]


def test_shared_beginnings_are_read_once(folder, bench):
    from lamm_model import load_model

    model, processor = load_model(folder)
    predictor = Predictor(model, processor)
    rows = [predictor._prompt_row(predictor.prepare(query)) for query in read_queries(bench).queries[:9]]
    seen = []
    model.model.image_projector.register_forward_hook(lambda module, args, out: seen.append(len(out)))
    tokens = answer_rows(model, processor, rows)
    assert seen == [3]
    alone = [PromptRow(row.ids, row.modality_ids, media=row.media, max_new_tokens=row.max_new_tokens) for row in rows]
    assert tokens == answer_rows(model, processor, alone)


@pytest.mark.parametrize("options", [{}, {"probabilities": True}, {"two_pass": True}])
def test_batches_abreast_answer_as_one_after_another(folder, bench, options):
    from lamm_model import load_model

    records = json.loads(bench.read_text())
    bench.write_text(json.dumps([{**record, "gt_choices": ["red", "blue"], "gt_choice": 0} for record in records]))
    model, processor = load_model(folder)
    predictor = Predictor(model, processor, PredictionOptions(batch_size=3, **options))
    queries, answers = read_queries(bench).queries, []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            answers.append([pair for batch in predictor.answer(queries) for pair in batch])
            assert torch.get_num_threads() == threads
        finally:
            torch.set_num_threads(1)
    assert answers[0] == answers[1]


def test_each_medium_is_encoded_once(folder, bench):
    from lamm_model import load_model

    model, processor = load_model(folder)
    pictures = []
    model.model.image_tower.register_forward_hook(lambda module, args, out: pictures.append(len(out.last_hidden_state)))
    predictor = Predictor(model, processor, PredictionOptions(batch_size=4))
    assert sum(len(answers) for answers in predictor.answer(read_queries(bench).queries)) == 14
    assert sum(pictures) == 3


def test_blind_withholds_media_and_keeps_the_set(folder, bench):
    from lamm_model import load_model

    model, processor = load_model(folder)
    prepared = Predictor(model, processor, PredictionOptions(blind=True)).prepare(read_queries(bench).queries[0])
    assert processor.image_token_id not in prepared.row["input_ids"]
    assert set(prepared.row["modality_ids"]) == {1}


def test_keypoints_are_asked_joint_by_joint(folder, media, tmp_path):
    path = media / "Keypoints_Detection_tiny.json"
    record = {"id": 7, "image": "0.png", "query": "Where is the {}?", "joints": ["head", "neck"]}
    path.write_text(json.dumps([record]))
    predict_files(folder, [(path, tmp_path / "k.jsonl")], PredictionOptions(max_new_tokens=4))
    (answer,) = predictions(tmp_path / "k.jsonl")
    assert answer["id"] == "7"
    assert list(answer["text"]) == ["head", "neck"]
    assert [query.question for query in read_queries(path).queries] == ["Where is the head?", "Where is the neck?"]


def test_finished_output_is_left_alone_and_another_run_is_refused(folder, bench, tmp_path):
    out = tmp_path / "p.jsonl"
    options = PredictionOptions(max_new_tokens=3)
    assert predict_files(folder, [(bench, out)], options)[0]["asked"] == 14
    before = out.stat().st_mtime_ns
    assert predict_files(folder, [(bench, out)], options)[0]["asked"] == 0
    assert out.stat().st_mtime_ns == before
    with pytest.raises(UsageError, match=r"settings.*blind"):
        predict_files(folder, [(bench, out)], PredictionOptions(max_new_tokens=3, blind=True))


def test_killed_run_goes_on_and_ends_as_an_uninterrupted_one(folder, bench, tmp_path):
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    predict_files(folder, [(bench, whole)], PredictionOptions(batch_size=2))
    journal = tmp_path / "cut.jsonl.journal"
    code = (
        "import sys; from pathlib import Path; from lamm_model.prediction import command, queries\n"
        "a, b, c = map(Path, sys.argv[1:]); options = queries.PredictionOptions(batch_size=2)\n"
        "command.predict_files(a, [(b, c)], options)"
    )
    command = [sys.executable, "-c", code, str(folder), str(bench), str(cut)]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") >= 3):
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not cut.exists()
    done = journal.read_bytes().count(b"\n") - 1
    with journal.open("ab") as handle:
        handle.write(b'{"key": "r1", "te')  # what a kill in the middle of a write leaves
    (result,) = predict_files(folder, [(bench, cut)], PredictionOptions(batch_size=2))
    assert result["asked"] == 14 - done
    assert predictions(cut) == predictions(whole)
    assert not journal.exists()


def test_faulty_records_are_all_named(media, tmp_path):
    path = tmp_path / "VQA_x.json"
    path.write_text(
        json.dumps([{"id": 1, "image": "0.png"}, {"id": 2, "image": "no.png", "query": "?"}, 5, {"query": "?"}])
    )
    with pytest.raises(LammModelError, match=r"4 faulty records") as caught:
        read_queries(path, media)
    for words in ("line 1, id 1", "no.png", "got int", "Expected an id"):
        assert words in str(caught.value)


def test_blind_questions_are_read_without_their_media(tmp_path):
    path = tmp_path / "OpenVQA_x.json"
    path.write_text(json.dumps([{"id": "1", "query": "What is it?", "pcl": "scene.npy", "answers": ["a chair"]}]))
    with pytest.raises(LammModelError, match=r"nothing at scene\.npy"):
        read_queries(path)
    (query,) = read_queries(path, blind=True).queries
    assert (query.task, query.modality) == ("open_vqa3d", "point_cloud")
    assert query.max_new_tokens == answer_lengths()["open_vqa3d"] < answer_lengths()["other"]


def test_prompt_longer_than_the_context_names_the_record(folder, media, tmp_path):
    path = tmp_path / "VQA_long.json"
    path.write_text(json.dumps([{"id": "long one", "image": "0.png", "query": "chair " * 600}]))
    with pytest.raises(LammModelError, match=r"Expected at most \d+ tokens.*long one"):
        predict_files(folder, [(path, tmp_path / "p.jsonl")], PredictionOptions(media_root=media))


def test_outputs_pair_with_benchmarks(bench, tmp_path):
    assert pair_outputs([bench], tmp_path / "p.jsonl") == [(bench, tmp_path / "p.jsonl")]
    assert pair_outputs([bench], tmp_path) == [(bench, tmp_path / "Counting_tiny.jsonl")]
    with pytest.raises(LammModelError, match="Expected a folder as output"):
        pair_outputs([bench, bench], tmp_path / "p.jsonl")
    with pytest.raises(LammModelError, match="got nothing at"):
        pair_outputs([tmp_path / "none.json"], tmp_path / "p.jsonl")


def test_real_photographs_are_answered(folder, real_data, tmp_path):
    photos = sorted((real_data / "coco" / "images").glob("*.jpg"))
    path = tmp_path / "Caption_coco.json"
    path.write_text(json.dumps([{"id": p.stem, "image": p.name, "query": "What is this?"} for p in photos]))
    options = PredictionOptions(media_root=photos[0].parent, max_new_tokens=3)
    (result,) = predict_files(folder, [(path, tmp_path / "p.jsonl")], options)
    assert result["asked"] == len(photos) == 4
    assert [answer["id"] for answer in predictions(tmp_path / "p.jsonl")] == [photo.stem for photo in photos]


def test_option_probabilities_equal_the_log_likelihoods_of_whole_sequences(folder, media, tmp_path):
    from lamm_model import load_model

    choices = ["a red chair", "blue", "no lamp at all"]
    path = media / "VQA_options.json"
    record = {"id": "o", "image": "0.png", "query": "Which?", "gt_choices": choices, "gt_choice": 0}
    path.write_text(json.dumps([record]))
    predict_files(folder, [(path, tmp_path / "p.jsonl")], PredictionOptions(probabilities=True))
    (answer,) = predictions(tmp_path / "p.jsonl")
    model, processor = load_model(folder)
    expected = []
    for choice in choices:
        ids = processor.answer_ids(choice)
        inputs = processor([{"from": "human", "value": "Which?"}], images=[media / "0.png"], task_type="VQA")
        whole = torch.cat([inputs["input_ids"], torch.tensor([ids])], dim=1)
        logits = model(input_ids=whole, pixel_values=inputs["pixel_values"]).logits.log_softmax(-1)
        start = inputs["input_ids"].shape[1]
        expected.append(sum(float(logits[0, start + i - 1, token]) for i, token in enumerate(ids)) / len(ids))
    torch.testing.assert_close(
        torch.tensor(answer["probabilities"]), torch.tensor(expected).softmax(0), atol=1e-4, rtol=1e-4
    )


def test_two_passes_append_the_option(folder, media, tmp_path):
    path = media / "VQA_twice.json"
    path.write_text(json.dumps([{"id": 1, "image": "0.png", "query": "Which?", "gt_choices": ["a", "b"]}]))
    predict_files(folder, [(path, tmp_path / "1.jsonl")], PredictionOptions(max_new_tokens=4))
    predict_files(folder, [(path, tmp_path / "2.jsonl")], PredictionOptions(max_new_tokens=4, two_pass=True))
    once, twice = predictions(tmp_path / "1.jsonl")[0]["text"], predictions(tmp_path / "2.jsonl")[0]["text"]
    assert twice.startswith(once + "\nThe answer is ")


def test_one_beginning_is_read_once_for_all_its_batches(folder, media, tmp_path):
    from lamm_model import load_model

    path = media / "VQA_scene.json"
    records = [{"id": i, "pcl": "0.npy", "query": f"Which {WORDS[i % 5]}?", "gt_choices": ["a", "b"]} for i in range(7)]
    path.write_text(json.dumps(records))
    model, processor = load_model(folder)
    projected = []
    model.model.point_cloud_projector.register_forward_hook(lambda module, args, out: projected.append(len(out)))
    options = PredictionOptions(batch_size=3, probabilities=True, max_new_tokens=4)
    queries = read_queries(path).queries
    together = [pair for batch in Predictor(model, processor, options).answer(queries) for pair in batch]
    assert projected == [1]
    found = {query.key: answer for query, answer in together}
    single = PredictionOptions(batch_size=1, probabilities=True, max_new_tokens=4)
    for query in queries:
        ((_, alone),) = next(iter(Predictor(model, processor, single).answer([query])))
        assert alone["text"] == found[query.key]["text"]
        torch.testing.assert_close(
            torch.tensor(alone["probabilities"]), torch.tensor(found[query.key]["probabilities"]), atol=1e-5, rtol=1e-4
        )


@pytest.mark.parametrize("name", ["lamm", "llama2", "chat"])
def test_streamed_pieces_are_the_answer(name, pair):
    from lamm_model.answering.decoding import TextStream

    processor = pair[1]
    processor.prompt_format = name
    for text in (" There are 3.\n###", "no\n## yes ###", "  é – ü  ", "###", ""):
        ids = processor.tokenizer(text, add_special_tokens=False)["input_ids"]
        stream = TextStream(processor.decode_answer, processor.stop_strings)
        pieces = [stream.add(token, last=number == len(ids) - 1) for number, token in enumerate(ids)]
        assert "".join(pieces) == stream.text == processor.answer_text(ids)


def test_system_messages_by_choice():
    from lamm_model.processing.prompt_formats import system_message, system_text

    assert system_text("task", "VQA", "Mine.") == system_message("VQA")
    assert system_text("record", "VQA", "Mine.") == "Mine."
    assert system_text("record", "VQA", None) == system_message("VQA")
    assert system_text("none", "VQA", "Mine.") == ""


def test_common_system_message_is_read_once(folder, bench, monkeypatch):
    from lamm_model import load_model
    from lamm_model.answering import prompt_state

    model, processor = load_model(folder)
    predictor = Predictor(model, processor)
    rows = [predictor._prompt_row(predictor.prepare(query)) for query in read_queries(bench).queries[:6]]
    widths = []
    model.model.language_model.register_forward_hook(lambda module, args, out: widths.append(len(out[0])))
    alone = torch.cat([prompt_state.prefill(model, [row], 0).logits for row in rows])
    monkeypatch.setattr(prompt_state, "WORTH_A_PASS", 10)
    widths.clear()
    together = prompt_state.prefill(model, rows, 0).logits
    assert widths == [1, 3, 6]  # the system message, three pictures, six questions
    torch.testing.assert_close(together, alone, atol=2e-5, rtol=1e-4)
    text = [PromptRow(row.ids[:5], row.modality_ids[:5]) for row in rows[:2]]  # one row has nothing of its own
    torch.testing.assert_close(
        prompt_state.prefill(model, text, 0).logits[0],
        prompt_state.prefill(model, text[:1], 0).logits[0],
        atol=2e-5,
        rtol=1e-4,
    )
