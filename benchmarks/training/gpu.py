"""Fine-tune 7B shapes on one GPU: packed rows beside a plain Hugging Face Trainer, same model, data and precision.

    python benchmarks/training/gpu.py [--output results.json] [--budget 150] [--only NAME ...] [--tiny]

Every setting runs in a process of its own (forked before CUDA starts, so that imports are paid once) and has a time
limit; one that fails or finds no time left is listed as such. With `--only`, rows that the output file holds of the
same card, shapes and versions stay, each with its date. The baseline is what most scripts do:
`transformers.Trainer`, one dialogue a row, padded to the longest of its batch, scaled-dot-product attention, logits of
all positions.

Arithmetic for one H200 (bf16 products at 790 TFLOP/s, measured): with a frozen language model a token costs 4 P = 26.4
GFLOP, so 12,000 tokens/s are 317 TFLOP/s, 40 %. Predicted before any measurement: 12,000 to 16,000 packed and compiled,
5,000 to 8,000 without, the baseline 3,500 to 6,000 useful tokens/s.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import shapes
import torch
import transformers
from transformers import Trainer, TrainerCallback
from transformers.trainer_utils import SaveStrategy

from lamm_model.model.answer_loss import IGNORED
from lamm_model.training.rows.collation import Collator
from lamm_model.training.rows.packing import pack_rows
from lamm_model.training.run.trainer import LammTrainer, training_arguments
from lamm_model.training.saving.run_folder import Unreadable
from lamm_model.training.settings.tables import ComputeSettings, TrainingSettings
from lamm_model.training.step import attention as attention_module
from lamm_model.training.step.acceleration import compile_layers
from lamm_model.training.step.recomputation import free_memory, plan_step, recompute
from lamm_model.training.step.speed import flops_per_token, peak_memory

RESULTS = Path(__file__).parents[1] / "results" / "training_gpu.json"
WARM = 4  # steps before the clock starts; they compile and fill the allocator
TARGET = 12_000


@dataclass(frozen=True)
class Setting:
    """One measured run.

    Attributes:
        kind: ``packed`` (ours) or ``padded`` (the baseline).
        row_tokens: Tokens of a packed row.
        shared_by: Dialogues about one image.
        batch: Dialogues of a padded batch.
    """

    kind: str = "packed"
    row_tokens: int = 8192
    attention: str = "segments"
    compile: bool = False
    checkpointing: str = "none"
    shared_by: int = 1
    batch: int = 8
    steps: int = 12


# In the order of their value: what finds no time left is not run.
SETTINGS = {
    "packed 8k, compiled": Setting(compile=True, steps=30),
    "padded baseline, batch 8": Setting(kind="padded"),
    "packed 8k": Setting(),
    "packed 8k, compiled, 3 dialogues an image": Setting(compile=True, shared_by=3),
    "packed 16k, compiled, planned checkpointing": Setting(row_tokens=16384, compile=True, checkpointing="auto"),
    "packed 8k, sdpa with a mask": Setting(attention="sdpa"),
    "packed 8k, all layers recomputed": Setting(checkpointing="all"),
}


class Clock(TrainerCallback):
    """Time and useful tokens at the end of every step."""

    def __init__(self, tokens: Any) -> None:
        self.tokens = tokens
        self.ticks: list[tuple[float, float, float]] = []
        self.losses: list[float] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ticks.append((time.perf_counter(), *self.tokens()))

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        if logs and "loss" in logs:
            self.losses.append(round(logs["loss"], 4))


class Padded:
    """The baseline's collation: one dialogue a row, padded right to the longest."""

    def __init__(self, load_media: Any) -> None:
        self.load_media = load_media
        self.tokens = self.samples = 0

    def __call__(self, batch: list[Any]) -> dict[str, torch.Tensor]:
        width = max(len(d.input_ids) for d in batch)
        self.tokens += sum(len(d.input_ids) for d in batch)
        self.samples += len(batch)

        def padded(name: str, fill: int) -> torch.Tensor:
            return torch.tensor([[*getattr(d, name), *[fill] * (width - len(d.input_ids))] for d in batch])

        ids = padded("input_ids", shapes.PAD)
        lengths = torch.tensor([len(d.input_ids) for d in batch])
        mask = (torch.arange(width)[None] < lengths[:, None]).long()
        return {
            "input_ids": ids,
            "labels": padded("labels", IGNORED),
            "attention_mask": mask,
        } | self.load_media([m for d in batch for m in d.media])


def full_logits_loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
    """The usual causal loss over the logits of all positions."""
    logits = outputs.logits[:, :-1].float()
    total = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), reduction="sum")
    return total / num_items_in_batch


def arguments(setting: Setting, folder: str, batch: int) -> Any:
    recipe = TrainingSettings(
        max_steps=setting.steps, batch_rows=batch, accumulation=1, learning_rate=2e-4, log_every=setting.steps,
        workers=2,
    )  # fmt: skip
    made = training_arguments(recipe, Path(folder))
    made.save_strategy = SaveStrategy.NO
    return recipe, made


def packed_trainer(setting: Setting, model: Any, shape: str, folder: str) -> tuple[Any, Any, str]:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    row_tokens = setting.row_tokens if shape == "7b" else setting.row_tokens // 8
    compute = ComputeSettings(compile=setting.compile, checkpointing=setting.checkpointing)
    half = device.type == "cuda"
    used = attention_module.choose_attention(setting.attention, model.model.language_model, device, half)
    plan = plan_step(model, row_tokens, compute, free_memory(compute, device), half)
    recompute(model.model.language_model, plan.recomputed)
    if setting.compile:
        compile_layers(model.model.language_model)
    image_tokens = model.config.image_tokens
    count = setting.steps * row_tokens // 300
    found = shapes.clipped(shapes.dialogues(shape, count, image_tokens, setting.shared_by), row_tokens)
    longest = max(len(dialogue.input_ids) for dialogue in found)
    rows = pack_rows(found, row_tokens, "mixed")
    rows = sorted(rows, key=lambda row: -row.tokens)[: setting.steps]
    recipe, made = arguments(setting, folder, 1)
    form = "segments" if used == "segments" else "mask"
    collate = Collator(shapes.PAD, shapes.RandomPictures(shape, 512), form, row_tokens, longest)
    trainer = LammTrainer(
        settings=recipe, attention=used, compiled=setting.compile, model=model, args=made,
        train_dataset=rows, data_collator=collate, unreadable=Unreadable(Path(folder), len(found)),
    )  # fmt: skip
    return trainer, lambda: (trainer.meter.tokens, trainer.meter.samples), str(plan)


def padded_trainer(setting: Setting, model: Any, shape: str, folder: str) -> tuple[Any, Any, str]:
    found = shapes.dialogues(shape, setting.steps * setting.batch, model.config.image_tokens)
    model.model.routing.enabled = False  # one adapter set for all tokens, as peft alone would do
    _, made = arguments(setting, folder, setting.batch)
    made.dataloader_num_workers = 0  # its collation counts
    collate = Padded(shapes.RandomPictures(shape, 512))
    trainer = Trainer(
        model=model, args=made, train_dataset=found, data_collator=collate, compute_loss_func=full_logits_loss
    )
    return trainer, lambda: (collate.tokens, collate.samples), "none"


def measure(setting: Setting, shape: str) -> dict[str, Any]:
    """Run one setting in this process."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    began = time.perf_counter()
    model = shapes.build(shape, device)
    built = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        make = packed_trainer if setting.kind == "packed" else padded_trainer
        trainer, tokens, plan = make(setting, model, shape, folder)
        clock = Clock(tokens)
        trainer.add_callback(clock)
        trainer.train()
    warm = min(WARM, setting.steps - 2)
    (t0, n0, s0), (t1, n1, s1) = clock.ticks[warm - 1], clock.ticks[-1]
    speed = (n1 - n0) / (t1 - t0)
    each = flops_per_token(model)
    return {
        "useful_tokens_per_second": round(speed, 1),
        "samples_per_second": round((s1 - s0) / (t1 - t0), 2),
        "model_tflops": round(speed * each / 1e12, 2),
        "tokens_a_step": round((n1 - n0) / (len(clock.ticks) - warm)),
        "step_ms": round(1000 * (t1 - t0) / (len(clock.ticks) - warm), 1),
        "steps": len(clock.ticks),
        "peak_memory_gib": round(peak_memory() / 2**30, 2),
        "memory_plan": plan,
        "loss": clock.losses[-1] if clock.losses else None,
        "build_s": round(built, 1),
        "first_step_s": round(clock.ticks[0][0] - began - built, 1),
    }


def check_attention() -> dict[str, Any]:
    """Compare the kernel with float64 products on segments that share prefixes: output and gradients."""
    generator = torch.Generator().manual_seed(1)
    heads, size = 4, 64
    segments = [(0, 300, 0, 0), (300, 420, 0, 200), (420, 437, 0, 200), (437, 700, 437, 0), (700, 800, 437, 131)]
    queries = [end - start for start, end, _, _ in segments]
    keys = [end - start + prefix for start, end, _, prefix in segments]
    index = torch.tensor([i for s, e, f, p in segments for i in (*range(f, f + p), *range(s, e))])
    given = [torch.randn(1, heads, 800, size, generator=generator) for _ in range(4)]

    def run(device: str, dtype: torch.dtype) -> list[torch.Tensor]:
        q, k, v = (x.to(device, dtype).requires_grad_() for x in given[:3])
        out, _ = attention_module.segment_attention(
            torch.nn.Module(), q, k, v, None,
            cu_seq_lens_q=torch.tensor([0, *queries]).cumsum(0, dtype=torch.int32).to(device),
            cu_seq_lens_k=torch.tensor([0, *keys]).cumsum(0, dtype=torch.int32).to(device),
            max_length_q=512, max_length_k=512, key_index=index.to(device),
        )  # fmt: skip
        (out * given[3].transpose(1, 2).to(device, dtype)).sum().backward()
        return [x.detach().double().cpu() for x in (out, q.grad, k.grad, v.grad)]

    device = "cuda" if torch.cuda.is_available() else "cpu"
    found, wanted = run(device, torch.bfloat16), run("cpu", torch.float64)
    errors = {n: float((f - w).norm() / w.norm()) for n, f, w in zip("oqkv", found, wanted, strict=True)}
    return {"relative_errors": {n: round(e, 5) for n, e in errors.items()}, "right": max(errors.values()) < 2e-2}


def in_child(work: Any, connection: Any, log: str, *given: Any) -> None:
    with open(log, "w") as file:
        os.dup2(file.fileno(), 2)
    connection.send(work(*given))


FORKS: list[bool] = []


def forks_work() -> dict[str, Any]:
    """Return whether CUDA can start in a forked process."""
    if torch.cuda.is_available():
        torch.zeros(1, device="cuda")
    return {"right": True}


def isolated(limit: float, work: Any, *given: Any) -> dict[str, Any]:
    """Call ``work`` in a process of its own and return what it says, or that it failed or took too long."""
    # A fork saves the imports, but only while no library has started CUDA in this process.
    context = multiprocessing.get_context("fork" if all(FORKS) else "spawn")
    here, there = context.Pipe(duplex=False)
    with tempfile.NamedTemporaryFile("r", suffix=".log") as log:
        child = context.Process(target=in_child, args=(work, there, log.name, *given))
        child.start()
        there.close()
        try:
            return dict(here.recv()) if here.poll(limit) else {"failed": f"no result within {limit:.0f} s"}
        except EOFError:
            said = log.read().strip()
            print(said[-3000:], file=sys.stderr)
            return {"failed": said.rpartition("\n")[2][:300] or "it ended without a word"}
        finally:
            child.kill()
            child.join()


def describe() -> dict[str, Any]:
    if not torch.cuda.is_available():
        return {"device": None}
    about = torch.cuda.get_device_properties(0)
    return {"device": about.name, "memory_gib": round(about.total_memory / 2**30, 1)}


def table(result: dict[str, Any]) -> str:
    lines = [f"{'setting':<46} {'tokens/s':>9} {'TFLOP/s':>8} {'samples/s':>9} {'step ms':>8} {'peak GiB':>8}"]
    for name, row in result["rows"].items():
        if "useful_tokens_per_second" not in row:
            lines.append(f"{name:<46} {row.get('failed') or row.get('not_run')}")
            continue
        keys = ("useful_tokens_per_second", "model_tflops", "samples_per_second", "step_ms", "peak_memory_gib")
        lines.append("{:<46} {:>9.0f} {:>8.1f} {:>9.2f} {:>8.0f} {:>8.1f}".format(name, *(row[key] for key in keys)))
    lines.append(f"attention: {result['attention']}; {result['about']}; {result['seconds']:.0f} s in all")
    return "\n".join(lines)


def earlier_rows(path: Path, result: dict[str, Any]) -> dict[str, Any]:
    """Return the rows of an earlier run with the same card, shapes and versions, each with the date it was measured."""
    if not path.exists():
        return {}
    earlier = json.loads(path.read_text(encoding="utf-8"))
    if any(earlier.get(name) != result[name] for name in ("about", "shape", "versions")):
        print(f"{path} was measured on another card or with other versions; its rows are dropped", file=sys.stderr)
        return {}
    return {name: {"date": earlier["date"], **row} for name, row in earlier["rows"].items()}


def write(path: Path, result: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--budget", type=float, default=150.0, help="Seconds after which no further setting starts.")
    parser.add_argument("--limit", type=float, default=110.0, help="Seconds one setting may take.")
    parser.add_argument("--only", nargs="*", default=[], help="Settings whose name contains one of these.")
    parser.add_argument("--tiny", action="store_true", help="Tiny shapes: tries the script out.")
    chosen = parser.parse_args()
    began = time.perf_counter()
    shape = "tiny" if chosen.tiny else "7b"
    os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    rows: dict[str, Any] = {}
    today = time.strftime("%Y-%m-%d")
    result: dict[str, Any] = {"date": today, "target": TARGET, "shape": shape, "rows": rows}
    result["versions"] = {"torch": torch.__version__, "transformers": transformers.__version__}
    FORKS.append("right" in isolated(60, forks_work))
    result["about"] = isolated(30, describe)
    if chosen.only:
        rows |= earlier_rows(chosen.output, result)
    result["attention"] = isolated(60, check_attention)
    print("attention", result["attention"], file=sys.stderr, flush=True)
    for name, setting in SETTINGS.items():
        left = 3600.0 if chosen.tiny else chosen.budget - (time.perf_counter() - began)
        if chosen.only and not any(part in name for part in chosen.only):
            continue
        if left < (45 if setting.compile else 20):
            rows.setdefault(name, {"not_run": f"{left:.0f} s left"})
            continue
        # The last one may overrun the budget a little rather than give nothing.
        rows[name] = {"date": today} | asdict(setting) | isolated(min(chosen.limit, left + 15), measure, setting, shape)
        print(name, rows[name], file=sys.stderr, flush=True)
        write(chosen.output, result)
    result["seconds"] = time.perf_counter() - began
    write(chosen.output, result)
    print(table(result))


if __name__ == "__main__":
    main()
