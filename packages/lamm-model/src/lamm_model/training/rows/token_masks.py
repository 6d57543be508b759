"""Which tokens of a record are learnt: what `lamm data view --model` shows, by the very builder that training uses."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamm_model.errors import UsageError

if TYPE_CHECKING:
    from lamm_data import InstructionRecord
    from lamm_model.processing.processing_lamm import LammProcessor

Token = tuple[str, str]


def open_token_masks(model: str) -> "Callable[[InstructionRecord], list[Token]]":
    """Read the processor of a model; no weights are loaded.

    Args:
        model: Folder of a model or checkpoint, or a fine-tuning configuration (TOML file or preset name).

    Returns:
        A function from a record to its tokens in order, each a text and `learnt`, `seen` or `medium`. The
        placeholders of one image or cloud are one entry.

    Raises:
        UsageError: There is neither such a folder nor such a configuration.
        lamm_model.errors.LammModelError: The returned function raises it where a record and its media do not fit.
    """
    processor = _processor(model)
    return lambda record: _tokens(record, processor)


def _processor(model: str) -> "LammProcessor":
    from lamm_model.building.auto_classes import register
    from lamm_model.model.saving import pretrained
    from lamm_model.processing.processing_lamm import LammProcessor
    from lamm_model.training.settings import presets
    from lamm_model.training.settings.settings import load_settings

    register()
    path = Path(model)
    if not path.is_dir():
        path = presets.configuration(model)
        if not path.is_file():
            raise UsageError(f"Expected a model's folder, a TOML file or a preset, found nothing at {model}.")
        settings = load_settings(path)
        if not settings.model.path:
            return _processor_of_parts(settings.model)
        path = Path(settings.model.path)
    loaded: LammProcessor = pretrained(LammProcessor, path)
    return loaded


def _processor_of_parts(chosen: Any) -> "LammProcessor":
    from lamm_model.building.building import build_processor, point_cloud_configuration, resolve_base

    names = resolve_base({"language_model": chosen.language_model, "image_tower": chosen.image_tower or None})
    return build_processor(
        str(names["language_model"]),
        names["image_tower"],
        point_cloud_configuration(chosen.point_cloud_tower or None),
        prompt_format=chosen.prompt_format,
        use_system=chosen.system_message,
        image_resize=chosen.image_resize,
        point_cloud_unit=chosen.point_cloud_unit,
    )


def _tokens(record: "InstructionRecord", processor: "LammProcessor") -> list[Token]:
    from lamm_model.model.answer_loss import IGNORED
    from lamm_model.training.rows.records import encode, media_of

    dialogue = encode(record, str(record.id), media_of(record, Path()), processor)
    sizes = {
        processor.image_token_id: ("image", processor.image_tokens),
        processor.point_cloud_token_id: ("cloud", processor.point_cloud_tokens),
    }
    tokens: list[Token] = []
    position = 0
    while position < len(dialogue.input_ids):
        token = dialogue.input_ids[position]
        name, size = sizes.get(token, ("", 1))
        if name:
            tokens.append((f"[{name}, {size} tokens]", "medium"))
        else:
            learnt = dialogue.labels[position] != IGNORED
            tokens.append((_text(token, processor), "learnt" if learnt else "seen"))
        position += max(size, 1)
    return tokens


def _text(token: int, processor: "LammProcessor") -> str:
    text = str(processor.tokenizer.decode([token], clean_up_tokenization_spaces=False))
    # A part of a character has no text of its own.
    return str(processor.tokenizer.convert_ids_to_tokens(token)) if "\ufffd" in text else text
