"""The fine-tune setting: tune on each source's training split, then answer its held-out split."""

from collections.abc import Sequence
from pathlib import Path

from lamm_cli.benchmark.models import Contestant
from lamm_cli.benchmark.sets import sources_under
from lamm_cli.leaderboard.scores import BenchmarkFile
from lamm_cli.processes import run_lamm
from lamm_cli.settings import SettingsError, Tables


def tuned_contestants(settings: Tables, files: Sequence[BenchmarkFile], folder: Path) -> list[Contestant]:
    """Convert the training split of the sources under the root, tune on it, and return the tuned model.

    Args:
        settings: All tables; ``[finetune]`` names the preset or configuration.
        files: The benchmark files, whose tasks are trained for.
        folder: Where instructions, checkpoints and the model go.

    Raises:
        SettingsError: The root holds finished benchmark files only: there is no training split to tune on.
        lamm_cli.processes.CommandFailedError: Conversion or training failed; the same call goes on from there.
    """
    chosen, benchmark = settings["finetune"], settings["benchmark"]
    sources = sources_under(Path(benchmark["root"]), benchmark["sources"])
    if not sources:
        raise SettingsError(
            f"Expected sources with a training split under {benchmark['root']}, found none. "
            "The fine-tune setting needs the sources' own files, not finished benchmark files."
        )
    if len(sources) > 1:
        raise SettingsError(
            f"Expected one source in the fine-tune setting, found {', '.join(source.name for source in sources)}. "
            "Choose one with --set 'benchmark.sources=[\"NAME\"]' and one run directory a source."
        )
    source = sources[0]
    folder.mkdir(parents=True, exist_ok=True)
    records, run = folder / f"{source.name}.jsonl", folder / source.name
    tasks = sorted({file.task for file in files} & set(source.tasks))
    if not records.exists():
        amount = ["--per-item", str(chosen["per_item"])] if chosen["per_item"] else []
        given = ["--source", source.name, "--root", str(source.root), "--output", str(records)]
        run_lamm(["data", "convert", *given, "--tasks", ",".join(tasks), *amount])
    paths = [f'data.records=["{records.resolve()}"]', f'data.media_root="{source.root.resolve()}"']
    overrides = [part for assignment in paths for part in ("--set", assignment)]
    run_lamm(["model", "finetune", chosen["config"], "--output", str(run), *overrides])
    name = f"{Path(chosen['config']).stem}+{source.name}"
    tuned = Contestant(name, str(run / "model"))
    return [tuned, Contestant(name, str(run / "model"), blind=True)] if benchmark["blind"] else [tuned]
