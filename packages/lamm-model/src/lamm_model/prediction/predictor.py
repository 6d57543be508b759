"""Answer benchmark files with a LAMM model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import TypeVar

import torch

from lamm_model.answering.decoding import answer_rows
from lamm_model.answering.option_scores import option_log_likelihoods, probabilities
from lamm_model.answering.prompt_state import MediaFeatures, Medium, PrefixMemory, PromptRow
from lamm_model.model.adapters import can_merge, merged_adapters
from lamm_model.model.modeling_lamm import LammForConditionalGeneration
from lamm_model.model.parameter_parts import twin_of
from lamm_model.prediction.journal import Journal
from lamm_model.prediction.queries import Answer, Answers, PredictionOptions, Query, read_queries, shard_queries
from lamm_model.processing.coordinates import answer_to_picture, dialogue_to_input
from lamm_model.processing.processing_lamm import LammProcessor
from lamm_model.processing.segments import IMAGE

ABREAST = 4  # most batches at a time on a CPU: each has a cache of its own
MIXED = "mixed"  # a query with media of both kinds, whose tokens use both adapter sets
Report = Callable[[int, int], None]
Item = TypeVar("Item")


@dataclass
class Reading:
    """A model that answers one batch after another, and what it remembers of the last."""

    model: LammForConditionalGeneration
    memory: PrefixMemory = field(default_factory=PrefixMemory)


@dataclass
class Prepared:
    """A query with its tokens."""

    query: Query
    row: dict[str, list[int]]
    shared: int
    shared_key: object


class Predictor:
    """Answers queries with one LAMM model; features of media are remembered between files.

    On a CPU some batches are answered at the same time, one in each thread. Threads that share every product wait for
    each other hundreds of times a token, and for whatever else the machine does.
    """

    def __init__(
        self, model: LammForConditionalGeneration, processor: LammProcessor, options: PredictionOptions | None = None
    ) -> None:
        self.model = model.eval()
        self.processor = processor
        self.options = options or PredictionOptions()
        self.media = MediaFeatures(model, processor)
        self._loading = Lock()
        self._merge = can_merge(model)

    def answer(self, queries: list[Query]) -> Iterator[list[tuple[Query, Answer]]]:
        """Answer queries in batches of like length; see `Answers`."""
        prepared = [self.prepare(query) for query in queries]
        for modality, group in groupby(sorted(prepared, key=_by_modality), key=_by_modality):
            with ExitStack() as stack:
                if self._merge and modality != MIXED:
                    stack.enter_context(merged_adapters(self.model, modality))
                yield from self._abreast(list(batches(list(group), self.options.batch_size)))

    def _abreast(self, parts: list[list[Prepared]]) -> Iterator[list[tuple[Query, Answer]]]:
        threads = torch.get_num_threads()
        count = min(threads, len(parts), ABREAST) if self.model.device.type == "cpu" else 1
        if count <= 1:
            alone = Reading(self.model)
            for batch in parts:
                yield self._answer_batch(batch, alone)
            return
        free = [Reading(twin_of(self.model)) for _ in range(count)]

        def answered(batch: list[Prepared]) -> list[tuple[Query, Answer]]:
            reading = free.pop()
            try:
                return self._answer_batch(batch, reading)
            finally:
                free.append(reading)

        pool = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(threads // count,))
        try:
            yield from pool.map(answered, parts)
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(threads)

    def _answer_batch(self, batch: list[Prepared], reading: Reading) -> list[tuple[Query, Answer]]:
        rows = [self._prompt_row(item) for item in batch]
        answers: list[Answer] = [{"text": text} for text in self._texts(rows, reading)]
        if self.options.two_pass:
            self._ask_again(batch, answers, reading)
        if self.options.probabilities:
            for item, row, answer in zip(batch, rows, answers, strict=True):
                if item.query.choices:
                    answer["probabilities"] = self._probabilities(item.query, row, reading)
        queries = [item.query for item in batch]
        images = self.processor.image_processor
        for query, answer in zip(queries, answers, strict=True) if images.moves_coordinates else ():
            answer["text"] = answer_to_picture(images, answer["text"], self._pictures(query), query.key)
        return list(zip(queries, answers, strict=True))

    def _texts(self, rows: list[PromptRow], reading: Reading) -> list[str]:
        tokens = answer_rows(reading.model, self.processor, rows, reading.memory)
        return [self.processor.answer_text(ids) for ids in tokens]

    def _ask_again(self, batch: list[Prepared], answers: list[Answer], reading: Reading) -> None:
        """Ask for the option alone, after the first answer, and append what comes."""
        chosen = [number for number, item in enumerate(batch) if item.query.choices and not item.query.labelled]
        if not chosen:
            return
        rows = []
        for number in chosen:
            turns = [{"from": "gpt", "value": answers[number]["text"]}, {"from": "human", "value": "ANSWER:"}]
            rows.append(self._prompt_row(self.prepare(batch[number].query, turns)))
        for number, text in zip(chosen, self._texts(rows, reading), strict=True):
            answers[number]["text"] += f"\nThe answer is {text}"

    def _probabilities(self, query: Query, row: PromptRow, reading: Reading) -> list[float] | dict[str, float]:
        options = [self.processor.answer_ids(choice) for choice in query.choices]
        scores = option_log_likelihoods(reading.model, row, options, self.processor.pad_token_id, reading.memory)
        values = probabilities(scores)
        return dict(zip(query.choices, values, strict=True)) if query.labelled else values

    def prepare(self, query: Query, further: Sequence[dict[str, str]] = ()) -> Prepared:
        """Build a query's tokens, with further turns after its question, and find where its shared beginning ends."""
        name = f"id {query.record_id!r}"
        question = [{"from": "human", "value": query.question}]
        images = self.processor.image_processor
        if images.moves_coordinates:  # of the question alone: what the model answered is in its own square
            question = dialogue_to_input(images, question, self._pictures(query), name)
        row = self.processor.encode_dialogue(
            [*question, *further],
            media=[kind for kind, _ in self._media(query)],
            task_type=query.task_type,
            system=self._system(query),
            modality=query.modality if self.options.blind else None,
            for_generation=True,
            max_length=self.model.config.context_length - query.max_new_tokens,
            name=name,
        )
        if not self._media(query):
            return Prepared(query, row, 0, None)
        shared = self.processor.media_end(row["input_ids"])
        return Prepared(query, row, shared, (tuple(row["input_ids"][:shared]), query.media))

    def _media(self, query: Query) -> tuple[Medium, ...]:
        return () if self.options.blind else query.media

    def _pictures(self, query: Query) -> list[Path]:
        return [path for kind, path in self._media(query) if kind == IMAGE]

    def _system(self, query: Query) -> str | None:
        if self.options.system == "none":
            return ""
        return query.system if self.options.system == "record" else None

    def _prompt_row(self, item: Prepared) -> PromptRow:
        query = item.query
        with self._loading:  # features are remembered for all threads
            row = self.media.prompt_row(item.row, self._media(query), query.max_new_tokens)
        silent = len(item.row["input_ids"]) - len(row.ids)  # placeholders, all of them in the shared beginning
        row.shared, row.shared_key = item.shared - silent, item.shared_key
        return row


def answer_file(
    path: Path, journal: Journal, source: Answers, options: PredictionOptions, report: Report = lambda done, total: None
) -> int:
    """Answer what the journals do not hold yet of this process's share, and write the predictions when all are there.

    Args:
        path: The benchmark.
        journal: Where answers go; not opened yet.
        source: What answers.
        options: Which records and media, and the longest answer.
        report: Called with the number of answered and of all queries.

    Returns:
        How many queries were asked now; 0 when the output was finished before.

    Raises:
        LammModelError: Records are faulty, or a prompt is longer than the model's context.
    """
    if journal.is_finished():
        return 0
    benchmark = read_queries(path, options.media_root, options.limit, options.max_new_tokens, options.blind)
    journal.open()
    try:
        share = shard_queries(benchmark.queries, *journal.shard)
        waiting = [query for query in share if query.key not in journal.answers]
        done = len(share) - len(waiting)
        report(done, len(share))
        for answers in source.answer(waiting):
            journal.add([(query.key, answer) for query, answer in answers])
            done += len(answers)
            report(done, len(share))
        journal.finish(benchmark)
        return len(waiting)
    finally:
        journal.close()


def _by_modality(item: Prepared) -> str:
    kinds = {kind for kind, _ in item.query.media}
    return item.query.modality if len(kinds) <= 1 else MIXED


def batches(items: list[Prepared], size: int) -> Iterator[list[Prepared]]:
    """Cut queries into batches of at most `size`: those with a common beginning together, else longest first.

    A beginning that more than `size` queries share gets batches of its own, so that it is read once for all of them.
    """
    groups: dict[object, list[Prepared]] = {}
    for number, item in enumerate(items):
        groups.setdefault(item.shared_key if item.shared_key is not None else number, []).append(item)
    ordered = sorted(groups.values(), key=lambda group: max(_cost(item) for item in group), reverse=True)
    flat: list[Prepared] = []
    for group in ordered:
        longest_first = sorted(group, key=_cost, reverse=True)
        if len(group) > size:
            yield from cut(longest_first, size)
        else:
            flat += longest_first
    yield from cut(flat, size)


def cut(items: list[Item], size: int) -> Iterator[list[Item]]:
    """Cut a list into parts of `size`, the last of what is left."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _cost(item: Prepared) -> tuple[int, int]:
    return item.query.max_new_tokens, len(item.row["input_ids"])
