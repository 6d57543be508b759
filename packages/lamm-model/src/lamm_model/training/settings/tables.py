"""The six tables of a fine-tuning configuration; each says what contradicts itself in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

TRACKERS = ("tensorboard", "wandb", "trackio")


def _out_of_range(section: str, table: object, from_1: Sequence[str] = (), below_1: Sequence[str] = ()) -> list[str]:
    values = {name: getattr(table, name) for name in (*from_1, *below_1)}
    wrong = [f"{section}.{name}: expected at least 1, found {values[name]}" for name in from_1 if values[name] < 1]
    return wrong + [
        f"{section}.{name}: expected less than 1, found {values[name]}" for name in below_1 if values[name] >= 1
    ]


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Where the model comes from: a LAMM folder, or its parts (a folder, a hub name, or ``embedded``).

    Attributes:
        path: Folder of a LAMM model to start from. Excludes the base and the three parts.
        base: Folder or hub name of a model that sees already (any ``AutoModelForImageTextToText``), which gets a
            point-cloud tower on top; its own chat template, image path and answers without a cloud stay as they are.
        adapt_images: With ``base``, train an adapter set for images too; their answers change then.
        language_model: Folder or hub name of any ``AutoModelForCausalLM``.
        image_tower: Folder or hub name of any vision tower ``AutoModel`` reads; empty for none.
        point_cloud_tower: Preset of a point-cloud tower (``tiny``, ``epcl``, ``sonata``, ``point-bert``, ...), which
            starts untrained, or the folder of a converted or pre-trained one; empty for none.
        prompt_format: How dialogues become text: ``lamm`` (the paper's ``###``), ``vicuna`` (v1.1 to v1.5, LLaVA),
            ``llama2``, ``llama3``, ``chatml``, or ``chat`` (the language model's own chat template).
        system_message: Whether the system message of the record's task type precedes the dialogue.
        train: ``adapters`` and projectors (the paper), the ``projectors`` alone (stage one of LAMM 1.5), or the
            ``full`` language model with them (its stage two).
        train_point_cloud_tower: Train the point-cloud tower too (the paper keeps a pre-trained one frozen).
        point_cloud_tower_rank: Train LoRA of this rank in the point-cloud tower's attention, its own weights as they
            are; 0 for none. Excludes ``train_point_cloud_tower``.
        jpeg_scaling: Let the JPEG decoder halve pictures that stay larger than the image tower's input: faster loading.
        quantize: Hold the frozen language model in ``4bit`` (NF4, as QLoRA) or ``8bit``; needs bitsandbytes.
        image_resize: ``squash`` pictures to a square as the paper does, or ``letterbox`` them; coordinates in the
            dialogues then move with the picture. With ``path`` the model's own way is kept.
        point_cloud_unit: What the cloud files' coordinates are in: ``m``, ``cm``, ``mm``, ``ft`` or ``in``. With
            ``path`` the model's own is kept.
    """

    path: str = ""
    base: str = ""
    adapt_images: bool = False
    language_model: str = ""
    image_tower: str = ""
    point_cloud_tower: str = ""
    prompt_format: Literal["lamm", "vicuna", "llama2", "llama3", "chatml", "chat"] = "lamm"
    system_message: bool = True
    train: Literal["adapters", "projectors", "full"] = "adapters"
    train_point_cloud_tower: bool = False
    point_cloud_tower_rank: int = 0
    jpeg_scaling: bool = False
    quantize: Literal["none", "8bit", "4bit"] = "none"
    image_resize: Literal["squash", "letterbox"] = "squash"
    point_cloud_unit: Literal["m", "cm", "mm", "ft", "in"] = "m"

    def faults(self) -> list[str]:
        """Return what contradicts itself."""
        wrong = []
        if sum(map(bool, (self.path, self.base, self.language_model))) != 1:
            wrong.append(
                "model: give either path (a LAMM folder), base (a model that sees already) or language_model with its "
                "towers"
            )
        if self.base and (not self.point_cloud_tower or self.image_tower):
            wrong.append("model: base needs a point_cloud_tower, and brings its image tower itself")
        if self.base and (self.train == "full" or self.quantize != "none"):
            wrong.append("model: base stays frozen and as it is; set train = 'adapters' and quantize = 'none'")
        if self.adapt_images and not self.base:
            wrong.append("model.adapt_images: expected with base only")
        if self.language_model and not (self.image_tower or self.point_cloud_tower):
            wrong.append("model: language_model needs an image_tower, a point_cloud_tower, or both")
        if self.point_cloud_tower_rank < 0 or (self.point_cloud_tower_rank and self.train_point_cloud_tower):
            wrong.append(
                "model.point_cloud_tower_rank: expected at least 0, and train_point_cloud_tower = false with a rank"
            )
        if self.quantize != "none" and self.train == "full":
            wrong.append("model: a quantised language model stays frozen; train its adapters, or set quantize = 'none'")
        return wrong


@dataclass(frozen=True, slots=True)
class AdapterSettings:
    """The LoRA adapter set of each modality (paper, Sec. 5.1: rank 32, alpha 32, dropout 0.1 on q, k, v, o).

    A model from ``model.path`` that has adapters already goes on with them as they are; this table then says nothing.

    Attributes:
        rank: Rank of the LoRA matrices.
        alpha: Scale of what they add, before it is divided by the rank.
        dropout: Share of their inputs that training leaves out at random.
        target_modules: Names of the linear layers that get an adapter; empty for those of the attention, whatever the
            language model calls them.
    """

    rank: int = 32
    alpha: float = 32.0
    dropout: float = 0.1
    target_modules: tuple[str, ...] = ()

    def faults(self) -> list[str]:
        """Return what is out of range."""
        return _out_of_range("adapters", self, from_1=("rank",), below_1=("dropout",))


@dataclass(frozen=True, slots=True)
class DataSettings:
    """What the model is tuned on.

    Attributes:
        records: Instruction record files (JSON Lines or the published JSON list).
        shares: How often an epoch shows each file's records, one number a file: 0.25 a quarter of them, 2.0 each twice;
            empty: all once. The choice is seeded by record id, so it does not depend on the order of the records.
        media_root: Folder that the records' media paths are relative to; empty: the folder of each record file.
        packing: ``mixed`` fills rows of ``row_tokens`` with dialogues about unlike media, those about one medium
            sharing it; ``shared_prefix`` puts dialogues about one image or cloud in a row of their own; ``none`` gives
            each dialogue a row. Rows of like length share a batch. All three give the same loss.
        feature_cache: Folder that `lamm model cache-features` filled: the frozen towers are then not computed.
        cloud_variants: Samplings of each cloud that epochs take in turn.
        row_tokens: Most tokens in one row; a longer dialogue is rejected by id.
    """

    records: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()
    media_root: str = ""
    packing: Literal["mixed", "shared_prefix", "none"] = "shared_prefix"
    row_tokens: int = 1024
    feature_cache: str = ""
    cloud_variants: int = 1

    def faults(self) -> list[str]:
        """Return what contradicts itself."""
        wrong = _out_of_range("data", self, from_1=("row_tokens", "cloud_variants"))
        if not self.records:
            wrong.append("data.records: expected at least one file of instruction records")
        if self.shares and (len(self.shares) != len(self.records) or not all(share > 0 for share in self.shares)):
            wrong.append("data.shares: expected one number above 0 for each of data.records")
        return wrong


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How the model is tuned; the defaults are the paper's recipe where it gives one.

    Attributes:
        epochs: Passes over the rows; ignored when ``max_steps`` is set.
        max_steps: Optimiser steps; 0 means by epochs.
        batch_rows: Rows in one forward pass on one device.
        accumulation: Forward passes in one optimiser step.
        learning_rate: Peak rate of the LoRA adapters, or of the language model where all of it learns.
        projector_learning_rate: Peak rate of the projectors; 0 means the same.
        tower_learning_rate: Peak rate of a trained point-cloud tower; 0 means the same.
        weight_decay: Weight decay of AdamW.
        beta1: Decay of AdamW's mean of gradients.
        beta2: Decay of AdamW's mean of squared gradients.
        clip: Largest norm of a step's gradient; longer ones are scaled down to it.
        warmup: Share of the steps with a rising rate.
        schedule: Shape of the fall after the warm-up.
        precision: ``bf16`` computes in bfloat16 (autocast; the weights that are trained stay float32), or ``fp32``.
        save_every: Steps between checkpoints.
        keep_last: Checkpoints kept.
        log_every: Steps between log lines.
        workers: Processes that read and prepare media; 0 does it in the training process.
        average: Decay of an exponential moving average of the trained weights, which is then evaluated and kept; 0 for
            none, else close to 1 (0.999).
        trackers: Names of trackers that the log also goes to: ``tensorboard``, ``wandb``, ``trackio``.
        keep_untuned: Also save the model as it is before the first step, in ``untuned/``, to compare with.
        seed: Seeds initial weights, order and dropout.
    """

    epochs: float = 2.0
    max_steps: int = 0
    batch_rows: int = 2
    accumulation: int = 8
    learning_rate: float = 5e-4
    projector_learning_rate: float = 0.0
    tower_learning_rate: float = 0.0
    weight_decay: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.95
    clip: float = 1.0
    warmup: float = 0.1
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    precision: Literal["bf16", "fp32"] = "bf16"
    save_every: int = 500
    keep_last: int = 2
    log_every: int = 10
    workers: int = 0
    average: float = 0.0
    trackers: tuple[str, ...] = ()
    keep_untuned: bool = False
    seed: int = 0

    def faults(self) -> list[str]:
        """Return what is out of range."""
        wrong = _out_of_range(
            "training",
            self,
            from_1=("batch_rows", "accumulation", "save_every", "keep_last", "log_every"),
            below_1=("beta1", "beta2", "warmup", "average"),
        )
        known = ", ".join(TRACKERS)
        wrong += [
            f"training.trackers: expected {known}, found {name!r}" for name in self.trackers if name not in TRACKERS
        ]
        if not self.max_steps and not self.epochs:
            wrong.append("training: expected max_steps or epochs above 0")
        return wrong


@dataclass(frozen=True, slots=True)
class ComputeSettings:
    """How a step is computed.

    Attributes:
        attention: ``segments`` attends within each dialogue of a row only (torch's own variable-length kernel on a GPU,
            one small product per dialogue elsewhere); ``sdpa`` and ``eager`` mask the whole row. ``auto`` takes
            ``segments`` where its kernel runs.
        compile: Compile the decoder layers (``torch.compile``); rows are then padded to ``data.row_tokens``, so that
            shapes stay the same.
        checkpointing: Layers whose activations are computed again in the backward pass: ``none``, ``all``, ``some``
            (``checkpointed_layers`` of them), or as few as the memory plan allows (``auto``).
        checkpointed_layers: How many, with ``some``.
        memory: GiB of one device that may be used; 0 means what is free on it at the start.
        sharding: Across processes, ``none`` gives each the whole model (DDP), ``fsdp2`` a share of every weight.
        loss_rows: Response tokens that meet the head at once; 0 lets the vocabulary's size decide.
    """

    attention: Literal["auto", "segments", "sdpa", "eager"] = "auto"
    compile: bool = False
    checkpointing: Literal["auto", "none", "some", "all"] = "auto"
    checkpointed_layers: int = 0
    memory: float = 0.0
    sharding: Literal["none", "fsdp2"] = "none"
    loss_rows: int = 0

    def faults(self) -> list[str]:
        """Return what contradicts itself."""
        if (self.checkpointing == "some") == bool(self.checkpointed_layers):
            return []
        return ["compute.checkpointed_layers: expected above 0 with checkpointing = 'some', and only with it"]


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """What is measured every few steps, and what follows from it.

    Attributes:
        records: Held-out instruction record files; their loss is logged as ``eval_loss``.
        benchmark: A benchmark file that the model answers, to be scored by ``command``.
        command: Program and arguments; ``{benchmark}`` and ``{predictions}`` stand for the files. The last line of its
            output must be a number, logged as ``eval_score``.
        higher_is_better: Of the score.
        every: Steps between evaluations; the last step is always evaluated.
        patience: Evaluations without a better value (of the score where there is one, else of the loss) after which
            the run ends; 0 goes on to the last step. With it, the model that is kept is the best one.
    """

    records: tuple[str, ...] = ()
    benchmark: str = ""
    command: tuple[str, ...] = ()
    higher_is_better: bool = True
    every: int = 100
    patience: int = 0

    def faults(self) -> list[str]:
        """Return what contradicts itself."""
        wrong = _out_of_range("evaluation", self, from_1=("every",))
        if bool(self.benchmark) != bool(self.command):
            wrong.append("evaluation: expected benchmark and command together: one is answered, the other scores it")
        if self.command and not any("{predictions}" in part for part in self.command):
            wrong.append("evaluation.command: expected {predictions} in it, where the file of answers goes")
        if self.patience and not (self.records or self.benchmark):
            wrong.append("evaluation.patience: expected records or a benchmark to judge by")
        return wrong

    @property
    def wanted(self) -> bool:
        """Return whether anything is measured."""
        return bool(self.records or self.benchmark)
