"""What a run would send, estimated without sending anything: the rows are read, the answers are guessed.

Answers are taken to be as long as those in the run's journal, where there are some; a small run made first
(`--max-requests 20`) is the sample that makes the estimate a good one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from lamm_data.generation.input_rows import input_rows
from lamm_data.generation.rows import RowFault
from lamm_data.generation.settings import GenerationSettings, settings_builder
from lamm_data.generation.solving import why_useless
from lamm_llm import FORMATS, batch_share, find_price, read_replies, sibling

_ANSWER_SHARE = 0.5


@dataclass(frozen=True)
class Estimate:
    """A run's size before it is run.

    Attributes:
        rows: Rows read.
        answered: Rows whose first request the journal answers already.
        requests: Requests of the other rows that the prompt can use (corrections come on top).
        unusable: Rows that would be rejected without a request.
        sample: Answers in the journal that the estimate of answer tokens stands on; 0 for a guess.
        prompt_tokens: About so many, at four bytes a token.
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
    builder = settings_builder(settings)
    replies = read_replies(sibling(settings.output, "journal.jsonl"))
    formats: tuple[str, ...] = FORMATS if settings.format == "auto" else (settings.format,)
    formats = formats if replies else formats[:1]
    rows = answered = unusable = prompt_tokens = 0
    for row in input_rows(settings, builder.prompt):
        rows += 1
        if progress is not None:
            progress(1)
        if isinstance(row, RowFault) or why_useless(builder.prompt, row) is not None:
            unusable += 1
            continue
        made = [builder.first(row, name) for name in formats]
        if any(request.key in replies for request in made):
            answered += 1
        else:
            prompt_tokens += made[0].prompt_tokens
    requests = rows - answered - unusable
    counted = [reply for reply in replies.values() if reply.completion_tokens]
    mean = sum(reply.completion_tokens for reply in counted) / len(counted) if counted else None
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
