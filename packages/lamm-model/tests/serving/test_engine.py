"""The running batch: requests join and leave it, answers are those of `predict`, and a fault ends one request."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
import torch

from lamm_model.answering import prompt_state
from lamm_model.errors import LammModelError
from lamm_model.prediction.predictor import Predictor
from lamm_model.prediction.queries import PredictionOptions, Query
from lamm_model.serving import engine as engine_module
from lamm_model.serving.engine import ChatEngine
from lamm_model.serving.messages import Attachment, ChatRequest, RequestError


@pytest.fixture
def engine(model_and_processor):
    opened = ChatEngine(*model_and_processor, batch_size=6)
    yield opened
    opened.close()


def request(text, *files, length=6, **options):
    marks = "".join("<image>" if file.suffix == ".png" else "<pcl>" for file in files)
    attachments = [
        Attachment("image" if file.suffix == ".png" else "point_cloud", file.name, file.read_bytes()) for file in files
    ]
    return ChatRequest([{"from": "human", "value": marks + text}], attachments, max_new_tokens=length, **options)


def answer(engine, asked):
    return "".join(piece.text for piece in engine.answer(asked))


def wait_for(engine, load):
    end = time.monotonic() + 10
    while engine.load != load and time.monotonic() < end:
        time.sleep(0.002)
    assert engine.load == load


def questions(media, count):
    draw = random.Random(0)
    for number in range(count):
        files = draw.choice(
            [[], [media / f"{number % 3}.png"], [media / f"{number % 3}.npy"], [media / "0.png", media / "1.npy"]]
        )
        yield f"How many {'lamps ' * draw.randint(1, 12)}{number}?", files, draw.randint(1, 14)


def test_answers_in_a_running_batch_are_those_of_predict(engine, model_and_processor, media):
    """120 requests of three kinds and many lengths, sixteen at once into six places."""
    asked = list(questions(media, 120))
    queries = [
        Query(str(number), str(number), "", text,
              tuple(("image" if file.suffix == ".png" else "point_cloud", file) for file in files),
              "", "normal", max_new_tokens=length)
        for number, (text, files, length) in enumerate(asked)
    ]  # fmt: skip
    predictor = Predictor(*model_and_processor, PredictionOptions(batch_size=8))
    predicted = {query.key: found["text"] for batch in predictor.answer(queries) for query, found in batch}
    with ThreadPoolExecutor(16) as pool:
        served = list(pool.map(lambda one: answer(engine, request(one[0], *one[1], length=one[2])), asked))
    assert served == [predicted[str(number)] for number in range(120)]
    assert len(set(served)) > 60  # they are not all one answer


def test_a_request_joins_a_running_batch_and_leaves_it_first(engine):
    """A long answer is under way; a short one begins and ends before its next tokens do."""
    long = engine.answer(request("Tell a long story.", length=400))
    next(long)
    for number in range(5):
        answer(engine, request(f"How many {number}?", length=2))
        wait_for(engine, (0, 1))  # the long one is still being written
    assert len(list(long)) > 50


def test_an_answer_starts_within_one_step_of_free_room(model_and_processor, monkeypatch):
    """With one place, a waiting request is begun right after the step that ends the answer before it."""
    engine = ChatEngine(*model_and_processor, batch_size=1)
    seen = []
    monkeypatch.setattr(engine_module, "prefill", recorded(seen, "begin", engine_module.prefill))
    monkeypatch.setattr(engine_module, "advance", recorded(seen, "step", engine_module.advance))
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda number: answer(engine, request(f"How many {number}?", length=3)), range(4)))
    finally:
        engine.close()
    assert seen.count("begin") == 4
    for first, second in pairwise(seen):
        assert (first, second) != ("begin", "begin")
    assert len(seen) <= 4 + 4 * 2


def recorded(seen, name, call):
    def wrapper(*arguments, **options):
        seen.append(name)
        return call(*arguments, **options)

    return wrapper


def test_several_answers_to_one_prompt_read_it_once(engine, monkeypatch):
    reads, extend = [], prompt_state._extend

    def counted(model, state, pieces, pad, with_media):
        reads.extend(len(ids) for ids, _ in pieces)
        return extend(model, state, pieces, pad, with_media)

    monkeypatch.setattr(prompt_state, "_extend", counted)
    advance, entered, release = engine_module.advance, threading.Event(), threading.Event()

    def held(*arguments):
        entered.set()
        assert release.wait(30)
        return advance(*arguments)

    monkeypatch.setattr(engine_module, "advance", held)
    other = engine.answer(request("Tell a story.", length=9))
    next(other)
    assert entered.wait(30)
    reads.clear()
    prompt = engine.prepare(request("Tell.", temperature=1.5, choices=3, length=8))
    found, done = {}, threading.Event()

    def take(number):
        def put(piece):
            found.setdefault(number, []).append(piece)
            if len(found) == 3 and all(isinstance(own[-1], Exception) or own[-1].finish for own in found.values()):
                done.set()

        return put

    for number in range(3):
        engine.submit(prompt, take(number), number)
    release.set()
    assert done.wait(30)
    assert sorted(reads) == [1, 1, 1, len(prompt.row["input_ids"]) - 1]
    texts = {"".join(piece.text for piece in own) for own in found.values()}
    assert len(texts) > 1
    again = "".join(piece.text for piece in engine.answer(request("Tell.", temperature=1.5, seed=1, length=8)))
    assert again == "".join(piece.text for piece in found[1])


def test_a_step_that_fails_is_taken_again_in_smaller_batches(engine, monkeypatch):
    alone = [answer(engine, request(f"How many {number}?", length=9)) for number in range(6)]
    advance, sizes = engine_module.advance, []

    def limited(model, state, tokens):
        sizes.append(len(tokens))
        if len(tokens) > 2:
            raise RuntimeError("out of memory")
        return advance(model, state, tokens)

    monkeypatch.setattr(engine_module, "advance", limited)
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda number: answer(engine, request(f"How many {number}?", length=9)), range(6)))
    assert together == alone
    assert max(sizes) > 2


def test_a_fault_ends_one_request_and_not_its_neighbours(engine, monkeypatch):
    """One row's sampling breaks, one prompt cannot be read: the others get their answers."""
    from lamm_model.serving.sampling import Sampler

    whole = answer(engine, request("How many?", length=9))
    choose, prefill = Sampler.choose, engine_module.prefill

    def broken(self, logits, likeliest):
        if self._request.seed == 7:
            raise ValueError("a broken request")
        return choose(self, logits, likeliest)

    def refusing(model, rows, pad):
        if any(row.max_new_tokens == 8 for row in rows):
            raise MemoryError("too much")
        return prefill(model, rows, pad)

    monkeypatch.setattr(Sampler, "choose", broken)
    monkeypatch.setattr(engine_module, "prefill", refusing)

    def outcome(options):
        try:
            return answer(engine, request("How many?", **options))
        except RequestError as fault:
            return fault.status

    asked = [{"length": 9}, {"length": 9, "seed": 7}, {"length": 8}, {"length": 9}, {"length": 9, "temperature": 1e-45}]
    with ThreadPoolExecutor(5) as pool:
        assert list(pool.map(outcome, asked)) == [whole, 500, 500, whole, whole]
    assert engine.alive


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_worker_is_told_and_answers_nobody(model_and_processor, monkeypatch):
    engine = ChatEngine(*model_and_processor)

    def dies(*_):
        raise SystemExit

    monkeypatch.setattr(engine_module, "prefill", dies)
    with pytest.raises(RequestError, match="has stopped") as caught:
        answer(engine, request("How many?"))
    assert caught.value.status == 503
    assert not engine.alive
    with pytest.raises(RequestError, match="has stopped"):
        answer(engine, request("How many?"))
    engine.close()


def test_an_abandoned_answer_leaves_the_batch(engine):
    pieces = engine.answer(request("Tell a long story.", length=450))
    next(pieces)
    assert engine.load == (0, 1)
    pieces.close()
    wait_for(engine, (0, 0))
    assert engine.metrics.answers["abandoned"] == 1


def test_a_text_too_long_is_refused_before_it_is_tokenised(engine, monkeypatch):
    monkeypatch.setattr(engine.reader._processor, "encode_dialogue", None)
    with pytest.raises(LammModelError, match="Expected at most 511 tokens, got 100000 characters"):
        engine.prepare(request("x" * 100_000))


def test_requests_beyond_the_queue_are_told_to_come_again(engine, monkeypatch):
    monkeypatch.setattr(engine_module, "MOST_WAITING", 0)
    with pytest.raises(RequestError, match="Try again") as caught:
        answer(engine, request("How many?"))
    assert caught.value.status == 503


@pytest.mark.parametrize("kind", ["full", "window"])
def test_joined_and_trimmed_states_go_on_as_alone(kind, parts, tmp_path):
    """Rows of many lengths join and leave; every next token is that of the row alone, with a sliding window too."""
    from transformers import AutoTokenizer, MistralConfig, MistralForCausalLM

    from lamm_model import build_pair
    from lamm_model.answering.decoding import advance, answer_rows
    from lamm_model.answering.prompt_state import PromptRow, prefill

    language = parts.language
    if kind == "window":
        language = tmp_path / "mistral"
        AutoTokenizer.from_pretrained(parts.language).save_pretrained(language)
        torch.manual_seed(0)
        config = MistralConfig(
            vocab_size=len(AutoTokenizer.from_pretrained(language)), hidden_size=48, intermediate_size=96,
            num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256,
            sliding_window=8, bos_token_id=1, eos_token_id=2, pad_token_id=0, initializer_range=0.3,
        )  # fmt: skip
        MistralForCausalLM(config).save_pretrained(language)
    model, processor = build_pair(language, parts.clip, None, seed=1)
    model.eval()
    draw = random.Random(1)
    rows = [PromptRow([draw.randrange(5, 300) for _ in range(size)], [0] * size, max_new_tokens=12)
            for size in (30, 3, 11, 6, 40, 9)]  # fmt: skip
    alone = [answer_rows(model, processor, [row])[0] for row in rows]
    assert all(len(ids) > 3 for ids in alone)
    found, members, state = [[] for _ in rows], [], None
    with torch.inference_mode():
        for step in range(24):
            if step % 2 == 0 and step // 2 < len(rows):
                new = prefill(model, [rows[step // 2]], 0)
                members.append(step // 2)
                if state is None:
                    state = new
                else:
                    state.join(new)
            if not members:
                break
            state.logits[:, model.placeholder_ids()] = -torch.inf
            tokens = state.logits.argmax(dim=-1)
            staying = []
            for number, (row, token) in enumerate(zip(members, tokens.tolist(), strict=True)):
                if token not in processor.end_token_ids:
                    found[row].append(token)
                    if len(found[row]) < 12:
                        staying.append(number)
            members = [members[number] for number in staying]
            if not members:
                state = None
                continue
            state.select(torch.tensor(staying))
            state.trim()
            assert bool(state.mask[:, 0].any())
            state = advance(model, state, tokens[torch.tensor(staying)])
    assert found == alone
