"""Declared conventions: every frame and layout gives the same box, nothing is guessed, misuse is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamm_metrics as m
from lamm_metrics.errors import UsageError
from lamm_metrics.extraction import BoxConvention, Frame, Layout, extract_boxes_2d, extract_points

BOX = (0.125, 0.25, 0.5, 0.75)
SIZE = (640, 480)
WRITTEN = {
    Layout.XYXY: (0.125, 0.25, 0.5, 0.75),
    Layout.XYWH: (0.125, 0.25, 0.375, 0.5),
    Layout.CXCYWH: (0.3125, 0.5, 0.375, 0.5),
    Layout.YXYX: (0.25, 0.125, 0.75, 0.5),
}


@pytest.mark.parametrize("frame", Frame)
@pytest.mark.parametrize("layout", Layout)
def test_every_convention_reads_the_same_box(frame, layout):
    convention = BoxConvention(frame, layout)
    across, down = convention.spans(SIZE)
    first_is_y = layout is Layout.YXYX
    scales = (down, across) * 2 if first_is_y else (across, down) * 2
    numbers = [value * scale for value, scale in zip(WRITTEN[layout], scales, strict=True)]
    found = extract_boxes_2d(f"dog {numbers}", convention, SIZE)
    assert found.value[0].box == pytest.approx(BOX)
    assert BoxConvention.parse(str(convention)) == convention


def test_numbers_beyond_the_frame_are_kept_and_not_reinterpreted():
    found = extract_boxes_2d("dog [100, 200, 300, 400]")
    assert (found.status, found.value[0].box) == ("ok", (100, 200, 300, 400))


def test_pixels_need_the_size_of_the_image():
    pixels = BoxConvention(Frame.PIXELS)
    for size in (None, (0, 10), (float("nan"), 1)):
        with pytest.raises(UsageError, match="image_size"):
            extract_boxes_2d("dog [1, 2, 3, 4]", pixels, size)
    with pytest.raises(UsageError, match="image_size"):
        extract_points("[1, 2]", pixels)


@pytest.mark.parametrize("text", ["metres", "normalised-zyx", "", "thousand xyxy"])
def test_unknown_conventions_are_refused(text):
    with pytest.raises(UsageError, match="box convention"):
        BoxConvention.parse(text)


def test_named_coordinates_fix_the_order_but_not_the_units():
    text = '{"x_max": 300, "x_min": 100, "y_min": 200, "y_max": 400}'
    found = extract_boxes_2d(text, BoxConvention.parse("thousand-cxcywh"))
    assert found.value[0].box == (0.1, 0.2, 0.3, 0.4)


@given(st.tuples(*[st.floats(-2, 2)] * 4))
def test_corners_come_out_in_order(numbers):
    x1, y1, x2, y2 = BoxConvention().to_normalised(numbers)
    assert x1 <= x2
    assert y1 <= y2


@pytest.mark.parametrize(
    "text",
    [
        "[1, 2, 3]",
        "[1, 2, 3, 4, 5]",
        "[0.1, inf, 0.2, 0.3]",
        "[0.1, nan, 0.2, 0.3]",
        "dog [0.1, 0.2",
        "[0.1, 0.2, 0.3, 1e999]",
    ],
)
def test_broken_boxes_are_malformed(text):
    assert extract_boxes_2d(text).status == "malformed"


def test_negative_width_is_malformed_but_reversed_corners_are_put_in_order():
    assert extract_boxes_2d("[0.5, 0.5, -0.1, 0.1]", BoxConvention.parse("xywh")).status == "malformed"
    assert extract_boxes_2d("[0.3, 0.4, 0.1, 0.2]").value[0].box == (0.1, 0.2, 0.3, 0.4)


def test_a_convention_may_be_text_wherever_one_is_taken():
    record = {"id": 1, "image": "a.jpg", "object": [{"label": "dog", "bbox": [0.1, 0.2, 0.3, 0.4]}]}
    answer = {"id": 1, "text": "dog [100, 200, 300, 400]"}
    written, text = BoxConvention(Frame.THOUSAND), "thousand-xyxy"
    for convention in (written, text):
        assert extract_boxes_2d(answer["text"], convention).value[0].box == (0.1, 0.2, 0.3, 0.4)
        assert extract_points(answer["text"], convention).value[0].point == pytest.approx((0.2, 0.3))
        for metric in (m.DetectionAP, m.BinaryLocating, m.KeypointPCK):
            assert metric(convention=convention).convention == written
        assert m.score("detection", [record], [answer], convention=convention, draws=2).headline.value == 1
        assert m.compare_conventions([record], [answer], convention=convention)[0].value == 1
    with pytest.raises(UsageError, match="thousand-xyxy"):
        extract_boxes_2d("dog", "inches")
    with pytest.raises(UsageError, match="thousand-xyxy"):
        m.DetectionAP(convention="inches")
