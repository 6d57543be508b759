"""One thread that owns the model: requests join the running batch as soon as there is room, and leave it one by one."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from transformers import DynamicCache

from lamm_model.answering.decoding import TextStream, advance
from lamm_model.answering.prompt_state import MediaFeatures, PromptRow, PromptState, can_join, prefill
from lamm_model.errors import LammModelError
from lamm_model.model.modeling_lamm import LammForConditionalGeneration
from lamm_model.processing.coordinates import answer_mapping
from lamm_model.processing.processing_lamm import LammProcessor
from lamm_model.serving.messages import ChatRequest, RequestError
from lamm_model.serving.metrics import Metrics
from lamm_model.serving.reading import Prompt, Reader
from lamm_model.serving.sampling import Sampler, TokenScore

MOST_WAITING = 256  # requests; one more is told to come again
STOPPED = ("Expected the model to answer, but it has stopped.", 503, "server_error")
LOG = logging.getLogger("lamm_model.serving")


@dataclass(frozen=True)
class Piece:
    """A piece of an answer.

    Attributes:
        text: What has become certain since the last piece.
        finish: Empty, or why the answer ended here: `stop` or `length`.
        prompt_tokens: Tokens of the question, media included.
        completion_tokens: Tokens of the answer so far.
        score: How likely the token was, where the request asks for it.
    """

    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int
    score: TokenScore | None = None


Emit = Callable[[Piece | Exception], None]


@dataclass(eq=False)
class Job:
    """One answer that is wanted; `abandoned` may be set from any thread."""

    prompt: Prompt
    choice: int
    emit: Emit
    abandoned: bool = False
    began: float = field(default_factory=time.monotonic)


@dataclass
class _Active:
    """An answer that is being written."""

    job: Job
    question: PromptRow
    sampler: Sampler
    stream: TextStream
    ids: list[int] = field(default_factory=list)
    finish: str = ""

    @property
    def row(self) -> PromptRow:
        """The question with what was answered so far, to be read at once."""
        row, new = self.question, self.ids
        if not new:
            return row
        kinds = [*row.modality_ids, *[row.modality_ids[-1]] * len(new)]
        return PromptRow([*row.ids, *new], kinds, media=row.media, max_new_tokens=row.max_new_tokens)


class ChatEngine:
    """Answers chat requests with one model, at most `batch_size` together; safe to call from many threads.

    Whatever goes wrong with one request ends that request. Only the thread itself ending (`alive`) ends them all.

    Attributes:
        metrics: What was answered so far.
        reader: What reads requests.
    """

    def __init__(self, model: LammForConditionalGeneration, processor: LammProcessor, batch_size: int = 32) -> None:
        self.model = model.eval()
        self.processor = processor
        joins = can_join(DynamicCache(config=model.config.text_config))
        self.batch_size = batch_size if joins else 1
        self.metrics = Metrics()
        self.reader = Reader(processor, model.config.context_length)
        self._features = MediaFeatures(model, processor)
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._open: set[Job] = set()  # every answer that has not ended, wherever it is
        self._waiting: deque[_Active] = deque()
        self._joining: list[_Active] = []
        self._running: list[_Active] = []
        self._state: PromptState | None = None
        self._room = self.batch_size
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="lamm-model", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether answers can still come."""
        return self._thread.is_alive() and not self._closing

    @property
    def load(self) -> tuple[int, int]:
        """How many answers wait, and how many are being written."""
        return self._jobs.qsize() + len(self._waiting), len(self._running)

    def prepare(self, request: ChatRequest, name: str = "") -> Prompt:
        """Read a request, as `Reader.prepare` does; in any thread."""
        return self.reader.prepare(request, name)

    def submit(self, prompt: Prompt, emit: Emit, choice: int = 0) -> Job:
        """Ask for one answer; in any thread.

        Args:
            prompt: What `prepare` returned.
            emit: Called in the model's thread with each piece, the last of which has a `finish`, or with the fault that
                ended the answer.
            choice: Number of the answer, where several are drawn; its seed is the request's and this.

        Raises:
            RequestError: Too many wait, or the thread has ended.
        """
        if self.load[0] >= MOST_WAITING:
            raise RequestError(f"Expected fewer than {MOST_WAITING} waiting requests. Try again.", 503, "overloaded")
        job = Job(prompt, choice, emit)
        with self._lock:
            if self._closing:
                raise RequestError(*STOPPED)
            self._open.add(job)
        self._jobs.put(job)
        return job

    def answer(self, request: ChatRequest) -> Iterator[Piece]:
        """Answer one request, piece by piece; the last has a `finish`. Closing the iterator early ends the answer.

        Raises:
            LammModelError: As `prepare` and `submit`, or the answer failed.
        """
        pieces: queue.SimpleQueue[Piece | Exception] = queue.SimpleQueue()
        job = self.submit(self.prepare(request), pieces.put)
        try:
            while True:
                piece = pieces.get()
                if isinstance(piece, Exception):
                    raise piece
                yield piece
                if piece.finish:
                    return
        finally:
            job.abandoned = True

    def close(self) -> None:
        """Finish what is being answered and stop; requests that still wait are told so."""
        with self._lock:
            self._closing = True
        self._jobs.put(None)
        self._thread.join()
        self.reader.close()

    @torch.inference_mode()
    def _work(self) -> None:
        try:
            while self._running or not self._closing:
                try:
                    self._turn()
                except Exception as fault:
                    LOG.exception("an answering step failed")
                    self._end_running(fault)
        finally:
            self._end_all()

    def _turn(self) -> None:
        """Let in what there is room for, and bring every running answer one token further."""
        self._take_jobs()
        room = self._room - len(self._running)
        self._joining = [self._waiting.popleft() for _ in range(min(room, len(self._waiting)))]
        self._join(self._joining)
        self._joining = []
        if self._state is not None:
            self._step(self._state)

    def _take_jobs(self) -> None:
        idle = not (self._running or self._waiting)
        while not self._closing and (idle or len(self._running) + len(self._waiting) < self._room):
            try:
                job = self._jobs.get(block=idle)
            except queue.Empty:
                return
            idle = False
            if job is not None and job.abandoned:
                self._open.discard(job)
            elif job is not None:
                try:
                    self._waiting.append(self._begin(job))
                except Exception as fault:  # noqa: BLE001 - one request's fault
                    self._fail(job, fault)

    def _begin(self, job: Job) -> _Active:
        prompt, request = job.prompt, job.prompt.request
        self.metrics.waited.observe(time.monotonic() - job.began)
        row = self._features.prompt_row(prompt.row, prompt.media, prompt.longest, prompt.inputs)
        row.shared, row.shared_key = len(row.ids) - 1, prompt.name  # several answers to one prompt read it once
        matcher = prompt.matcher.deep_copy() if prompt.matcher is not None else None
        sampler = Sampler(request, request.seed + job.choice, matcher, self.model.device)
        stops = [*self.processor.stop_strings, *request.stops]
        mapping = answer_mapping(self.processor.image_processor, prompt.pictures)  # type: ignore[arg-type]
        return _Active(job, row, sampler, TextStream(self.processor.decode_answer, stops, mapping))

    def _join(self, items: list[_Active]) -> None:
        """Read prompts and put them into the batch; where they cannot be read together, each by itself."""
        if not items:
            return
        try:
            state = prefill(self.model, [item.row for item in items], self.processor.pad_token_id)
        except Exception as fault:  # noqa: BLE001 - one of them may be the reason
            if len(items) == 1:
                self._fail(items[0].job, fault)
            for item in items if len(items) > 1 else ():
                self._join([item])
            return
        self._running += items
        try:
            if self._state is not None:
                self._state.join(state)
            self._state = self._state or state
        except Exception as fault:  # noqa: BLE001 - too little memory for all of them
            self._begin_again(fault)

    def _begin_again(self, fault: Exception) -> None:
        """Let what is running wait to be read anew, half as much at a time; end it where it is one answer alone."""
        items, self._running, self._state = self._running, [], None
        if len(items) == 1:
            self._fail(items[0].job, fault)
            return
        LOG.warning("%d answers together failed (%s); they go on in smaller batches", len(items), fault)
        self._room = len(items) // 2
        self._waiting.extendleft(reversed(items))

    def _step(self, state: PromptState) -> None:
        state.logits[:, self.model.placeholder_ids()] = -torch.inf
        likeliest = state.logits.argmax(dim=-1).tolist()
        for item, logits, token in zip(self._running, state.logits, likeliest, strict=True):
            try:
                self._take(item, *item.sampler.choose(logits, token))
            except Exception as fault:  # noqa: BLE001 - one request's fault
                item.finish = "error"
                self._fail(item.job, fault)
        staying = [number for number, item in enumerate(self._running) if not item.finish]
        if len(staying) < len(self._running):
            self._running = [self._running[number] for number in staying]
            self._room = min(self.batch_size, self._room + 1)
        if not staying:
            self._state = None
            return
        try:
            if len(staying) < len(likeliest):
                state.select(torch.tensor(staying, device=self.model.device))
                state.trim()
            tokens = torch.tensor([item.ids[-1] for item in self._running], device=self.model.device)
            self._state = advance(self.model, state, tokens)
        except Exception as fault:  # noqa: BLE001 - of all of them together
            self._begin_again(fault)

    def _take(self, item: _Active, token: int, score: TokenScore | None) -> None:
        """Add a token to an answer and hand on what has become certain by it."""
        job, text = item.job, ""
        if job.abandoned:
            item.finish = "abandoned"
            self._open.discard(job)
            self.metrics.answers["abandoned"] += 1
            return
        if token in self.processor.end_token_ids:
            item.finish, text = "stop", item.stream.add(None, last=True)
        else:
            item.ids.append(token)
            text = item.stream.add(token)
            if item.stream.stopped or item.sampler.complete or self.processor.answer_stopped(item.ids):
                item.finish = "stop"
            elif len(item.ids) >= job.prompt.longest:
                item.finish = "length"
            text += item.stream.add(None, last=True) if item.finish else ""
        self.metrics.add(item.finish, len(item.question.ids), len(item.ids), time.monotonic() - job.began)
        if text or item.finish or score:
            self._emit(job, Piece(text, item.finish, len(item.question.ids), len(item.ids), score))

    def _fail(self, job: Job, fault: Exception) -> None:
        if not isinstance(fault, LammModelError):
            LOG.error("request %s failed", job.prompt.name, exc_info=fault)
            fault = RequestError(f"Expected an answer, got {type(fault).__name__}.", 500, "server_error")
        self._emit(job, fault)

    def _emit(self, job: Job, piece: Piece | Exception) -> None:
        if isinstance(piece, Exception) or piece.finish:
            self._open.discard(job)
        try:
            job.emit(piece)
        except RuntimeError:  # nobody listens any more: the loop that asked was closed
            job.abandoned = True

    def _end_running(self, fault: Exception) -> None:
        items, self._running, self._joining, self._state = [*self._running, *self._joining], [], [], None
        for item in items:
            self._fail(item.job, fault)

    def _end_all(self) -> None:
        with self._lock:
            self._closing = True
        for job in list(self._open):
            self._fail(job, RequestError(*STOPPED))
