"""Requests → prompts: media as the towers take them, and tokens; in any thread, beside the one that owns the model."""

from __future__ import annotations

import copy
import hashlib
import os
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lamm_data import LammDataError
from lamm_model.answering.prompt_state import Medium
from lamm_model.errors import LammModelError
from lamm_model.processing.processing_lamm import LammProcessor
from lamm_model.processing.segments import IMAGE
from lamm_model.serving.messages import Attachment, ChatRequest, RequestError
from lamm_model.serving.sampling import Schemas

FOLDER_PREFIX = "lamm-serve-"  # then the process's number: uploads lie there while they are read
CHARACTERS_A_TOKEN = 16  # a longer text is refused before it is tokenised


@dataclass(frozen=True)
class Prompt:
    """A request that was read: its tokens, and what the towers take of its media."""

    request: ChatRequest
    name: str
    row: dict[str, list[int]]
    media: list[Medium]
    inputs: dict[Medium, Tensor]
    pictures: list[bytes]
    longest: int
    matcher: Any


class Reader:
    """Reads requests with a processor of its own: a tokenizer is not to be used by two threads at once.

    Args:
        processor: The model's; copied.
        context: Longest row in tokens.
    """

    def __init__(self, processor: LammProcessor, context: int) -> None:
        self._processor = copy.deepcopy(processor)
        self._context = context
        self._lock = threading.Lock()
        self._schemas = Schemas(processor)
        self._folder = tempfile.TemporaryDirectory(prefix=f"{FOLDER_PREFIX}{os.getpid()}-")

    def close(self) -> None:
        """Remove the folder of uploads."""
        self._folder.cleanup()

    def prepare(self, request: ChatRequest, name: str = "") -> Prompt:
        """Read a request's media and make its tokens; in any thread.

        Args:
            request: What was asked.
            name: What the log calls it.

        Raises:
            LammModelError: A medium is unreadable, or the dialogue longer than the context.
        """
        context = self._context
        characters = sum(len(turn["value"]) for turn in request.turns) + len(request.system or "")
        if characters > context * CHARACTERS_A_TOKEN:
            raise RequestError(f"Expected at most {context - 1} tokens, got {characters} characters. Shorten the text.")
        kinds = [attachment.kind for attachment in request.attachments]
        pictures = [file.content for file in request.attachments if file.kind == IMAGE]
        with self._lock:
            row = self._processor.encode_dialogue(
                request.turns,
                media=kinds,
                pictures=pictures,  # type: ignore[arg-type] # their content instead of their paths
                task_type=request.task_type,
                system=request.system,
                for_generation=True,
                max_length=context - 1,
                name="this request",
            )
        read = [self._read(attachment) for attachment in request.attachments]
        return Prompt(
            replace(request, attachments=[]),  # large, and read
            name or uuid.uuid4().hex,
            row,
            [medium for medium, _ in read],
            dict(read),
            pictures if getattr(self._processor.image_processor, "moves_coordinates", False) else [],
            min(request.max_new_tokens, context - len(row["input_ids"])),
            self._schemas.matcher(request.schema) if request.schema is not None else None,
        )

    def _read(self, attachment: Attachment) -> tuple[Medium, Tensor]:
        """Read one medium as its tower takes it, under a name that equal files share."""
        name = attachment.name or "picture"
        medium = (attachment.kind, Path(hashlib.sha256(attachment.content).hexdigest(), name))
        if attachment.kind != IMAGE:
            with self.uploaded(name, attachment.content) as path:
                return medium, torch.from_numpy(self._processor.feature_extractor.prepare(path))
        try:
            if self._processor.lays_out_images:
                with self._lock:
                    return medium, self._processor.load_images([attachment.content])
            return medium, self._processor.image_processor.prepare(attachment.content)
        except Exception as fault:
            raise _unreadable(fault, "the given picture", name, name) from fault

    @contextmanager
    def uploaded(self, name: str, content: bytes) -> Iterator[Path]:
        """Lay a file down for a while.

        Raises:
            RequestError: What was done with the file failed; the message names the file and no folder of this machine.
        """
        with tempfile.TemporaryDirectory(dir=self._folder.name) as folder:
            path = Path(folder, name)
            path.write_bytes(content)
            try:
                yield path
            except Exception as fault:
                raise _unreadable(fault, f"{folder}/", "", name) from fault


def _unreadable(fault: Exception, hidden: str, shown: str, name: str) -> RequestError:
    words = str(fault).replace(hidden, shown)
    known = isinstance(fault, LammModelError | LammDataError)
    return RequestError(words if known else f"Expected a readable file, got {type(fault).__name__} ({name}).")
