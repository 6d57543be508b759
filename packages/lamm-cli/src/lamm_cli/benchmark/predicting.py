"""Let a model answer benchmark files, unless it has."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from lamm_cli.benchmark.models import Model
from lamm_cli.folders import file_hash, folder_state, write_beside
from lamm_cli.leaderboard.scores import BenchmarkFile
from lamm_cli.output import console
from lamm_cli.processes import run_lamm
from lamm_cli.settings import Tables

STAMP = ".complete"


def predict(
    one: Model, files: Sequence[BenchmarkFile], folder: Path, settings: Tables, words: Sequence[str] = ()
) -> bool:
    """Have all files answered into `<folder>/<file>.jsonl`.

    Args:
        one: The model.
        files: What is asked.
        folder: Where its answers go.
        settings: All tables; `[prediction]` says how.
        words: Further options of `lamm model predict`.

    Returns:
        Whether anything was asked; False when the same model had answered the same files so before.

    Raises:
        lamm_cli.processes.CommandFailedError: The model or the files are not usable; the same call goes on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stamp, state = folder / STAMP, _state(one, files, settings, words)
    whole = all((folder / f"{file.name}.jsonl").is_file() for file in files)
    if whole and stamp.is_file() and stamp.read_text() == state:
        return False
    console().print(f"    {one.label}", style="dim")
    chosen = settings["prediction"]
    numbers = ["--batch-size", str(chosen["batch_size"]), "--dtype", chosen["dtype"], "--device", chosen["device"]]
    numbers += ["--system", chosen["system"]]
    for root, names in _by_root(files):
        given = ["--benchmark", names[0], "--media-root", str(root), "--output", f"{folder}/"]
        command = ["model", "predict", *one.arguments(), *given, *numbers, *words, "--keep-going", "--", *names[1:]]
        run_lamm(command, launcher=chosen["launcher"])
    write_beside(stamp, state)
    return True


def _state(one: Model, files: Sequence[BenchmarkFile], settings: Tables, words: Sequence[str]) -> str:
    digest = hashlib.sha256(repr((one, sorted(settings["prediction"].items()), list(words))).encode())
    for file in files:
        digest.update(file_hash(file.path).encode())
    if not one.endpoint:
        digest.update(folder_state(Path(one.model)).encode())
    return digest.hexdigest()


def _by_root(files: Sequence[BenchmarkFile]) -> Iterator[tuple[Path, list[str]]]:
    """Yield the files that share a media root: one command answers them with one loaded model."""
    grouped: dict[Path, list[str]] = {}
    for file in files:
        grouped.setdefault(file.media_root, []).append(str(file.path))
    yield from grouped.items()
