"""How transformers calls a processor: texts or dialogues with media to tensors, and chat messages to either."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor
from transformers import BatchFeature

from lamm_model.errors import LammModelError, UsageError
from lamm_model.model.answer_loss import IGNORED
from lamm_model.processing.segments import IMAGE, MARKERS, POINT_CLOUD, Segment, find_markers, read_messages

Row = dict[str, list[int]]
_DIALOGUE = ("task_type", "system", "modality", "name")  # what `encode_dialogue` takes
_PADDING = ("padding", "padding_side", "pad_to_multiple_of", "truncation", "max_length", "return_tensors")
_IGNORED = ("return_token_type_ids", "return_mm_token_type_ids", "return_attention_mask", "verbose", "timeout")


class LammBatch(BatchFeature):  # type: ignore[misc]
    """Inputs of the model. Casting leaves clouds in float32: rounding coordinates changes which points are sampled."""

    def to(self, *args: Any, **kwargs: Any) -> LammBatch:
        """Move and cast as any `BatchFeature`, clouds moved only."""
        clouds = self.data.get("point_clouds")
        super().to(*args, **kwargs)
        if isinstance(clouds, Tensor):
            self.data["point_clouds"] = clouds.to(self.data["point_clouds"].device)
        return self


class ProcessorCalls:
    """The calls of `LammProcessor`, which brings `encode_dialogue`, `collate` and the parts named below."""

    tokenizer: Any
    image_processor: Any
    feature_extractor: Any
    image_token: str
    point_cloud_token: str

    def __call__(self: Any, text: Any = None, images: Any = None, point_clouds: Any = None, **kwargs: Any) -> LammBatch:
        """Prepare texts or dialogues, and their media, for the model.

        Args:
            text: A text or a list of texts, taken as they are (`apply_chat_template` writes them), or one dialogue or a
                list of them, each `[{"from", "value"}]` ending with a question. `<image>` and `<pcl>`, in a text also
                the processor's own placeholders, say where media go; one dialogue alone may do without.
            images: One picture, the pictures of all rows in order of their markers, or a list of them for each row;
                what `read_image` takes.
            point_clouds: The same for clouds: paths, arrays or tensors `[N, 3 or 6]`.
            **kwargs: As for a tokenizer: `padding` (True by default), `padding_side` (`left` by default), `truncation`,
                `max_length`, `pad_to_multiple_of`, `add_special_tokens`, `return_tensors` (`pt` by default, `np`, or
                None for lists). Of dialogues, `task_type` and `system` too.

        Returns:
            `input_ids`, `attention_mask`, the media tensors and, of dialogues, `position_ids` and `modality_ids`.

        Raises:
            LammModelError: Media and markers differ in number, or do not fit `max_length`.
            UsageError: An option is unknown.
        """
        if _is_media(text):  # transformers' own order is images, text
            text, images = images, text
        options = _options(kwargs)
        if text is None or text == []:
            return LammBatch(self._media(flat_media(images, IMAGE), flat_media(point_clouds, POINT_CLOUD)))
        plain = isinstance(text, str) or isinstance(text[0], str)
        alone = isinstance(text, str) or isinstance(text[0], Mapping)
        items: list[Any] = [text] if alone else list(text)
        wanted = [self._markers(item) if plain else _questions_markers(item) for item in items]
        shown = {IMAGE: _by_row(images, IMAGE, wanted), POINT_CLOUD: _by_row(point_clouds, POINT_CLOUD, wanted)}
        rows = []
        for number, item in enumerate(items):
            counts = {kind: len(media[number]) for kind, media in shown.items()}
            row_media = wanted[number] or [kind for kind, count in counts.items() for _ in range(count)]
            if any(row_media.count(kind) != count for kind, count in counts.items()) or (plain and not wanted[number]):
                _refuse_surplus(counts, wanted[number], number)
            if plain:
                rows.append(self._text_row(item, options.get("add_special_tokens", True)))
            else:
                chosen = {name: options[name] for name in _DIALOGUE if name in options}
                rows.append(self.encode_dialogue(item, media=row_media, for_generation=True, **chosen))
        media = self._media(*([one for row in shown[kind] for one in row] for kind in (IMAGE, POINT_CLOUD)))
        names = ("input_ids", "attention_mask") if plain else ("input_ids", "attention_mask", *_OF_DIALOGUES)
        batch: LammBatch = self._batch(rows, media, names, options)
        return batch

    def apply_chat_template(
        self: Any,
        conversation: Any,
        chat_template: str | None = None,
        *,
        add_generation_prompt: bool = False,
        continue_final_message: bool = False,
        tokenize: bool = False,
        return_dict: bool = False,
        return_tensors: str | None = "auto",
        return_assistant_tokens_mask: bool = False,
        processor_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Render chat messages as any transformers processor does, in this model's prompt format.

        Args:
            conversation: One conversation or a list of them, as `read_messages` takes them.
            chat_template: Must be None: the processor's prompt format decides.
            add_generation_prompt: Open the answer that the model is to give.
            continue_final_message: Leave the last answer open, for the model to go on.
            tokenize: Return ids instead of text.
            return_dict: With `tokenize`, return all model inputs, media included.
            return_tensors: As for a call.
            return_assistant_tokens_mask: Add `assistant_masks`: 1 where training counts the loss.
            processor_kwargs: Options of a call (padding, truncation); they may also be among the others.
            **kwargs: `images` and `point_clouds` for blocks that name none; `task_type`; options of a call.

        Returns:
            Text with one placeholder a medium, ids `[B, S]`, or the model's inputs.

        Raises:
            LammModelError: A block is no text, image or point cloud, or the turns do not fit the options.
            UsageError: An option is unknown or contradicts another.
        """
        if chat_template is not None or kwargs.pop("tools", None) or kwargs.pop("documents", None):
            raise UsageError("Expected no chat_template, tools or documents: prompt_format decides. Set it instead.")
        if add_generation_prompt and continue_final_message:
            raise UsageError("Expected add_generation_prompt or continue_final_message, got both. Choose one.")
        options = _options({**kwargs, **(processor_kwargs or {})})
        if return_tensors != "auto":
            options["return_tensors"] = return_tensors
        batched = not isinstance(conversation[0], Mapping)
        sources = {IMAGE: options.pop("images", None), POINT_CLOUD: options.pop("point_clouds", None)}
        given = {kind: flat_media(media, kind) for kind, media in sources.items()}
        dialogues, texts, media = [], [], []
        for messages in conversation if batched else [conversation]:
            turns, shown, system = read_messages(messages, given)
            media += shown
            form = {"media": [kind for kind, _ in shown], "task_type": options.get("task_type", "normal")}
            form["system"] = options.get("system", system)
            if tokenize:
                dialogues.append(self._chat_row(turns, form, add_generation_prompt, continue_final_message))
            else:
                texts.append(self._chat_text(turns, form, add_generation_prompt, continue_final_message))
        if any(given.values()):
            raise LammModelError("Expected a block for every medium, got more media. Add blocks that name none.")
        if not tokenize:
            return texts if batched else texts[0]
        loaded = self._media([m for kind, m in media if kind == IMAGE], [m for kind, m in media if kind == POINT_CLOUD])
        masks = ["assistant_masks"] if return_assistant_tokens_mask else []
        batch = self._batch(dialogues, loaded, ("input_ids", "attention_mask", *_OF_DIALOGUES, *masks), options)
        return batch if return_dict else batch["input_ids"]

    def _chat_row(self: Any, turns: list[dict[str, str]], form: dict[str, Any], generate: bool, go_on: bool) -> Row:
        last = turns[-1]["from"] if turns else ""
        if go_on:
            if last != "assistant":
                raise LammModelError(f"Expected a last message of the assistant to continue, got one of {last!r}.")
            row: Row = self.encode_dialogue(turns[:-1], for_generation=True, **form)
            ids = self.answer_ids(turns[-1]["value"])
            row["input_ids"] += ids
            row["labels"] += [IGNORED] * len(ids)
            row["modality_ids"] += row["modality_ids"][-1:] * len(ids)
            return row
        asked = last == "user"
        encoded: Row = self.encode_dialogue(turns, for_generation=asked or generate, opened=generate, **form)
        return encoded

    def _chat_text(self: Any, turns: list[dict[str, str]], form: dict[str, Any], generate: bool, go_on: bool) -> str:
        asked = bool(turns) and turns[-1]["from"] == "user"
        chosen = turns[:-1] if go_on else turns
        segments = self.segments(chosen, **form, for_generation=asked or generate or go_on, opened=generate or go_on)
        answer = [self.answer_segment(turns[-1]["value"])] if go_on else []
        return "".join(self._written(segment) for segment in [*segments, *answer])

    def _written(self, segment: Segment) -> str:
        if segment.medium:
            return self.image_token if segment.medium == IMAGE else self.point_cloud_token
        return str(getattr(self.tokenizer, f"{segment.special}_token") or "") if segment.special else segment.text

    def _pattern(self) -> re.Pattern[str]:
        own = (self.image_token, self.point_cloud_token, *MARKERS.values(), "<point_cloud>")
        return re.compile("|".join(map(re.escape, dict.fromkeys(own))))

    def _kind(self, marker: str) -> str:
        return IMAGE if marker in (self.image_token, MARKERS[IMAGE]) else POINT_CLOUD

    def _markers(self, text: str) -> list[str]:
        return [self._kind(match.group()) for match in self._pattern().finditer(text)]

    def _text_row(self: Any, text: str, add_special_tokens: bool) -> Row:
        """Tokenise a text as it is, its placeholders widened."""
        bos = self.tokenizer.bos_token
        begun = bool(bos) and text.startswith(bos)
        ids = list(self.tokenizer("")["input_ids"]) if add_special_tokens and not begun else []
        position = 0
        for match in self._pattern().finditer(text):
            ids += self._segment_ids(Segment(text[position : match.start()], control=True))
            ids += self._segment_ids(Segment(medium=self._kind(match.group())))
            position = match.end()
        ids += self._segment_ids(Segment(text[position:], control=True))
        return {"input_ids": ids, "labels": [IGNORED] * len(ids), "modality_ids": [0] * len(ids)}

    def _media(self, images: Sequence[Any], point_clouds: Sequence[Any]) -> dict[str, Any]:
        media: dict[str, Any] = {}
        if images:
            media["pixel_values"] = self.image_processor(list(images))["pixel_values"]
        if point_clouds:
            media["point_clouds"] = self.feature_extractor(list(point_clouds))["point_clouds"]
        return media

    def _batch(self: Any, rows: list[Row], media: dict[str, Any], names: Sequence[str], options: Any) -> LammBatch:
        """Cut and pad rows as a tokenizer's options say."""
        longest = options.get("max_length")
        truncated = options.get("truncation") not in (None, False, "do_not_truncate")
        if truncated and longest is not None:
            rows = [self._shortened(row, longest, number) for number, row in enumerate(rows)]
        form, padding = options.get("return_tensors", "pt"), options.get("padding", True)
        for row in rows:
            row["assistant_masks"] = [int(label != IGNORED) for label in row["labels"]]
        if padding in (False, None, "do_not_pad") and form is None:
            for row in rows:
                length = len(row["input_ids"])
                row |= {"attention_mask": [1] * length, "position_ids": [*range(length)]}
            return LammBatch({name: [row[name] for row in rows] for name in names} | media)
        width = longest if padding == "max_length" and longest is not None else 0
        batch = self.collate(rows, options.get("padding_side") or "left", options.get("pad_to_multiple_of") or 1, width)
        chosen = {name: batch[name] for name in names} | media
        if form == "np":
            chosen = {name: value.numpy() for name, value in chosen.items()}
        elif form is None:
            chosen |= {name: chosen[name].tolist() for name in names}
        return LammBatch(chosen)

    def _shortened(self: Any, row: Row, longest: int, number: int) -> Row:
        if len(row["input_ids"]) > longest and self.media_end(row["input_ids"]) > longest:
            raise LammModelError(
                f"Expected media within max_length = {longest} tokens, got {len(row['input_ids'])} tokens in row "
                f"{number + 1}. Media are never cut: raise max_length or show fewer."
            )
        return {name: values[:longest] for name, values in row.items()}


_OF_DIALOGUES = ("position_ids", "modality_ids")


def _options(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call's options, those of transformers' groups (`text_kwargs`, ...) among them; refuse unknown ones."""
    options: dict[str, Any] = {}
    for name, value in kwargs.items():
        options |= dict(value or {}) if name in ("text_kwargs", "images_kwargs", "common_kwargs") else {name: value}
    known = {*_DIALOGUE, *_PADDING, *_IGNORED, "add_special_tokens", "images", "point_clouds"}
    if unknown := sorted(name for name in options.keys() - known if options[name] is not None):
        raise UsageError(f"Expected options of a processor ({', '.join(sorted(known))}), got {', '.join(unknown)}.")
    return options


def _is_media(value: Any) -> bool:
    first = value[0] if isinstance(value, list | tuple) and value else value
    return isinstance(first, Image.Image | np.ndarray | Tensor | bytes)


def flat_media(media: Any, kind: str) -> list[Any]:
    """Return media as one list, whether they come alone, in a list or an array, or in a list for each row."""
    if media is None:
        return []
    array = isinstance(media, np.ndarray | Tensor) and media.ndim == (4 if kind == IMAGE else 3)
    items = list(media) if array or isinstance(media, list | tuple) else [media]
    return [one for item in items for one in (item if isinstance(item, list | tuple) else [item])]


def _by_row(media: Any, kind: str, wanted: list[list[str]]) -> list[list[Any]]:
    """Deal media out to rows: as they come, or by the rows' markers."""
    nested = isinstance(media, list | tuple) and any(isinstance(item, list | tuple) for item in media)
    if nested and len(media) == len(wanted):
        return [flat_media(item, kind) for item in media]
    flat = flat_media(media, kind)
    if len(wanted) == 1:
        return [flat]
    counts = [markers.count(kind) for markers in wanted]
    if nested or len(flat) != sum(counts):
        raise LammModelError(
            f"Expected {sum(counts)} media of kind {kind} for the markers of {len(wanted)} rows, got "
            f"{f'lists for {len(media)} rows' if nested else len(flat)}. Give one medium per marker, or a list a row."
        )
    taken = iter(flat)
    return [[next(taken) for _ in range(count)] for count in counts]


def _questions_markers(dialogue: Sequence[Mapping[str, Any]]) -> list[str]:
    questions = [str(turn.get("value", turn.get("content", ""))) for turn in dialogue[0::2]]
    return [kind for question in questions for kind in find_markers(question)]


def _refuse_surplus(counts: dict[str, int], wanted: list[str], number: int) -> None:
    """Refuse a row whose media are not those of its markers."""
    if any(counts[kind] != wanted.count(kind) for kind in counts):
        expected = ", ".join(f"{wanted.count(kind)} of kind {kind}" for kind in counts)
        raise LammModelError(
            f"Expected the media of the markers in row {number + 1} ({expected}), got "
            f"{', '.join(f'{count} of kind {kind}' for kind, count in counts.items())}. "
            "Write <image> or <pcl> where each belongs."
        )
