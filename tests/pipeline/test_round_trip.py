"""Boxes and points go from annotation to dialogue to lamm-metrics' extraction and come back as they were written."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamm_data import NUMBER_STYLES, STYLES, Annotated, Box, Box3D, Conversion, Keypoints, convert
from lamm_metrics import BoxConvention, extract_boxes_2d, extract_boxes_3d, extract_points, extract_yes_no

LABELS = ("dog", "traffic light", "skis", "wine glass", "dining table", "tv", "person")
FURNITURE = ("chair", "night stand", "shower curtain")
# Half a step of each style's numbers, as a fraction of the image; tokens are read at their bin's middle or edge.
STEPS = {"paper": 0.005, "fraction3": 0.0005, "thousand": 0.0005, "thousand_yx": 0.0005, "qwen": 0.0005,
         "percent": 0.005, "kosmos": 1 / 32, "paligemma": 1 / 1024, "florence": 0.5 / 1000}  # fmt: skip
SIZES = st.tuples(st.integers(32, 2000), st.integers(32, 2000))
FRACTIONS = st.floats(0, 1)


def answers(item, conversion):
    return [record.conversations[1].text for record in convert([item], conversion)]


@st.composite
def images(draw):
    width, height = draw(SIZES)
    boxes = []
    for number in range(draw(st.integers(1, 6))):
        (x1, x2), (y1, y2) = (sorted((draw(FRACTIONS), draw(FRACTIONS))) for _ in "xy")
        corners = (x1 * width, y1 * height, x2 * width, y2 * height)
        label = draw(st.sampled_from(LABELS))
        if (label, corners) not in [(box.label, box.xyxy) for box in boxes]:  # what is listed twice is written once
            boxes.append(Box(label, corners, str(number)))
    return Annotated(str(draw(st.integers(0, 10**6))), "1.png", width=width, height=height, boxes=tuple(boxes))


@settings(deadline=None, max_examples=150)
@given(images(), st.sampled_from(sorted(NUMBER_STYLES)), st.sampled_from(STYLES))
def test_2d_boxes_come_back(item, numbers, style):
    number_style, size = NUMBER_STYLES[numbers], (item.width, item.height)
    usable = [
        box
        for box in item.boxes
        if box.xyxy[0] < box.xyxy[2] and box.xyxy[1] < box.xyxy[3]
        and number_style.box(box.normalised(*size), size)
    ]  # fmt: skip
    style = style if number_style.sentences else "short"
    said = answers(item, Conversion("detection", "x", style=style, numbers=numbers))
    assert bool(said) == bool(usable)
    if not usable:
        return
    convention = BoxConvention.parse(number_style.convention) if number_style.convention else BoxConvention()
    found = extract_boxes_2d(said[0], convention, size, labels=LABELS)
    assert found.status == "ok", (said, found)
    assert [box.label for box in found.value] == [box.label for box in usable], said
    for box, truth in zip(found.value, usable, strict=True):
        exact = truth.normalised(*size)
        if numbers == "paper":
            assert tuple(box.box) == pytest.approx([round(value, 2) for value in exact], abs=1e-9)
        steps = [STEPS.get(numbers, 0.5 / size[k % 2]) for k in range(4)]
        assert all(abs(a - b) <= step + 1e-9 for a, b, step in zip(box.box, exact, steps, strict=True)), (said, exact)


@settings(deadline=None, max_examples=75)
@given(
    st.lists(
        st.tuples(st.sampled_from(FURNITURE), *[st.floats(-9, 9)] * 3, *[st.floats(0.001, 5)] * 3),
        min_size=1,
        max_size=6,
        unique=True,  # what is listed twice is written once
    ),
    st.sampled_from(STYLES),
    st.integers(0, 99),
)
def test_3d_boxes_come_back(values, style, key):
    boxes = tuple(Box3D(label, (x, y, z), (dx, dy, dz)) for label, x, y, z, dx, dy, dz in values)
    scene = Annotated(str(key), "s.npy", "pcl", boxes3d=boxes)
    (said,) = answers(scene, Conversion("detection3d", "x", style=style))
    found = extract_boxes_3d(said, numbers=6, labels=FURNITURE)
    assert [box.label for box in found.value] == [box.label for box in boxes], said
    for box, truth in zip(found.value, boxes, strict=True):
        assert list(box.box) == pytest.approx([round(value, 3) for value in truth.values], abs=1e-9)


@settings(deadline=None, max_examples=75)
@given(SIZES, FRACTIONS, FRACTIONS, st.sampled_from(sorted(NUMBER_STYLES)), st.sampled_from(STYLES), st.integers(0, 99))
def test_points_come_back(size, x, y, numbers, style, key):
    number_style = NUMBER_STYLES[numbers]
    if not number_style.point_pattern:
        return
    place = (x * size[0], y * size[1], 2)
    item = Annotated(str(key), "1.png", width=size[0], height=size[1], keypoints=(Keypoints(("left_knee",), (place,)),))
    said = answers(item, Conversion("keypoint_detection", "x", style=style, numbers=numbers))
    if not said:  # a point that rounding put beyond the edge
        return
    convention = BoxConvention.parse(number_style.convention) if number_style.convention else BoxConvention()
    found = extract_points(said[0], convention, size)
    assert len(found.value) == 1, (said, found)
    steps = [STEPS.get(numbers, 0.5 / size[k]) for k in range(2)]
    assert all(abs(a - b) <= step + 1e-9 for a, b, step in zip(found.value[0].point, (x, y), steps, strict=True)), said


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("label", LABELS)
def test_presence_answers_read_as_what_they_say(label, style):
    closed = (*LABELS, "cat")
    items = [Annotated(str(k), "1.png", width=9, height=9, boxes=(Box(label, (1, 1, 5, 5)),)) for k in range(60)]
    for record in convert(items, Conversion("presence", "x", style=style, closed=closed, negatives=0.5)):
        wanted = record.meta["annotations"][0].startswith("has:")
        assert extract_yes_no(record.conversations[1].text).value == wanted, record.conversations[1].text
