"""Turn free-form answers into values, each with a status that says how far to trust it."""

from lamm_metrics.extraction.choices import extract_choice
from lamm_metrics.extraction.coordinates.boxes import extract_boxes_2d, extract_boxes_3d
from lamm_metrics.extraction.coordinates.points import extract_points
from lamm_metrics.extraction.labels import extract_label
from lamm_metrics.extraction.nouns import extract_noun_phrases
from lamm_metrics.extraction.numbers import extract_number
from lamm_metrics.extraction.result import Extraction, LabelledBox, LabelledPoint, Status
from lamm_metrics.extraction.words import extract_words
from lamm_metrics.extraction.yes_no import extract_yes_no
from lamm_metrics.geometry.conventions import NORMALISED_XYXY, BoxConvention, Frame, Layout

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
    "extract_noun_phrases",
    "extract_number",
    "extract_points",
    "extract_words",
    "extract_yes_no",
]
