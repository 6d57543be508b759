"""Predict several files with one loaded model, with a progress bar; nothing is loaded when all files are finished."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from lamm_model.checkpoints.delta import load_model, locate
from lamm_model.prediction.endpoint import EndpointAnswers
from lamm_model.prediction.journal import Journal
from lamm_model.prediction.outputs import run_header
from lamm_model.prediction.run import Answers, PredictionOptions, Predictor, answer_file


def predict_files(
    folder: str | Path,
    pairs: list[tuple[Path, Path]],
    options: PredictionOptions,
    *,
    dtype: str = "float32",
    device: str = "",
    endpoint: str = "",
) -> list[dict[str, Any]]:
    """Answer benchmark files.

    Args:
        folder: Checkpoint or model.
        pairs: Benchmark and output files.
        options: How to predict.
        dtype: `float32` or `bfloat16` for the language model.
        device: Where to run; a GPU where there is one when empty.
        endpoint: Base address of an OpenAI-compatible endpoint; `folder` is then the model's name there.

    Returns:
        One summary a file: `benchmark`, `output`, `asked` (0 when it was finished before), `seconds`.
    """
    folder = folder if endpoint else locate(folder)
    work = [
        (benchmark, Journal(output, run_header(folder, benchmark, options, dtype, endpoint)))
        for benchmark, output in pairs
    ]
    waiting = {journal.output for _, journal in work if not journal.is_finished()}
    source: Answers | None = None
    if waiting and endpoint:
        source = EndpointAnswers(endpoint, str(folder), options)
    elif waiting:
        source = _load(folder, options, dtype, device)
    results = []
    for benchmark, journal in work:
        began = time.monotonic()
        asked = 0
        if source is not None and journal.output in waiting:
            asked = _with_progress(source, options, benchmark, journal)
        seconds = round(time.monotonic() - began, 1)
        results.append({"benchmark": str(benchmark), "output": str(journal.output), "asked": asked, "seconds": seconds})
    return results


def _load(folder: str | Path, options: PredictionOptions, dtype: str, device: str) -> Predictor:
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    model, processor = load_model(folder, dtype=getattr(torch, dtype))
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return Predictor(model.to(place), processor, options)


def _with_progress(source: Answers, options: PredictionOptions, benchmark: Path, journal: Journal) -> int:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(benchmark.stem, total=None)
        return answer_file(
            benchmark, journal, source, options, lambda done, total: bar.update(task, completed=done, total=total)
        )
