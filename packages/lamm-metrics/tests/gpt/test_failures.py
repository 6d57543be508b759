"""A server that throttles, fails, refuses or knows fewer formats; keys stay secret; money is not overspent."""

import json
import time

import pytest

from lamm_metrics.errors import LammMetricsError, UsageError
from lamm_metrics.gpt import judge_answers, plan_judging
from lamm_metrics.gpt.settings import EndpointError

KEY = "sk-secret-1234567890"


def error(status, message, headers=None, **more):
    return status, headers or {}, json.dumps({"error": {"message": message, **more}})


@pytest.fixture
def two(kit):
    return kit.captions(4, "good {}", "poor {}")


def test_retry_after_is_honoured(server, kit, tmp_path, two):
    times = []

    def judge(body, count):
        times.append(time.monotonic())
        return error(429, "slow down", {"Retry-After": "1"}) if len(times) == 1 else kit.verdict(0)

    server.behaviour = judge
    found = judge_answers(*two, kit.settings(server, retries=0), tmp_path)
    assert times[1] - times[0] >= 1.0
    assert found.requests["http_429"] == 1
    assert not found.reports[0].unscored


def test_passing_failures_are_tried_again(server, kit, tmp_path, two):
    server.behaviour = lambda body, count: error(500 + count, "oops") if count == 1 else kit.verdict(0)
    found = judge_answers(*two, kit.settings(server), tmp_path)
    assert found.requests["sent"] == 16
    assert found.requests["http_501"] == 8
    assert max(server.answered.values()) == 1


def test_what_keeps_failing_is_unscored_and_asked_for_again(server, kit, tmp_path, two):
    def judge(body):
        return error(500, "oops") if "poor 2" in kit.shown_answers(body)[0] else kit.verdict(0)

    server.behaviour = judge
    found = judge_answers(*two, kit.settings(server, retries=1), tmp_path)
    assert dict(found.reports[0].unscored) == {"http_500": 1}
    assert found.unsent == 1
    server.behaviour = kit.always_first
    before = len(server.bodies)
    again = judge_answers(*two, kit.settings(server, retries=1), tmp_path)
    assert again.unsent == 0
    assert len(server.bodies) == before + 1


@pytest.mark.parametrize(
    "text", ["<html>", '{"choices": []}', '{"choices": [{"message": {"content": 7}}]}', "[" * 9000]
)
def test_replies_that_are_no_completions_are_failures_not_verdicts(server, kit, tmp_path, two, text):
    server.behaviour = lambda body: (200, {}, text)
    found = judge_answers(*two, kit.settings(server, retries=0), tmp_path)
    assert dict(found.reports[0].unscored) == {"malformed_reply": 8}
    assert found.scores[0].value is None


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (error(401, f"Incorrect API key provided: {KEY}"), "valid API key"),
        (error(404, "no such model"), "--judge"),
        (error(429, "You exceeded your quota", code="insufficient_quota"), "Add credit"),
    ],
)
def test_fatal_errors_stop_at_once_and_show_no_key(server, kit, tmp_path, two, answer, said):
    server.behaviour = lambda body: answer
    with pytest.raises(EndpointError, match=said) as caught:
        judge_answers(*two, kit.settings(server, key=KEY), tmp_path)
    assert len(server.bodies) == 1
    assert KEY not in str(caught.value)


def test_a_server_that_is_not_there_is_said_so(kit, tmp_path, two, server):
    settings = kit.settings(server, retries=0)
    server.shutdown()
    server.server_close()
    with pytest.raises(EndpointError, match="Expected a server at"):
        judge_answers(*two, settings, tmp_path)


def test_the_key_is_sent_but_stands_in_no_file(server, kit, tmp_path, two):
    def judge(body):
        if "poor 1" in kit.shown_answers(body)[0]:
            return error(400, f"bad request with {KEY}")
        return json.dumps({"explanation": f"your key is {KEY}", "verdict": "A"})

    server.behaviour = judge
    settings = kit.settings(server, key=KEY)
    found = judge_answers(*two, settings, tmp_path)
    sent = {name.lower(): value for name, value in server.headers_seen[0].items()}
    assert sent["authorization"] == f"Bearer {KEY}"
    assert len(sent["idempotency-key"]) == 64
    assert KEY not in repr(settings) + str(found)
    for path in tmp_path.iterdir():
        assert KEY not in path.read_text()
        assert "your key is ***" in path.read_text() or path.name == "result.json"
    assert dict(found.reports[0].unscored) == {"rejected": 1}


@pytest.mark.parametrize("known", ["json_schema", "json_object", "text"])
def test_formats_fall_back_to_what_the_server_knows(server, kit, tmp_path, two, known):
    order = ["json_schema", "json_object", "text"]

    def judge(body):
        asked = body.get("response_format", {"type": "text"})["type"]
        if order.index(asked) < order.index(known):
            return error(400, f"response_format.type {asked} is not supported")
        return kit.verdict(0)

    server.behaviour = judge
    found = judge_answers(*two, kit.settings(server), tmp_path)
    assert len(server.bodies) == 8 + order.index(known)
    assert not found.reports[0].unscored
    rows = [json.loads(line) for line in (tmp_path / "transcripts.jsonl").read_text().splitlines()]
    assert {row["format"] for row in rows} == {known}
    before = len(server.bodies)
    judge_answers(*two, kit.settings(server), tmp_path)
    assert len(server.bodies) == before


def test_the_schema_that_is_sent_is_strict(server, kit, tmp_path, two):
    judge_answers(*two, kit.settings(server), tmp_path)
    sent = server.bodies[0]["response_format"]["json_schema"]
    assert sent["strict"] is True
    assert sent["schema"]["properties"]["verdict"]["enum"] == ["A", "B", "tie"]
    assert list(sent["schema"]["properties"]) == sent["schema"]["required"] == ["explanation", "verdict"]


def test_parameters_are_renamed_where_the_server_wants_it(server, kit, tmp_path, two):
    def judge(body):
        if "max_tokens" in body:
            return error(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
        return error(400, "temperature is not supported") if "temperature" in body else kit.verdict(0)

    server.behaviour = judge
    judge_answers(*two, kit.settings(server), tmp_path)
    assert len(server.bodies) == 10
    assert server.bodies[-1]["max_completion_tokens"] == 512


def prices(tmp_path, text='"judge-1" = { prompt = 1000.0, answer = 2000.0 }'):
    path = tmp_path / "prices.toml"
    path.write_text(f"[models]\n{text}\n")
    return path


def test_max_cost_holds_over_runs(server, kit, tmp_path, two):
    # A reply costs 100 · 1000 / 10⁶ + 10 · 2000 / 10⁶ = 0.12.
    options = {"prices": prices(tmp_path), "max_tokens": 16}
    first = judge_answers(*two, kit.settings(server, max_cost=1.2, **options), tmp_path / "out")
    assert first.cost <= 1.2
    assert first.cost == pytest.approx(0.12 * len(server.bodies))
    assert 0 < len(server.bodies) < 8
    assert dict(first.reports[0].unscored) == {"max_cost": 8 - len(server.bodies)}
    before = len(server.bodies)
    second = judge_answers(*two, kit.settings(server, max_cost=1.2, **options), tmp_path / "out")
    assert len(server.bodies) == before
    assert second.cost == pytest.approx(first.cost)
    third = judge_answers(*two, kit.settings(server, max_cost=10.0, **options), tmp_path / "out")
    assert len(server.bodies) == 8
    assert third.cost == pytest.approx(0.96)


def test_cost_is_estimated_where_the_server_counts_no_tokens(server, kit, tmp_path, two):
    server.usage = None
    found = judge_answers(*two, kit.settings(server, prices=prices(tmp_path)), tmp_path / "out")
    assert found.cost > 8 * 0.1


def test_max_cost_without_a_price_is_refused(server, kit, tmp_path, two):
    with pytest.raises(UsageError, match="judge-1"):
        judge_answers(*two, kit.settings(server, max_cost=1.0), tmp_path)
    assert not server.bodies


def test_a_plan_sends_nothing_and_knows_the_cache(server, kit, tmp_path, two):
    settings = kit.settings(server, prices=prices(tmp_path), repeat_share=0.5)
    plan = plan_judging(*two, settings, tmp_path / "out")
    assert not server.bodies
    assert (plan.records, plan.verdicts, plan.requests) == (4, 12, 12)
    assert 0 < plan.cost <= plan.most
    judge_answers(*two, settings, tmp_path / "out")
    assert len(server.bodies) == 12
    # Real bills stay below the plan's ceiling when the server counts as the plan guessed.
    assert plan_judging(*two, settings, tmp_path / "out").requests == 0


@pytest.mark.parametrize(
    "text", ["nonsense", '"m" = { prompt = -1, answer = 2 }', '"m" = { prompt = "x", answer = 2 }']
)
def test_faulty_price_tables_are_refused(server, kit, tmp_path, two, text):
    with pytest.raises(UsageError, match=r"prices\.toml"):
        plan_judging(*two, kit.settings(server, prices=prices(tmp_path, text)))


def test_the_only_model_of_a_server_judges(server, kit, tmp_path, two):
    found = judge_answers(*two, kit.settings(server, judges=()), tmp_path)
    assert found.settings["judges"] == ["judge-1"]
    server.models = ["a", "b"]
    with pytest.raises(UsageError, match="got 2: a, b"):
        judge_answers(*two, kit.settings(server, judges=()), tmp_path)


@pytest.mark.parametrize(
    "options",
    [{"mode": "best"}, {"sample": 0}, {"judges": ("a", "a")}, {"concurrency": 0}, {"repeat_share": 1.5}],
)
def test_faulty_settings_are_refused(server, kit, options):
    with pytest.raises(UsageError):
        kit.settings(server, **options)


def test_credentials_in_the_address_are_refused_and_not_shown(kit):
    class Address:
        url = "http://user:secret@host/v1"

    with pytest.raises(UsageError) as caught:
        kit.settings(Address)
    assert "secret" not in str(caught.value)


def test_halves_of_surrogate_pairs_hurt_nowhere(server, kit, tmp_path):
    server.behaviour = lambda body: "\ud800" if len(body["messages"]) == 2 else kit.verdict(0)
    references, answers = kit.captions(2, "good \ud83d\ude00 {}", "poor \ud800 {}")
    references[0]["query"] = "what \udfff"
    found = judge_answers(references, answers, kit.settings(server), tmp_path)
    assert not found.reports[0].unscored
    assert kit.shown_answers(server.bodies[0])[0] == "good \U0001f600 0"


def test_faulty_counts_of_tokens_are_not_believed(server, kit, tmp_path, two):
    server.usage = {"prompt_tokens": -5, "completion_tokens": -(10**9)}
    found = judge_answers(*two, kit.settings(server, prices=prices(tmp_path)), tmp_path / "out")
    assert found.cost > 0


def test_one_model_cannot_be_compared(server, kit, tmp_path):
    references, answers = kit.captions(2, "good {}")
    with pytest.raises(UsageError, match="absolute"):
        judge_answers(references, answers, kit.settings(server), tmp_path)


def test_no_records_are_an_error(server, kit, tmp_path):
    with pytest.raises(LammMetricsError, match="at least one record"):
        judge_answers([], [[], []], kit.settings(server), tmp_path)
