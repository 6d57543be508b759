"""The cache keeps every reply through SIGKILL, a torn line and a second run; nothing answered is sent again."""

import json
import os
import signal
import subprocess
import sys
import time

from lamm_metrics.gpt import judge_answers

RECORDS, HELD = 30, 25


def write_files(folder, references, answers):
    (folder / "Caption_x.json").write_text(json.dumps(references))
    for number, records in enumerate(answers):
        (folder / f"m{number}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


def start(server, folder):
    files = [f"--predictions={folder / f'm{number}.jsonl'}" for number in range(2)]
    command = [sys.executable, "-c", "from lamm_metrics.cli import metrics; metrics()", "judge", *files]
    command += [f"--benchmark={folder / 'Caption_x.json'}", f"--endpoint={server.url}", "--judge=judge-1"]
    command += [f"--output={folder / 'out'}", "--concurrency=4", "--repeat-share=0", "--draws=100", "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def lines_of(folder, kind):
    """The keys in whole lines of one kind of the cache: sent, failed, or key for replies."""
    path = folder / "out" / "requests.jsonl"
    whole = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [values[kind] for values in map(json.loads, whole) if kind in values]


def test_killed_and_resumed_nothing_answered_is_sent_again(server, kit, tmp_path):
    references, answers = kit.captions(RECORDS, "good {}", "poor {}")
    write_files(tmp_path, references, answers)
    # From the 26th on, requests are held without an answer, so that the kill finds requests under way.
    server.hold_from = HELD + 1
    process = start(server, tmp_path)
    wait_until(lambda: len(server.bodies) == HELD + 4 and len(lines_of(tmp_path, "key")) == HELD)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    with (tmp_path / "out" / "requests.jsonl").open("ab") as stream:
        stream.write(b'{"key": "torn')
    server.hold_from = None
    server.released.set()
    paths = [tmp_path / f"m{number}.jsonl" for number in range(2)]
    settings = kit.settings(server, draws=100, concurrency=4)
    resumed = judge_answers(tmp_path / "Caption_x.json", paths, settings, tmp_path / "out")
    # Every request was answered exactly once; only the four that never got an answer were received twice.
    assert set(server.answered.values()) == {1}
    assert len(server.answered) == 2 * RECORDS
    assert sorted(server.received.values()) == [1] * (2 * RECORDS - 4) + [2] * 4
    assert resumed.requests == {"sent": 2 * RECORDS - HELD, "cached": HELD, "possibly_paid_twice": 4}
    whole = judge_answers(references, answers, settings, tmp_path / "whole")
    assert [score.value for score in resumed.scores] == [score.value for score in whole.scores]


def test_killed_at_any_moment_no_key_with_a_received_answer_is_sent_again(server, kit, tmp_path):
    """Kills of a run in full swing, each at another moment; what the cache holds is never asked for again."""
    references, answers = kit.captions(120, "good {}", "poor {}")
    write_files(tmp_path, references, answers)
    server.behaviour = lambda body: time.sleep(0.01) or kit.verdict(0)
    sent_for, kills = {}, 0
    for more in (9, 20, 31, 42):
        done = len(lines_of(tmp_path, "key"))
        process = start(server, tmp_path)
        wait_until(lambda done=done, more=more: len(lines_of(tmp_path, "key")) >= done + more)
        os.kill(process.pid, signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        process.communicate()
        time.sleep(0.1)  # what was under way arrives at the server
        known = set(lines_of(tmp_path, "key"))
        # Whatever was answered before an earlier kill was not received again since.
        assert all(server.by_key[key] == count for key, count in sent_for.items())
        sent_for = {key: server.by_key[key] for key in known}
        # Every request that ever reached the server was noted before it was sent.
        assert server.by_key.keys() <= set(lines_of(tmp_path, "sent"))
    assert kills == 4
    paths = [tmp_path / f"m{number}.jsonl" for number in range(2)]
    settings = kit.settings(server, draws=100, concurrency=4)
    lost = [key for key in lines_of(tmp_path, "sent") if key not in sent_for]
    resumed = judge_answers(tmp_path / "Caption_x.json", paths, settings, tmp_path / "out")
    assert all(server.by_key[key] == count for key, count in sent_for.items())
    assert len(server.by_key) == 240
    assert resumed.requests.get("possibly_paid_twice", 0) == len(set(lost))
    # Four requests are under way at once, so a kill can lose four answers and no more.
    assert sum(server.by_key.values()) - 240 <= 4 * kills


def test_a_request_whose_answer_never_came_counts_against_the_money(server, kit, tmp_path):
    references, answers = kit.captions(3, "good {}", "poor {}")
    prices = tmp_path / "prices.toml"
    prices.write_text('[models]\n"judge-1" = { prompt = 1000.0, answer = 2000.0 }\n')

    def settings(**options):
        return kit.settings(server, prices=prices, timeout=0.3, retries=1, concurrency=1, **options)

    server.behaviour = lambda body, count: time.sleep(1) if count == 1 and len(server.bodies) == 1 else kit.verdict(0)
    found = judge_answers(references, answers, settings(), tmp_path / "out")
    assert found.requests == {"sent": 7, "cached": 0, "possibly_paid_twice": 1, "timeout": 1}
    assert not found.reports[0].unscored
    # What the lost sending may have cost stays set aside: with just the money of the replies nothing more is sent.
    more, one_more = kit.captions(4, "good {}", "poor {}")
    again = judge_answers(more, one_more, settings(max_cost=found.cost + 1.5), tmp_path / "out")
    assert again.requests == {"sent": 0, "cached": 6}
    assert again.reports[0].unscored["max_cost"] == 2
    assert again.cost == found.cost


def test_a_second_run_sends_nothing_and_says_the_same(server, kit, tmp_path):
    references, answers = kit.captions(5, "good {}", "poor {}")
    first = judge_answers(references, answers, kit.settings(server), tmp_path)
    sent = len(server.bodies)
    second = judge_answers(references[::-1], [records[::-1] for records in answers], kit.settings(server), tmp_path)
    assert len(server.bodies) == sent
    assert second.scores == first.scores
    assert second.requests == {"sent": 0, "cached": sent}


def test_equal_requests_of_one_run_are_sent_once(server, kit, tmp_path):
    references, answers = kit.captions(6, "same {}", "same {}")
    found = judge_answers(references, answers, kit.settings(server), tmp_path)
    assert max(server.received.values()) == 1
    assert found.requests == {"sent": 6, "cached": 6}
    assert found.scores[0].value == 0.5


def test_a_sample_is_seeded_and_a_larger_one_holds_it(server, kit, tmp_path):
    references, answers = kit.captions(40, "good {}", "poor {}")
    judge_answers(references, answers, kit.settings(server, sample=5, seed=3), tmp_path)
    first = len(server.bodies)
    judge_answers(references[::-1], answers, kit.settings(server, sample=5, seed=3), tmp_path)
    assert len(server.bodies) == first == 10
    judge_answers(references, answers, kit.settings(server, sample=8, seed=3), tmp_path)
    assert len(server.bodies) == 16
