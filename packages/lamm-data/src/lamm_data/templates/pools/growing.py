"""Growing a template pool through a language model: asked from the task's definition, and every answer checked.

After LAMM (arXiv 2306.06687, section B), whose pools were written by a model from a definition of the task. The
published ones taught false facts ("the only one", "a unique texture") and questions that name nothing; here a template
that claims what no annotation says, lacks a placeholder or invents one is refused, and so is one that another
template says already (exact ROUGE-L).
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from lamm_data.errors import LammDataError, UsageError
from lamm_data.files.settings import packaged_toml
from lamm_data.near_duplicates.exact import find_near
from lamm_data.templates.pools.definitions import PoolDefinition, get_definition
from lamm_data.templates.pools.pools import Pool, load_pool, read_pool
from lamm_data.writing.draws import fill
from lamm_llm import (
    Budget,
    BudgetReachedError,
    Endpoint,
    EndpointSettings,
    Engine,
    FormatLadder,
    GaveUpError,
    Journal,
    RefusedError,
    Request,
    RetryPolicy,
    UnsupportedError,
    atomic_text,
    closed_object,
    find_price,
    json_values,
    make_request,
    response_format,
    run_async,
    sibling,
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
    return run_async(lambda: _grow(settings, progress))


async def _grow(settings: GrowthSettings, progress: Callable[[int], None] | None) -> Growth:
    definition = get_definition(settings.name)
    base = read_pool(settings.base) if settings.base else load_pool(settings.name)
    asking = Asking(settings, definition)
    budget = Budget(find_price(settings.model), None, settings.max_requests)
    identity = {"pool": settings.name, "prompt": asking.sha256, "model": settings.model, "seed": settings.seed}
    journal = Journal(sibling(settings.output, "journal.jsonl"), identity)
    endpoint = Endpoint(settings.endpoint)
    engine: Engine[None] = Engine([endpoint], journal, budget, RetryPolicy(), settings.seed)
    growth = Growth(list(base.questions), list(base.answers["full"]), prompt_sha256=asking.sha256)
    try:
        ladder = FormatLadder(asked_before=journal)
        for part, templates, wanted in (
            ("question", growth.questions, settings.questions),
            ("answer", growth.answers, settings.answers),
        ):
            await _grow_part(part, templates, wanted, growth, asking, ladder, engine, progress)
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
    templates: list[str],
    wanted: int,
    growth: Growth,
    asking: Asking,
    ladder: FormatLadder,
    engine: Engine[None],
    progress: Callable[[int], None] | None,
) -> None:
    """Ask until there are as many templates as wanted, or nothing new comes."""
    rng, barren = random.Random(f"{asking.settings.seed}:{part}"), 0
    while len(templates) < wanted and barren < _STALLED:
        build = partial(asking.request, part, rng.sample(templates, min(_SHOWN, len(templates))))
        reply = await ladder.ask(build, partial(engine.ask, endpoint=engine.endpoints[0]), [])
        growth.requests += 1
        texts = listed(reply.answer, cut_off=reply.cut_off)
        new = asking.judge(part, texts, templates, growth.rejected)[: wanted - len(templates)]
        templates += new
        growth.added[part] += len(new)
        barren = 0 if new else barren + 1
        if progress is not None:
            progress(len(new))
    if len(templates) < wanted:
        why = f"{_STALLED} answers in a row brought no new {part} template"
        growth.stopped = f"{growth.stopped}; {why}" if growth.stopped else why


def write_pool(base: Pool, growth: Growth, settings: GrowthSettings) -> None:
    """Write a grown pool as TOML, beside and then renamed."""
    provenance = {
        "model": settings.model,
        "prompt_version": packaged_toml("templates/pools", "growing.toml")["version"],
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


_BULLET = re.compile(
    r"^\s*(?:(?:[-*•]|\(?\d{1,3}[.)])\s+)?(?:(?:question|answer|template)\s*\d*\s*:\s*)?", re.IGNORECASE
)
_STRING = re.compile(r'"((?:[^"\\\n]|\\.)+)"\s*[,\]]')
_BRACED = re.compile(r"\{(\w+)\}")
_ASKED = 15


class Asking:
    """Builds requests for one pool and judges what comes back.

    Attributes:
        sha256: Hash of the prompt, the definition and the placeholders: what the model is told.
    """

    def __init__(self, settings: GrowthSettings, definition: PoolDefinition) -> None:
        self.settings, self.definition = settings, definition
        self.prompt = packaged_toml("templates/pools", "growing.toml")
        self.task = settings.task or definition.task
        instructions = [self.prompt, self.task, self._placeholders("question"), self._placeholders("answer")]
        self.sha256 = hashlib.sha256(json.dumps(instructions, sort_keys=True).encode()).hexdigest()

    def request(self, part: str, examples: list[str], answer_format: str) -> Request:
        """Build the request for more templates of a part beside some examples, in a rung of `FORMATS`."""
        needs = self.definition.question if part == "question" else self.definition.answer
        values = {
            "task": self.task,
            "part": part,
            "placeholders": self._placeholders(part) or "(none)",
            "needs": " or ".join(" and ".join(f"{{{name}}}" for name in sorted(need)) for need in needs)
            or "no placeholder",
            "examples": "\n".join(f"- {text}" for text in examples),
            "count": str(_ASKED),
            "format": self.prompt["text" if answer_format == "text" else "json"],
        }
        messages = [
            {"role": "system", "content": self.prompt["system"].strip()},
            {"role": "user", "content": fill(self.prompt["query"].strip(), values)},
        ]
        payload: dict[str, Any] = {
            "model": self.settings.model,
            "messages": messages,
            "max_tokens": self.settings.max_tokens,
            "temperature": self.settings.temperature,
        }
        schema = closed_object({"templates": {"type": "array", "items": {"type": "string"}}})
        payload |= response_format(answer_format, "templates", schema)
        return make_request(payload, answer_format, self.settings.seed)

    def judge(self, part: str, texts: list[str], templates: list[str], rejected: Counter[str]) -> list[str]:
        """Return the texts that are new templates of a part; the others are counted by reason."""
        fitting = []
        for text in texts or [""]:
            text = self.definition.restored(text) if part == "question" else text
            if fault := self.definition.fault(text, part):
                rejected[fault] += 1
            else:
                fitting.append(text)
        # A placeholder counts as one word, not as a word in two braces.
        plain = [_BRACED.sub(r"\1", text) for text in (*templates, *fitting)]
        same = {
            near.index: "duplicate" if near.similarity == 1 else "near duplicate"
            for near in find_near(plain, self.settings.similarity)
        }
        new = []
        for index, text in enumerate(fitting, len(templates)):
            if index in same:
                rejected[same[index]] += 1
            else:
                new.append(text)
        return new

    def _placeholders(self, part: str) -> str:
        allowed = self.definition.question_values if part == "question" else set(self.definition.values)
        return "\n".join(
            f"{{{name}}}: {self.definition.values[name]}" for name in self.definition.values if name in allowed
        )


def listed(text: str, *, cut_off: bool = False) -> list[str]:
    r"""Read the templates of an answer: a JSON object or list where it is one, else its lines.

    Args:
        text: What the model wrote.
        cut_off: True when the server stopped at its length limit: what may be incomplete is dropped.

    >>> listed('{"templates": ["Where is it?"]}'), listed("1. Where is it?\n- Find it.")
    (['Where is it?'], ['Where is it?', 'Find it.'])
    """
    values, broken = json_values(text)
    lists = (value.get("templates") if isinstance(value, dict) else value for value in values)
    found = [items for value in lists if isinstance(value, list) and (items := _templates(value))]
    if found:
        return found[-1]
    if broken:  # a list that breaks off: its complete strings, but for the key before it
        return _templates(_STRING.findall(text[text.find("[") :]))
    return [] if values else _templates(text.splitlines()[: -1 if cut_off else None])


def _templates(values: list[Any]) -> list[str]:
    """Tidy the strings of a list; those without a word, as in an echoed format, are no templates."""
    texts = (" ".join(_BULLET.sub("", value).split()).strip('"') for value in values if isinstance(value, str))
    return [tidy for tidy in texts if any(map(str.isalnum, tidy))]
