"""Fine-tune SmolLM2 on the sample world: LAMM beside a plain Hugging Face Trainer, same batches, both loss curves.

    python benchmarks/training/cpu.py [--output benchmarks/results/training_cpu.json] [--steps 16] [--precision fp32]

Both train the same model (SmolLM2-135M, EfficientNet-Lite0, the small point tower, LoRA 32) from the same weights on
the same dialogues in the same optimiser steps, with one learning rate for all and without dropout. The baseline is
`transformers.Trainer`: one dialogue a row with its own copy of the image or cloud, padded to the longest of its batch,
scaled-dot-product attention, logits of all positions. Ours shares the prefix, attends within segments and computes
response rows only.

Useful tokens are counted alike for both: the tokens of every dialogue, its image included, padding not. The two curves
of the loss against the step are drawn. They are those of one computation: in float64 ten steps of Adam agree to eight
digits (`test_packing.py`); in float32 the first ones agree to four, then Adam enlarges what rounding left different.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, set_seed
from transformers.trainer_utils import SaveStrategy

from lamm_data import Curves, lay_out, save_page
from lamm_model.training.rows.collation import Collator, MediaLoader
from lamm_model.training.rows.packing import Group, Row
from lamm_model.training.rows.records import load_training_data
from lamm_model.training.run.preparation import Prepared, prepare_model
from lamm_model.training.run.trainer import LammTrainer, training_arguments
from lamm_model.training.settings import presets
from lamm_model.training.settings.settings import FinetuneSettings, load_settings

RESULTS = Path(__file__).parents[1] / "results" / "training_cpu.json"
EACH = 4  # dialogues about one image or room
ROWS, ACCUMULATION = 2, 2  # groups in a pass, passes in a step: 16 dialogues a step
TASKS = "vqa,caption,classification3d,vqa3d,visual_grounding3d"


@dataclass
class Clock(TrainerCallback):
    """Wall and processor time at the end of every step, and the loss of each."""

    def __post_init__(self) -> None:
        self.wall: list[float] = []
        self.busy: list[float] = []
        self.losses: list[float] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.wall, self.busy = [time.perf_counter()], [time.process_time()]

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.wall.append(time.perf_counter())
        self.busy.append(time.process_time())

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        if logs and "loss" in logs:
            self.losses.append(logs["loss"])


def make_world(folder: Path, images: int, rooms: int) -> Path:
    """Draw a small sample world and turn it into instruction records."""
    environment = os.environ | {"LAMM_DEBUG": "1"}
    lamm = [sys.executable, "-m", "lamm_cli", "data"]
    world = ["sample", "--output", str(folder / "world"), "--images", str(images), "--rooms", str(rooms)]
    convert = ["convert", "--root", str(folder / "world"), "--output", str(folder / "records.jsonl")]
    for command in (world, [*convert, "--tasks", TASKS, "--style", "plain", "--per-item", "2"]):
        subprocess.run([*lamm, *command], check=True, env=environment, stdout=subprocess.DEVNULL)
    return folder / "records.jsonl"


def groups_of(settings: FinetuneSettings, prepared: Prepared, wanted: int) -> list[Group]:
    """Return as many groups of exactly four dialogues as the run needs, images and rooms in turn."""
    data = load_training_data(settings.data, prepared.processor)
    whole = [group for row in data.rows for group in row.groups if len(group.dialogues) >= EACH]
    kinds = {kind: [g for g in whole if g.media[0][0] == kind] for kind in ("image", "point_cloud")}
    paired = [group for pair in zip(*kinds.values(), strict=False) for group in pair]
    if len(paired) < wanted:
        raise SystemExit(f"Expected {wanted} groups of {EACH} dialogues, found {len(paired)}: draw a larger world.")
    return [Group(group.dialogues[:EACH]) for group in paired[:wanted]]


class InOrder(LammTrainer):
    """Our trainer on the rows in the order given, so that both runs see the same steps."""

    def get_train_dataloader(self) -> Any:
        size = self.args.train_batch_size
        return torch.utils.data.DataLoader(self.train_dataset, batch_size=size, collate_fn=self.data_collator)


class Plain(Trainer):
    """The plain trainer in the order given; nothing else is changed."""

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return torch.utils.data.SequentialSampler(self.train_dataset)


def full_logits_loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
    """The usual causal loss over the logits of all positions."""
    logits = outputs.logits[:, :-1].float()
    total = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), reduction="sum")
    return total / num_items_in_batch


class PaddedCollator:
    """One dialogue a row with its own media, padded to the longest."""

    def __init__(self, processor: Any) -> None:
        self.processor = processor
        self.load = MediaLoader(processor)

    def __call__(self, batch: Sequence[Any]) -> dict[str, Any]:
        names = ("input_ids", "labels", "modality_ids")
        laid = self.processor.collate([{name: list(getattr(d, name)) for name in names} for d in batch])
        return laid | self.load([medium for dialogue in batch for medium in dialogue.media])


def run(settings: FinetuneSettings, ours: bool, groups: int, folder: Path) -> tuple[Clock, int, int]:
    """Train once; return the clock, useful tokens and computed positions."""
    set_seed(0)
    prepared = prepare_model(settings)
    found = groups_of(settings, prepared, groups)
    arguments = training_arguments(settings.training, folder)
    arguments.save_strategy = SaveStrategy.NO
    clock = Clock()
    model, processor = prepared.model, prepared.processor
    dialogues = [dialogue for group in found for dialogue in group.dialogues]
    if ours:
        collate: Any = Collator(processor.pad_token_id, MediaLoader(processor), "segments")
        trainer: Trainer = InOrder(
            settings=settings.training, attention=prepared.attention, model=model, args=arguments,
            train_dataset=[Row([group]) for group in found], data_collator=collate, callbacks=[clock],
        )  # fmt: skip
        computed = sum(group.tokens for group in found)
    else:
        model.model.language_model.set_attn_implementation("sdpa")
        arguments.per_device_train_batch_size = ROWS * EACH
        trainer = Plain(
            model=model, args=arguments, train_dataset=dialogues, data_collator=PaddedCollator(processor),
            compute_loss_func=full_logits_loss, callbacks=[clock],
        )  # fmt: skip
        size = ROWS * EACH
        batches = [dialogues[start : start + size] for start in range(0, len(dialogues), size)]
        computed = sum(len(batch) * max(len(d.input_ids) for d in batch) for batch in batches)
    trainer.train()
    return clock, sum(len(dialogue.input_ids) for dialogue in dialogues), computed


def rates(clock: Clock, useful: int, computed: int, steps: int) -> dict[str, Any]:
    # The first step carries what is set up once.
    wall, busy = clock.wall[-1] - clock.wall[1], clock.busy[-1] - clock.busy[1]
    share = (steps - 1) / steps
    return {
        "useful_tokens_per_second": round(share * useful / wall, 1),
        "useful_tokens_per_processor_second": round(share * useful / busy, 1),
        "samples_per_second": round((steps - 1) * ROWS * ACCUMULATION * EACH / wall, 3),
        "computed_positions": computed,
        "useful_tokens": useful,
        "seconds": round(wall, 2),
        "processor_seconds": round(busy, 2),
        "losses": [round(loss, 4) for loss in clock.losses],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--precision", choices=["bf16", "fp32"], default="fp32")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    groups = chosen.steps * ROWS * ACCUMULATION
    measured: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        records = make_world(folder, images=20 + 5 * groups // 2, rooms=20 + groups)
        overrides = {
            "data.records": json.dumps([str(records)]), "data.media_root": str(folder / "world"),
            "data.row_tokens": "2048", "training.max_steps": str(chosen.steps), "training.batch_rows": str(ROWS),
            "training.accumulation": str(ACCUMULATION), "training.log_every": "1", "training.warmup": "0.25",
            "training.schedule": "constant", "training.precision": chosen.precision,
            "model.train_point_cloud_tower": "false", "training.projector_learning_rate": "0",
        }  # fmt: skip
        settings = load_settings(presets.path_of("tiny"), tuple(f"{key}={value}" for key, value in overrides.items()))
        for label, ours in (("padded Hugging Face Trainer", False), ("lamm", True)):
            measured[label] = rates(*run(settings, ours, groups, folder / label[:4]), chosen.steps)
            print(label, measured[label], file=sys.stderr, flush=True)
    theirs, mine = measured.values()
    difference = [abs(a - b) / a for a, b in zip(theirs["losses"], mine["losses"], strict=True)]
    result = {
        "date": time.strftime("%Y-%m-%d"), "cores": os.cpu_count(), "threads": chosen.threads,
        "precision": chosen.precision,
        "load_average": round(os.getloadavg()[0], 2), "torch": torch.__version__, "rows": measured,
        "speedup": round(mine["useful_tokens_per_second"] / theirs["useful_tokens_per_second"], 2),
        "speedup_by_processor_time": round(
            mine["useful_tokens_per_processor_second"] / theirs["useful_tokens_per_processor_second"], 2
        ),
        "largest_difference_of_the_loss": round(max(difference), 4),
        "mean_difference_of_the_loss": round(sum(difference) / len(difference), 4),
    }  # fmt: skip
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    curves = {label: list(enumerate(row["losses"], start=1)) for label, row in measured.items()}
    page = lay_out("", [Curves("Loss by optimiser step", curves, "step")], columns=1)
    save_page(page, chosen.output.with_suffix(".svg"))
    print(json.dumps({key: value for key, value in result.items() if key != "rows"}, indent=1))


if __name__ == "__main__":
    main()
