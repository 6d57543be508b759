"""Two packages read layout text, since neither imports the other: what one writes or reads, the other reads alike."""

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lamm_data import LayoutPart, layout_boxes, read_layout, write_layout
from lamm_metrics import extract_boxes_3d, score

CORNER = (1.25, -2.5, 0.375)
PLACE, LENGTH = st.floats(0, 31, width=32), st.floats(0.125, 18, width=32)


@st.composite
def layouts(draw):
    """A room of walls, openings in them and boxes, in metres from its corner on."""
    walls = [
        LayoutPart("Wall", f"wall_{n}", "", (*draw(st.tuples(*[PLACE] * 6)), draw(LENGTH), draw(st.floats(0, 1))))
        for n in range(draw(st.integers(1, 3)))
    ]
    centre, sides = st.tuples(*[PLACE] * 3), st.tuples(*[LENGTH] * 3)
    named = st.sampled_from([wall.name for wall in walls])
    openings = [
        LayoutPart(kind, f"{kind.lower()}_0", draw(named), (*draw(centre), *draw(sides)[:2]))
        for kind in ("Door", "Window")
    ]
    turn = st.floats(-math.pi, math.pi) | st.sampled_from([0.0, math.pi / 2, -math.pi])
    boxes = [LayoutPart("Bbox", "bbox_0", "chair", (*draw(centre), draw(turn), *draw(sides)))]
    return [*walls, *openings, *boxes]


@settings(max_examples=60, deadline=None)
@given(layouts(), st.booleans())
@example([LayoutPart("Wall", "wall_0", "", (1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 2.5, 0.0))], True)
@example([LayoutPart("Wall", "wall_0", "", (0.0, 0.0, 0.0, 2.0, 0.0, 0.00012345678901234567, 2.5, 5e-324))], False)
def test_both_packages_read_the_same_boxes(parts, steps):
    text = write_layout(parts) if steps else _in_metres(parts)
    found = extract_boxes_3d(text, 7, corner=CORNER)
    wanted = layout_boxes(read_layout(text, CORNER))
    assert (found.status, [box.label for box in found.value]) == ("ok", [box.label for box in wanted])
    for got, box in zip(found.value, wanted, strict=True):
        assert got.box == pytest.approx([*box.centre, *box.size, box.yaw], abs=1e-9)


def _in_metres(parts):
    return "\n".join(
        f"{part.name}={part.kind}({','.join([part.about] * bool(part.about) + [str(float(v)) for v in part.values])})"
        for part in parts
    )


TEXT = """wall_0=Wall(0,0,0,160,0,0,128,4)
door_0=Door(wall_0,40,0,40,50,100)
bbox_0=Bbox(dining_table,80,60,18,800,32,64,57)"""


def test_an_answer_in_layout_text_is_scored_against_boxes_in_metres():
    truth = [{"label": box.label, "bbox": box.values} for box in layout_boxes(read_layout(TEXT, CORNER))]
    record = {"id": "room", "pcl": "room.ply", "query": "What is here?", "object": truth, "cloud_corner": list(CORNER)}
    report = score("detection3d", [record], [{"id": "room", "text": f"<|layout_s|>{TEXT}<|layout_e|>"}])
    assert report.headline.value == 1
    lacking = {key: value for key, value in record.items() if key != "cloud_corner"}
    report = score("detection3d", [lacking], [{"id": "room", "text": TEXT}], samples=True)
    assert (report.headline.value, report.headline.failure_rate) == (0, 1)
    assert "no `cloud_corner`" in report.unread[0].detail
