"""Prompt formats: LAMM's separators, those of the models people use, or the language model's own chat template."""

from __future__ import annotations

import functools
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from types import FrameType
from typing import Any

from jinja2 import Environment, TemplateError

from lamm_data import did_you_mean
from lamm_model.errors import LammModelError, UsageError
from lamm_model.processing.segments import Segment, Turn, merge_segments

TEMPLATE_SECONDS, TEMPLATE_MEMORY = 10.0, 1 << 30
# Spellings met outside the published files, folded to the published ones.
_VARIANTS = {
    "commonsenseqa": "commomsenseqa",
    "commonsenseqa3d": "commomsenseqa3d",
    "keypoints_detection": "keypoint_detection",
    "caption": "description",
    "ocr": "VQA",
    "fine_grained_classification": "classification",
    "facial_classification": "classification",
    "locating": "detection",
    "vqa3d": "VQA3d",
    "vqa": "VQA",
}


@functools.cache
def prompt_formats() -> dict[str, dict[str, Any]]:
    """Return the formats by name."""
    return dict(json.loads(resources.files(__package__).joinpath("prompt_formats.json").read_text("utf-8")))


def prompt_format(name: str) -> dict[str, Any]:
    """Return one format.

    Raises:
        UsageError: There is no format of that name.
    """
    if name not in prompt_formats():
        raise UsageError(f"Expected a prompt format, got {name!r}. {did_you_mean(name, prompt_formats())}")
    return prompt_formats()[name]


def render(
    form: dict[str, Any],
    turns: list[Turn],
    system: str | None,
    tokenizer: Any,
    for_generation: bool,
    opened: bool = True,
) -> list[Segment]:
    """Write a dialogue in a format of `prompt_formats.json`, as segments in order.

    Args:
        form: The format.
        turns: Questions and answers in turn; the last is a question when `for_generation`.
        system: System message or None.
        tokenizer: The language model's, for its chat template and word joints.
        for_generation: Stop where the model is to answer.
        opened: Open the answer there.

    Raises:
        LammModelError: The last turn does not fit `for_generation`.
    """
    wanted = "user" if for_generation else "assistant"
    if turns[-1].role != wanted:
        raise LammModelError(
            f"Expected the dialogue to end with {'a question' if for_generation else 'an answer'}, "
            f"got {'an answer' if for_generation else 'a question'}. Mend the record's conversations."
        )
    writer = _render_template if form.get("template") else _render_separators
    return merge_segments(writer(form, turns, system, tokenizer, opened))


def render_answer(form: dict[str, Any], text: str, tokenizer: Any) -> Segment:
    """Write an answer's text as it follows a prompt, without its end."""
    prefix = "" if form.get("template") or _adds_space(tokenizer) else form["answer_prefix"]
    return Segment(prefix + text, trained=True)


def _question(form: dict[str, Any], turn: Turn) -> list[Segment]:
    pieces: list[Segment] = []
    for piece in turn.pieces:
        if piece.medium:
            before, after = form[piece.medium]
            pieces += [Segment(before), piece, Segment(after)]
        else:
            pieces.append(piece)
    return pieces


def _render_separators(
    form: dict[str, Any], turns: list[Turn], system: str | None, tokenizer: Any, opened: bool
) -> list[Segment]:
    control = bool(form.get("control"))  # special tokens written in the format, but never in a text, count as such
    segments = [Segment(special="bos")] if form.get("add_bos") else []
    if system:
        before, _, after = form["system"].partition("{system}")
        segments += [Segment(before, control=control), Segment(system), Segment(after, control=control)]
    else:
        segments.append(Segment(form.get("no_system", ""), control=control))
    segments.append(Segment(form["first_before_media"], control=control))
    prefix = "" if _adds_space(tokenizer) else form["answer_prefix"]
    for number, turn in enumerate(turns):
        if turn.role == "assistant":
            end = Segment(form["answer_end"], trained=True, control=control)
            segments += [Segment(prefix + turn.text, trained=True), end]
            if form.get("answer_eos"):
                segments.append(Segment(special="eos", trained=True))
            segments.append(Segment(form.get("after_answer", ""), control=control))
            continue
        if number > 0:
            if form.get("next_add_bos"):
                segments.append(Segment(special="bos"))
            segments.append(Segment(form["next_before_question"], control=control))
        header = form["after_question"] if opened or turn is not turns[-1] else ""
        segments += [*_question(form, turn), Segment(header, control=control)]
    return segments


def _adds_space(tokenizer: Any) -> bool:
    """Whether the tokenizer itself opens a text with a space (SentencePiece)."""
    ids = tokenizer("a", add_special_tokens=False)["input_ids"]
    return str(tokenizer.convert_ids_to_tokens(ids[0])).startswith("▁")


def _render_template(
    form: dict[str, Any], turns: list[Turn], system: str | None, tokenizer: Any, opened: bool
) -> list[Segment]:
    """Render the tokenizer's template around stand-ins, then cut it at them."""
    pieces = _template_pieces(tokenizer, tuple(turn.role for turn in turns), system is not None, opened)
    contents: list[list[Segment]] = [[Segment(system)]] if system is not None else []
    contents += [_question(form, turn) if turn.role == "user" else [Segment(turn.text, trained=True)] for turn in turns]
    segments = [Segment(pieces[0], control=True)]
    for content, after in zip(contents, pieces[1:], strict=True):
        segments += content
        if content[0].trained:
            end, rest = _split_end(after, tokenizer.eos_token or "")
            segments.append(Segment(end, trained=True, control=True) if end else Segment(special="eos", trained=True))
            segments.append(Segment(rest, control=True))
        else:
            segments.append(Segment(after, control=True))
    return segments


def _split_end(after: str, eos: str) -> tuple[str, str]:
    """Cut a template's text after an answer behind its end token; an answer's end is part of what is learned."""
    position = after.find(eos) if eos else -1
    return ("", after) if position < 0 else (after[: position + len(eos)], after[position + len(eos) :])


def _template_pieces(tokenizer: Any, roles: tuple[str, ...], has_system: bool, opened: bool) -> list[str]:
    cache: dict[Any, list[str]] = tokenizer.__dict__.setdefault("_lamm_template_pieces", {})
    key = (tokenizer.chat_template, roles, has_system, opened)
    if key not in cache:
        cache[key] = _cut_template(tokenizer, roles, has_system, opened)
    return cache[key]


def _cut_template(tokenizer: Any, roles: tuple[str, ...], has_system: bool, opened: bool) -> list[str]:
    all_roles = (["system"] if has_system else []) + list(roles)
    marks = [f"\ue000{number}\ue001" for number in range(len(all_roles))]
    messages = [{"role": role, "content": mark} for role, mark in zip(all_roles, marks, strict=True)]
    generation = opened and roles[-1] == "user"
    try:
        text = _apply(tokenizer, messages, generation)
    except TemplateError as fault:
        if not has_system:
            raise UsageError(f"Expected a chat template for these turns, got {fault}. Set prompt_format.") from fault
        folded = [{"role": "user", "content": marks[0] + "\n\n" + marks[1]}, *messages[2:]]
        text = _apply(tokenizer, folded, generation)
    pieces: list[str] = []
    for mark in marks:
        before, separator, text = text.partition(mark)
        if not separator:
            raise UsageError(
                "Expected a chat template that keeps every message, got one that drops some. Set prompt_format."
            )
        pieces.append(before)
    return [*pieces, text]


def _apply(tokenizer: Any, messages: list[dict[str, str]], generation: bool) -> str:
    if not tokenizer.chat_template:
        raise UsageError("Expected a tokenizer with a chat template, got none. Set prompt_format to another.")
    with bounded(tokenizer):
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=generation))


@contextmanager
def bounded(source: Any) -> Iterator[None]:
    """Render a chat template inside the block: one that loops for ever or fills the memory is stopped.

    Templates come with models, and transformers' sandbox keeps them from files, but not from time. The block's thread
    is watched from line to line of the template, so that it really stops.

    Args:
        source: The tokenizer or processor whose template it is.

    Raises:
        LammModelError: The template took longer than 10 s, another GiB of memory, raises powers, or is nested too deep.
    """
    for owner in (source, getattr(source, "tokenizer", None), getattr(source, "base", None)):
        template = getattr(owner, "chat_template", None) or ""
        for text in template.values() if isinstance(template, dict) else [template]:
            _refuse_powers(str(text))
    end, most = time.monotonic() + TEMPLATE_SECONDS, _peak_memory() + TEMPLATE_MEMORY

    def watch(frame: FrameType, event: str, argument: Any) -> Any:
        if time.monotonic() > end or _peak_memory() > most:
            raise LammModelError(
                f"Expected a chat template that ends, got one that is not done after {TEMPLATE_SECONDS:g} s or another "
                f"{TEMPLATE_MEMORY >> 30} GiB of memory. Set prompt_format, or use another model."
            )
        file = frame.f_code.co_filename
        return watch if file.startswith("<") or "jinja2" in file else None

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        yield
    except (RecursionError, MemoryError) as fault:
        raise LammModelError(
            f"Expected a chat template that can be rendered, got {type(fault).__name__}. Set prompt_format."
        ) from fault
    finally:
        sys.settrace(before)


@functools.lru_cache(maxsize=64)
def _refuse_powers(template: str) -> None:
    """Refuse a template that raises powers: one such step can take for ever, and no template of a chat needs it."""
    before = ""
    for _, kind, value in Environment(autoescape=True).lex(template):
        if kind == "operator" and value == "**" and before not in ("(", ","):  # there it spreads arguments
            raise LammModelError("Expected a chat template that joins texts, got one with powers. Set prompt_format.")
        before = before if kind == "whitespace" else value


def _peak_memory() -> int:
    """Return the most bytes that this process has held; 0 where the system does not tell."""
    if sys.platform == "win32":
        return 0
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@functools.cache
def system_messages() -> dict[str, str]:
    """Return the seventeen published task types and our system message for each."""
    text = resources.files(__package__).joinpath("system_messages.json").read_text("utf-8")
    return dict(json.loads(text))


def system_message(task_type: str) -> str:
    """Return the system message of a published task type, a spelling variant of one, or a benchmark task.

    Raises:
        UsageError: The task type is unknown.
    """
    messages = system_messages()
    folded = {key.lower(): key for key in messages}
    name = task_type.strip()
    key = name if name in messages else _VARIANTS.get(name.lower(), folded.get(name.lower(), ""))
    if key not in messages:
        raise UsageError(f"Expected a task type, got {task_type!r}. {did_you_mean(task_type, messages)}")
    return messages[key]


def system_text(choice: str, task_type: str, own: str | None) -> str:
    """Return the system message that a run's choice gives a record; empty for none.

    Args:
        choice: `task` (the task type's message), `record` (the record's own where it has one) or `none`.
        task_type: Of the record.
        own: The record's own message, or None.
    """
    if choice == "none":
        return ""
    return own if choice == "record" and own else system_message(task_type)
