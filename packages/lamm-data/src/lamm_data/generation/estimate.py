"""What a run would send, estimated without sending anything: the rows are read, the answers are guessed.

Answers are taken to be as long as those in the run's journal, where there are some; a small run made first
(`--max-requests 20`) is the sample that makes the estimate a good one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from lamm_data.generation.rows import Row, RowFault
from lamm_data.generation.run import solver_of
from lamm_data.generation.settings import GenerationSettings, input_rows, settings_builder
from lamm_data.generation.solving import Solver
from lamm_llm import (
    FormatLadder,
    Reply,
    Request,
    WaitingError,
    batch_share,
    find_price,
    read_replies,
    run_async,
    sibling,
)

_ANSWER_SHARE = 0.5


@dataclass(frozen=True)
class Estimate:
    """A run's size before it is run.

    Attributes:
        rows: Rows read.
        answered: Rows for which the journal holds all answers.
        requests: Requests of the other rows that the prompt can use (corrections come on top): one, or with views one
            for each view and one.
        unusable: Rows that would be rejected without a request.
        sample: Answers in the journal that the estimate of answer tokens stands on; 0 for a guess.
        prompt_tokens: About so many, at four bytes a token and 750 pixels a token; with pictures, at the mean that the
            server counted for the sample.
        answer_tokens: About so many: the sample's mean for each request, or half of the longest answer allowed.
        most_answer_tokens: With every answer as long as allowed.
        cost: US dollars for the two estimates together, or None when the price is unknown.
        most_cost: The same with the longest answers.
        batch_cost: `cost` by way of the Batch API.
    """

    rows: int
    answered: int
    requests: int
    unusable: int
    sample: int
    prompt_tokens: int
    answer_tokens: int
    most_answer_tokens: int
    cost: float | None
    most_cost: float | None
    batch_cost: float | None

    def to_dict(self) -> dict[str, Any]:
        """Give plain values."""
        return asdict(self)


def estimate(settings: GenerationSettings, progress: Callable[[int], None] | None = None) -> Estimate:
    """Estimate a run.

    Args:
        settings: What would be done.
        progress: Called with the number of rows read.

    Returns:
        The estimate.

    Raises:
        UsageError: When the settings, the prompt or the rows cannot be used.
    """
    return run_async(lambda: _estimate(settings, progress))


async def _estimate(settings: GenerationSettings, progress: Callable[[int], None] | None) -> Estimate:
    builder = settings_builder(settings)
    replies = read_replies(sibling(settings.output, "journal.jsonl"))
    solver = solver_of(settings, builder, FormatLadder(settings.format, replies))
    rows = answered = unusable = requests = prompt_tokens = 0
    for row in input_rows(settings, builder.prompt):
        rows += 1
        if progress is not None:
            progress(1)
        missing = None if isinstance(row, RowFault) else await _missing(solver, row, replies)
        if missing is None or isinstance(row, RowFault):
            unusable += 1
            continue
        answered += not missing
        if missing and settings.see == "views" and _has_pictures(missing[0]):
            missing.append(builder.first(row, missing[0].format))  # it follows what the views will say
        requests += len(missing)
        prompt_tokens += sum(request.prompt_tokens for request in missing)
    counted = [reply for reply in replies.values() if reply.completion_tokens]
    mean = sum(reply.completion_tokens for reply in counted) / len(counted) if counted else None
    if counted and settings.see:  # servers count pictures in many ways
        prompt_tokens = round(requests * sum(reply.prompt_tokens for reply in counted) / len(counted))
    likely = round(requests * (settings.max_tokens * _ANSWER_SHARE if mean is None else mean))
    price, most = find_price(settings.model, settings.prices), requests * settings.max_tokens
    cost = price.cost(prompt_tokens, likely) if price else None
    return Estimate(
        rows,
        answered,
        requests,
        unusable,
        len(counted),
        prompt_tokens,
        likely,
        most,
        cost,
        price.cost(prompt_tokens, most) if price else None,
        cost * batch_share(settings.prices) if cost is not None else None,
    )


async def _missing(solver: Solver, row: Row, replies: Mapping[str, Reply]) -> list[Request] | None:
    """Return what would be asked next for a row, as far as it is known; None for a row that cannot be used."""
    missing = list[Request]()

    async def look_up(request: Request) -> Reply:
        if request.key not in replies:
            missing.append(request)
            raise WaitingError
        return replies[request.key]

    with suppress(WaitingError):
        if not (await solver.solve(row, look_up)).requests:
            return None
    return missing


def _has_pictures(request: Request) -> bool:
    return isinstance(request.payload["messages"][-1]["content"], list)
