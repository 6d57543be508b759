"""The commands ``lamm model finetune`` and ``lamm model cache-features``."""

import json
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from lamm_llm import writes_alone

SHOWN = {
    "loss": "loss {:.4g}",
    "eval_loss": "held-out loss {:.4g}",
    "eval_score": "score {:.4g}",
    "grad_norm": "gradient {:.3g}",
    "learning_rate": "learning rate {:.3g}",
    "tokens_per_second": "{:.0f} tokens/s",
    "samples_per_second": "{:.3g} samples/s",
    "model_tflops": "{:.3g} TFLOP/s",
    "peak_memory_gib": "{:.3g} GiB",
    "loader_wait": "{:.0%} waiting for data",
    "unreadable": "{:.0f} records without readable media",
    "eval_seconds": "in {:.0f} s",
}


def _presets(_context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the presets that begin so; a configuration may be a file as well."""
    from lamm_model.training.settings import presets

    files = [CompletionItem(begun, type="file")] if parameter.name == "config" else []
    names = presets.summaries() if files else presets.summaries() | presets.launchers()
    return [*files, *(CompletionItem(name, help=text) for name, text in names.items() if name.startswith(begun))]


@click.command()
@click.argument("config", required=False, shell_complete=_presets)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one key, e.g. training.seed=1.")
@click.option("--output", type=click.Path(path_type=Path), help="Folder of the run; an interrupted one is resumed.")
@click.option("--list", "list_presets", is_flag=True, help="List the presets and launchers and end.")
@click.option("--show", metavar="NAME", shell_complete=_presets, help="Print one of them, to copy and change, and end.")
@click.option("--json", "as_json", is_flag=True, help="Print the record of the run, or the list, as JSON.")
def finetune(
    config: str | None,
    overrides: tuple[str, ...],
    output: Path | None,
    list_presets: bool,
    show: str | None,
    as_json: bool,
) -> None:
    """Fine-tune a model on instruction records.

    CONFIG is a TOML file, or the name of a preset (--list). A run that was interrupted goes on from its last checkpoint
    when the same command is given again; a run that is complete is left alone, unless training.max_steps is raised.
    """
    from lamm_model.errors import UsageError
    from lamm_model.training.processes import processes as distributed
    from lamm_model.training.settings import presets

    if list_presets:
        known = presets.summaries() | presets.launchers()
        listed = json.dumps(known) if as_json else "\n".join(f"{name:<28} {known[name]}" for name in known)
        click.echo(listed)
        return
    if show:
        click.echo(presets.path_of(show).read_text(encoding="utf-8"), nl=False)
        return
    if not config or output is None:
        got = "no --output" if config else "no CONFIG"
        raise UsageError(f"Expected `lamm model finetune CONFIG --output DIR`, got {got}. --list names the presets.")
    from lamm_model.training.settings.settings import load_settings

    settings = load_settings(presets.configuration(config), overrides)
    record = _run(settings, output)
    if distributed.rank():
        return  # the main process speaks for all
    if as_json:
        click.echo(json.dumps(record))
    elif record.get("already_done"):
        click.echo(f"{output} is complete; nothing was done.")
    else:
        click.echo(_summary(record, output))


def _run(settings: Any, output: Path) -> dict[str, Any]:
    import os
    import sys
    from contextlib import redirect_stdout

    os.environ.setdefault(
        "HF_HUB_DISABLE_PROGRESS_BARS", "1"
    )  # one bar is enough; read by the import of the hub client
    import transformers
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from lamm_model.training.processes import processes as distributed
    from lamm_model.training.run.finetune import finetune as run_finetune

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=distributed.rank() > 0) as progress:
        task = progress.add_task("preparing the model", total=None)
        told: set[str] = set()

        def begin(stage: str) -> None:
            """Say a stage once in a log, which shows no bar."""
            if stage not in told and not progress.console.is_terminal and not distributed.rank():
                progress.console.print(f"{stage.capitalize()} ...", highlight=False)
            told.add(stage)

        def report(step: int, steps: int, log: dict[str, float]) -> None:
            begin("reading media" if "features" in log else "fine-tuning")
            speed = f", {log['tokens_per_second']:.0f} tokens/s" if "tokens_per_second" in log else ""
            loss = f", loss {log['loss']:.3f}" if "loss" in log else ""
            doing = "reading media" if "features" in log else f"fine-tuning{loss}{speed}"
            progress.update(task, completed=step, total=steps, description=doing)
            if log.get("step") == step and not distributed.rank():  # it is new
                progress.console.print(_log_line(log, steps), highlight=False, markup=False, soft_wrap=True)

        begin("preparing the model")
        with redirect_stdout(sys.stderr):  # trackers and engines talk; stdout is for results
            return run_finetune(settings, output, report)


def _log_line(log: dict[str, float], steps: int) -> str:
    """Return one line of the log: what was measured, in the order and units of `SHOWN`."""
    measured = [shape.format(log[name]) for name, shape in SHOWN.items() if name in log]
    return f"step {log['step']:.0f}/{steps}: {', '.join(measured)}"


def _summary(record: dict[str, Any], output: Path) -> str:
    from lamm_model.training.rows.records import rejections

    share = record["trainable_parameters"] / record["parameters"]
    rejected = "".join(f"\n{line}." for line in rejections(record["rejected"]))
    torn = "".join(f"\nPassed over {name}: {fault}." for name, fault in record["torn_checkpoints"].items())
    notes = "".join(f"\n{note}" for note in record.get("notes", ()))
    return (
        f"{record['steps']} steps over {record['dialogues']} dialogues in {record['rows']} rows. "
        f"Loss {record['loss']:.3f}. Trained {share:.1%} of {record['parameters'] / 1e6:.0f} M parameters."
        f"{rejected}{torn}{notes}\nThe model is in {output / 'model'}."
    )


@click.command("cache-features")
@click.argument("config", shell_complete=_presets)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one key of the configuration.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder of the features.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
@writes_alone("output", folder=True)
def cache_features(config: str, overrides: tuple[str, ...], output: Path, as_json: bool) -> None:
    """Compute the frozen towers' features of a run's images and clouds once.

    CONFIG is the configuration that is then given to `lamm model finetune --set data.feature_cache=DIR`, or a preset.
    What the folder holds already is not computed again.
    """
    import transformers
    from rich.console import Console
    from rich.progress import Progress

    from lamm_model.training.run.cache_features import cache_features as fill_cache
    from lamm_model.training.settings import presets
    from lamm_model.training.settings.settings import load_settings

    settings = load_settings(presets.configuration(config), overrides)
    transformers.utils.logging.disable_progress_bar()  # one bar is enough
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("computing features", total=None)
        done = fill_cache(settings, output, lambda now, total: progress.update(task, completed=now, total=total))
    if as_json:
        click.echo(json.dumps(done))
    else:
        click.echo(
            f"{done['computed']} of {done['features']} features computed; "
            f"{done['media']} media, {done['bytes'] / 2**20:.1f} MiB in {output}."
        )
