"""The stages of `lamm demo`, each a `lamm` command that resumes by itself and does nothing when it is complete."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from lamm_cli.leaderboard.table import ComparisonTable, compare_runs
from lamm_cli.output import console
from lamm_cli.processes import run_lamm, serve_language_model
from lamm_cli.settings import Tables, as_toml
from lamm_llm import sole_use

RUNS = {"tuned": "fine-tuned", "base": "before", "blind": "blind"}


def run_demo(output: Path, settings: Tables) -> ComparisonTable:
    """Run every stage in `output` and return the table.

    Raises:
        lamm_llm.InUseError: Another demo is at work there.
        lamm_cli.processes.CommandFailedError: A stage failed; running the demo again goes on from it.
    """
    with sole_use(output, folder=True):
        os.environ.setdefault("LAMM_CACHE", str(output / "parts"))
        demo = _Demo(output, settings)
        stages: list[tuple[str, Callable[[], None]]] = [
            ("Draw the sample world (synthetic images and rooms)", demo.draw_world),
            ("Let a language model write dialogues about it", demo.generate),
            ("Turn annotations into instructions by template", demo.convert),
            ("Build the benchmark from held-out images and rooms", demo.build_benchmark),
            ("Pre-train the image reader on the training images", demo.pretrain_reader),
            ("Pre-train the point-cloud tower on the training rooms", demo.pretrain_tower),
            ("Fine-tune with one LoRA set per modality", demo.finetune),
            ("Answer the benchmark: fine-tuned, before, blind", demo.predict),
        ]
        for number, (title, stage) in enumerate(stages, start=1):
            began = time.monotonic()
            console().print(f"[bold]{number}/{len(stages) + 1}[/bold] {title}")
            stage()
            console().print(f"    {time.monotonic() - began:.0f} s", style="dim")
        console().print(f"[bold]{len(stages) + 1}/{len(stages) + 1}[/bold] Score and compare")
        return demo.compare()


class _Demo:
    """Paths and commands of one demo run."""

    def __init__(self, output: Path, settings: Tables) -> None:
        self.output = output
        self.settings = settings
        self.world = output / "world"
        self.instructions = output / "instructions"
        self.benchmark = output / "benchmark"
        self.reader = output / "reader"
        self.tower = output / "tower"
        self.run = output / "finetune"
        self.predictions = output / "predictions"

    def draw_world(self) -> None:
        world = self.settings["world"]
        counts = [part for key in ("images", "rooms", "seed") for part in (f"--{key}", world[key])]
        run_lamm(["data", "sample", "--output", self.world, *counts])

    def generate(self) -> None:
        chosen = self.settings["generation"]
        wanted = {kind: self.instructions / f"{kind}.jsonl" for kind in chosen["types"]}
        if all(path.exists() for path in wanted.values()):
            return
        from transformers.utils.logging import disable_progress_bar

        from lamm_model import embedded_parts

        disable_progress_bar()  # one for each file that transformers reads
        numbers = ["--limit", chosen["rows"], "--max-tokens", chosen["max_tokens"], "--rounds", chosen["rounds"]]
        rows = ["--annotations", self.world / "scenes" / "annotations", "--set", "media_prefix=scenes/images/"]
        model = embedded_parts().language_model
        with serve_language_model(self.output / "server.log") as endpoint:
            server = ["--endpoint", endpoint, "--model", model, "--format", "text", "--style", "brief"]
            for kind, path in wanted.items():
                run_lamm(["data", "generate", "--type", kind, "--output", path, *rows, *server, *numbers])

    def convert(self) -> None:
        chosen = self.settings["templates"]
        written = {"rooms": ["--largest-first", "--metre-decimals", chosen["metre_decimals"]]}
        for part in ("short", "several", "long", "rooms"):
            path = self.instructions / f"{part}_tasks.jsonl"
            if not path.exists():
                files = ["--root", self.world, "--output", path, "--style", chosen["style"]]
                count = ["--per-item", chosen[f"{part}_per_item"], *written.get(part, [])]
                run_lamm(["data", "convert", *files, "--tasks", ",".join(chosen[part]), *count])

    def build_benchmark(self) -> None:
        chosen, done = self.settings["benchmark"], self.benchmark / ".done"
        if not done.exists():
            files = ["--root", self.world, "--output", self.benchmark]
            asked = ["--tasks", ",".join(chosen["tasks"]), "--per-task", chosen["per_task"]]
            run_lamm(["data", "benchmark", *files, *asked])
            done.touch()

    def pretrain_reader(self) -> None:
        if not self.settings["reader"]["steps"]:
            return
        files = ["--source", "sample", "--root", self.world, "--output", self.reader]
        how = ["--steps", self.settings["reader"]["steps"], "--seed", self.settings["training"]["seed"]]
        run_lamm(["model", "pretrain-reader", *files, *how])

    def pretrain_tower(self) -> None:
        chosen = self.settings["tower"]
        files = ["--root", self.world / "rooms", "--output", self.tower]
        told = ["--objects", chosen["objects"], "--metre-decimals", self.settings["templates"]["metre_decimals"]]
        how = ["--preset", chosen["preset"], "--epochs", chosen["epochs"], "--seed", self.settings["training"]["seed"]]
        run_lamm(["model", "pretrain-tower", *files, *how, *told])

    def finetune(self) -> None:
        files = [path for path in sorted(self.instructions.glob("*.jsonl")) if _holds_records(path)]
        share = self.settings["templates"]["long_share"]
        tables: Tables = {
            "model": {
                "language_model": "embedded",
                "image_tower": str(self.reader.resolve()) if self.settings["reader"]["steps"] else "embedded",
                "point_cloud_tower": str(self.tower.resolve()),
                "prompt_format": "chat",
                "system_message": False,
                "train_point_cloud_tower": not self.settings["tower"]["objects"],
            },
            "adapters": self.settings["adapters"],
            "data": {
                "records": [str(path.resolve()) for path in files],
                "shares": [share if path.name == "long_tasks.jsonl" else 1.0 for path in files],
                "media_root": str(self.world.resolve()),
                **self.settings["data"],
            },
            "training": self.settings["training"],
        }
        config = self.output / "finetune.toml"
        config.write_text(as_toml(tables), encoding="utf-8")
        run_lamm(["model", "finetune", config, "--output", self.run])

    def predict(self) -> None:
        chosen = self.settings["prediction"]
        how = ["--media-root", self.world, "--batch-size", chosen["batch_size"], "--dtype", chosen["dtype"]]
        for name, shown in RUNS.items():
            model = self.run / "untuned" if name == "base" else self.run / "model"
            blind = ["--name", shown, *(["--blind"] if name == "blind" else [])]
            files = ["--benchmark", self.benchmark, "--output", self.predictions / name]
            run_lamm(["model", "predict", "--model", model, *files, *how, *blind])

    def compare(self) -> ComparisonTable:
        folders = {shown: self.predictions / name for name, shown in RUNS.items()}
        beside = self.settings["benchmark"]["beside"]
        table = compare_runs(self.benchmark, folders, self.output / "report.html", self.world, beside)
        table.write(self.output)
        return table


def _holds_records(path: Path) -> bool:
    """Return whether a generated file is an instruction file with at least one record."""
    if path.name.endswith(".rejected.jsonl"):
        return False
    with path.open(encoding="utf-8") as lines:
        first = lines.readline()
    return bool(first) and "conversations" in json.loads(first)
