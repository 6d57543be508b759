"""The `lamm model predict` command: several files with one loaded model; nothing is loaded when all are finished."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamm_model.errors import UsageError

if TYPE_CHECKING:
    from lamm_model.prediction.journal import Journal
    from lamm_model.prediction.queries import Answers, PredictionOptions


@click.command()
@click.option("--model", "folder", required=True, type=click.Path(path_type=Path), help="Checkpoint or model.")
@click.option("--benchmark", "named", required=True, multiple=True, type=click.Path(path_type=Path),
              help="Benchmark file or folder; repeatable.")  # fmt: skip
@click.argument("more", metavar="[FILES]...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--output", required=True, type=click.Path(path_type=Path), help="Predictions file, or folder for several."
)
@click.option("--name", default="", help="What to call the run in scores and reports (default: after the model).")
@click.option("--blind", is_flag=True, help="Withhold images and point clouds: what the questions alone give away.")
@click.option(
    "--batch-size", default=32, show_default=True, type=click.IntRange(1), help="Questions answered together."
)
@click.option("--limit", type=click.IntRange(1), help="Only the first records of each file.")
@click.option("--media-root", type=click.Path(path_type=Path), help="Folder of the media (default: the benchmark's).")
@click.option("--max-tokens", "max_new_tokens", type=click.IntRange(1), help="Longest answer (default: by task).")
@click.option("--system", type=click.Choice(["task", "record", "none"]), default="task", show_default=True,
              help="System message: the task's, that of the record, or none.")  # fmt: skip
@click.option("--probabilities", is_flag=True, help="Also score every option of closed questions.")
@click.option("--two-pass", is_flag=True, help="Ask for the option again after the model's reasoning (paper's VQA).")
@click.option("--dtype", type=click.Choice(["float32", "bfloat16"]), default="float32", show_default=True,
              help="Numbers of the language model's weights.")  # fmt: skip
@click.option("--quantize", type=click.Choice(["none", "8bit", "4bit"]), default="none", show_default=True,
              help="Hold its weights in so many bits.")  # fmt: skip
@click.option("--device", default="", help="cpu, cuda, ... (default: cuda where there is one).")
@click.option("--endpoint", default="", help="Ask an OpenAI-compatible endpoint at this address; --model is a name.")
@click.option("--api-key-env", help="Variable of the endpoint's API key [OpenAI: OPENAI_API_KEY; else no key].")
@click.option("--keep-going", is_flag=True, help="Record samples that cannot be answered as failed, and go on.")
@click.option("--trust-remote-code", is_flag=True, help="Run the code that a model of another family brings.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
def predict(
    folder: Path,
    named: tuple[Path, ...],
    more: tuple[Path, ...],
    output: Path,
    name: str,
    dtype: str,
    quantize: str,
    device: str,
    endpoint: str,
    api_key_env: str | None,
    keep_going: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Answer benchmark records; FILES are further benchmark files.

    --model is a LAMM checkpoint, or any image-text-to-text model of transformers: its folder or its name on the hub.
    Interrupted runs go on where they stopped when the command is given again; finished files are left as they are.
    Under torchrun or accelerate launch each process answers its share.
    """
    from lamm_model.prediction.journal import pair_outputs
    from lamm_model.prediction.keep_going import failures_file
    from lamm_model.prediction.queries import PredictionOptions

    results = predict_files(
        folder,
        pair_outputs([*named, *more], output),
        PredictionOptions(**options),
        dtype=dtype,
        device=device,
        endpoint=endpoint,
        api_key_env=api_key_env,
        quantize=quantize,
        shard=launcher_shard(),
        keep_going=keep_going,
        name=name,
    )
    for result in results:
        if result["failed"]:
            samples = "1 sample" if result["failed"] == 1 else f"{result['failed']} samples"
            traces = failures_file(Path(result["output"]))
            click.echo(f"{result['output']}: {samples} failed; their traces are in {traces}", err=True)
    if as_json:
        import json

        click.echo(json.dumps(results))
        return
    for result in results:
        state = f"{result['asked']} answers" if result["asked"] else "nothing left to ask"
        state += "" if result["finished"] else "; other processes are still answering"
        click.echo(f"{result['output']}: {state}")


def predict_files(
    folder: str | Path,
    pairs: list[tuple[Path, Path]],
    options: PredictionOptions,
    *,
    dtype: str = "float32",
    device: str = "",
    endpoint: str = "",
    api_key_env: str | None = None,
    quantize: str = "none",
    shard: tuple[int, int] = (0, 1),
    keep_going: bool = False,
    name: str = "",
) -> list[dict[str, Any]]:
    """Answer benchmark files.

    Args:
        folder: Checkpoint or model of ours, or any image-text-to-text model of transformers (folder or hub name).
        pairs: Benchmark and output files.
        options: How to predict.
        dtype: `float32` or `bfloat16` for the language model.
        device: Where to run; a GPU where there is one when empty (the one of `LOCAL_RANK`).
        endpoint: Base address of an OpenAI-compatible endpoint; `folder` is then the model's name there.
        api_key_env: Environment variable that holds this endpoint's API key; when None, OpenAI's own address gets
            `OPENAI_API_KEY` and any other none.
        quantize: `8bit` or `4bit` for a LAMM model's language model, else `none`.
        shard: Rank of this process and number of processes; each answers its share, the last to end writes the output.
        keep_going: Record a sample that cannot be answered as failed, and go on (`lamm_model.prediction.keep_going`).
        name: What to call the run, which finished files take as well; after the model (`run_name`) when empty.

    Returns:
        One summary a file: `benchmark`, `output`, `asked` (0 when it was finished before), `failed`, `seconds`, and
        `finished` (False while other processes are still answering).

    Raises:
        lamm_llm.InUseError: Another process answers one of the files, to the same output.
    """
    from lamm_llm import find_key, sole_use
    from lamm_model.checkpoints.checkpoint import model_folder
    from lamm_model.prediction.journal import Journal, run_header, run_name

    key = find_key(endpoint, api_key_env) if endpoint else ""
    model = folder if endpoint else model_folder(folder, options.trust_remote_code)
    kind = dtype if quantize == "none" else f"{dtype} {quantize}"
    called = name or run_name(folder, options.blind, endpoint)
    headers = [run_header(model, path, options, kind, endpoint, called) for path, _ in pairs]
    journals = [Journal(output, header, shard) for (_, output), header in zip(pairs, headers, strict=True)]
    with ExitStack() as held:
        for journal in journals:
            held.enter_context(sole_use(journal.output if shard == (0, 1) else journal.path))
            if name and journal.is_finished():
                journal.rename()
        unfinished = any(not journal.is_finished() for journal in journals)
        if unfinished and not endpoint and shard[0] == 0:
            click.echo(f"Loading {model} ...", err=True)
        source = _source(model, options, dtype, device, (endpoint, key), quantize) if unfinished else None
        return [
            _answer(benchmark, journal, source, options, keep_going)
            for (benchmark, _), journal in zip(pairs, journals, strict=True)
        ]


def _answer(
    benchmark: Path, journal: Journal, source: Answers | None, options: PredictionOptions, keep_going: bool
) -> dict[str, Any]:
    """Answer what is left of one file, and return its summary."""
    from lamm_model.prediction.keep_going import KeepGoing, failures_file

    output, began, asked, failed = journal.output, time.monotonic(), 0, 0
    if source is not None and not journal.is_finished():
        answering = KeepGoing(source, failures_file(output)) if keep_going else source
        asked = _with_progress(answering, options, benchmark, journal)
        failed = sum("error" in answer for answer in journal.answers.values())
    return {
        "benchmark": str(benchmark),
        "output": str(output),
        "asked": asked,
        "failed": failed,
        "seconds": round(time.monotonic() - began, 1),
        "finished": output.is_file(),
    }


def launcher_shard(environment: Mapping[str, str] = os.environ) -> tuple[int, int]:
    """Return this process's rank and the number of processes, `RANK` and `WORLD_SIZE` of `torchrun` and `accelerate`.

    Raises:
        UsageError: They are no such numbers.
    """
    rank, world_size = environment.get("RANK", "0"), environment.get("WORLD_SIZE", "1")
    if not (rank.isdigit() and world_size.isdigit() and int(rank) < int(world_size)):
        raise UsageError(f"Expected RANK below WORLD_SIZE, got {rank!r} and {world_size!r}. Use torchrun.")
    return int(rank), int(world_size)


def _source(
    model: str | Path, options: PredictionOptions, dtype: str, device: str, server: tuple[str, str], quantize: str
) -> Answers:
    """Return what answers: an endpoint (address and key), a LAMM model, or a model of another family."""
    if server[0]:
        from lamm_model.prediction.endpoint import EndpointAnswers

        return EndpointAnswers(server[0], str(model), options, server[1])
    from lamm_model.checkpoints.checkpoint import is_lamm, load_for_inference, run_device

    if is_lamm(Path(model)):
        from lamm_model.prediction.predictor import Predictor

        if options.trust_remote_code:
            raise UsageError("Expected no --trust-remote-code for a LAMM model, which brings no code. Leave it out.")
        loaded, processor = load_for_inference(Path(model), dtype, device, quantize)
        if not loaded.reads_alone:
            return Predictor(loaded, processor, options)
        from lamm_model.prediction.image_text import ImageTextAnswers

        return ImageTextAnswers(loaded, processor, options)
    from lamm_model.prediction.image_text import load_image_text

    if quantize != "none":
        raise UsageError(f"Expected --quantize none for a model that is not LAMM's, got {quantize}.")
    return load_image_text(Path(model), options, dtype, run_device(device))


def _with_progress(source: Answers, options: PredictionOptions, benchmark: Path, journal: Journal) -> int:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from lamm_model.prediction.predictor import answer_file

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = not sys.stderr.isatty() or journal.shard[0] > 0
    with Progress(*columns, console=Console(file=sys.stderr), disable=hidden) as bar:
        task = bar.add_task(benchmark.stem, total=None)
        return answer_file(
            benchmark, journal, source, options, lambda done, total: bar.update(task, completed=done, total=total)
        )
