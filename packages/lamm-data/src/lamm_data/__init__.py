"""Turn vision annotations into instruction data and benchmark sets.

Everything people and other packages use is imported from here; a name's module is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamm_data.benchmark.build import build_records
    from lamm_data.benchmark.entry import Build
    from lamm_data.benchmark.recipes.alignment import is_alignment_set
    from lamm_data.benchmark.recipes.apply import KINDS, apply_recipe
    from lamm_data.benchmark.recipes.recipe import packaged_recipes, read_recipe
    from lamm_data.benchmark.run import build_benchmark
    from lamm_data.cli import LazyGroup
    from lamm_data.clouds.frames import map_box, map_boxes, map_points, read_matrices
    from lamm_data.clouds.merging import merge_tiles, read_tiles
    from lamm_data.clouds.normals import read_cloud_with_normals
    from lamm_data.clouds.reading import PointCloud, load_cloud, read_cloud, save_cloud
    from lamm_data.errors import Fault, LammDataError, OutsideError, RecordError, SourceError, UsageError
    from lamm_data.export.formats import export_records, read_export
    from lamm_data.export.push import push_export
    from lamm_data.files.json_lines import iter_values
    from lamm_data.files.pictures import decoding, media_file, open_picture, shown_name, shown_size, upright
    from lamm_data.files.processes import in_parallel
    from lamm_data.files.settings import (
        build_tables,
        check_values,
        did_you_mean,
        load_toml,
        nearest,
        parse_assignment,
        parse_part,
    )
    from lamm_data.generation.input_rows import read_rows
    from lamm_data.generation.prompts import load_prompt
    from lamm_data.generation.request_builder import RequestBuilder, Sampling
    from lamm_data.generation.run import generate
    from lamm_data.generation.settings import make_settings
    from lamm_data.near_duplicates.exact import find_near
    from lamm_data.near_duplicates.minhash import find_near_minhash
    from lamm_data.obfuscation.detectors import open_detectors
    from lamm_data.quality.contamination.benchmarks import ContaminationSettings
    from lamm_data.quality.judging.calibration import calibrate_judge
    from lamm_data.quality.judging.judge import FaithfulnessSettings
    from lamm_data.quality.run import CheckSettings, check_file
    from lamm_data.records.annotations import Annotated, Box, Box3D, Description, Keypoints
    from lamm_data.records.benchmark import LSP_JOINTS, BenchmarkRecord, read_benchmark, write_benchmark
    from lamm_data.records.instruction import (
        InstructionRecord,
        Turn,
        media_paths,
        read_records,
        scan_records,
        write_records,
    )
    from lamm_data.records.tasks import (
        BENCHMARK_TASKS,
        TASK_TABLE,
        TASK_TYPES,
        TASKS,
        benchmark_file_name,
        task_of_file_name,
    )
    from lamm_data.render.views import View, ViewSettings, render_views
    from lamm_data.sample.world import write_world
    from lamm_data.sources.own.source import own_source
    from lamm_data.sources.readers.coco import read_instances
    from lamm_data.sources.readers.scannet_export import open_scanqa, read_rooms
    from lamm_data.sources.registry import Source, get_source, load_sources
    from lamm_data.stats.charts import Curves, lay_out, save_page
    from lamm_data.templates.convert import Conversion, convert
    from lamm_data.templates.exhaustive import load_exhaustive
    from lamm_data.templates.pools.pools import STYLES
    from lamm_data.templates.run import ConvertSettings, convert_source
    from lamm_data.view.media import packed_cloud
    from lamm_data.view.page import viewer_script
    from lamm_data.writing.coordinates import NUMBER_STYLES
    from lamm_data.writing.layout_text import LayoutPart, layout_boxes, read_layout, write_layout

__all__ = [
    "BENCHMARK_TASKS", "KINDS", "LSP_JOINTS", "NUMBER_STYLES", "STYLES", "TASKS", "TASK_TABLE", "TASK_TYPES",
    "Annotated", "BenchmarkRecord", "Box", "Box3D", "Build", "CheckSettings", "ContaminationSettings", "Conversion",
    "ConvertSettings", "Curves", "Description", "FaithfulnessSettings", "Fault", "InstructionRecord", "Keypoints",
    "LammDataError", "LayoutPart", "LazyGroup", "OutsideError", "PointCloud", "RecordError", "RequestBuilder",
    "Sampling", "Source", "SourceError", "Turn", "UsageError", "View", "ViewSettings", "apply_recipe",
    "benchmark_file_name", "build_benchmark", "build_records", "build_tables", "calibrate_judge", "check_file",
    "check_values", "convert", "convert_source", "decoding", "did_you_mean", "export_records", "find_near",
    "find_near_minhash", "generate", "get_source", "in_parallel", "is_alignment_set", "iter_values", "lay_out",
    "layout_boxes", "load_cloud", "load_exhaustive", "load_prompt", "load_sources", "load_toml", "make_settings",
    "map_box", "map_boxes", "map_points", "media_file", "media_paths", "merge_tiles", "nearest", "open_detectors",
    "open_picture", "open_scanqa", "own_source", "packaged_recipes", "packed_cloud", "parse_assignment", "parse_part",
    "push_export", "read_benchmark", "read_cloud", "read_cloud_with_normals", "read_export", "read_instances",
    "read_layout", "read_matrices", "read_recipe", "read_records", "read_rooms", "read_rows", "read_tiles",
    "render_views", "save_cloud", "save_page", "scan_records", "shown_name", "shown_size", "task_of_file_name",
    "upright", "viewer_script", "write_benchmark", "write_layout", "write_records", "write_world",
]  # fmt: skip

_HOMES = {
    "benchmark.build": "build_records",
    "benchmark.entry": "Build",
    "benchmark.recipes.alignment": "is_alignment_set",
    "benchmark.recipes.apply": "KINDS apply_recipe",
    "benchmark.recipes.recipe": "packaged_recipes read_recipe",
    "benchmark.run": "build_benchmark",
    "cli": "LazyGroup",
    "clouds.frames": "map_box map_boxes map_points read_matrices",
    "clouds.merging": "merge_tiles read_tiles",
    "clouds.normals": "read_cloud_with_normals",
    "clouds.reading": "PointCloud load_cloud read_cloud save_cloud",
    "errors": "Fault LammDataError OutsideError RecordError SourceError UsageError",
    "export.formats": "export_records read_export",
    "export.push": "push_export",
    "files.json_lines": "iter_values",
    "files.pictures": "decoding media_file open_picture shown_name shown_size upright",
    "files.processes": "in_parallel",
    "files.settings": "build_tables check_values did_you_mean load_toml nearest parse_assignment parse_part",
    "generation.prompts": "load_prompt",
    "generation.request_builder": "RequestBuilder Sampling",
    "generation.input_rows": "read_rows",
    "generation.run": "generate",
    "generation.settings": "make_settings",
    "near_duplicates.exact": "find_near",
    "near_duplicates.minhash": "find_near_minhash",
    "obfuscation.detectors": "open_detectors",
    "quality.contamination.benchmarks": "ContaminationSettings",
    "quality.judging.calibration": "calibrate_judge",
    "quality.judging.judge": "FaithfulnessSettings",
    "quality.run": "CheckSettings check_file",
    "records.annotations": "Annotated Box Box3D Description Keypoints",
    "records.benchmark": "LSP_JOINTS BenchmarkRecord read_benchmark write_benchmark",
    "records.instruction": "InstructionRecord Turn media_paths read_records scan_records write_records",
    "records.tasks": "BENCHMARK_TASKS TASKS TASK_TABLE TASK_TYPES benchmark_file_name task_of_file_name",
    "render.views": "View ViewSettings render_views",
    "sample.world": "write_world",
    "sources.readers.coco": "read_instances",
    "sources.readers.scannet_export": "open_scanqa read_rooms",
    "sources.own.source": "own_source",
    "sources.registry": "Source get_source load_sources",
    "stats.charts": "Curves lay_out save_page",
    "templates.convert": "Conversion convert",
    "templates.exhaustive": "load_exhaustive",
    "templates.pools.pools": "STYLES",
    "templates.run": "ConvertSettings convert_source",
    "view.media": "packed_cloud",
    "view.page": "viewer_script",
    "writing.coordinates": "NUMBER_STYLES",
    "writing.layout_text": "LayoutPart layout_boxes read_layout write_layout",
}
"""Public names by their module, for the first use of each."""


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: importing the package alone loads nothing heavy."""
    for module, names in _HOMES.items():
        if name in names.split():
            return getattr(importlib.import_module(f"lamm_data.{module}"), name)
    raise AttributeError(f"module 'lamm_data' has no attribute {name!r}")
