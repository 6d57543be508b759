"""No text makes an extractor raise, and no reading breaks the promises of its status.

The seeded generator runs 2,000 inputs by default. `LAMM_FUZZ_INPUTS=1000000` runs the long version, `LAMM_FUZZ_SEED`
another one.
"""

import json
import math
import os
import random
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamm_metrics.extraction import Extraction, Status

LISTS = {"boxes_2d", "boxes_2d_open", "boxes_3d", "points", "words", "nouns"}
FRAGMENTS = json.loads((Path(__file__).parent / "answers" / "fragments.json").read_text(encoding="utf-8"))["fragments"]


def check(kind, found):
    assert isinstance(found, Extraction)
    assert isinstance(found.status, Status)
    assert isinstance(found.detail, str)
    if kind in LISTS:
        assert isinstance(found.value, list)
    else:
        assert (found.value is not None) == found.ok
    if kind == "number" and found.ok:
        assert math.isfinite(found.value)
    if kind == "choice" and found.ok:
        assert 0 <= found.value < 4
    for item in found.value if kind.startswith(("boxes", "points")) else ():
        assert all(math.isfinite(number) for number in getattr(item, "box", None) or item.point)
        assert getattr(item, "score", None) is None or 0 <= item.score <= 1


def test_seeded_nonsense(extractors):
    inputs = int(os.environ.get("LAMM_FUZZ_INPUTS", "2000"))
    rng = random.Random(int(os.environ.get("LAMM_FUZZ_SEED", "0")))
    done = 0
    while done < inputs:
        pieces = [
            rng.choice(FRAGMENTS) if rng.random() < 0.93 else chr(rng.randrange(0x110000))
            for _ in range(rng.randrange(24))
        ]
        text = rng.choice(("", " ", " ")).join(pieces)
        for kind, extract in extractors.items():
            try:
                check(kind, extract(text))
            except Exception as error:
                raise AssertionError(f"{kind} failed on {text!r}") from error
            done += 1


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
