"""One thread that owns the model: requests that wait together are answered together."""

from __future__ import annotations

import queue
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from lamm_model.answering.decoding import TextStream, decode_rows
from lamm_model.answering.prompt_state import MediaFeatures, Medium, PromptRow
from lamm_model.errors import LammModelError
from lamm_model.model.adapters import can_merge, merged_adapters
from lamm_model.model.modeling_lamm import LammForConditionalGeneration
from lamm_model.processing.coordinates import answer_mapping
from lamm_model.processing.processing_lamm import LammProcessor
from lamm_model.processing.segments import IMAGE
from lamm_model.serving.messages import ChatRequest, RequestError

WORTH_MERGING = 8  # requests of one modality
FIRST, FURTHER = 0.02, 0.1  # seconds that a first request waits for a second one, and several for more


@dataclass(frozen=True)
class Piece:
    """A piece of an answer.

    Attributes:
        text: What has become certain since the last piece.
        finish: Empty, or why the answer ended here: `stop` or `length`.
        prompt_tokens: Tokens of the question, media included.
        completion_tokens: Tokens of the answer so far.
    """

    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int


@dataclass
class _Job:
    request: ChatRequest
    pieces: queue.SimpleQueue[Piece | Exception] = field(default_factory=queue.SimpleQueue)
    abandoned: threading.Event = field(default_factory=threading.Event)


@dataclass
class _Active:
    """A request that is being answered; its modality is empty where adapters are not merged for it."""

    job: _Job
    row: PromptRow
    modality: str
    stops: list[str]
    stream: TextStream
    tokens: int = 0


class ChatEngine:
    """Answers chat requests with one model, at most `batch_size` together; safe to call from many threads."""

    def __init__(self, model: LammForConditionalGeneration, processor: LammProcessor, batch_size: int = 32) -> None:
        self.model = model.eval()
        self.processor = processor
        self.batch_size = batch_size
        self._features = MediaFeatures(model, processor)
        self._merges = can_merge(model)
        self._folder = tempfile.TemporaryDirectory(prefix="lamm-serve-")
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="lamm-model", daemon=True)
        self._thread.start()

    def answer(self, request: ChatRequest) -> Iterator[Piece]:
        """Answer one request, piece by piece; the last has a `finish`. Closing the iterator early ends the answer.

        Raises:
            LammModelError: A medium is unreadable or the dialogue longer than the context.
        """
        job = _Job(request)
        self._jobs.put(job)
        try:
            while True:
                try:
                    piece = job.pieces.get(timeout=1.0)
                except queue.Empty:
                    if self._thread.is_alive():
                        continue
                    raise RequestError(
                        "Expected the model to answer, but it has stopped.", 503, "server_error"
                    ) from None
                if isinstance(piece, Exception):
                    raise piece
                yield piece
                if piece.finish:
                    return
        finally:
            job.abandoned.set()

    def close(self) -> None:
        """Finish what is being answered and stop; requests that still wait are told so."""
        self._jobs.put(None)
        self._thread.join()
        self._folder.cleanup()

    def _work(self) -> None:
        stopping = False
        while not stopping and (first := self._jobs.get()) is not None:
            batch = [first]
            while len(batch) < self.batch_size:
                try:
                    job = self._jobs.get(timeout=FIRST if len(batch) == 1 else FURTHER)
                except queue.Empty:
                    break
                if job is None:
                    stopping = True
                    break
                batch.append(job)
            self._run(batch)

    def _run(self, batch: list[_Job]) -> None:
        active: list[_Active] = []
        for job in batch:
            try:
                active.append(self._prepare(job))
            except LammModelError as fault:  # the client knows nothing of the folder its files lie in here
                folder = re.escape(f"{self._folder.name}/") + r"\w+/"
                job.pieces.put(RequestError(re.sub(folder, "", str(fault))))
        try:
            for modality, items in _portions(active):
                self._answer(modality, items)
        finally:
            for path in Path(self._folder.name).glob("*/*"):
                path.unlink()

    def _answer(self, modality: str, active: list[_Active]) -> None:
        try:
            with merged_adapters(self.model, modality) if modality else nullcontext():
                self._decode(active)
        except RuntimeError as fault:  # out of memory, or a kernel that fails: these requests fail, the server goes on
            for item in active:
                item.job.pieces.put(RequestError(f"Expected an answer, got {fault}.", 500, "server_error"))

    def _prepare(self, job: _Job) -> _Active:
        request = job.request
        folder = Path(self._folder.name)
        media: list[Medium] = [(attachment.kind, attachment.write(folder)) for attachment in request.attachments]
        pictures = [path for kind, path in media if kind == IMAGE]
        context = self.model.config.context_length
        row = self.processor.encode_dialogue(
            request.turns,
            media=[kind for kind, _ in media],
            pictures=pictures,
            task_type=request.task_type,
            system=request.system,
            for_generation=True,
            max_length=context - 1,
            name="this request",
        )
        longest = min(request.max_new_tokens, context - len(row["input_ids"]))
        stops = [*self.processor.stop_strings, *request.stops]
        mapping = answer_mapping(self.processor.image_processor, pictures)
        stream = TextStream(self.processor.decode_answer, stops, mapping)
        prompt, kinds = self._features.prompt_row(row, media, longest), {kind for kind, _ in media} or {"text"}
        modality = kinds.pop() if self._merges and len(kinds) == 1 else ""
        return _Active(job, prompt, modality, stops, stream)

    def _decode(self, active: list[_Active]) -> None:
        def ended(row: int, ids: list[int]) -> bool:
            item = active[row]
            text = self.processor.decode_answer(ids) if item.stops else ""
            return item.job.abandoned.is_set() or any(stop in text for stop in item.stops)

        steps = decode_rows(
            self.model,
            self.processor,
            [item.row for item in active],
            ended=ended,
            choose=_Chooser([item.job.request for item in active], self.model.device),
        )
        for step in steps:
            for new in step:
                item = active[new.row]
                item.tokens += 1
                text = item.stream.add(new.token, last=bool(new.finish))
                if text or new.finish:
                    item.job.pieces.put(Piece(text, new.finish, len(item.row.ids), item.tokens))


def _portions(active: list[_Active]) -> Iterator[tuple[str, list[_Active]]]:
    """Cut a batch: requests of one modality that are enough to merge its adapters for, and all others together."""
    others = []
    for modality in sorted({item.modality for item in active}):
        items = [item for item in active if item.modality == modality]
        if modality and len(items) >= WORTH_MERGING:
            yield modality, items
        else:
            others += items
    if others:
        yield "", others


class _Chooser:
    """Picks tokens as each request asks: the likeliest, or drawn by temperature and `top_p`."""

    def __init__(self, requests: list[ChatRequest], device: torch.device) -> None:
        self._requests = requests
        self._generators = [torch.Generator(device).manual_seed(request.seed) for request in requests]

    def __call__(self, logits: Tensor, rows: list[int]) -> Tensor:
        chosen = logits.argmax(dim=-1)
        for number, row in enumerate(rows):
            request = self._requests[row]
            if request.temperature > 0:
                chosen[number] = draw(logits[number], request.temperature, request.top_p, self._generators[row])
        return chosen


def draw(logits: Tensor, temperature: float, top_p: float, generator: torch.Generator) -> Tensor:
    """Draw a token id, a scalar.

    Args:
        logits: `[V]`.
        temperature: Above 0; higher is flatter.
        top_p: The likeliest tokens that together reach this probability are drawn from; at least one.
        generator: Source of randomness.
    """
    shares, order = (logits.float() / temperature).softmax(dim=-1).sort(descending=True)
    before = shares.cumsum(dim=-1) - shares
    shares = shares.masked_fill((before >= top_p) & (before > 0), 0.0)
    return order[torch.multinomial(shares, 1, generator=generator)[0]]
