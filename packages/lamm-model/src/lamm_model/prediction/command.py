"""The `lamm model predict` command."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--model", "folder", required=True, type=click.Path(path_type=Path), help="Checkpoint or model.")
@click.option("--benchmark", "first", required=True, type=click.Path(path_type=Path), help="Benchmark file or folder.")
@click.argument("more", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--output", required=True, type=click.Path(path_type=Path), help="Predictions file, or folder for several."
)
@click.option("--blind", is_flag=True, help="Withhold images and point clouds: what the questions alone give away.")
@click.option(
    "--batch-size", default=32, show_default=True, type=click.IntRange(1), help="Questions answered together."
)
@click.option("--limit", type=click.IntRange(1), help="Only the first records of each file.")
@click.option("--media-root", type=click.Path(path_type=Path), help="Folder of the media (default: the benchmark's).")
@click.option("--max-new-tokens", type=click.IntRange(1), help="Longest answer (default: by task).")
@click.option("--system", type=click.Choice(["task", "record", "none"]), default="task", show_default=True)
@click.option("--probabilities", is_flag=True, help="Also score every option of closed questions.")
@click.option("--two-pass", is_flag=True, help="Ask for the option again after the model's reasoning (paper's VQA).")
@click.option("--dtype", type=click.Choice(["float32", "bfloat16"]), default="float32", show_default=True)
@click.option("--quantize", type=click.Choice(["none", "8bit", "4bit"]), default="none", show_default=True)
@click.option("--device", default="", help="cpu, cuda, ... (default: cuda where there is one).")
@click.option("--endpoint", default="", help="Ask an OpenAI-compatible endpoint at this address; --model is a name.")
@click.option("--keep-going", is_flag=True, help="Record samples that cannot be answered as failed, and go on.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
def predict(
    folder: Path,
    first: Path,
    more: tuple[Path, ...],
    output: Path,
    blind: bool,
    batch_size: int,
    limit: int | None,
    media_root: Path | None,
    max_new_tokens: int | None,
    system: str,
    probabilities: bool,
    two_pass: bool,
    dtype: str,
    quantize: str,
    device: str,
    endpoint: str,
    keep_going: bool,
    as_json: bool,
) -> None:
    """Answer benchmark records; further benchmark files may follow the options.

    --model is a LAMM checkpoint, or any image-text-to-text model of transformers: its folder or its name on the hub.
    Interrupted runs go on where they stopped when the command is given again; finished files are left as they are.
    Under torchrun or accelerate launch each process answers its share.
    """
    from lamm_model.prediction.journal import pair_outputs
    from lamm_model.prediction.queries import PredictionOptions
    from lamm_model.prediction.session import launcher_shard, predict_files

    options = PredictionOptions(blind, batch_size, limit, media_root, max_new_tokens, system, probabilities, two_pass)
    pairs = pair_outputs([first, *more], output)
    results = predict_files(
        folder,
        pairs,
        options,
        dtype=dtype,
        device=device,
        endpoint=endpoint,
        quantize=quantize,
        shard=launcher_shard(),
        keep_going=keep_going,
    )
    for result in results:
        if result["failed"]:
            samples = "1 sample" if result["failed"] == 1 else f"{result['failed']} samples"
            click.echo(f"{result['output']}: {samples} failed; {_traces(result['output'])}", err=True)
    if as_json:
        import json

        click.echo(json.dumps(results))
        return
    for result in results:
        state = f"{result['asked']} answers" if result["asked"] else "nothing left to ask"
        state += "" if result["finished"] else "; other processes are still answering"
        click.echo(f"{result['output']}: {state}")


def _traces(output: str) -> str:
    from lamm_model.prediction.keep_going import failures_file

    return f"their traces are in {failures_file(Path(output))}"
