"""Load 640x480 JPEG pictures for a 224-pixel tower: LAMM's loader beside torch's over plain Pillow.

    python benchmarks/training/loader.py [--output benchmarks/results/training_loader.json] [--pictures 1500]

All use two worker processes and batches of 32, and hand over float32 tensors [n, 3, 224, 224], normalised. The peer is
what a training script usually holds: `Image.open(...).convert("RGB").resize(...)`, division, subtraction, stacking.
`whole` decodes as the peer does (bit for bit the same values); `scaled` has `model.jpeg_scaling = true`. Ours also lays
the tokens of a row out. Wall time, and processor time of all workers, which other work on the machine disturbs less.
"""

import argparse
import json
import os
import platform
import resource
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from lamm_model.processing.image_processing_lamm import CLIP_MEAN, CLIP_STD, LammImageProcessor
from lamm_model.training.rows.collation import Collator, MediaLoader
from lamm_model.training.rows.loading import EpochBatches, TrainLoader
from lamm_model.training.rows.packing import Dialogue, Group, Row

RESULTS = Path(__file__).parents[1] / "results" / "training_loader.json"
BATCH, WORKERS, SIDE, PLACEHOLDERS = 32, 2, 224, 49


def draw(folder: Path, count: int) -> list[str]:
    """Write JPEG pictures of quality 90 with shapes and grain; 60 unlike ones, under ``count`` names."""
    rng = np.random.default_rng(0)
    paths = []
    for number in range(count):
        path = folder / f"{number}.jpg"
        if number < 60:
            rough = Image.fromarray(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)).resize((640, 480))
            grain = np.asarray(rough).astype(int) + rng.integers(-10, 10, (480, 640, 3))
            Image.fromarray(grain.clip(0, 255).astype(np.uint8)).save(path, quality=90)
        else:
            path.write_bytes(Path(paths[number % 60]).read_bytes())
        paths.append(str(path))
    return paths


class Plain(Dataset[Any]):
    """The peer: one picture at a time, as scripts do."""

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths
        self.mean = torch.tensor(CLIP_MEAN).view(3, 1, 1)
        self.std = torch.tensor(CLIP_STD).view(3, 1, 1)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> torch.Tensor:
        picture = Image.open(self.paths[number]).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        values = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1).float() / 255.0
        return (values - self.mean) / self.std


def ours(paths: list[str], scaled: bool) -> Iterator[torch.Tensor]:
    tokens = [3] * PLACEHOLDERS + [5] * 15
    rows = [
        Row([Group([Dialogue(str(n), (("image", path),), tokens, tokens, [1] * len(tokens), PLACEHOLDERS)])])
        for n, path in enumerate(paths)
    ]
    processor: Any = SimpleNamespace(image_processor=LammImageProcessor(size=SIDE, jpeg_scaling=scaled))
    batches = EpochBatches([row.tokens for row in rows], BATCH, seed=0)
    loader = TrainLoader(rows, Collator(0, MediaLoader(processor), "segments"), batches, WORKERS)
    return (batch["pixel_values"] for batch in loader)


def plain(paths: list[str]) -> Iterator[torch.Tensor]:
    return iter(DataLoader(Plain(paths), batch_size=BATCH, num_workers=WORKERS, shuffle=True))


def measure(batches: Iterator[torch.Tensor], count: int) -> dict[str, float]:
    """Consume all batches; the first is not timed, since it holds the workers' start."""
    seen = len(next(batches))
    began = time.perf_counter()
    timed = 0
    for pixels in batches:
        timed += len(pixels)
    passed = time.perf_counter() - began
    if seen + timed != count:
        raise SystemExit(f"Expected {count} pictures, got {seen + timed}.")
    return {"images_per_second": round(timed / passed, 1), "wall_s": round(passed, 3)}


def busy() -> float:
    """Processor seconds of ended child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--pictures", type=int, default=1500)
    options = parser.parse_args()
    torch.set_num_threads(1)
    measured: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = draw(Path(folder), options.pictures)
        for name, begin in (
            ("plain", lambda: plain(paths)),
            ("whole", lambda: ours(paths, scaled=False)),
            ("scaled", lambda: ours(paths, scaled=True)),
        ):
            before = busy()
            measured[name] = measure(begin(), options.pictures)
            measured[name]["processor_ms_an_image"] = round(1e3 * (busy() - before) / options.pictures, 3)
    result = {
        "benchmark": "training loader, 640x480 JPEG to 224 pixels",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "versions": {name: version(name) for name in ("torch", "pillow", "numpy")},
        "measured": measured,
    }
    text = json.dumps(result, indent=1) + "\n"
    options.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
