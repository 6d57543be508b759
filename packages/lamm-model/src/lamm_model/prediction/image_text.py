"""Ask any image-text-to-text model of transformers (LLaVA and its kin) the same benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from jinja2 import TemplateError
from torch import Tensor

from lamm_model.answering.option_scores import probabilities
from lamm_model.errors import LammModelError
from lamm_model.model.saving import pretrained
from lamm_model.prediction.predictor import cut
from lamm_model.prediction.queries import Answer, PredictionOptions, Query, refuse_point_clouds
from lamm_model.processing.image_processing_lamm import read_image
from lamm_model.processing.prompt_formats import bounded, system_text
from lamm_model.processing.segments import IMAGE

Messages = list[dict[str, Any]]


class ImageTextAnswers:
    """Answers queries greedily with any `AutoModelForImageTextToText`; its processor's template writes the prompts."""

    def __init__(self, model: Any, processor: Any, options: PredictionOptions) -> None:
        self.model = model.eval()
        self.processor = processor
        self.options = options
        self.takes_clouds = hasattr(processor, "point_cloud_token")
        self.tokenizer = getattr(processor, "tokenizer", processor)
        self.tokenizer.padding_side = "left"
        if self.tokenizer.pad_token_id is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token

    def answer(self, queries: list[Query]) -> Iterator[list[tuple[Query, Answer]]]:
        """Answer queries about images or text in batches of one answer length, with as many pictures each."""
        if not self.takes_clouds:
            refuse_point_clouds(queries, self.options.blind, "This model takes none")
        for _, alike in groupby(sorted(queries, key=_kind), key=lambda query: _kind(query)[:2]):
            for batch in cut(list(alike), self.options.batch_size):
                yield list(zip(batch, self._answer_batch(batch), strict=True))

    def _answer_batch(self, batch: list[Query]) -> list[Answer]:
        dialogues = [self._messages(query) for query in batch]
        answers: list[Answer] = [{"text": text} for text in self._texts(dialogues, batch)]
        for query, dialogue, answer in zip(batch, dialogues, answers, strict=True):
            if self.options.two_pass and query.choices and not query.labelled:
                again = [*dialogue, _message("assistant", answer["text"]), _message("user", "ANSWER:")]
                answer["text"] += f"\nThe answer is {self._texts([again], [query])[0]}"
            if self.options.probabilities and query.choices:
                values = probabilities([self._log_likelihood(dialogue, choice) for choice in query.choices])
                answer["probabilities"] = dict(zip(query.choices, values, strict=True)) if query.labelled else values
        return answers

    def _messages(self, query: Query) -> Messages:
        choice = self.options.system
        if choice == "task" and not getattr(self.processor, "use_system", True):
            choice = "none"  # as it was trained
        system = system_text(choice, query.task_type, query.system)
        question: Messages = [
            {"type": kind, kind: read_image(path) if kind == IMAGE else path}
            for kind, path in (() if self.options.blind else query.media)
        ]
        question.append({"type": "text", "text": query.question})
        opening = [_message("system", system)] if system else []
        return [*opening, {"role": "user", "content": question}]

    @torch.inference_mode()
    def _texts(self, dialogues: list[Messages], queries: list[Query]) -> list[str]:
        inputs = self._inputs(dialogues)
        longest = queries[0].max_new_tokens
        self._check_length(inputs, queries, longest)
        plain = {"do_sample": False, "num_beams": 1, "temperature": None, "top_p": None, "top_k": None}
        ids = self.model.generate(**inputs, max_new_tokens=longest, **plain)
        new = ids[:, inputs["input_ids"].shape[1] :]
        return [text.strip() for text in self.tokenizer.batch_decode(new, skip_special_tokens=True)]

    def _check_length(self, inputs: Any, queries: list[Query], longest: int) -> None:
        text_config = self.model.config.get_text_config()
        most = int(getattr(text_config, "max_position_embeddings", None) or 1 << 20) - longest
        for query, length in zip(queries, inputs["attention_mask"].sum(dim=1).tolist(), strict=True):
            if length > most:
                raise LammModelError(
                    f"Expected at most {most} tokens, got {length} (id {query.record_id!r}). "
                    "Shorten the text, use fewer media, or a model with a longer context."
                )

    def _inputs(self, dialogues: list[Messages]) -> Any:
        try:
            inputs = self._rendered(dialogues)
        except TemplateError:  # some templates know no system role
            inputs = self._rendered([_fold_system(dialogue) for dialogue in dialogues])
        inputs = inputs.to(self.model.device)
        for name, value in inputs.items():
            if isinstance(value, Tensor) and value.is_floating_point() and name != "point_clouds":
                inputs[name] = value.to(self.model.dtype)
        return inputs

    def _rendered(self, dialogues: list[Messages]) -> Any:
        try:
            with bounded(self.processor):  # first the text alone: its time is the template's
                self.processor.apply_chat_template(dialogues, add_generation_prompt=True, tokenize=False)
            return self.processor.apply_chat_template(
                dialogues,
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                processor_kwargs={"padding": True},
            )
        except (ValueError, TypeError, KeyError) as fault:
            raise LammModelError(
                f"Expected a processor that renders a chat with pictures, got {type(fault).__name__}: {fault}. "
                "Use a checkpoint whose processor has a chat template."
            ) from fault

    @torch.inference_mode()
    def _log_likelihood(self, dialogue: Messages, choice: str) -> float:
        """Mean log-likelihood per token of an answer, as in `option_log_likelihoods`."""
        inputs = dict(self._inputs([dialogue]))
        prompt: Tensor = inputs["input_ids"]
        ids = self.tokenizer(choice, add_special_tokens=False, return_tensors="pt")["input_ids"].to(prompt.device)
        for name, value in inputs.items():  # masks and token types go on over the option as over text
            if isinstance(value, Tensor) and value.shape == prompt.shape and name != "input_ids":
                tail = torch.full_like(ids, 1 if name == "attention_mask" else 0).to(value.dtype)
                inputs[name] = torch.cat([value, tail], dim=1)
        inputs["input_ids"] = torch.cat([prompt, ids], dim=1)
        logits: Tensor = self.model(**inputs).logits[0, prompt.shape[1] - 1 : -1]
        scores = logits.float().log_softmax(dim=-1).gather(-1, ids[0].unsqueeze(-1))
        return float(scores.mean())


def load_image_text(folder: Path, options: PredictionOptions, dtype: str, device: str) -> ImageTextAnswers:
    """Load a model of another family and its processor from a folder, safetensors only.

    Code that the folder brings is run only where `options.trust_remote_code` says so.

    Raises:
        LammModelError: The folder holds no such model, or its weights do not fit (keys are listed).
    """
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from transformers.utils import logging

    logging.disable_progress_bar()
    code, expected = options.trust_remote_code, "a LAMM model or an image-text-to-text model of transformers"
    try:
        model, report = pretrained(
            AutoModelForImageTextToText,
            folder,
            trust_remote_code=code,
            expected=expected,
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            output_loading_info=True,
        )
        processor = pretrained(AutoProcessor, folder, trust_remote_code=code, expected=expected)
    except OSError as fault:
        raise LammModelError(
            f"Expected {expected}, got {fault} ({folder}). Give the folder of such a model, with its processor."
        ) from fault
    # Left-over keys are common in published checkpoints and harmless; missing ones would be drawn at random.
    faults = {name: sorted(map(str, keys)) for name, keys in report.items() if keys and name != "unexpected_keys"}
    if faults:
        raise LammModelError(f"Expected weights that fit the configuration in {folder}, got {faults}.")
    return ImageTextAnswers(model.to(device), processor, options)


def _kind(query: Query) -> tuple[int, int, int]:
    """What a batch has in common (number of pictures, longest answer), and the length to sort by."""
    return len(query.media), query.max_new_tokens, -len(query.question)


def _message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": text}]}


def _fold_system(dialogue: Messages) -> Messages:
    """Put the system message before the first question's text."""
    if dialogue[0]["role"] != "system":
        return dialogue
    text = dialogue[0]["content"][0]["text"]
    first = dialogue[1]
    return [{**first, "content": [{"type": "text", "text": text + "\n\n"}, *first["content"]]}, *dialogue[2:]]
