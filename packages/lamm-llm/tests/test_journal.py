"""The journal keeps every reply through a torn line, and knows the sendings whose answer never came."""

import asyncio
import json

import pytest

from lamm_llm import Journal, LammLlmError, Reply, Sending, UsageError, read_replies, seal_line


def open_journal(path):
    return Journal(path, None, sendings=True)


def append(journal, key, reply):
    asyncio.run(journal.append(key, reply, "m"))


def test_sendings_end_with_a_reply_or_a_failure(tmp_path):
    journal = open_journal(tmp_path / "c.jsonl")
    journal.begin("aa", Sending("m", 5, 6))
    journal.begin("bb", Sending("m", 5, 6))
    journal.fail("bb")
    journal.begin("aa", Sending("m", 5, 6))
    append(journal, "aa", Reply("x"))
    assert (journal.unknown("aa"), journal.unknown("bb")) == (1, 0)
    journal.close()
    again = open_journal(tmp_path / "c.jsonl")
    assert (again.unknown("aa"), again.unknown("bb")) == (1, 0)
    assert list(again.unknown_sendings()) == [Sending("m", 5, 6)]
    # A batch's reply is the answer to no single sending.
    again.begin("dd", Sending("m", 5, 6))
    append(again, "dd", Reply("x", share=0.5))
    assert again.unknown("dd") == 1
    again.close()


def test_two_runs_cannot_share_a_journal(tmp_path):
    journal = open_journal(tmp_path / "c.jsonl")
    with pytest.raises(UsageError, match="another process"):
        open_journal(tmp_path / "c.jsonl")
    journal.close()
    assert [path.name for path in tmp_path.iterdir()] == ["c.jsonl"]


def test_tasks_append_whole_lines(tmp_path):
    async def append_all(journal):
        replies = (journal.append(f"{number:04x}", Reply("x\n\ud800" * number), "m") for number in range(200))
        await asyncio.gather(*replies)

    journal = open_journal(tmp_path / "c.jsonl")
    asyncio.run(append_all(journal))
    journal.close()
    again = open_journal(tmp_path / "c.jsonl")
    assert all(again.get(f"{number:04x}") == Reply("x\n\ud800" * number) for number in range(200))
    again.close()


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_any_torn_last_line_is_cut_off(tmp_path, cut):
    path = tmp_path / "c.jsonl"
    journal = open_journal(path)
    for name in ("aa", "bb"):
        append(journal, name, Reply(name))
    journal.close()
    path.write_bytes(path.read_bytes()[:-cut])
    again = open_journal(path)
    assert again.get("aa") == Reply("aa")
    assert again.get("bb") is None
    append(again, "bb", Reply("cc"))
    again.close()
    last = open_journal(path)
    assert last.get("bb") == Reply("cc")
    last.close()


def test_damage_before_the_last_line_is_said(tmp_path):
    path = tmp_path / "c.jsonl"
    path.write_text('{"key": "a"}\n{"key": "b", "model": "m", "reply": {}}\n')
    with pytest.raises(LammLlmError, match="line 1"):
        open_journal(path)


def test_caches_of_earlier_judges_are_read(tmp_path):
    path = tmp_path / "c.jsonl"
    reply = '{"text": "x", "finish": "stop", "refusal": "", "prompt_tokens": 5, "answer_tokens": 7, "model": "m", '
    path.write_text(
        f'{{"key": "aa", "model": "m", "reply": {reply}"rejected": "", "share": 0.5}}}}\n'
        f'{{"key": "bb", "model": "m", "reply": {reply}"rejected": "format", "share": 1.0}}}}\n'
    )
    journal = open_journal(path)
    assert journal.get("aa") == Reply("x", prompt_tokens=5, completion_tokens=7, model="m", share=0.5)
    assert journal.get("bb") is None  # a refused answer format answers nothing
    assert [model for model, _ in journal.replies()] == ["m"]
    journal.close()


def written(path, journal):
    """Write a journal with two replies; return its lines."""
    for name in ("aa", "bb"):
        append(journal, name, Reply(f"answer {name}"))
    journal.close()
    return path.read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize("header", [None, {"model": "m"}])
def test_text_that_was_changed_is_named_by_its_line(tmp_path, header):
    path = tmp_path / "c.jsonl"
    lines = written(path, Journal(path, header))
    changed = [line.replace(b"answer aa", b"answer ab") for line in lines]
    path.write_bytes(b"".join(changed))
    with pytest.raises(LammLlmError, match=rf"c\.jsonl, line {1 + bool(header)}: its text was changed"):
        Journal(path, header)
    with pytest.raises(LammLlmError, match="its text was changed"):
        read_replies(path)
    path.write_bytes(b"".join(lines))
    Journal(path, header).close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ((b'"v":2', b'"v":3'), "its version is 3, versions 1 and 2 are read"),
        ((b'"v":2', b'"v":true'), "its version is True"),
        ((b',"crc":"', b',"sum":"'), "its text was changed"),
        ((b'{"v":2,', b'{"v":2,"note":1,'), "its text was changed"),
    ],
)
def test_another_version_and_a_missing_checksum_are_named(tmp_path, change, words):
    path = tmp_path / "c.jsonl"
    lines = written(path, Journal(path, None))
    path.write_bytes(lines[0] + lines[1].replace(*change))
    with pytest.raises(LammLlmError, match=rf"line 2: {words}"):
        Journal(path, None)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"key": "cc", "model": "m", "reply": {"text": "x"}, "note": 1}, "unknown fields 'note'"),
        ({"key": "cc", "model": "m", "reply": {"text": "x", "mood": 1}}, "unknown fields 'mood'"),
        ({"key": "cc", "model": "m", "reply": {"text": 5}}, "the text of the reply is no text"),
        ({"key": "cc", "model": "m", "reply": ["x"]}, ""),
        ({"key": "zz", "model": "m", "reply": {"text": "x"}}, ""),
        (["cc"], "no JSON object"),
    ],
)
def test_fields_that_nobody_reads_and_other_shapes_are_named(tmp_path, line, words):
    path = tmp_path / "c.jsonl"
    for text in (json.dumps(line).encode() + b"\n", seal_line(line) if isinstance(line, dict) else b"[" * 9999 + b"\n"):
        path.write_bytes(seal_line({"key": "aa", "model": "m", "reply": {"text": "x"}}) + text)
        with pytest.raises(LammLlmError, match="line 2") as caught:
            Journal(path, None)
        assert text.startswith(b"[[") or words in str(caught.value)


def test_a_journal_without_versions_goes_on(tmp_path):
    path = tmp_path / "c.jsonl"
    reply = {"text": "x", "finish": "stop", "refusal": "", "prompt_tokens": 1, "completion_tokens": 2, "model": "m"}
    old = [{"journal": 1, "run": {"model": "m"}}, {"key": "aa", "reply": reply}]
    path.write_text("".join(json.dumps(line) + "\n" for line in old))
    journal = Journal(path, {"model": "m"})
    assert journal.get("aa").text == "x"
    append(journal, "bb", Reply("y"))
    journal.close()
    again = Journal(path, {"model": "m"})
    assert [again.get(key).text for key in ("aa", "bb")] == ["x", "y"] == [r.text for r in read_replies(path).values()]
    again.close()


def test_a_sending_of_an_impossible_size_is_damage(tmp_path):
    path = tmp_path / "j.jsonl"
    path.write_bytes(seal_line({"sent": "0" * 64, "model": "m", "prompt_tokens": 1e999, "answer_tokens": 1}))
    with pytest.raises(LammLlmError, match=r"j\.jsonl, line 1"):
        Journal(path, None)
