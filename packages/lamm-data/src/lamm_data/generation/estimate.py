"""What a run would send, estimated without sending anything."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from lamm_data.generation.configuration import GenerationSettings, settings_prompt
from lamm_data.generation.money import find_price
from lamm_data.generation.requests import FORMATS, RequestBuilder, Sampling
from lamm_data.generation.rows import RowFault, read_rows

_ANSWER_SHARE = 0.5


@dataclass(frozen=True)
class Estimate:
    """A run's size before it is run.

    Attributes:
        rows: Rows read.
        requests: Requests of rows that the prompt can use (corrections come on top).
        unusable: Rows that would be rejected without a request.
        prompt_tokens: About so many, at four bytes a token.
        answer_tokens: About so many, at half of the longest answer allowed.
        most_answer_tokens: With every answer as long as allowed.
        cost: US dollars for the two estimates together, or None when the price is unknown.
        most_cost: The same with the longest answers.
    """

    rows: int
    requests: int
    unusable: int
    prompt_tokens: int
    answer_tokens: int
    most_answer_tokens: int
    cost: float | None
    most_cost: float | None

    def to_dict(self) -> dict[str, Any]:
        """Give plain values."""
        return asdict(self)


def estimate(settings: GenerationSettings) -> Estimate:
    """Estimate a run.

    Args:
        settings: What would be done.

    Returns:
        The estimate.
    """
    prompt = settings_prompt(settings)
    sampling = Sampling(settings.model, settings.temperature, settings.max_tokens, settings.seed)
    builder = RequestBuilder(prompt, sampling)
    answer_format = FORMATS[0] if settings.format == "auto" else settings.format
    rows = requests = prompt_tokens = 0
    for row in islice(read_rows(settings.annotations), settings.limit):
        rows += 1
        if not isinstance(row, RowFault) and all(getattr(row, name) for name in prompt.needs):
            requests += 1
            prompt_tokens += builder.first(row, answer_format).tokens - settings.max_tokens
    most = requests * settings.max_tokens
    likely = round(most * _ANSWER_SHARE)
    price = find_price(settings.model, settings.prices)
    return Estimate(
        rows,
        requests,
        rows - requests,
        prompt_tokens,
        likely,
        most,
        price.cost(prompt_tokens, likely) if price else None,
        price.cost(prompt_tokens, most) if price else None,
    )
