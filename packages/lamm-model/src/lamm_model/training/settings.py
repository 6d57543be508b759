"""What a fine-tuning run is made of, read from one TOML file.

Every fault of a configuration is reported at once, before a weight is loaded: unknown keys with the nearest known one,
values of the wrong type or out of range, and keys that exclude each other.
"""

import dataclasses
import difflib
import tomllib
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lamm_model.errors import UsageError


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Where the model comes from: a LAMM folder, or its parts (a folder, a hub name, or ``embedded``).

    Attributes:
        path: Folder of a LAMM model to start from. Excludes the three parts.
        language_model: Folder or hub name of any ``AutoModelForCausalLM``.
        image_tower: Folder or hub name of any vision tower ``AutoModel`` reads; empty for none.
        point_cloud_tower: Name of a point-cloud tower preset (``tiny``, ``epcl``); empty for none.
        prompt_format: How dialogues become text: ``lamm`` (the paper's ``###``), ``llama2``, or ``chat`` (the language
            model's own chat template).
        system_message: Whether the system message of the record's task type precedes the dialogue.
        train_point_cloud_tower: Train the point-cloud tower too (the paper keeps a pre-trained one frozen).
    """

    path: str = ""
    language_model: str = ""
    image_tower: str = ""
    point_cloud_tower: str = ""
    prompt_format: Literal["lamm", "llama2", "chat"] = "lamm"
    system_message: bool = True
    train_point_cloud_tower: bool = False


@dataclass(frozen=True, slots=True)
class AdapterSettings:
    """The LoRA adapter set of each modality (paper, Sec. 5.1: rank 32, alpha 32, dropout 0.1 on q, k, v, o)."""

    rank: int = 32
    alpha: float = 32.0
    dropout: float = 0.1
    target_modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")


@dataclass(frozen=True, slots=True)
class DataSettings:
    """What the model is tuned on.

    Attributes:
        records: Instruction record files (JSON Lines or the published JSON list).
        shares: Share of each file's records that is used, one number a file; empty: all of all. The choice is seeded by
            record id, so it does not depend on the order of the records.
        media_root: Folder that the records' media paths are relative to; empty: the folder of each record file.
        packing: ``shared_prefix`` computes an image or cloud once for all dialogues about it; ``none`` gives each
            dialogue a row of its own. Both give the same loss.
        row_tokens: Most tokens in one row; a longer dialogue is rejected by id.
    """

    records: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()
    media_root: str = ""
    packing: Literal["shared_prefix", "none"] = "shared_prefix"
    row_tokens: int = 1024


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How the model is tuned; the defaults are the paper's recipe where it gives one.

    Attributes:
        epochs: Passes over the rows; ignored when ``max_steps`` is set.
        max_steps: Optimiser steps; 0 means by epochs.
        batch_rows: Rows in one forward pass on one device.
        accumulation: Forward passes in one optimiser step.
        learning_rate: Peak rate of the LoRA adapters.
        projector_learning_rate: Peak rate of the projectors; 0 means the same.
        tower_learning_rate: Peak rate of a trained point-cloud tower; 0 means the same.
        warmup: Share of the steps with a rising rate.
        schedule: Shape of the fall after the warm-up.
        precision: ``bf16`` computes in bfloat16 (autocast; the weights that are trained stay float32), or ``fp32``.
        save_every: Steps between checkpoints.
        keep_last: Checkpoints kept.
        log_every: Steps between log lines.
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
    activation_checkpointing: bool = False
    save_every: int = 500
    keep_last: int = 2
    log_every: int = 10
    workers: int = 0
    keep_untuned: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True)
class FinetuneSettings:
    """One fine-tuning run."""

    model: ModelSettings = field(default_factory=ModelSettings)
    adapters: AdapterSettings = field(default_factory=AdapterSettings)
    data: DataSettings = field(default_factory=DataSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)

    def to_tables(self) -> dict[str, dict[str, Any]]:
        """Return the settings as plain tables, as the TOML file holds them."""
        return dataclasses.asdict(self)


def load_settings(path: Path, overrides: tuple[str, ...] = ()) -> FinetuneSettings:
    """Read a configuration and apply ``section.key=value`` overrides.

    Args:
        path: A TOML file with the tables ``model``, ``adapters``, ``data``, ``training``.
        overrides: Assignments in TOML syntax, e.g. ``training.seed=1``; a bare word is taken as a string.

    Raises:
        UsageError: The file cannot be read as TOML, or holds faults; all of them are listed.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"Expected a configuration file, found none at {path}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: expected TOML: {error}") from error
    for assignment in overrides:
        _apply(tables, assignment)
    return settings_from_tables(tables, str(path))


def settings_from_tables(tables: dict[str, Any], origin: str) -> FinetuneSettings:
    """Check plain tables and build the settings.

    Raises:
        UsageError: With every fault, one a line, each naming ``origin``, the key and what was expected.
    """
    faults: list[str] = []
    sections = {section.name: section for section in dataclasses.fields(FinetuneSettings)}
    built: dict[str, Any] = {}
    for name, table in tables.items():
        if name not in sections:
            faults.append(f"unknown table [{name}]{_nearest(name, sections)}")
        elif not isinstance(table, dict):
            faults.append(f"[{name}] must be a table, found {table!r}")
        else:
            built[name] = _build_section(name, typing.cast("type", sections[name].type), table, faults)
    if not faults:
        settings = FinetuneSettings(**built)
        faults += _contradictions(settings)
        if not faults:
            return settings
    raise UsageError("\n".join([f"{origin}: {len(faults)} faults in the configuration:", *(f"  {f}" for f in faults)]))


def _build_section(name: str, kind: type, table: dict[str, Any], faults: list[str]) -> Any:
    hints = typing.get_type_hints(kind)
    values = {}
    for key, value in table.items():
        if key not in hints:
            faults.append(f"unknown key {name}.{key}{_nearest(key, hints)}")
            continue
        try:
            values[key] = _convert(value, hints[key])
        except ValueError as error:
            faults.append(f"{name}.{key}: {error}")
    return kind(**values)


def _convert(value: Any, hint: Any) -> Any:
    if typing.get_origin(hint) is Literal:
        choices = typing.get_args(hint)
        if value in choices:
            return value
        raise ValueError(f"expected one of {', '.join(choices)}, found {value!r}")
    if typing.get_origin(hint) is tuple:
        return _convert_list(value, typing.get_args(hint)[0])
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not hint:
        wanted = hint.__name__ if isinstance(hint, type | types.GenericAlias) else str(hint)
        raise ValueError(f"expected {wanted}, found {value!r}")
    if isinstance(value, int | float) and value < 0:
        raise ValueError(f"expected a number of at least 0, found {value!r}")
    return value


def _convert_list(value: Any, kind: type) -> tuple[Any, ...]:
    items = value if isinstance(value, list | tuple) else [value]
    converted = tuple(float(item) if kind is float and type(item) is int else item for item in items)
    if all(type(item) is kind for item in converted):
        return converted
    raise ValueError(f"expected a list of {kind.__name__}, found {value!r}")


def _contradictions(settings: FinetuneSettings) -> list[str]:
    faults = []
    model, training = settings.model, settings.training
    if bool(model.path) == bool(model.language_model):
        faults.append("model: give either path (a LAMM folder) or language_model with its towers")
    if not model.path and not (model.image_tower or model.point_cloud_tower):
        faults.append("model: language_model needs an image_tower, a point_cloud_tower, or both")
    if not settings.data.records:
        faults.append("data.records: expected at least one file of instruction records")
    shares = settings.data.shares
    if shares and (len(shares) != len(settings.data.records) or not all(0 < share <= 1 for share in shares)):
        faults.append("data.shares: expected one number above 0 and at most 1 for each of data.records")
    if training.batch_rows < 1 or training.accumulation < 1:
        faults.append("training: batch_rows and accumulation must be at least 1")
    if training.save_every < 1 or training.log_every < 1 or training.keep_last < 1:
        faults.append("training: save_every, log_every and keep_last must be at least 1")
    if not training.max_steps and not training.epochs:
        faults.append("training: expected max_steps or epochs above 0")
    return faults


def _nearest(name: str, known: typing.Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(sorted(known))}"


def _apply(tables: dict[str, Any], assignment: str) -> None:
    key, sign, text = assignment.partition("=")
    section, dot, name = key.strip().partition(".")
    if not sign or not dot:
        raise UsageError(f"Expected --set section.key=value, found {assignment!r}.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    tables.setdefault(section, {})[name] = value
