"""One fine-tuning run in one folder: build or load the model, prepare the data, train, save."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamm_llm import sole_use
from lamm_model.errors import UsageError
from lamm_model.training.processes import processes as distributed
from lamm_model.training.rows.collation import Collator, MediaLoader
from lamm_model.training.rows.records import TrainingData, load_held_out
from lamm_model.training.saving import run_folder
from lamm_model.training.settings.presets import check_names
from lamm_model.training.settings.settings import FinetuneSettings

if TYPE_CHECKING:
    from lamm_model.model.modeling_lamm import LammForConditionalGeneration
    from lamm_model.training.callbacks.evaluation import Evaluation
    from lamm_model.training.run.preparation import Prepared
    from lamm_model.training.run.trainer import LammTrainer

MODEL_FOLDER = "model"
UNTUNED_FOLDER = "untuned"
RECORD = "finetune.json"
FEATURES = "features"  # of towers that read; no part of a complete run
PLOT = "loss.png"
Report = Callable[[int, int, dict[str, float]], None]


def finetune(
    settings: FinetuneSettings, output: Path, report: Report = lambda step, steps, log: None
) -> dict[str, Any]:
    """Fine-tune in ``output``, going on from the newest intact checkpoint there.

    A complete run whose ``training.max_steps`` is raised goes on, too. ``notes`` of the record say where its schedule
    was another one than that of such a run from the start, and which packages had other versions at a resume.

    Args:
        settings: The run.
        output: Folder of the run. ``model/`` in it appears when the run is complete.
        report: Called with the step, the number of steps and a log entry: after each step the last one of a step, and
            every one when it is new. While features are computed: with their number, how many there are to be, and
            ``features``.

    Returns:
        The record of the run: settings, versions, data, final loss, speed. Also written as ``finetune.json``.

    Raises:
        UsageError: What the settings name is missing, the folder belongs to a run with other settings or data, or a
            step cannot fit in memory.
        LammModelError: Data or training failed; the message says where.
        lamm_llm.InUseError: Another process is at work in the folder.
    """
    distributed.join()
    with ExitStack() as held:
        distributed.by_main(lambda: held.enter_context(sole_use(output, folder=True)))
        if done := distributed.by_main(lambda: _claim(settings, output)):
            return {**done, "already_done": True}
        return _carry_out(settings, output, report)


def _carry_out(settings: FinetuneSettings, output: Path, report: Report) -> dict[str, Any]:
    import torch
    from transformers import set_seed

    from lamm_model.checkpoints.checkpoint import save_model
    from lamm_model.training.run.preparation import prepare_model

    set_seed(settings.training.seed)
    prepared = prepare_model(
        settings, output / FEATURES, lambda done, total: report(done, total, {"features": float(done)})
    )
    model, processor, data = prepared.model, prepared.processor, prepared.data
    judged = settings.evaluation
    files = [*settings.data.records, *judged.records, *filter(None, [judged.benchmark])]
    about = run_folder.describe_data(files, data.media)
    torch.set_num_threads(run_folder.threads_of(output) or torch.get_num_threads())
    distributed.agree(_facts(settings, about, data))
    distributed.by_main(lambda: run_folder.begin(settings, output, about))
    main = distributed.rank() == 0
    if settings.training.keep_untuned and main and not (output / UNTUNED_FOLDER).is_dir():
        save_model(model, processor, output / UNTUNED_FOLDER)
    record = _train(settings, output, prepared, data, report)
    if main:
        shutil.rmtree(
            output / MODEL_FOLDER, ignore_errors=True
        )  # of fewer steps: a model means that the run is complete
        run_folder.write_json(output / RECORD, record)
    save_model(model, processor, output / MODEL_FOLDER, write=main)
    if main:
        shutil.rmtree(output / FEATURES, ignore_errors=True)
    distributed.wait()
    return record


def _claim(settings: FinetuneSettings, output: Path) -> dict[str, Any]:
    """Make the folder, or compare the run in it; return its record if that is complete, else nothing."""
    from lamm_model.training.callbacks.trackers import find_trackers

    check_names(settings)
    find_trackers(settings.training.trackers, output)
    run_folder.claim(settings, output)
    done = run_folder.read_complete(output, RECORD) if (output / MODEL_FOLDER).is_dir() else {}
    return done if run_folder.raised_from(settings, done) is None else {}


def _facts(settings: FinetuneSettings, about: dict[str, Any], data: TrainingData) -> dict[str, str]:
    """Return what all processes of a run must have in common."""
    rows = hashlib.sha256()
    for row in data.rows:
        rows.update(f"{[dialogue.id for dialogue in row.dialogues]} {row.tokens}\n".encode())
    return {
        "settings": hashlib.sha256(repr(settings).encode()).hexdigest()[:12],
        **{f"content of {name}": digest[:12] for name, digest in about["records"].items()},
        "media": f"{about['media']} files {about['media_sizes'][:12]}",
        "rows": f"{len(data.rows)} of {data.dialogues} dialogues {rows.hexdigest()[:12]}",
    }


def share_model(settings: FinetuneSettings, model: "LammForConditionalGeneration") -> None:
    """Get a model ready for several processes: sharded where that is wanted, and with a gradient for every part."""
    if distributed.world_size() == 1:
        return
    from transformers import set_seed

    from lamm_model.training.processes.fsdp2 import shard, take_part

    set_seed(settings.training.seed + distributed.rank())  # each process drops out other activations
    if settings.compute.sharding == "fsdp2":
        shard(model)
    take_part(model)


def add_evaluation(
    settings: FinetuneSettings, output: Path, prepared: "Prepared", trainer: "LammTrainer"
) -> "Evaluation | None":
    """Let a trainer evaluate, where that is configured.

    Raises:
        UsageError: Answers are wanted of a sharded model.
        LammModelError: Held-out media are missing, or nothing is left to judge.
    """
    chosen = settings.evaluation
    if not chosen.wanted:
        return None
    from lamm_model.training.callbacks.evaluation import Evaluation

    if chosen.benchmark and trainer.sharded:
        raise UsageError("Expected the whole model in one process to answer evaluation.benchmark. Use records instead.")
    rows = load_held_out(settings, prepared.processor, prepared.features)
    evaluation = Evaluation(trainer, chosen, output, rows, prepared.processor)
    trainer.add_callback(evaluation)
    return evaluation


def build_trainer(settings: FinetuneSettings, output: Path, prepared: "Prepared", data: TrainingData) -> "LammTrainer":
    """Return the trainer of a prepared model and its data."""
    import torch

    from lamm_model.training.run.trainer import LammTrainer, training_arguments

    form = "segments" if prepared.attention == "segments" else "mask"
    alone = distributed.device().type == "cpu" and distributed.world_size() == 1
    # A memory limit is for one pass at a time; compiled layers and other attention were not tried in several threads.
    abreast = alone and form == "segments" and not (settings.compute.compile or settings.compute.memory)
    length = longest = 0
    if settings.compute.compile:  # shapes must repeat
        length = settings.data.row_tokens
        longest = max(len(dialogue.input_ids) for row in data.rows for dialogue in row.dialogues)
    processor = prepared.processor
    return LammTrainer(
        settings=settings.training,
        variants=settings.data.cloud_variants,
        abreast=torch.get_num_threads() if abreast else 1,
        attention=prepared.attention,
        unreadable=run_folder.Unreadable(output, data.dialogues),
        compiled=settings.compute.compile,
        model=prepared.model,
        args=training_arguments(settings.training, output),
        train_dataset=data.rows,
        data_collator=Collator(
            processor.pad_token_id, MediaLoader(processor, prepared.features), form, length, longest
        ),
    )


def _train(
    settings: FinetuneSettings, output: Path, prepared: "Prepared", data: TrainingData, report: Report
) -> dict[str, Any]:
    from lamm_model.training.callbacks.trackers import ProgressCallback, SettingsTracker, draw_run
    from lamm_model.training.saving.checkpoints import newest_intact

    model = prepared.model
    trained, parameters = (
        sum(p.numel() for p in model.parameters() if p.requires_grad or everything) for everything in (False, True)
    )
    share_model(settings, model)
    trainer = build_trainer(settings, output, prepared, data)
    trainer.add_callback(ProgressCallback(report, trainer.meter))
    trainer.add_callback(SettingsTracker(settings.training.trackers, settings.to_tables()))
    evaluation = add_evaluation(settings, output, prepared, trainer)
    last = distributed.by_main(lambda: newest_intact(output))
    trainer.train(resume_from_checkpoint=str(last.path) if last.path else None)
    best = evaluation.take_best() if evaluation is not None else None
    if best is None and trainer.average is not None:
        trainer.average.apply()
    distributed.wait()  # for what the others list as unreadable
    unreadable = run_folder.Unreadable(output, data.dialogues)
    if distributed.rank() == 0:
        draw_run(trainer.state.log_history, output / PLOT)
    return {
        **json.loads((output / run_folder.RUN).read_text(encoding="utf-8")),
        "records": data.records,
        "dialogues": data.dialogues,
        "rows": len(data.rows),
        "rejected": {**data.rejected, **unreadable.by_reason()},
        "trainable_parameters": trained,
        "parameters": parameters,
        "attention": prepared.attention,
        "memory_plan": str(prepared.plan),
        "steps": trainer.state.global_step,
        "best_step": best,
        "resumed_from": last.path.name if last.path else None,
        "torn_checkpoints": last.torn,
        "loss": mean_loss(trainer.state.log_history),
        "log": trainer.state.log_history,
    }


def mean_loss(log: Iterable[Mapping[str, Any]]) -> float:
    """Return the mean loss over all steps, those before a resume included.

    Args:
        log: Entries with ``step`` and ``loss``, the mean over the steps since the entry before.
    """
    total, last = 0.0, 0
    for entry in log:
        if "loss" in entry:
            total += entry["loss"] * (entry["step"] - last)
            last = entry["step"]
    return total / max(1, last)
