"""`lamm data generate` as a user calls it."""

import json

import pytest
from click.testing import CliRunner

from lamm_data.cli import data
from lamm_data.errors import LammDataError, UsageError


def call(*arguments):
    return CliRunner().invoke(data, ["generate", *map(str, arguments)], catch_exceptions=False)


def test_options_set_and_configuration_file_together(loopback, reply, settings, tmp_path):
    server = loopback(lambda seen: reply())
    rows = settings(server.url, rows=5).annotations
    config = tmp_path / "generate.toml"
    config.write_text(f'type = "daily_dialogue"\nannotations = "{rows.name}"\nmodel = "m"\noutput = "o.jsonl"\n')
    result = call(config, "--endpoint", server.url, "--set", "max_tokens=77", "--limit", "4", "--json")
    summary = json.loads(result.output)
    assert (summary["counts"]["finished"], len(server.requests)) == (4, 4)
    assert server.requests[0].body["max_tokens"] == 77
    assert (tmp_path / "o.jsonl").exists()


def test_reasons_are_counted_in_json(loopback, reply, answer, settings, tmp_path):
    def script(seen):
        text = seen.body["messages"][5]["content"]
        return answer(500) if "Cup 1." in text else reply("rubbish") if "Cup 2." in text else reply()

    run = settings(loopback(script).url, rows=4)
    config = tmp_path / "generate.toml"
    url = run.endpoints[0].url
    config.write_text(
        f'type = "daily_dialogue"\nannotations = "{run.annotations.name}"\nmodel = "m"\noutput = "o.jsonl"\n'
        f'endpoint = "{url}"\nformat = "text"\nattempts = 2\nretry_delay = 0.01\n'
    )
    result = CliRunner().invoke(data, ["generate", str(config), "--json"])
    counts = json.loads(result.output)["counts"]
    assert (counts["rejected"], counts["failed"]) == ({"unparsable": 1}, {"http_500": 1})
    assert isinstance(result.exception, LammDataError)


def test_a_dry_run_sends_nothing(loopback, reply, settings, tmp_path):
    server = loopback(lambda seen: reply())
    run = settings(server.url, rows=5)
    arguments = (
        "--annotations",
        run.annotations,
        "--endpoint",
        server.url,
        "--type",
        "daily_dialogue",
        "--output",
        run.output,
    )
    result = json.loads(call(*arguments, "--model", "gpt-4o-mini", "--dry-run", "--json").output)
    assert (result["requests"], len(server.requests)) == (5, 0)
    assert 0 < result["cost"] < result["most_cost"] < 0.01
    assert "cost: unknown" in call(*arguments, "--model", "own", "--dry-run").output
    assert not run.output.exists()


def test_all_faults_of_a_configuration_are_named_at_once():
    with pytest.raises(UsageError) as caught:
        call("--type", "daily_dialogue", "--set", "colour=red", "--set", "rounds=0", "--format", "xml")
    for part in ("unknown key 'colour'", "missing 'annotations'", "missing 'endpoint'", "'rounds'", "'format'"):
        assert part in str(caught.value)


def test_a_run_that_stops_early_is_not_done(loopback, reply, settings):
    run = settings(loopback(lambda seen: reply()).url)
    url = run.endpoints[0].url
    arguments = (
        "--annotations",
        run.annotations,
        "--endpoint",
        url,
        "--type",
        "daily_dialogue",
        "--output",
        run.output,
    )
    with pytest.raises(LammDataError, match="--max-requests 3 is reached"):
        call(*arguments, "--model", "m", "--max-requests", "3")


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("requests_per_minute=abc", "requests_per_minute to be a number above 0, got 'abc'"),
        ("tokens_per_minute=-1", "tokens_per_minute to be a number above 0, got -1"),
        ("concurrency=0", "concurrency to be a number above 0, got 0"),
        ("timeout=nan", "timeout to be a number above 0, got nan"),
        ("temperature=-3", "'temperature': expected a number of at least 0, found -3"),
        ("retry_delay=nan", "'retry_delay': expected a number of at least 0, found nan"),
        ("limit=-2", "'limit': expected a number of at least 0, found -2"),
        ("seed=1.5", "'seed': expected int, found 1.5"),
        ("temprature=1", "unknown key 'temprature'; did you mean temperature?"),
    ],
)
def test_wrong_settings_are_one_line_before_anything_is_sent(tmp_path, assignment, words):
    (tmp_path / "rows.jsonl").write_text("{}")
    call = ["generate", "--type", "daily_dialogue", "--annotations", str(tmp_path / "rows.jsonl"), "--model", "m"]
    call += ["--endpoint", "http://localhost:1/v1", "--output", str(tmp_path / "o.jsonl"), "--set", assignment]
    error = CliRunner().invoke(data, call).exception
    assert error.exit_code == 2
    assert words in str(error)
    assert "\n" not in str(error)
    assert not (tmp_path / "o.jsonl").exists()
