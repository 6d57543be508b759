"""The Batch API over a real socket: half the price, nothing handed over twice, a killed run finds its batch again."""

import json

import pytest

from lamm_metrics.errors import LammMetricsError, UsageError
from lamm_metrics.gpt import judge_answers


class Batches:
    """Files and batches of the loopback server; `answer(body)` gives a status and a text for each line."""

    def __init__(self, kit, completion):
        self.files, self.made, self.looks = {}, [], 0
        self.answer = lambda body: (200, kit.verdict(0))
        self.completion = completion
        self.ready_after = 2
        self.final, self.most = "completed", 100

    def get(self, path):
        if path.startswith("/v1/files/"):
            return self.files[path.split("/")[3]]
        if path.startswith("/v1/batches?"):
            return json.dumps({"object": "list", "data": self.made, "has_more": False}).encode()
        self.looks += 1
        batch = next(one for one in self.made if one["id"] == path.split("/")[3])
        status = self.final if self.looks >= self.ready_after else "in_progress"
        return json.dumps({**batch, "status": status}).encode()

    def post(self, path, raw, content_type):
        if path == "/v1/files":
            boundary = content_type.split("boundary=")[1].encode()
            part = next(part for part in raw.split(b"--" + boundary) if b'name="file"' in part)
            identifier = f"file-{len(self.files)}"
            self.files[identifier] = part.split(b"\r\n\r\n", 1)[1].rstrip(b"\r\n")
            return {"id": identifier, "object": "file"}
        asked = json.loads(raw)
        lines = [json.loads(line) for line in self.files[asked["input_file_id"]].splitlines()]
        out = [json.dumps(self.line(line)).encode() for line in lines[: self.most]]
        self.files[f"out-{len(self.made)}"] = b"\n".join(out)
        batch = {"id": f"batch-{len(self.made)}", "object": "batch", "metadata": asked["metadata"], "lines": len(lines)}
        self.made.append({**batch, "output_file_id": f"out-{len(self.made)}", "error_file_id": None})
        return {**self.made[-1], "status": "validating"}

    def line(self, line):
        status, text = self.answer(line["body"])
        usage = {"prompt_tokens": 100, "completion_tokens": 10}
        body = self.completion(text, line["body"], usage) if status == 200 else text
        return {"custom_id": line["custom_id"], "response": {"status_code": status, "body": json.loads(body)}}


@pytest.fixture
def batches(server, kit):
    server.batches = Batches(kit, kit.completion)
    return server.batches


@pytest.fixture
def two(kit):
    return kit.captions(4, "good {}", "poor {}")


def test_a_batch_answers_all_but_the_first_request(server, kit, tmp_path, two, batches):
    prices = tmp_path / "prices.toml"
    prices.write_text('[models]\n"judge-1" = { prompt = 1000, answer = 2000 }\n')
    settings = kit.settings(server, batch=True, batch_pause=0.01, prices=prices)
    found = judge_answers(*two, settings, tmp_path / "out")
    assert len(server.bodies) == 1
    assert [batch["lines"] for batch in batches.made] == [7]
    assert found.score("position_bias").value == 1.0
    assert found.cost == pytest.approx(0.12 + 7 * 0.06)
    again = judge_answers(*two, settings, tmp_path / "out")
    assert (len(server.bodies), len(batches.made)) == (1, 1)
    assert again.scores == found.scores
    assert again.cost == pytest.approx(found.cost)


def test_what_a_batch_cannot_answer_is_asked_for_singly(server, kit, tmp_path, two, batches):
    answers = iter([(500, "{}"), (200, "garbage"), (400, '{"error": {"message": "too long"}}')])
    batches.answer = lambda body: next(answers, (200, kit.verdict(0)))
    found = judge_answers(*two, kit.settings(server, batch=True, batch_pause=0.01), tmp_path)
    # One for the probe, one for the 500, one corrective re-ask; what was refused is not asked again.
    assert len(server.bodies) == 3
    assert dict(found.reports[0].unscored) == {"rejected": 1}
    assert found.requests["batch_http_500"] == 1


@pytest.mark.parametrize("noted", [True, False])
def test_a_killed_run_finds_its_batch_again(server, kit, tmp_path, two, batches, monkeypatch, noted):
    settings = kit.settings(server, batch=True, batch_pause=0.01)
    batches.ready_after = 10**9

    async def killed(seconds):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("lamm_metrics.gpt.batch.asyncio.sleep", killed)
        with pytest.raises(KeyboardInterrupt):
            judge_answers(*two, settings, tmp_path)
    path = tmp_path / "requests.batches.json"
    state = json.loads(path.read_text())
    assert [(batch["id"], batch["collected"]) for batch in state["batches"]] == [("batch-0", False)]
    if not noted:
        state["batches"][0]["id"] = ""
        path.write_text(json.dumps(state))
    batches.ready_after = 0
    with pytest.raises(UsageError, match="under way"):
        judge_answers(*two, kit.settings(server), tmp_path)
    found = judge_answers(*two, settings, tmp_path)
    assert len(batches.made) == 1
    assert not found.reports[0].unscored
    assert all(batch["collected"] for batch in json.loads(path.read_text())["batches"])
    assert not list(tmp_path.glob("*.batch-*"))


def test_a_server_without_batches_is_said_so(server, kit, tmp_path, two):
    with pytest.raises(LammMetricsError, match="Leave --batch out"):
        judge_answers(*two, kit.settings(server, batch=True), tmp_path)
    assert len(server.bodies) == 1
    judge_answers(*two, kit.settings(server), tmp_path)
    assert len(server.bodies) == 8


def test_a_batch_that_expires_is_no_licence_to_pay_in_full(server, kit, tmp_path, two, batches):
    settings = kit.settings(server, batch=True, batch_pause=0.01)
    batches.final, batches.most = "expired", 3
    with pytest.raises(LammMetricsError, match="expired"):
        judge_answers(*two, settings, tmp_path)
    assert len(server.bodies) == 1
    batches.final, batches.most = "completed", 100
    judge_answers(*two, settings, tmp_path)
    assert [batch["lines"] for batch in batches.made] == [7, 4]
    assert len(server.bodies) == 1


def test_batches_beyond_the_money_are_not_handed_over(server, kit, tmp_path, two, batches):
    prices = tmp_path / "prices.toml"
    prices.write_text('[models]\n"judge-1" = { prompt = 1000, answer = 2000 }\n')
    settings = kit.settings(server, batch=True, prices=prices, max_cost=2.0)
    with pytest.raises(LammMetricsError, match="within 2 USD"):
        judge_answers(*two, settings, tmp_path / "out")
    assert not batches.made
