"""What of a model's text is its answer, whatever it thinks in, and the JSON in it."""

import time

import pytest

from lamm_llm import Reply, json_values, without_thinking


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>Red or blue?</think>\n\nRed.", "Red."),
        ("<thinking>a</thinking>B", "B"),
        ("<think>never closed", ""),
        ("Is <think> a tag? Yes.", "Is <think> a tag? Yes."),
    ],
)
def test_thinking_is_no_part_of_an_answer(text, answer):
    assert without_thinking(text) == answer


HARMONY = "<|channel|>analysis<|message|>Red?<|end|><|start|>assistant<|channel|>final<|message|>"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Red or blue?\n</think>\nRed.", "Red."),  # opened by the prompt
        ("Fine. <think>Red?</think> Red.", "Red."),
        ("<think>I put <think> here</think> and more</think>Red.", "Red."),
        ("Red.\n<think>Was that right?</think>", "Red."),
        ("Red.\n<think>Was that", "Red."),
        ("only thoughts</think>", ""),
        ("<think></think>\n\nRed.", "Red."),
        ("\u25c1think\u25b7Red?\u25c1/think\u25b7Red.", "Red."),
        ("[THINK]Red?[/THINK]Red.", "Red."),
        ("<seed:think>Red?</seed:think>Red.", "Red."),
        ("<think time=3>Red?</think>Red.", "Red."),
        ("&lt;think&gt;Red?&lt;/think&gt;Red.", "Red."),
        ("<|START_THINKING|>Red?<|END_THINKING|><|START_RESPONSE|>Red.<|END_RESPONSE|>", "Red."),
        ("<|begin_of_thought|>Red?<|end_of_thought|><|begin_of_solution|>Red.<|end_of_solution|>", "Red."),
        ("<unused94>thought\nRed?<unused95>Red.", "Red."),
        ("<|channel>thought\nRed?<channel|>Red.", "Red."),
        ("<think>Red?</think><answer>Red.</answer>", "Red."),
        (HARMONY + "Red.<|return|>", "Red."),
        ("<|channel|>analysis<|message|>Red or", ""),
        (
            "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>[1]",
            "[1]",
        ),
        ("analysisWe need a colour.assistantfinalRed.", "Red."),
        ("analysisWe need a", ""),
        ("Red.<|im_end|>\n<|im_start|>user\nAnd?", "Red."),
        ("<|im_start|>assistant\nRed.<|im_end|>", "Red."),
        ("<start_of_turn>model\nRed.<end_of_turn>", "Red."),
        ("Red.</s>", "Red."),
        ('{"a": "<think>x</think>Red."}', '{"a": "Red."}'),
        ('```json\n{"a": "<think>x</think>Red."}\n```', '```json\n{"a": "Red."}\n```'),
        ("Analysis of the scene shows a dog.", "Analysis of the scene shows a dog."),
        ("a < b and b > c", "a < b and b > c"),
    ],
)
def test_what_is_answered_in_every_chat_format(text, answer):
    assert without_thinking(text) == answer
    assert Reply(text).answer == answer
    assert Reply(text).cut_off == (not answer)


@pytest.mark.parametrize(
    "text", ["<think>" * 20_000, "</think>" + '{"<think>' * 10_000, "\n" * 50_000, "<answer>" * 20_000]
)
def test_hostile_texts_take_no_longer_than_others(text):
    started = time.perf_counter()
    without_thinking(text)
    json_values(text)
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("text", "values", "broken"),
    [
        ("A dog [brown] {big}.", [], False),
        ('Before {"a": 1} after [{"b": 2}] end', [{"a": 1}, [{"b": 2}]], False),
        ('{"a": [1, 2,],}', [{"a": [1, 2]}], False),
        ('{"a": "line\nline"}', [{"a": "line\nline"}], False),
        ('{"a": [{"b": 1}, {"b"', [{"b": 1}], True),
        ("[" * 50_000, [], True),
    ],
)
def test_json_is_found_within_text(text, values, broken):
    assert json_values(text) == (values, broken)
