"""What a run is called and where its answers go: identities, headers, output files."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamm_model.errors import LammModelError

if TYPE_CHECKING:
    from lamm_model.prediction.predictor import PredictionOptions


def model_identity(folder: Path) -> str:
    """Hash a model folder's file names, sizes and the first MiB of each file."""
    digest = hashlib.sha256()
    for path in sorted(item for item in folder.rglob("*") if item.is_file()):
        digest.update(f"{path.relative_to(folder)} {path.stat().st_size}\n".encode())
        with path.open("rb") as handle:
            digest.update(handle.read(1 << 20))
    return digest.hexdigest()


def run_header(
    model: str | Path, benchmark: Path, options: PredictionOptions, dtype: str = "float32", endpoint: str = ""
) -> dict[str, Any]:
    """Describe a run: the first line of the predictions, and what a resumed run must agree with."""
    settings = {name: value for name, value in asdict(options).items() if name not in ("batch_size", "media_root")}
    config = {
        **settings,
        "dtype": dtype,
        **({"endpoint": endpoint, "name": str(model)} if endpoint else {"model_sha256": model_identity(Path(model))}),
        "benchmark": benchmark.name,
        "benchmark_sha256": hashlib.sha256(benchmark.read_bytes()).hexdigest(),
    }
    return {
        "lamm": "predictions",
        "model": str(model) if endpoint else Path(model).name,
        "version": version("lamm-model"),
        "config": config,
    }


def pair_outputs(benchmarks: list[Path], output: Path) -> list[tuple[Path, Path]]:
    """Match benchmark files with output files.

    Args:
        benchmarks: Files, or folders whose `.json` and `.jsonl` files are meant.
        output: A file for one benchmark, else a folder.

    Returns:
        `(benchmark, output)` pairs.

    Raises:
        LammModelError: There is no benchmark file, or several and `output` names one file.
    """
    files: list[Path] = []
    for path in benchmarks:
        if path.is_dir():
            files += sorted(item for item in path.iterdir() if item.suffix in (".json", ".jsonl") and item.is_file())
        elif path.is_file():
            files.append(path)
        else:
            raise LammModelError(f"Expected a benchmark file or folder, got nothing at {path}. Check the path.")
    if not files:
        raise LammModelError(f"Expected benchmark files in {', '.join(map(str, benchmarks))}, got none.")
    if len(files) == 1 and not output.is_dir() and output.suffix:
        return [(files[0], output)]
    if output.suffix and not output.is_dir():
        raise LammModelError(f"Expected a folder as output for {len(files)} benchmark files, got {output}.")
    return [(path, output / f"{path.stem}.jsonl") for path in files]
