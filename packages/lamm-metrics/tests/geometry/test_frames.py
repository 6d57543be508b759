"""Answers in another frame than the declared one are named, with the frame that fits; answers that fit are not."""

import numpy as np
import pytest

from lamm_metrics.geometry.boxes import misplaced_2d
from lamm_metrics.geometry.boxes3d import misplaced_3d
from lamm_metrics.geometry.conventions import BoxConvention, Frame

SIZE = (640.0, 480.0)
BOXES = np.random.default_rng(5).uniform(0.02, 0.98, (40, 4)).round(3)


def _read(frame, declared):
    """Boxes written in one frame and read in another, as shares of the image."""
    written, read = (np.tile(BoxConvention(name).spans(SIZE), 2) for name in (frame, declared))
    return (BOXES * written / read).tolist()


@pytest.mark.parametrize("declared", Frame)
@pytest.mark.parametrize("frame", Frame)
def test_every_frame_is_told_from_every_narrower_one(frame, declared):
    said, better = misplaced_2d(_read(frame, declared), [SIZE] * len(BOXES), BoxConvention(declared), "boxes")
    width = {name: BoxConvention(name).spans(SIZE)[0] for name in Frame}
    if width[frame] > width[declared] or (frame is Frame.NORMALISED and declared is not frame):
        assert better == BoxConvention(frame)
        assert "40 answered boxes" in said
        assert str(BoxConvention(declared)) in said
    else:
        assert (said, better) == ("", None)


def test_without_the_sizes_of_the_images_pixels_are_called_thousandths():
    said, better = misplaced_2d(_read(Frame.PIXELS, Frame.NORMALISED), [None] * len(BOXES), BoxConvention(), "boxes")
    assert said
    assert better == BoxConvention(Frame.THOUSAND)


def test_a_few_boxes_beyond_the_image_and_answers_that_are_none_are_no_reason():
    placed = [(0.1, 0.1, 0.4, 0.4)] * 6 + [(2.0, 2.0, 3.0, 3.0)] * 5 + [(np.nan,) * 4] * 20
    assert misplaced_2d(placed, [None] * len(placed), BoxConvention(), "boxes") == ("", None)
    assert misplaced_2d([], [], BoxConvention(), "boxes") == ("", None)
    assert misplaced_2d([(9e9,) * 4] * 3, [None] * 3, BoxConvention(), "boxes")[1] is None


def test_points_and_the_layout_are_kept():
    declared = BoxConvention.parse("normalised-yxyx")
    said, better = misplaced_2d([(120.0, 300.0), (700.0, 40.0)], [None, None], declared, "points")
    assert "2 answered points" in said
    assert str(better) == "thousand-yxyx"


@pytest.mark.parametrize(
    ("factor", "unit"), [(100, "centimetres"), (1000, "millimetres"), (20, ""), (1, None), (9, None)]
)
def test_boxes_beyond_their_scene_by_ten_are_named_with_the_unit(factor, unit):
    scene = np.array([[1.0, 2.0, 0.5, 1.0, 1.0, 1.0], [3.0, 0.5, 0.4, 2.0, 1.0, 0.8]])
    said = misplaced_3d((scene * factor).tolist(), [2.0, 3.0])
    assert bool(said) == (unit is not None)
    assert (unit or "") in said
    assert "as if" not in said if not unit else "as if" in said


def test_scenes_without_objects_say_nothing_of_reach():
    assert misplaced_3d([(500.0,) * 6], [0.0]) == ""
