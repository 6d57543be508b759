"""Score free-form answers of multimodal models on image and point-cloud tasks."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamm_metrics.answers.kinds import described
    from lamm_metrics.average_precision.curves import Curve
    from lamm_metrics.average_precision.matching import SCORE_FREE, Found, Truth, match
    from lamm_metrics.bridges.lmms_tasks import write_lmms_tasks
    from lamm_metrics.bridges.published import every_eval_log, hub_result
    from lamm_metrics.bridges.torch_metric import torch_metric
    from lamm_metrics.coco.records import CocoFound, CocoTruth, read_coco_found, read_coco_truth
    from lamm_metrics.coco.scores import coco_report, coco_scores
    from lamm_metrics.coco.summary import CocoSummary, coco_summary, summarise_coco
    from lamm_metrics.comparison.chance import chance_predictions
    from lamm_metrics.comparison.conventions import ConventionRow, compare_conventions
    from lamm_metrics.comparison.paired import Comparison, compare
    from lamm_metrics.comparison.rules import RuleRow, Rules, compare_rules
    from lamm_metrics.comparison.variants import Share, Variation, clear_of_chance, vary
    from lamm_metrics.errors import LammMetricsError, UsageError
    from lamm_metrics.extraction import (
        Extraction,
        LabelledBox,
        LabelledPoint,
        Status,
        extract_boxes_2d,
        extract_boxes_3d,
        extract_choice,
        extract_label,
        extract_noun_phrases,
        extract_number,
        extract_points,
        extract_words,
        extract_yes_no,
    )
    from lamm_metrics.geometry.boxes import paired_iou
    from lamm_metrics.geometry.boxes3d import corners, paired_iou_axis_aligned, paired_iou_yaw, rotations
    from lamm_metrics.geometry.conventions import NORMALISED_XYXY, BoxConvention, Frame, Layout
    from lamm_metrics.geometry.overlap_rules import iou_of_extents
    from lamm_metrics.geometry.rotated import paired_iou_rotated
    from lamm_metrics.linting.checking import Lint, Unread, lint
    from lamm_metrics.metrics.accuracy import Accuracy, CircularAccuracy
    from lamm_metrics.metrics.additive import AdditiveMetric
    from lamm_metrics.metrics.anls import Anls
    from lamm_metrics.metrics.base import Metric
    from lamm_metrics.metrics.calibration import CalibrationError
    from lamm_metrics.metrics.captions.bleu import Bleu
    from lamm_metrics.metrics.captions.chair import Chair
    from lamm_metrics.metrics.captions.cider import CiderD
    from lamm_metrics.metrics.captions.dense import DenseCaptionF1, DenseCaptions
    from lamm_metrics.metrics.captions.meteor import Meteor
    from lamm_metrics.metrics.captions.rouge import RougeL
    from lamm_metrics.metrics.captions.tokenizers import ptb
    from lamm_metrics.metrics.counting import CountingError
    from lamm_metrics.metrics.detection import DetectionAP, DetectionAP3D
    from lamm_metrics.metrics.exact_match import ExactMatch
    from lamm_metrics.metrics.grounding import GroundingAccuracy, ReferringAccuracy
    from lamm_metrics.metrics.grounding_f1 import GroundingF1
    from lamm_metrics.metrics.judge_mark import JudgeMark
    from lamm_metrics.metrics.keypoints import KeypointPCK
    from lamm_metrics.metrics.localisation import Localisation
    from lamm_metrics.metrics.locating import BinaryLocating
    from lamm_metrics.metrics.registry import make_metric, metric_class, metric_names
    from lamm_metrics.metrics.relaxed_accuracy import RelaxedAccuracy
    from lamm_metrics.metrics.spatial import MeanRelativeAccuracy
    from lamm_metrics.metrics.vqa_accuracy import VqaAccuracy
    from lamm_metrics.metrics.word_accuracy import WordAccuracy
    from lamm_metrics.metrics.yes_no import YesNo
    from lamm_metrics.paper.metric import PaperMetric
    from lamm_metrics.protocols import PUBLISHED, Protocol, protocols_of
    from lamm_metrics.records.parts import nr3d_easy, nr3d_view_dependent, scanrefer_multiple
    from lamm_metrics.records.predictions import Prediction, Predictions, header_of, read_predictions
    from lamm_metrics.records.tasks import (
        TASKS,
        References,
        Task,
        all_tasks,
        read_references,
        task_named,
        task_of_file,
        task_of_record,
    )
    from lamm_metrics.report.leaderboard import comparison_table
    from lamm_metrics.report.page import write_report
    from lamm_metrics.results.report import Report, Sample, read_reports, results_frame
    from lamm_metrics.results.score import Mark, SampleResult, Score, ScoreSpec
    from lamm_metrics.scoring import other_version, score
    from lamm_metrics.statistics import centred_interval, clustered_standard_error, group_weights, wilson
    from lamm_metrics.testing import ConformanceError, check_metric
    from lamm_metrics.viewer.packing import pack_cloud, points_each, side_each
    from lamm_metrics.viewer.script import viewer_script

# Where each public name lives; a module is imported when one of its names is first used.
_HOMES = {
    "answers.kinds": "described",
    "average_precision.curves": "Curve",
    "average_precision.matching": "Found SCORE_FREE Truth match",
    "bridges.lmms_tasks": "write_lmms_tasks",
    "bridges.published": "every_eval_log hub_result",
    "bridges.torch_metric": "torch_metric",
    "coco.records": "CocoFound CocoTruth read_coco_found read_coco_truth",
    "coco.scores": "coco_report coco_scores",
    "coco.summary": "CocoSummary coco_summary summarise_coco",
    "comparison.chance": "chance_predictions",
    "comparison.conventions": "ConventionRow compare_conventions",
    "comparison.paired": "Comparison compare",
    "comparison.rules": "RuleRow Rules compare_rules",
    "comparison.variants": "Share Variation clear_of_chance vary",
    "errors": "LammMetricsError UsageError",
    "extraction": (
        "Extraction LabelledBox LabelledPoint Status extract_boxes_2d extract_boxes_3d extract_choice "
        "extract_label extract_noun_phrases extract_number extract_points extract_words extract_yes_no"
    ),
    "geometry.boxes": "paired_iou",
    "geometry.boxes3d": "corners paired_iou_axis_aligned paired_iou_yaw rotations",
    "geometry.conventions": "BoxConvention Frame Layout NORMALISED_XYXY",
    "geometry.overlap_rules": "iou_of_extents",
    "geometry.rotated": "paired_iou_rotated",
    "linting.checking": "Lint Unread lint",
    "metrics.accuracy": "Accuracy CircularAccuracy",
    "metrics.additive": "AdditiveMetric",
    "metrics.anls": "Anls",
    "metrics.relaxed_accuracy": "RelaxedAccuracy",
    "metrics.spatial": "MeanRelativeAccuracy",
    "metrics.vqa_accuracy": "VqaAccuracy",
    "metrics.base": "Metric",
    "metrics.calibration": "CalibrationError",
    "metrics.captions.bleu": "Bleu",
    "metrics.captions.chair": "Chair",
    "metrics.captions.cider": "CiderD",
    "metrics.captions.dense": "DenseCaptionF1 DenseCaptions",
    "metrics.captions.meteor": "Meteor",
    "metrics.captions.rouge": "RougeL",
    "metrics.captions.tokenizers": "ptb",
    "metrics.counting": "CountingError",
    "metrics.detection": "DetectionAP DetectionAP3D",
    "metrics.exact_match": "ExactMatch",
    "metrics.grounding": "GroundingAccuracy ReferringAccuracy",
    "metrics.grounding_f1": "GroundingF1",
    "metrics.judge_mark": "JudgeMark",
    "metrics.keypoints": "KeypointPCK",
    "metrics.localisation": "Localisation",
    "metrics.locating": "BinaryLocating",
    "metrics.registry": "make_metric metric_class metric_names",
    "metrics.word_accuracy": "WordAccuracy",
    "metrics.yes_no": "YesNo",
    "paper.metric": "PaperMetric",
    "protocols": "PUBLISHED Protocol protocols_of",
    "records.parts": "nr3d_easy nr3d_view_dependent scanrefer_multiple",
    "records.predictions": "Prediction Predictions header_of read_predictions",
    "records.tasks": "References TASKS Task all_tasks read_references task_named task_of_file task_of_record",
    "report.leaderboard": "comparison_table",
    "report.page": "write_report",
    "results.report": "Report Sample read_reports results_frame",
    "results.score": "Mark SampleResult Score ScoreSpec",
    "scoring": "other_version score",
    "statistics": "centred_interval clustered_standard_error group_weights wilson",
    "testing": "ConformanceError check_metric",
    "viewer.packing": "pack_cloud points_each side_each",
    "viewer.script": "viewer_script",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = [
    "NORMALISED_XYXY",
    "PUBLISHED",
    "SCORE_FREE",
    "TASKS",
    "Accuracy",
    "AdditiveMetric",
    "Anls",
    "BinaryLocating",
    "Bleu",
    "BoxConvention",
    "CalibrationError",
    "Chair",
    "CiderD",
    "CircularAccuracy",
    "CocoFound",
    "CocoSummary",
    "CocoTruth",
    "Comparison",
    "ConformanceError",
    "ConventionRow",
    "CountingError",
    "Curve",
    "DenseCaptionF1",
    "DenseCaptions",
    "DetectionAP",
    "DetectionAP3D",
    "ExactMatch",
    "Extraction",
    "Found",
    "Frame",
    "GroundingAccuracy",
    "GroundingF1",
    "JudgeMark",
    "KeypointPCK",
    "LabelledBox",
    "LabelledPoint",
    "LammMetricsError",
    "Layout",
    "Lint",
    "Localisation",
    "Mark",
    "MeanRelativeAccuracy",
    "Meteor",
    "Metric",
    "PaperMetric",
    "Prediction",
    "Predictions",
    "Protocol",
    "References",
    "ReferringAccuracy",
    "RelaxedAccuracy",
    "Report",
    "RougeL",
    "RuleRow",
    "Rules",
    "Sample",
    "SampleResult",
    "Score",
    "ScoreSpec",
    "Share",
    "Status",
    "Task",
    "Truth",
    "Unread",
    "UsageError",
    "Variation",
    "VqaAccuracy",
    "WordAccuracy",
    "YesNo",
    "all_tasks",
    "centred_interval",
    "chance_predictions",
    "check_metric",
    "clear_of_chance",
    "clustered_standard_error",
    "coco_report",
    "coco_scores",
    "coco_summary",
    "compare",
    "compare_conventions",
    "compare_rules",
    "comparison_table",
    "corners",
    "described",
    "every_eval_log",
    "extract_boxes_2d",
    "extract_boxes_3d",
    "extract_choice",
    "extract_label",
    "extract_noun_phrases",
    "extract_number",
    "extract_points",
    "extract_words",
    "extract_yes_no",
    "group_weights",
    "header_of",
    "hub_result",
    "iou_of_extents",
    "lint",
    "make_metric",
    "match",
    "metric_class",
    "metric_names",
    "nr3d_easy",
    "nr3d_view_dependent",
    "other_version",
    "pack_cloud",
    "paired_iou",
    "paired_iou_axis_aligned",
    "paired_iou_rotated",
    "paired_iou_yaw",
    "points_each",
    "protocols_of",
    "ptb",
    "read_coco_found",
    "read_coco_truth",
    "read_predictions",
    "read_references",
    "read_reports",
    "results_frame",
    "rotations",
    "scanrefer_multiple",
    "score",
    "side_each",
    "summarise_coco",
    "task_named",
    "task_of_file",
    "task_of_record",
    "torch_metric",
    "vary",
    "viewer_script",
    "wilson",
    "write_lmms_tasks",
    "write_report",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("lamm_metrics.results.score").version()
    if name not in _HOME:
        raise AttributeError(f"module 'lamm_metrics' has no attribute {name!r}")
    value = getattr(import_module(f"lamm_metrics.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
