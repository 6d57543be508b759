"""Turn free-form answers into values, each with a status that says how far to trust it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamm_metrics.extraction.choices import extract_choice, extract_labelled_choice
    from lamm_metrics.extraction.coordinates.boxes import extract_boxes_2d, extract_boxes_3d
    from lamm_metrics.extraction.coordinates.points import extract_points
    from lamm_metrics.extraction.labels import extract_label
    from lamm_metrics.extraction.nouns import extract_noun_phrases
    from lamm_metrics.extraction.numbers import extract_number
    from lamm_metrics.extraction.result import Extraction, LabelledBox, LabelledPoint, Status
    from lamm_metrics.extraction.words import extract_words
    from lamm_metrics.extraction.yes_no import extract_yes_no
    from lamm_metrics.geometry.conventions import NORMALISED_XYXY, BoxConvention, Frame, Layout

# Where each name lives. A module compiles a hundred patterns: it is imported when one of its names is first used.
_HOMES = {
    "extraction.choices": "extract_choice extract_labelled_choice",
    "extraction.coordinates.boxes": "extract_boxes_2d extract_boxes_3d",
    "extraction.coordinates.points": "extract_points",
    "extraction.labels": "extract_label",
    "extraction.nouns": "extract_noun_phrases",
    "extraction.numbers": "extract_number",
    "extraction.result": "Extraction LabelledBox LabelledPoint Status",
    "extraction.words": "extract_words",
    "extraction.yes_no": "extract_yes_no",
    "geometry.conventions": "NORMALISED_XYXY BoxConvention Frame Layout",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = [
    "NORMALISED_XYXY",
    "BoxConvention",
    "Extraction",
    "Frame",
    "LabelledBox",
    "LabelledPoint",
    "Layout",
    "Status",
    "extract_boxes_2d",
    "extract_boxes_3d",
    "extract_choice",
    "extract_label",
    "extract_labelled_choice",
    "extract_noun_phrases",
    "extract_number",
    "extract_points",
    "extract_words",
    "extract_yes_no",
]


def __getattr__(name: str) -> Any:
    module = _HOME.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"lamm_metrics.{module}"), name)
    globals()[name] = value
    return value
