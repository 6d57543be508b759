"""Leeds Sports Pose: fourteen joints of one person an image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lamm_data.errors import SourceError
from lamm_data.records.annotations import Annotated, Keypoints
from lamm_data.records.benchmark import LSP_JOINTS
from lamm_data.sources.readers.fields import image_size
from lamm_data.sources.readers.matlab_files import load_matrix


def open_lsp(root: Path, split: str) -> Iterator[Annotated]:
    """Read `joints.mat` (`[3, 14, N]`: x, y in pixels counted from 1, and a flag).

    The first half of the images is the training split, the second the test split. Every joint has a position, hidden
    ones too; the flag is kept as `v`: 2 where it is set and 1 where it is not.

    Args:
        root: Folder with `joints.mat` and `images/im0001.jpg` and so on.
        split: `train`, `test` or `all`.
    """
    path = root / "joints.mat"
    joints = load_matrix(path, "joints")
    if joints.ndim == 3 and joints.shape[0] == len(LSP_JOINTS):
        joints = joints.transpose(1, 0, 2)  # the extended set stores [14, 3, N]
    if joints.ndim != 3 or joints.shape[:2] != (3, len(LSP_JOINTS)):
        raise SourceError(f"Expected joints of shape [3, 14, N], got {list(joints.shape)} ({path}).")
    half = joints.shape[2] // 2
    ranges = {"train": range(half), "test": range(half, joints.shape[2]), "all": range(joints.shape[2])}
    if split not in ranges:
        raise SourceError(f"Expected a split out of {', '.join(ranges)}, got {split!r}.")
    for index in ranges[split]:
        name = f"im{index + 1:04d}"
        width, height = image_size(root / "images" / f"{name}.jpg")
        points = tuple((float(x) - 1, float(y) - 1, 2 if flag else 1) for x, y, flag in joints[:, :, index].T)
        person = (Keypoints(LSP_JOINTS, points, name),)
        yield Annotated(name, f"images/{name}.jpg", origin=path.name, width=width, height=height, keypoints=person)
