"""`lamm metrics judge` from the command line."""

import base64
import json

import pytest
from click.testing import CliRunner

from lamm_metrics.cli import metrics
from lamm_metrics.errors import LammMetricsError


@pytest.fixture
def files(kit, tmp_path):
    references, answers = kit.captions(6, "good {}", "poor {}")
    (tmp_path / "Caption_x.json").write_text(json.dumps(references))
    for name, records in zip(("one", "two"), answers, strict=True):
        lines = [{"lamm": "predictions", "model": name}, *records]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    paths = [f"--predictions={tmp_path / name}.jsonl" for name in ("one", "two")]
    return [f"--benchmark={tmp_path / 'Caption_x.json'}", *paths, f"--output={tmp_path / 'out'}"]


def run(server, files, *more):
    return CliRunner().invoke(metrics, ["judge", *files, f"--endpoint={server.url}", "--draws=100", *more])


def test_the_command_is_listed():
    assert "GPT Metric" in CliRunner().invoke(metrics, ["--help"]).output
    assert "--max-cost" in CliRunner().invoke(metrics, ["judge", "--help"]).output


def test_it_judges_and_writes(server, files, tmp_path):
    result = run(server, files)
    assert result.exit_code == 0, result.output
    assert "win_rate/one" in result.output
    assert "position_bias" in result.output
    assert "gpt_metric|mode:pairwise|judge:judge-1|prompts:1" in result.output
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["requests.jsonl", "result.json", "transcripts.jsonl"]
    row = json.loads((out / "transcripts.jsonl").read_text().splitlines()[0])
    assert row["order"] == ["one", "two"]
    assert row["values"] == [1, 2]
    assert row["messages"][1]["role"] == "user"


def give_pictures(tmp_path, number):
    """Name a picture in every record, and draw it; a few bytes with a JPEG's beginning will do."""
    path = tmp_path / "Caption_x.json"
    records = json.loads(path.read_text())
    (tmp_path / "media").mkdir(exist_ok=True)
    for place, record in enumerate(records):
        record["image"] = f"{place}.jpg"
        (tmp_path / "media" / record["image"]).write_bytes(b"\xff\xd8\xff" + bytes([place, number]))
    path.write_text(json.dumps(records))
    return tmp_path / "media"


def test_the_judge_is_shown_pictures_where_their_folder_is_known(server, files, tmp_path):
    media = give_pictures(tmp_path, 0)
    assert run(server, files).exit_code == 0
    blind = [body["messages"] for body in server.bodies]
    assert all(isinstance(user["content"], str) and "You cannot see the picture" in system["content"]
               for system, user in blind)  # fmt: skip
    result = run(server, files, f"--media-root={media}")
    assert result.exit_code == 0, result.output
    assert "|pictures:shown|" in result.output
    seeing = [body["messages"] for body in server.bodies[len(blind) :]]
    assert len(seeing) == len(blind)
    urls = set()
    for system, user in seeing:
        assert "You see the picture" in system["content"]
        picture, text = user["content"]
        assert "<answer A " in text["text"]
        urls.add(picture["image_url"]["url"])
    assert {base64.b64decode(url.removeprefix("data:image/jpeg;base64,"))[3] for url in urls} == set(range(6))
    assert "base64" not in (tmp_path / "out" / "transcripts.jsonl").read_text()
    sent = len(server.bodies)
    assert run(server, files, f"--media-root={media}").exit_code == 0
    assert len(server.bodies) == sent
    give_pictures(tmp_path, 1)  # changed pictures are asked about anew
    assert run(server, files, f"--media-root={media}").exit_code == 0
    assert len(server.bodies) == sent + len(blind)


def test_a_picture_that_is_not_there_is_named(server, files, tmp_path):
    media = give_pictures(tmp_path, 0)
    (media / "3.jpg").unlink()
    result = run(server, files, f"--media-root={media}")
    assert isinstance(result.exception, LammMetricsError)
    assert "3.jpg" in str(result.exception)
    assert not server.bodies


@pytest.mark.parametrize("mode", ["listwise", "absolute"])
def test_json_is_the_result_file(server, kit, files, tmp_path, mode):
    ranks = json.dumps({"explanation": "", "ranks": {"A": 1, "B": 2}})
    server.behaviour = lambda body: ranks if mode == "listwise" else kit.grades(6)
    result = run(server, files, f"--mode={mode}", "--json", "--sample=3", "--seed=4")
    assert result.exit_code == 0, result.output
    printed = json.loads(result.output)
    assert printed == json.loads((tmp_path / "out" / "result.json").read_text())
    assert printed["records"] == 3
    assert printed["settings"]["seed"] == 4


def test_dry_run_sends_nothing(server, files, tmp_path):
    result = run(server, files, "--judge=gpt-4o-mini-2024-07-18", "--dry-run", "--repeat-share=0")
    assert result.exit_code == 0, result.output
    assert "6 records, 12 verdicts, 12 requests" in result.output
    assert "USD" in result.output
    assert not server.bodies
    assert not (tmp_path / "out").exists()
    plan = json.loads(run(server, files, "--judge=unheard-of", "--dry-run", "--json").output)
    assert plan["cost"] is None
    assert plan["unpriced"] == ["unheard-of"]


def test_missing_verdicts_are_a_failure(server, files):
    server.behaviour = lambda body: (500, {}, "{}")
    result = run(server, files, "--retries=0")
    assert result.exit_code == 1
    assert "Expected every verdict" in str(result.exception) or "Expected a server" in str(result.exception)
