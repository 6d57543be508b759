"""Predict several files with one loaded model, with a progress bar; nothing is loaded when all files are finished."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamm_model.checkpoints.checkpoint import load_model, locate, read_manifest
from lamm_model.errors import LammModelError, UsageError
from lamm_model.prediction.endpoint import EndpointAnswers
from lamm_model.prediction.image_text import load_image_text
from lamm_model.prediction.journal import Journal, run_header
from lamm_model.prediction.keep_going import KeepGoing, failures_file
from lamm_model.prediction.predictor import Answers, Predictor, answer_file
from lamm_model.prediction.queries import PredictionOptions

if TYPE_CHECKING:
    from lamm_model.model.modeling_lamm import LammForConditionalGeneration
    from lamm_model.processing.processing_lamm import LammProcessor

ALONE = (0, 1)


def launcher_shard(environment: Mapping[str, str] = os.environ) -> tuple[int, int]:
    """Read this process's rank and the number of processes from what `torchrun` and `accelerate launch` set.

    Args:
        environment: `RANK` and `WORLD_SIZE`; without them the process is alone.

    Returns:
        Rank and number of processes.

    Raises:
        UsageError: They are no such numbers.
    """
    rank, world_size = environment.get("RANK", "0"), environment.get("WORLD_SIZE", "1")
    if not (rank.isdigit() and world_size.isdigit() and int(rank) < int(world_size)):
        raise UsageError(f"Expected RANK below WORLD_SIZE, got {rank!r} and {world_size!r}. Use torchrun.")
    return int(rank), int(world_size)


def predict_files(
    folder: str | Path,
    pairs: list[tuple[Path, Path]],
    options: PredictionOptions,
    *,
    dtype: str = "float32",
    device: str = "",
    endpoint: str = "",
    quantize: str = "none",
    shard: tuple[int, int] = ALONE,
    keep_going: bool = False,
) -> list[dict[str, Any]]:
    """Answer benchmark files.

    Args:
        folder: Checkpoint or model of ours, or any image-text-to-text model of transformers (folder or hub name).
        pairs: Benchmark and output files.
        options: How to predict.
        dtype: `float32` or `bfloat16` for the language model.
        device: Where to run; a GPU where there is one when empty (the one of `LOCAL_RANK`).
        endpoint: Base address of an OpenAI-compatible endpoint; `folder` is then the model's name there.
        quantize: `8bit` or `4bit` for a LAMM model's language model, else `none`.
        shard: Rank of this process and number of processes; each answers its share, the last to end writes the output.
        keep_going: Record a sample that cannot be answered as failed, and go on (`lamm_model.prediction.keep_going`).

    Returns:
        One summary a file: `benchmark`, `output`, `asked` (0 when it was finished before), `failed`, `seconds`, and
        `finished` (False while other processes are still answering).
    """
    place = folder if endpoint else model_folder(folder)
    kind = dtype if quantize == "none" else f"{dtype} {quantize}"
    work = [
        (benchmark, Journal(output, run_header(place, benchmark, options, kind, endpoint), shard))
        for benchmark, output in pairs
    ]
    waiting = {journal.output for _, journal in work if not journal.is_finished()}
    source: Answers | None = None
    if waiting and endpoint:
        source = EndpointAnswers(endpoint, str(folder), options)
    elif waiting:
        source = _load(Path(place), options, dtype, device, quantize)
    results = []
    for benchmark, journal in work:
        began = time.monotonic()
        asked = failed = 0
        if source is not None and journal.output in waiting:
            answering = KeepGoing(source, failures_file(journal.output)) if keep_going else source
            asked = _with_progress(answering, options, benchmark, journal)
            failed = sum("error" in answer for answer in journal.answers.values())
        results.append(
            {
                "benchmark": str(benchmark),
                "output": str(journal.output),
                "asked": asked,
                "failed": failed,
                "seconds": round(time.monotonic() - began, 1),
                "finished": journal.output.is_file(),
            }
        )
    return results


def model_folder(name: str | Path) -> Path:
    """Find a model's folder: as `locate` does, else a model of the hub by its name, fetched or from the cache.

    Raises:
        LammModelError: There is none.
    """
    if Path(name).is_dir() or str(name).count("/") != 1 or str(name).startswith((".", "/", "~")):
        return locate(name)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    wanted = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
    try:
        return Path(snapshot_download(str(name), allow_patterns=wanted))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as fault:
        raise LammModelError(
            f"Expected a model folder or the name of a model on the hub, got {name}: {type(fault).__name__}. "
            "Check the path, or the name and the connection."
        ) from fault


def run_device(device: str = "") -> str:
    """Choose where to run: as asked, else this process's GPU, else the CPU."""
    import torch

    if device or not torch.cuda.is_available():
        return device or "cpu"
    local = os.environ.get("LOCAL_RANK", "")
    return f"cuda:{local}" if local.isdigit() else "cuda"


def load_for_inference(
    folder: Path, dtype: str = "float32", device: str = "", quantize: str = "none"
) -> tuple[LammForConditionalGeneration, LammProcessor]:
    """Load a LAMM model where it is to run.

    Args:
        folder: Checkpoint or model.
        dtype: `float32` or `bfloat16` for the language model.
        device: As for `predict_files`.
        quantize: As for `predict_files`.

    Returns:
        Model in evaluation mode, and processor.
    """
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    place = run_device(device)
    model, processor = load_model(folder, dtype=getattr(torch, dtype), quantize=quantize, device=place)
    return model.to(place), processor


def _load(folder: Path, options: PredictionOptions, dtype: str, device: str, quantize: str) -> Answers:
    import json

    import transformers

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if read_manifest(folder) is not None or config.get("model_type") == "lamm":
        model, processor = load_for_inference(folder, dtype, device, quantize)
        return Predictor(model, processor, options)
    if quantize != "none":
        raise UsageError(f"Expected --quantize none for a model that is not LAMM's, got {quantize}.")
    transformers.utils.logging.disable_progress_bar()
    return load_image_text(folder, options, dtype, run_device(device))


def _with_progress(source: Answers, options: PredictionOptions, benchmark: Path, journal: Journal) -> int:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = not sys.stderr.isatty() or journal.shard[0] > 0
    with Progress(*columns, console=Console(file=sys.stderr), disable=hidden) as bar:
        task = bar.add_task(benchmark.stem, total=None)
        return answer_file(
            benchmark, journal, source, options, lambda done, total: bar.update(task, completed=done, total=total)
        )
