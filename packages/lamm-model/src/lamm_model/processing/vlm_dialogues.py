"""Dialogues of a model that sees already: its own chat template around the answers, which are tokenised alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jinja2 import TemplateError

from lamm_model.errors import LammModelError, UsageError
from lamm_model.model.answer_loss import IGNORED
from lamm_model.model.routing import MODALITY_IDS, infer_modality_ids
from lamm_model.processing.image_processing_lamm import read_image
from lamm_model.processing.prompt_formats import bounded, system_message
from lamm_model.processing.segments import IMAGE, POINT_CLOUD, Turn, read_turns

_MARK = "\ue000{}\ue001"
Row = dict[str, list[int]]
Messages = list[dict[str, Any]]


class VlmDialogues:
    """The dialogues of `LammVlmProcessor`, which brings the parts named below."""

    base: Any
    tokenizer: Any
    point_cloud_token: str
    point_cloud_tokens: int
    use_system: bool
    routes_images: bool
    _around = ("", "")

    @property
    def point_cloud_token_id(self) -> int:
        """Id of the point-cloud placeholder."""
        return int(self.tokenizer.convert_tokens_to_ids(self.point_cloud_token))

    @property
    def image_token_id(self) -> int:
        """Id of the base model's image placeholder."""
        known = getattr(self.base, "image_token_id", None)
        return int(self.tokenizer.convert_tokens_to_ids(self.base.image_token) if known is None else known)

    @property
    def image_text(self) -> str:
        """What stands for a picture in a rendered text."""
        return str(getattr(self.base, "boi_token", None) or self.base.image_token)

    @property
    def end_token_ids(self) -> set[int]:
        """Ids that end an answer: the tokenizer's, and what the chat template writes after one."""
        ends = {self.tokenizer.eos_token_id, self.tokenizer.convert_tokens_to_ids(self.end_token)}
        return {int(end) for end in ends if end is not None}

    @property
    def end_token(self) -> str:
        """The token that the chat template writes after an answer; the tokenizer's end where it writes none."""
        return self._around_answers()[1]

    def _around_answers(self) -> tuple[str, str]:
        """Return what the chat template writes before an answer where none is asked for yet (a space), and its end."""
        if not self._around[1]:
            asked = {"role": "user", "content": [{"type": "text", "text": "a"}]}
            told = {"role": "assistant", "content": [{"type": "text", "text": _MARK.format(0)}]}
            before, _, after = self._rendered([asked, told], False).partition(_MARK.format(0))
            prompt = self._rendered([asked], True)
            special = {str(token) for token in self.tokenizer.added_tokens_decoder.values() if token.special}
            found = [(after.find(token), token) for token in special if token in after]
            end = min(found)[1] if found else str(self.tokenizer.eos_token)
            self._around = (before.removeprefix(prompt) if before.startswith(prompt) else "", end)
        return self._around

    def encode_dialogue(
        self,
        conversations: list[dict[str, Any]],
        *,
        media: Sequence[str] = (),
        pictures: Sequence[Any] = (),
        task_type: str = "normal",
        system: str | None = None,
        modality: str | None = None,
        for_generation: bool = False,
        max_length: int | None = None,
        name: str = "record",
        **others: Any,
    ) -> Row:
        """Build one row: ids, labels and modality ids; args as for `LammProcessor.encode_dialogue`.

        The chat template is rendered around the answers, which are tokenised on their own; pictures (paths, or their
        bytes) are read for the tokens that they make.
        """
        turns = read_turns(conversations, media, name)
        if (turns[-1].role == "user") != for_generation:
            raise LammModelError(f"Expected the dialogue to end with {'a question' if for_generation else 'an answer'}"
                                 f", got the other ({name}). Mend the record's conversations.")  # fmt: skip
        message = system if system is not None else (system_message(task_type) if self.use_system else "")
        answers = [turn.text for turn in turns if turn.role == "assistant"]
        pieces = self._pieces(turns, message, for_generation, name)
        shown = [read_image(picture) for picture in pictures]
        self._check_pictures(shown, name)
        lead, end = self._around_answers()
        ids: list[int] = []
        labels: list[int] = []
        for number, piece in enumerate(pieces):
            count = sum(part.medium == IMAGE for part in turns[2 * number].pieces)
            piece = piece.removesuffix(lead) if number < len(answers) else piece
            own = self._piece_ids(piece, shown[:count], first=not number)
            shown = shown[count:]
            ids, labels = ids + own, labels + [IGNORED] * len(own)
            if number < len(answers):
                answer = [*self.answer_ids(lead + answers[number]), self.tokenizer.convert_tokens_to_ids(end)]
                ids, labels = ids + answer, labels + answer
        if max_length is not None and len(ids) > max_length:
            raise LammModelError(
                f"Expected at most {max_length} tokens, got {len(ids)} ({name}). "
                "Shorten the text, use fewer media, or raise the maximum length."
            )
        return {"input_ids": ids, "labels": labels, "modality_ids": self._modality(ids, modality)}

    def answer_ids(self, text: str) -> list[int]:
        """Return the tokens an answer of this text would have, without its end."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _modality(self, ids: list[int], modality: str | None) -> list[int]:
        if modality is not None:
            routed = modality == POINT_CLOUD or (modality == IMAGE and self.routes_images)
            return [MODALITY_IDS[modality] if routed else 0] * len(ids)
        image = self.image_token_id if self.routes_images else -1
        return list(infer_modality_ids(torch.tensor([ids]), image, self.point_cloud_token_id)[0].tolist())

    def _piece_ids(self, piece: str, images: list[Any], first: bool) -> list[int]:
        if not piece:
            return []
        bos = self.tokenizer.bos_token
        return list(
            self._base_call(piece, images, first and not (bos and piece.startswith(bos)))["input_ids"][0].tolist()
        )

    def _base_call(self, text: str, images: list[Any], add_special_tokens: bool) -> Any:
        media = {"images": [images]} if images else {}  # of one row, as `apply_chat_template` hands them over
        return self.base(text=[text], add_special_tokens=add_special_tokens, return_tensors="pt", **media)

    def _check_pictures(self, pictures: list[Any], name: str) -> None:
        """Refuse several pictures where together they make other tokens than each alone: they are read one by one.

        Raises:
            LammModelError: They do.
        """
        if len(pictures) < 2:
            return
        calls = [(self.image_text, [picture]) for picture in pictures]
        *alone, together = (
            int((self._base_call(text, some, False)["input_ids"] == self.image_token_id).sum())
            for text, some in [*calls, (self.image_text * len(pictures), pictures)]
        )
        if sum(alone) != together:
            raise LammModelError(
                f"Expected pictures that make the same tokens together as alone, got {together} and {sum(alone)} "
                f"({name}): this base model reads several pictures otherwise. Show one, or use `lamm model predict`."
            )

    def _pieces(self, turns: list[Turn], system: str, opened: bool, name: str) -> list[str]:
        """Render the template, and cut it at the answers: what precedes each (the end of the one before left out)."""
        messages: Messages = [{"role": "system", "content": [{"type": "text", "text": system}]}] if system else []
        number = 0
        for turn in turns:
            if turn.role == "assistant":
                messages.append({"role": "assistant", "content": [{"type": "text", "text": _MARK.format(number)}]})
                number += 1
            else:
                messages.append({"role": "user", "content": self._blocks(turn)})
        text = self._rendered(messages, opened)
        pieces = []
        for answer in range(number):
            before, found, text = text.partition(_MARK.format(answer))
            if not found:
                raise UsageError(
                    f"Expected a chat template that keeps every message, got one that drops some ({name})."
                )
            pieces.append(before)
            at = text.find(self.end_token)
            text = text[at + len(self.end_token) :] if at >= 0 else text
        return [*pieces, text] if opened else pieces

    def _blocks(self, turn: Turn) -> Messages:
        blocks: Messages = []
        for piece in turn.pieces:
            if piece.medium == IMAGE:
                blocks.append({"type": "image"})
            elif piece.medium:
                blocks.append({"type": "text", "text": self.point_cloud_token * self.point_cloud_tokens})
            elif piece.text:
                blocks.append({"type": "text", "text": piece.text.replace(self.point_cloud_token, "")})
        return blocks

    def _rendered(self, messages: Messages, opened: bool) -> str:
        try:
            with bounded(self.base):
                return str(self.base.apply_chat_template(messages, add_generation_prompt=opened, tokenize=False))
        except TemplateError:
            if messages[0]["role"] != "system":
                raise
        system, first, *rest = messages  # some templates know no system role
        opening = {"type": "text", "text": system["content"][0]["text"] + "\n\n"}
        return self._rendered([{**first, "content": [opening, *first["content"]]}, *rest], opened)
