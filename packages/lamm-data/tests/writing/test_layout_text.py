"""Layout text is read in metres and written back number for number."""

import math

import pytest

from lamm_data import LammDataError, LayoutPart, read_layout, write_layout

TEXT = """wall_0=Wall(0,0,0,160,0,0,128,4)
door_0=Door(wall_0,40,0,40,50,100)
window_1=Window(wall_0,1279,0,80,60,60)
bbox_0=Bbox(dining table,80,60,18,640,32,32,57)"""


def test_every_kind_is_read_in_metres():
    wall, door, _, box = read_layout(f"Sure:\n<|layout_s|>{TEXT}<|layout_e|>", origin=(1.0, -2.0, 0.5))
    assert (wall.kind, wall.name, wall.about) == ("Wall", "wall_0", "")
    assert wall.values == pytest.approx((1, -2, 0.5, 5, -2, 0.5, 2.56, 0.08))
    assert (door.about, door.values) == ("wall_0", pytest.approx((2, -2, 1.5, 1, 2)))
    assert box.about == "dining table"
    assert box.box() == pytest.approx([3, -0.5, 0.95, 0.5, 0.5, 0.890625, 0])


def test_what_is_read_is_written_again():
    parts = read_layout(TEXT)
    middle = [
        LayoutPart(part.kind, part.name, part.about, tuple(value + 1e-9 for value in part.values)) for part in parts
    ]
    assert write_layout(middle) == TEXT
    origin = (0.25, 0.5, -0.75)
    again = read_layout(write_layout(middle, origin=(0, 0, 0)), origin)
    assert write_layout([LayoutPart(p.kind, p.name, p.about, tuple(v + 1e-9 for v in p.values)) for p in again],
                        origin) == TEXT  # fmt: skip
    far = LayoutPart("Bbox", "bbox_0", "bed", (40.0, -1.0, 2.0, math.pi, 1.0, 1.0, 30.0))
    assert write_layout([far]) == "bbox_0=Bbox(bed,1279,0,80,960,64,64,1279)"


@pytest.mark.parametrize(
    "line", ["wall_0=Wall(1,2,3)", "bbox_0=Bbox(1,2,3,4,5,6,7)", "door_0=Door(wall_0,1,2,3,4,5.5)"]
)
def test_torn_lines_are_named(line):
    with pytest.raises(LammDataError, match=r"whole numbers.*line 2"):
        read_layout(f"wall_9=Wall(0,0,0,160,0,0,128,4)\n{line}")
