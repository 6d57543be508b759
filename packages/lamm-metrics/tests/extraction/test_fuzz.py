"""No text makes an extractor raise or run long, and no reading breaks the promises of its status.

Every extractor reads `LAMM_FUZZ_INPUTS` seeded inputs of its own (300 by default). One in
five thousand is as long as an answer may be, to find patterns that are slow.
"""

import json
import math
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamm_metrics.extraction import Extraction, Status
from lamm_metrics.extraction.text.answer import MAX_CHARACTERS
from lamm_metrics.metrics.captions.tokenizers import TOKENIZERS
from lamm_metrics.paper import parsing, words

LISTS = {"boxes_2d", "boxes_2d_open", "boxes_3d", "points", "words", "nouns"}
FOLDER = Path(__file__).parent / "answers"
FRAGMENTS = json.loads((FOLDER / "fragments.json").read_text(encoding="utf-8"))["fragments"]
KINDS = ("label", "hair", "choice", "choice_signs", "choice_labels", "number", "boxes_2d",
         "boxes_2d_open", "boxes_3d", "points", "words", "yes_no", "nouns")  # fmt: skip
# Readers of text that give no status: the paper protocol's, and the tokenisers.
PLAIN = {
    "paper_boxes": lambda text: [*parsing.boxes_2d(text), *parsing.boxes_3d(text), *parsing.points(text)],
    "paper_words": lambda text: [words.mentions("dog", text), parsing.quoted(text)],
    **TOKENIZERS,
}
# One in so many inputs is as long as can be.
LONG = 5_000


def check(kind, found):
    if kind in PLAIN:
        return
    assert isinstance(found, Extraction)
    assert isinstance(found.status, Status)
    assert isinstance(found.detail, str)
    if kind in LISTS:
        assert isinstance(found.value, list)
    else:
        assert (found.value is not None) == (found.status == "ok")
    if kind == "number" and found.status == "ok":
        assert math.isfinite(found.value)
    if kind.startswith("choice") and found.status == "ok":
        assert 0 <= found.value < (12 if kind == "choice_signs" else 4)
    for item in found.value if kind.startswith(("boxes", "points")) else ():
        assert all(math.isfinite(number) for number in getattr(item, "box", None) or item.point)
        assert getattr(item, "score", None) is None or 0 <= item.score <= 1


@pytest.fixture(scope="session")
def corpus(answers):
    return [entry["text"] for part in answers.PARTS for entry in answers.load(part)]


def test_every_extractor_is_tried(extractors):
    assert set(KINDS) == extractors.keys()


@pytest.mark.parametrize("kind", [*KINDS, *PLAIN])
def test_seeded_nonsense(extractors, corpus, fuzzer, fuzz_inputs, fuzz_note, kind):
    extract = extractors[kind] if kind in extractors else PLAIN[kind]
    source, slowest, begun = fuzzer(corpus, FRAGMENTS, kind), 0.0, time.process_time()
    for number in range(fuzz_inputs):
        long = number % LONG == 250
        text = source.long(MAX_CHARACTERS) if long else source.text()
        start = time.process_time() if long else 0.0
        try:
            check(kind, extract(text))
        except Exception as error:
            raise AssertionError(f"{kind} failed on {text!r:.2000}") from error
        if long:
            slowest = max(slowest, time.process_time() - start)
            assert slowest < 1, f"{kind} took {slowest:.2f} s for {text!r:.300}"
    fuzz_note(f"{kind}: {fuzz_inputs} inputs, slowest {slowest:.3f} s, {time.process_time() - begun:.0f} s in all")


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(text=st.one_of(st.text(max_size=200), st.lists(st.sampled_from(FRAGMENTS), max_size=30).map(" ".join)))
def test_any_text(extractors, text):
    for kind, extract in extractors.items():
        first = extract(text)
        check(kind, first)
        assert first == extract(text)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(numbers=st.lists(st.floats(0, 1).map(lambda value: round(value, 3)), min_size=4, max_size=4))
def test_a_written_box_is_read_back(extractors, numbers):
    x1, x2 = sorted((numbers[0], numbers[2]))
    y1, y2 = sorted((numbers[1], numbers[3]))
    for style in (
        "dog [{}, {}, {}, {}]",
        "dog: ({}, {}), ({}, {})",
        "<ref>dog</ref><box>({},{}),({},{})</box>",
        '{{"label": "dog", "bbox_2d": [{}, {}, {}, {}]}}',
    ):
        found = extractors["boxes_2d"](style.format(x1, y1, x2, y2))
        assert [(item.label, item.box) for item in found.value] == [("dog", (x1, y1, x2, y2))]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(0, 999_999_999))
def test_a_written_count_is_read_back(extractors, count):
    for style in ("{}", "There are {:,} birds.", "Answer: {}.", "about {} of them", "**{}**"):
        assert extractors["number"](style.format(count)).value == count
