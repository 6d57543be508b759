"""Layout text is read in metres and written back number for number."""

import math
from collections import Counter

import pytest

from lamm_data import Annotated, Box3D, LammDataError, LayoutPart, layout_boxes, read_layout, write_layout
from lamm_data.writing.layout_text import layout_answer

TEXT = """wall_0=Wall(0,0,0,160,0,0,128,4)
door_0=Door(wall_0,40,0,40,50,100)
window_1=Window(wall_0,1279,0,80,60,60)
bbox_0=Bbox(dining table,80,60,18,640,32,32,57)"""


def test_every_kind_is_read_in_metres():
    wall, door, _, box = read_layout(f"Sure:\n<|layout_s|>{TEXT}<|layout_e|>", corner=(1.0, -2.0, 0.5))
    assert (wall.kind, wall.name, wall.about) == ("Wall", "wall_0", "")
    assert wall.values == pytest.approx((1, -2, 0.5, 5, -2, 0.5, 2.56, 0.08))
    assert (door.about, door.values) == ("wall_0", pytest.approx((2, -2, 1.5, 1, 2)))
    assert box.about == "dining table"
    assert layout_boxes([box])[0].values == pytest.approx([3, -0.5, 0.95, 0.5, 0.5, 0.890625])


def test_what_is_read_is_written_again():
    parts = read_layout(TEXT)
    middle = [
        LayoutPart(part.kind, part.name, part.about, tuple(value + 1e-9 for value in part.values)) for part in parts
    ]
    assert write_layout(middle) == TEXT
    corner = (0.25, 0.5, -0.75)
    again = read_layout(write_layout(middle), corner)
    assert write_layout([LayoutPart(p.kind, p.name, p.about, tuple(v + 1e-9 for v in p.values)) for p in again],
                        corner) == TEXT  # fmt: skip
    far = LayoutPart("Bbox", "bbox_0", "bed", (40.0, -1.0, 2.0, math.pi, 1.0, 1.0, 30.0))
    assert write_layout([far]) == "bbox_0=Bbox(bed,1279,0,80,960,64,64,1279)"


@pytest.mark.parametrize(
    "line", ["wall_0=Wall(1,2,3)", "bbox_0=Bbox(1,2,3,4,5,6,7)", "door_0=Door(wall_0,1,2,3,4,5.5)"]
)
def test_torn_lines_are_named(line):
    with pytest.raises(LammDataError, match=r"whole numbers.*line 2"):
        read_layout(f"wall_9=Wall(0,0,0,160,0,0,128,4)\n{line}")


METRES = """wall_0=Wall(0.0,1.0,0.0,0.0,-3.0,0.0,2.8,0.0)
wall_1=Wall(0.0,-3.0,0.0,4.0,1.0,0.0,2.8,0.3)
window_0=Window(wall_0,0.0,-1.0,1.5,1.2,0.9)
door_0=Door(wall_1,2.0,-1.0,1.0,0.8,2e0)
bbox_0=Bbox(dining_table,1.0,-1.0,0.4,-1.5707963705062866,2.0,0.9,0.8)"""


def test_metres_have_decimals_and_their_own_frame():
    parts = read_layout(METRES, corner=(5.0, 5.0, 5.0))
    assert parts[0].values == (0, 1, 0, 0, -3, 0, 2.8, 0)
    wall, slanted, window, door, table = layout_boxes(parts)
    assert (wall.label, wall.values) == ("wall", [0, -1, 1.4, 0.1, 4, 2.8])
    assert slanted.values == pytest.approx([2, -1, 1.4, math.hypot(4, 4), 0.3, 2.8, math.pi / 4])
    assert (window.label, window.values) == ("window", [0, -1, 1.5, 0.1, 1.2, 0.9])
    assert (door.label, door.values) == ("door", pytest.approx([2, -1, 1, 0.8, 0.3, 2, math.pi / 4]))
    assert (table.label, table.values, table.id) == ("dining table", [1, -1, 0.4, 0.9, 2, 0.8], "bbox_0")


def test_steps_and_metres_are_not_mixed():
    with pytest.raises(LammDataError, match=r"steps.*metres.*line 6"):
        read_layout(f"{METRES}\nbbox_1=Bbox(bed,1,2,3,640,5,6,7)")


@pytest.mark.parametrize("walls", ["", "wall_0=Wall(0.0,1.0,0.0,0.0,-3.0,0.0,2.8,0.0)\n" * 2])
def test_an_opening_without_its_one_wall_is_named(walls):
    with pytest.raises(LammDataError, match=r"one wall of the name 'wall_0', that 'door_0'.*none or two"):
        layout_boxes(read_layout(f"{walls}door_0=Door(wall_0,2.0,-1.0,1.0,0.8,2.0)"))


def test_boxes_of_any_source_are_written_as_layout_text():
    boxes = (Box3D("dining table", (3.0, 1.0, 0.5), (2, 1, 0.7), yaw=0.5), Box3D("", (1, 1, 1), (1, 1, 1)))
    left_out = Counter()
    text = layout_answer(Annotated("r", "r.npy", "pcl", boxes3d=boxes, corner=(1.0, -1.0, 0.0)), left_out)
    assert (text, left_out) == ("bbox_0=Bbox(dining_table,80,80,20,690,128,64,44)", {"object without a name": 1})
    assert layout_answer(Annotated("r", "r.npy", "pcl", boxes3d=boxes, corner=(-40.0, 0, 0)), left_out) == ""
    assert left_out["scene beyond the 32 m of layout text"] == 1
