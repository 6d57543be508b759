"""The LAMM processor: pictures, point clouds and dialogues to model input."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import ProcessorMixin

from lamm_model.errors import LammModelError
from lamm_model.model.answer_loss import IGNORED
from lamm_model.model.configuration_lamm import HINT, write_hint
from lamm_model.model.routing import MODALITY_IDS
from lamm_model.processing.coordinates import dialogue_to_input
from lamm_model.processing.processor_calls import ProcessorCalls
from lamm_model.processing.prompt_formats import prompt_format, render, render_answer, system_message
from lamm_model.processing.segments import IMAGE, POINT_CLOUD, Segment, read_turns

# Special tokens that known vocabularies hold and chat does not use: taken first, so that nothing is resized.
_IMAGE_TOKENS = ("<image>", "<|image_pad|>", "<|image|>", "<reponame>", "<|reserved_special_token_0|>")
_POINT_CLOUD_TOKENS = ("<point_cloud>", "<|video_pad|>", "<filename>", "<|reserved_special_token_1|>")


class LammProcessor(ProcessorCalls, ProcessorMixin):  # type: ignore[misc]
    """Prepares media and text for `LammForConditionalGeneration`; one builder for training and inference.

    Attributes:
        image_processor: `LammImageProcessor`.
        feature_extractor: `LammPointCloudProcessor`.
        tokenizer: The language model's.
        prompt_format: `lamm`, `vicuna`, `llama2`, `llama3`, `chatml` or `chat`.
        image_tokens: Placeholders per image (`LammConfig.image_tokens`).
        point_cloud_tokens: Placeholders per point cloud (`LammConfig.point_cloud_tokens`).
        image_token: Placeholder token of images; an unused special token of the vocabulary is chosen when None.
        point_cloud_token: The same for point clouds.
        use_system: Open with the task type's system message.
        lays_out_images: Whether each picture makes tokens of its own number and kind; here all make `image_tokens`.
    """

    lays_out_images = False

    def __init__(
        self,
        image_processor: Any,
        feature_extractor: Any,
        tokenizer: Any,
        prompt_format: str = "chat",
        image_tokens: int = 0,
        point_cloud_tokens: int = 0,
        image_token: str | None = None,
        point_cloud_token: str | None = None,
        use_system: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(image_processor, feature_extractor, tokenizer)
        self.prompt_format = prompt_format
        self.image_tokens = image_tokens
        self.point_cloud_tokens = point_cloud_tokens
        self.image_token = image_token or _choose_token(tokenizer, _IMAGE_TOKENS, "<|lamm_image|>")
        self.point_cloud_token = point_cloud_token or _choose_token(
            tokenizer, _POINT_CLOUD_TOKENS, "<|lamm_point_cloud|>"
        )
        self.use_system = use_system
        self.auto_map = {"AutoProcessor": f"{HINT.stem}.LammProcessor"}

    def save_pretrained(self, save_directory: str | Path, *args: Any, **kwargs: Any) -> Any:
        """Save as any processor, and beside it a file that imports this package, as `LammConfig` does."""
        saved = super().save_pretrained(save_directory, *args, **kwargs)
        write_hint(save_directory)
        return saved

    @property
    def image_token_id(self) -> int:
        """Id of the image placeholder."""
        return int(self.tokenizer.convert_tokens_to_ids(self.image_token))

    @property
    def point_cloud_token_id(self) -> int:
        """Id of the point-cloud placeholder."""
        return int(self.tokenizer.convert_tokens_to_ids(self.point_cloud_token))

    @property
    def pad_token_id(self) -> int:
        """Id that fills short rows; always masked out."""
        pad = self.tokenizer.pad_token_id
        return int(self.tokenizer.eos_token_id if pad is None else pad)

    @property
    def stop_strings(self) -> list[str]:
        """Strings that end an answer besides the end token."""
        return list(prompt_format(self.prompt_format)["stop"])

    def encode_dialogue(
        self,
        conversations: list[dict[str, Any]],
        *,
        media: Sequence[str] | None = None,
        pictures: Sequence[Path] = (),
        n_images: int = 0,
        n_point_clouds: int = 0,
        task_type: str = "normal",
        system: str | None = None,
        modality: str | None = None,
        for_generation: bool = False,
        opened: bool = True,
        max_length: int | None = None,
        name: str = "record",
    ) -> dict[str, list[int]]:
        """Build one row: ids, labels and modality ids from separately tokenised segments.

        Args:
            conversations: `[{"from": "human" | "gpt", "value": text}]`, a question first.
            media: Kinds of the media in order (`image`, `point_cloud`), else `n_images` then `n_point_clouds`.
            pictures: Files of the images; where those are letterboxed, points and boxes in the text move with them.
            n_images: Number of images.
            n_point_clouds: Number of point clouds.
            task_type: Chooses the system message.
            system: System message instead of the task type's; an empty string means none.
            modality: Adapter set of the row (`text`, `image`, `point_cloud`) instead of the media's; needed where the
                media are withheld.
            for_generation: The dialogue ends with a question to answer; there are no labels then.
            opened: Open the answer to that question.
            max_length: Longest row. Text after the last medium is cut from the end, media never.
            name: What messages call the record.

        Returns:
            `input_ids`, `labels` (-100 where no loss) and `modality_ids`, lists of one length.

        Raises:
            LammModelError: Media and placeholders differ, or the row cannot be cut to `max_length`.
        """
        kinds = media if media is not None else [IMAGE] * n_images + [POINT_CLOUD] * n_point_clouds
        if pictures and self.image_processor.moves_coordinates:
            conversations = dialogue_to_input(self.image_processor, conversations, pictures, name)
        segments = self.segments(conversations, kinds, task_type, system, for_generation, opened, name)
        row = self._tokenize(segments, kinds, modality)
        if for_generation:
            row["labels"] = [IGNORED] * len(row["input_ids"])
        if max_length is not None and len(row["input_ids"]) > max_length:
            row = self._cut(row, max_length, for_generation, name)
        return row

    def segments(
        self,
        conversations: list[dict[str, Any]],
        media: Sequence[str],
        task_type: str = "normal",
        system: str | None = None,
        for_generation: bool = False,
        opened: bool = True,
        name: str = "record",
    ) -> list[Segment]:
        """Write one row in the prompt format, as pieces that are tokenised on their own; args as `encode_dialogue`."""
        message = system if system is not None else (system_message(task_type) if self.use_system else "")
        turns = read_turns(conversations, media, name)
        form = prompt_format(self.prompt_format)
        return render(form, turns, message or None, self.tokenizer, for_generation, opened)

    def _tokenize(self, segments: list[Segment], kinds: Sequence[str], modality: str | None) -> dict[str, list[int]]:
        current = MODALITY_IDS[modality or (kinds[0] if kinds else "text")]
        row: dict[str, list[int]] = {"input_ids": [], "labels": [], "modality_ids": []}
        for segment in segments:
            if segment.medium and modality is None:
                current = MODALITY_IDS[segment.medium]
            ids = self._segment_ids(segment)
            row["input_ids"] += ids
            row["labels"] += ids if segment.trained else [IGNORED] * len(ids)
            row["modality_ids"] += [current] * len(ids)
        return row

    def _segment_ids(self, segment: Segment) -> list[int]:
        if segment.medium == IMAGE:
            return [self.image_token_id] * self.image_tokens
        if segment.medium == POINT_CLOUD:
            return [self.point_cloud_token_id] * self.point_cloud_tokens
        if segment.special:
            special = getattr(self.tokenizer, f"{segment.special}_token_id")
            return [] if special is None else [int(special)]
        encoded = self.tokenizer(segment.text, add_special_tokens=False, split_special_tokens=not segment.control)
        return list(encoded["input_ids"])

    def _cut(self, row: dict[str, list[int]], max_length: int, for_generation: bool, name: str) -> dict[str, list[int]]:
        if for_generation or self.media_end(row["input_ids"]) >= max_length:
            raise LammModelError(
                f"Expected at most {max_length} tokens, got {len(row['input_ids'])} ({name}). "
                "Shorten the text, use fewer media, or raise the maximum length."
            )
        cut = {key: values[:max_length] for key, values in row.items()}
        if all(label == IGNORED for label in cut["labels"]):
            raise LammModelError(
                f"Expected an answer within {max_length} tokens, got none after cutting ({name}). "
                "Shorten the question or raise the maximum length."
            )
        return cut

    def collate(
        self,
        rows: list[dict[str, list[int]]],
        padding_side: str = "right",
        pad_to_multiple_of: int = 1,
        width: int = 0,
    ) -> dict[str, Tensor]:
        """Pad rows to one length.

        Args:
            rows: What `encode_dialogue` returned.
            padding_side: `right` for training, `left` for generation.
            pad_to_multiple_of: Round the length up.
            width: Shortest length.

        Returns:
            `input_ids`, `attention_mask`, `position_ids`, `labels`, `modality_ids`, each `[B, S]` long; padding is
            masked, has label -100, position 0 and modality 0.
        """
        longest = max(width, *(len(row["input_ids"]) for row in rows))
        width = -(-longest // pad_to_multiple_of) * pad_to_multiple_of
        fill = {"input_ids": self.pad_token_id, "labels": IGNORED, "modality_ids": 0}
        fill |= {"attention_mask": 0, "position_ids": 0, **dict.fromkeys(rows[0].keys() - fill.keys(), 0)}
        batch = {key: torch.full((len(rows), width), value) for key, value in fill.items()}
        for number, row in enumerate(rows):
            length = len(row["input_ids"])
            columns = slice(width - length, width) if padding_side == "left" else slice(0, length)
            for key, values in {**row, "attention_mask": [1] * length, "position_ids": range(length)}.items():
                batch[key][number, columns] = torch.tensor(values)
        return batch

    @property
    def end_token_ids(self) -> set[int]:
        """Ids that end an answer."""
        return {int(self.tokenizer.eos_token_id)} if self.tokenizer.eos_token_id is not None else set()

    def media_end(self, input_ids: list[int]) -> int:
        """Return the number of tokens up to and with the last placeholder; 0 when there is none."""
        placeholders = {self.image_token_id, self.point_cloud_token_id}
        return max((i for i, token in enumerate(input_ids) if token in placeholders), default=-1) + 1

    def answer_ids(self, text: str) -> list[int]:
        """Return the tokens an answer of this text would have, without its end."""
        return self._segment_ids(self.answer_segment(text))

    def answer_segment(self, text: str) -> Segment:
        """Write an answer's text as it follows a prompt, without its end."""
        return render_answer(prompt_format(self.prompt_format), text, self.tokenizer)

    def decode_answer(self, new_ids: Tensor | list[int]) -> str:
        """Decode the tokens of an answer as they are, stop strings and spaces included."""
        return str(self.tokenizer.decode(new_ids, skip_special_tokens=True))

    def answer_stopped(self, new_ids: list[int]) -> bool:
        """Tell whether the last tokens of an answer hold a stop string."""
        stops = self.stop_strings
        tail = self.tokenizer.decode(new_ids[-8:]) if stops else ""
        return any(stop in tail for stop in stops)

    def answer_text(self, new_ids: Tensor | list[int]) -> str:
        """Decode the tokens of one answer and cut it at the format's stop strings."""
        text = self.decode_answer(new_ids)
        for stop in self.stop_strings:
            text = text.split(stop)[0]
        return text.strip()

    def answer_texts(self, new_ids: Tensor) -> list[str]:
        """Decode generated ids `[B, T]` (without the prompt)."""
        return [self.answer_text(ids) for ids in new_ids]


def _choose_token(tokenizer: Any, candidates: tuple[str, ...], new: str) -> str:
    """Pick an unused special token of the vocabulary, else add one beyond it (its embedding is never read)."""
    added = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    special = added | set(tokenizer.all_special_tokens)
    for token in candidates:
        if token in special:
            return token
    tokenizer.add_tokens([new], special_tokens=True)
    return new
