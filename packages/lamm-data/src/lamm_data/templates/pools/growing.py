"""Growing a template pool through a language model: asked from the task's definition, and every answer checked.

After LAMM (arXiv 2306.06687, section B), whose pools were written by a model from a definition of the task. The
published ones taught false facts ("the only one", "a unique texture") and questions that name nothing; here a template
that claims what no annotation says, lacks a placeholder or invents one is refused, and so is one that another
template says already (exact ROUGE-L).
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamm_data.errors import LammDataError, UsageError
from lamm_data.files.whole import atomic_text
from lamm_data.templates.asking import Asking, listed, load_prompt
from lamm_data.templates.pools.definitions import get_definition
from lamm_data.templates.pools.pools import Pool, load_pool, read_pool
from lamm_llm import (
    Budget,
    BudgetReachedError,
    Endpoint,
    EndpointSettings,
    Engine,
    GaveUpError,
    Journal,
    RefusedError,
    RetryPolicy,
    UnsupportedError,
    find_price,
)

_SHOWN, _STALLED = 6, 3


@dataclass(frozen=True)
class GrowthSettings:
    """What `grow_pool` is to do.

    Attributes:
        name: Pool to grow.
        output: TOML file to write.
        model: Model name.
        endpoint: Where to ask.
        questions: Question templates wanted in the end.
        answers: Answer templates wanted in the end.
        base: Pool file to start from; the package's pool when None.
        task: Definition of the task in words; the package's when empty.
        similarity: ROUGE-L from which two templates say the same.
        temperature: Sampling temperature.
        max_tokens: Most tokens of one answer.
        max_requests: Requests to send at most.
        seed: Seed of the shown examples and of the requests.
    """

    name: str
    output: Path
    model: str
    endpoint: EndpointSettings
    questions: int = 40
    answers: int = 30
    base: Path | None = None
    task: str = ""
    similarity: float = 0.85
    temperature: float = 1.0
    max_tokens: int = 1024
    max_requests: int = 40
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.similarity <= 1 or min(self.questions, self.answers, self.max_requests, self.max_tokens) < 1:
            raise UsageError(
                "Expected a similarity above 0 and at most 1 and numbers from 1, got "
                f"{self.similarity}, {self.questions} questions, {self.answers} answers, {self.max_requests} requests."
            )


@dataclass
class Growth:
    """What became of a pool.

    Attributes:
        questions: All question templates, the new ones last.
        answers: All answer templates, the new ones last.
        added: New templates by part.
        rejected: Texts that became no template, by reason.
        requests: Answers read, those of an earlier run included.
        stopped: Why growing ended early; empty when the wanted numbers were reached.
        prompt_sha256: Hash of the prompt, the definition and the placeholders: what the model was told.
    """

    questions: list[str]
    answers: list[str]
    added: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    stopped: str = ""
    prompt_sha256: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Give plain values for JSON."""
        return vars(self) | {"added": dict(self.added), "rejected": dict(self.rejected)}


def grow_pool(settings: GrowthSettings, progress: Callable[[int], None] | None = None) -> Growth:
    """Grow a pool and write it, with what it came from, to a TOML file that `--pools` takes.

    Answers are kept in a journal beside the output, so that the same call again asks for nothing twice.

    Args:
        settings: What to do.
        progress: Called with the number of new templates.

    Returns:
        What became of the pool.

    Raises:
        UsageError: No such pool, or the settings do not fit.
        EndpointError: The endpoint cannot be used.
    """
    return asyncio.run(_grow(settings, progress))


async def _grow(settings: GrowthSettings, progress: Callable[[int], None] | None) -> Growth:
    definition = get_definition(settings.name)
    base = read_pool(settings.base) if settings.base else load_pool(settings.name)
    asking = Asking(settings, definition)
    budget = Budget(find_price(settings.model), None, settings.max_requests)
    identity = {"pool": settings.name, "prompt": asking.sha256, "model": settings.model, "seed": settings.seed}
    journal = Journal(settings.output.with_name(f"{settings.output.stem}.journal.jsonl"), identity)
    endpoint = Endpoint(settings.endpoint)
    engine: Engine[None] = Engine([endpoint], journal, budget, RetryPolicy(), settings.seed)
    growth = Growth(list(base.questions), list(base.answers["full"]), prompt_sha256=asking.sha256)
    try:
        for part, kept, wanted in (
            ("question", growth.questions, settings.questions),
            ("answer", growth.answers, settings.answers),
        ):
            await _grow_part(part, kept, wanted, growth, asking, engine, progress)
    except BudgetReachedError as reached:
        growth.stopped = str(reached)
    except (GaveUpError, RefusedError, UnsupportedError) as failure:
        raise LammDataError(
            f"Expected templates from {settings.endpoint.shown_url}, got none: {endpoint.hide_key(str(failure))}. "
            "Answers so far are kept: run the same command again."
        ) from failure
    finally:
        journal.close()
        await endpoint.close()
    write_pool(base, growth, settings)
    return growth


async def _grow_part(
    part: str,
    kept: list[str],
    wanted: int,
    growth: Growth,
    asking: Asking,
    engine: Engine[None],
    progress: Callable[[int], None] | None,
) -> None:
    """Ask until there are as many templates as wanted, or nothing new comes."""
    rng, barren = random.Random(f"{asking.settings.seed}:{part}"), 0
    while len(kept) < wanted and barren < _STALLED:
        request = asking.request(part, rng.sample(kept, min(_SHOWN, len(kept))))
        try:
            reply = await engine.ask(request, engine.endpoints[0])
        except UnsupportedError:
            if not asking.as_json:
                raise
            asking.as_json = False
            continue
        growth.requests += 1
        new = asking.judge(part, listed(reply.text, cut_off=reply.finish == "length"), kept, growth.rejected)[
            : wanted - len(kept)
        ]
        kept += new
        growth.added[part] += len(new)
        barren = 0 if new else barren + 1
        if progress is not None:
            progress(len(new))
    if len(kept) < wanted:
        why = f"{_STALLED} answers in a row brought no new {part} template"
        growth.stopped = f"{growth.stopped}; {why}" if growth.stopped else why


def write_pool(base: Pool, growth: Growth, settings: GrowthSettings) -> None:
    """Write a grown pool as TOML, beside and then renamed."""
    provenance = {
        "model": settings.model,
        "prompt_version": load_prompt()["version"],
        "prompt_sha256": growth.prompt_sha256,
        "seed": settings.seed,
        "temperature": settings.temperature,
        "similarity": settings.similarity,
        "requests": growth.requests,
        "new_questions": growth.added["question"],
        "new_answers": growth.added["answer"],
        "rejected": sum(growth.rejected.values()),
    }
    lists = {"questions": growth.questions, "answers": growth.answers}
    lists |= {style: list(base.answers[style]) for style in ("short", "plain")}
    with atomic_text(settings.output) as file:
        file.write(f"# Templates of {settings.name}; the new ones stand last. Read them before you use them.\n")
        for name, texts in lists.items():
            # A JSON string is a TOML basic string, too.
            rows = "".join(f"  {json.dumps(text, ensure_ascii=False)},\n" for text in texts)
            file.write(f"{name} = [\n{rows}]\n")
        file.write("\n[provenance]\n")
        for name, value in provenance.items():
            file.write(f"{name} = {json.dumps(value)}\n")
