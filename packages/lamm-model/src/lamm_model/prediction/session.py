"""Predict several files with one loaded model, with a progress bar; nothing is loaded when all files are finished."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from lamm_model.checkpoints.delta import load_model, locate
from lamm_model.prediction.journal import Journal
from lamm_model.prediction.run import PredictionOptions, Predictor, run_header


def predict_files(
    folder: Path,
    pairs: list[tuple[Path, Path]],
    options: PredictionOptions,
    *,
    dtype: str = "float32",
    device: str = "",
) -> list[dict[str, Any]]:
    """Answer benchmark files.

    Args:
        folder: Checkpoint or model.
        pairs: Benchmark and output files.
        options: How to predict.
        dtype: `float32` or `bfloat16` for the language model.
        device: Where to run; a GPU where there is one when empty.

    Returns:
        One summary a file: `benchmark`, `output`, `asked` (0 when it was finished before), `seconds`.
    """
    folder = locate(folder)
    work = [(benchmark, Journal(output, run_header(folder, benchmark, options, dtype))) for benchmark, output in pairs]
    waiting = {journal.output for _, journal in work if not journal.is_finished()}
    predictor = _load(folder, options, dtype, device) if waiting else None
    results = []
    for benchmark, journal in work:
        began = time.monotonic()
        asked = 0
        if predictor is not None and journal.output in waiting:
            asked = _with_progress(predictor, benchmark, journal)
        seconds = round(time.monotonic() - began, 1)
        results.append({"benchmark": str(benchmark), "output": str(journal.output), "asked": asked, "seconds": seconds})
    return results


def _load(folder: Path, options: PredictionOptions, dtype: str, device: str) -> Predictor:
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    model, processor = load_model(folder, dtype=getattr(torch, dtype))
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return Predictor(model.to(place), processor, options)


def _with_progress(predictor: Predictor, benchmark: Path, journal: Journal) -> int:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(benchmark.stem, total=None)
        return predictor.predict_file(
            benchmark, journal, lambda done, total: bar.update(task, completed=done, total=total)
        )
