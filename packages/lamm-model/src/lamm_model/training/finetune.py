"""One fine-tuning run in one folder: build or load the model, prepare the data, train, save."""

import json
import os
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamm_model.errors import UsageError
from lamm_model.training.data import Collator, RowDataset, TrainingData, load_training_data
from lamm_model.training.settings import FinetuneSettings

if TYPE_CHECKING:
    from lamm_model.modeling_lamm import LammForConditionalGeneration
    from lamm_model.processing_lamm import LammProcessor

MODEL_FOLDER = "model"
UNTUNED_FOLDER = "untuned"
RECORD = "finetune.json"
Report = Callable[[int, int, dict[str, float]], None]


def prepare_model(settings: FinetuneSettings) -> "tuple[LammForConditionalGeneration, LammProcessor]":
    """Return the model with its adapters, ready to train, and its processor."""
    import torch

    from lamm_model.adapters import AdapterSettings, adapter_settings, add_adapters
    from lamm_model.building import build_pair
    from lamm_model.checkpoints import load_model

    chosen, parts = settings.model, settings.adapters
    if chosen.path:
        model, processor = load_model(chosen.path)
    else:
        model, processor = build_pair(
            chosen.language_model,
            image_tower=chosen.image_tower or None,
            point_cloud=chosen.point_cloud_tower or None,
            prompt_format=chosen.prompt_format,
            use_system=chosen.system_message,
            freeze_point_cloud_tower=not chosen.train_point_cloud_tower,
            seed=settings.training.seed,
        )
    if not torch.cuda.is_available():
        # On a CPU the fused attention spends a third of a step on rows of a few hundred tokens; plain products do not.
        model.model.language_model.set_attn_implementation("eager")
    if adapter_settings(model) is None:
        modalities = [name for name, tower in _towers(model).items() if tower is not None]
        lora = AdapterSettings(parts.rank, parts.alpha, parts.dropout, list(parts.target_modules), modalities)
        add_adapters(model, lora, seed=settings.training.seed)
    return model, processor


def _towers(model: "LammForConditionalGeneration") -> dict[str, Any]:
    return {"image": model.model.image_tower, "point_cloud": model.model.point_cloud_tower}


def finetune(
    settings: FinetuneSettings, output: Path, report: Report = lambda step, steps, log: None
) -> dict[str, Any]:
    """Fine-tune in ``output``, going on from the newest whole checkpoint there.

    Args:
        settings: The run.
        output: Folder of the run. ``model/`` in it appears when the run is complete.
        report: Called after each step with the step, the number of steps and the last log entry.

    Returns:
        The record of the run: settings, versions, data, final loss, speed. Also written as ``finetune.json``.

    Raises:
        UsageError: The folder belongs to a run with other settings.
        LammModelError: Data or training failed; the message says where.
    """
    output.mkdir(parents=True, exist_ok=True)
    _claim(settings, output)
    if (output / MODEL_FOLDER).is_dir():
        return dict(json.loads((output / RECORD).read_text(encoding="utf-8")), already_done=True)
    from transformers import set_seed

    from lamm_model.checkpoints import save_model

    set_seed(settings.training.seed)
    model, processor = prepare_model(settings)
    data = load_training_data(settings.data, processor)
    if settings.training.keep_untuned and not (output / UNTUNED_FOLDER).is_dir():
        save_model(model, processor, output / UNTUNED_FOLDER)
    record = _train(settings, output, model, processor, data, report)
    _write(output / RECORD, record)
    save_model(model, processor, output / MODEL_FOLDER)
    return record


def _train(
    settings: FinetuneSettings,
    output: Path,
    model: "LammForConditionalGeneration",
    processor: "LammProcessor",
    data: TrainingData,
    report: Report,
) -> dict[str, Any]:
    from lamm_model.training.trainer import LammTrainer, ProgressCallback, checkpoints, training_arguments

    collator = Collator(processor)
    progress = ProgressCallback(report, lambda: collator.useful)
    trainer = LammTrainer(
        settings=settings.training,
        model=model,
        args=training_arguments(settings.training, output),
        train_dataset=RowDataset(data.rows),
        data_collator=collator,
        callbacks=[progress],
    )
    resumed = next(reversed(checkpoints(output)), None)
    outcome = trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    return {
        "settings": settings.to_tables(),
        "versions": {name: version(name) for name in ("lamm-model", "torch", "transformers", "peft")},
        "python": platform.python_version(),
        "records": data.records,
        "dialogues": data.dialogues,
        "rows": len(data.rows),
        "rejected": dict(data.rejected),
        "trainable_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": trainer.state.global_step,
        "resumed_from": resumed.name if resumed else None,
        "loss": outcome.training_loss,
        "log": trainer.state.log_history,
    }


def _claim(settings: FinetuneSettings, output: Path) -> None:
    """Write the settings of a new run, or compare them with those of the run that is there."""
    path = output / "settings.json"
    mine = json.loads(json.dumps(settings.to_tables()))
    if path.exists():
        theirs = json.loads(path.read_text(encoding="utf-8"))
        differing = [
            f"{section}.{key}: {theirs.get(section, {}).get(key)!r} there, {value!r} here"
            for section, table in mine.items()
            for key, value in table.items()
            if theirs.get(section, {}).get(key) != value
        ]
        if differing:
            raise UsageError(
                f"{output} holds a run with other settings:\n"
                + "\n".join(f"  {line}" for line in differing)
                + "\nChoose another --output, or the same settings."
            )
        return
    _write(path, mine)


def _write(path: Path, value: dict[str, Any]) -> None:
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    os.replace(beside, path)
