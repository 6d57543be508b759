import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamm_data.errors import UsageError
from lamm_data.records.annotations import Annotated, Box, Keypoints
from lamm_data.templates.convert import Conversion, convert
from lamm_data.writing.coordinates import NUMBER_STYLES, PAPER, fractions, metres, number_style

CORNERS, SIZE = (0.12, 0.225, 0.685, 1.0), (640, 480)
WRITTEN = {
    "paper": ("[0.12, 0.23, 0.69, 1.0]", "[0.12, 0.23]"),
    "fraction3": ("[0.12, 0.225, 0.685, 1.0]", "[0.12, 0.225]"),
    "thousand": ("[120, 225, 685, 1000]", "[120, 225]"),
    "thousand_yx": ("[225, 120, 1000, 685]", "[225, 120]"),
    "pixels": ("[77, 108, 438, 480]", "[77, 108]"),
    "percent": ("{<12><22><69><100>}", "{<12><22>}"),
    "qwen": ("<|box_start|>(120,225),(685,1000)<|box_end|>", "<|box_start|>(120,225)<|box_end|>"),
    "kosmos": ("<patch_index_0227><patch_index_1013>", "<patch_index_0227><patch_index_0227>"),
    "paligemma": ("<loc0230><loc0122><loc1023><loc0701>", None),
    "florence": ("<loc_120><loc_225><loc_685><loc_999>", None),
}


@pytest.mark.parametrize("name", NUMBER_STYLES)
def test_each_style_writes_what_its_models_are_taught(name):
    style = number_style(name)
    box, point = WRITTEN[name]
    if name in ("paper", "percent"):  # halves are rounded as Python rounds the binary fraction
        assert _near(style.box(CORNERS, SIZE), box)
    else:
        assert style.box(CORNERS, SIZE) == box
    if point is None:
        with pytest.raises(UsageError, match="boxes only"):
            style.point(CORNERS[:2], SIZE)
        with pytest.raises(UsageError, match="boxes only"):
            Conversion("keypoint_detection", "x", numbers=name)
    else:
        assert _near(style.point(CORNERS[:2], SIZE), point)


def _near(one, other):
    a, b = ([float(number) for number in re.findall(r"[0-9.]+", text)] for text in (one, other))
    return re.sub(r"[0-9.]+", "", one) == re.sub(r"[0-9.]+", "", other) and a == pytest.approx(b, abs=1.01)


def test_unknown_style_is_refused():
    with pytest.raises(UsageError, match="Choose one of paper"):
        number_style("roman")
    with pytest.raises(UsageError):
        list(convert([], Conversion("detection", "x", numbers="roman")))


@given(
    st.sampled_from(sorted(NUMBER_STYLES)),
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
    st.integers(1, 5000),
    st.integers(1, 5000),
)
def test_written_numbers_stay_in_the_style_and_near_the_box(name, values, width, height):
    style = number_style(name)
    (x1, x2), (y1, y2) = sorted(values[::2]), sorted(values[1::2])
    text = style.box((x1, y1, x2, y2), (width, height))
    if not text:
        return
    numbers = [float(number) for number in re.findall(r"(?:(?<=loc)|(?<![A-Za-z0-9.]))[0-9.]+", text)]
    if name == "kosmos":
        first, last = (divmod(int(number), 32) for number in numbers)
        read = [first[1] / 32, first[0] / 32, (last[1] + 1) / 32, (last[0] + 1) / 32]
        assert read[0] <= x1 < x2 <= read[2]
        assert read[1] <= y1 < y2 <= read[3]
        return
    read = [numbers[k] for k in (1, 0, 3, 2)] if style.y_first else numbers
    scales = [style.span or size for size in (width, height)] * 2
    # A bin is known to a whole step, a rounded number to half of one.
    step = 10**-style.decimals * (1.0 if name in ("paligemma", "florence") else 0.5)
    for number, scale, truth in zip(read, scales, (x1, y1, x2, y2), strict=True):
        assert 0 <= number <= scale
        assert abs(number - truth * scale) <= step + 1e-9 * scale
    assert read[0] < read[2]
    assert read[1] < read[3]


def test_styles_that_cannot_stand_in_sentences_are_refused_there():
    with pytest.raises(UsageError, match="short answers"):
        Conversion("detection", "x", numbers="paligemma")
    assert Conversion("detection", "x", numbers="paligemma", style="short").task == "detection"


def test_conversion_writes_the_declared_style_and_says_so():
    item = Annotated("1", "1.png", width=640, height=480, boxes=(Box("dog", (64, 48, 320, 480)),))
    record = next(convert([item], Conversion("detection", "x", style="short", numbers="thousand")))
    assert record.conversations[1].text == "dog [100, 100, 500, 1000]"
    assert record.meta["numbers"] == "thousand"
    assert "numbers" not in next(convert([item], Conversion("detection", "x"))).meta
    joint = Annotated("1", "1.png", width=640, height=480, keypoints=(Keypoints(("neck",), ((320, 240, 2),)),))
    record = next(convert([joint], Conversion("keypoint_detection", "x", style="short", numbers="pixels")))
    assert record.conversations[1].text == "[320, 240]"
    thin = Annotated("1", "1.png", width=640, height=480, boxes=(Box("dog", (64, 48, 65, 480)),))
    assert not list(convert([thin], Conversion("detection", "x", numbers="paper")))
    assert list(convert([thin], Conversion("detection", "x", numbers="pixels")))


@given(st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=6))
def test_written_numbers_read_back_rounded(values):
    assert json.loads(fractions(values)) == [round(v, 2) for v in values]
    assert json.loads(metres(values)) == pytest.approx([round(v, 3) for v in values])
    assert "-0.0," not in fractions(values) + ","
    assert "e" not in fractions(values)


def test_paper_style_is_the_lamm_datasets():
    assert PAPER.box((0.123, 0.2, 0.68, 1.0), SIZE) == "[0.12, 0.2, 0.68, 1.0]"
    assert PAPER.box((0.5, 0.5, 0.501, 0.9), SIZE) == ""
