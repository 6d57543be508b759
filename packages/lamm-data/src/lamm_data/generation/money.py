"""What a run costs and where it has to stop."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from lamm_data.errors import UsageError
from lamm_data.generation.failures import BudgetReachedError


@dataclass(frozen=True)
class Price:
    """US dollars for a million tokens.

    Attributes:
        prompt: Of prompts.
        answer: Of answers.
    """

    prompt: float
    answer: float

    def cost(self, prompt_tokens: int, answer_tokens: int) -> float:
        """Give the cost of so many tokens, in US dollars.

        >>> Price(2.0, 8.0).cost(1_000_000, 500_000)
        6.0
        """
        return (prompt_tokens * self.prompt + answer_tokens * self.answer) / 1e6


def find_price(model: str, table: Path | None = None) -> Price | None:
    """Look a model's price up.

    Args:
        model: Model name.
        table: A price table of the user's; the packaged one by default.

    Returns:
        The price, or None when the table does not hold the model.

    Raises:
        UsageError: When the table cannot be read.
    """
    try:
        source = table if table is not None else files("lamm_data.generation") / "prices.toml"
        models = tomllib.loads(source.read_text(encoding="utf-8"))["models"]
        return _read_price(models[model]) if model in models else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f'Expected a price table with [models] "name" = {{ prompt = 0.1, answer = 0.4 }}, got {table}: {error!r}.'
        ) from error


def _read_price(values: dict[str, Any]) -> Price:
    return Price(float(values["prompt"]), float(values["answer"]))


class Budget:
    """Counts what is spent and stops the run before the next request once a limit is reached.

    Args:
        price: The model's price; None when unknown.
        max_cost: US dollars, or None.
        max_requests: Requests sent, repeats included, or None.

    Raises:
        UsageError: When a cost limit is set but no price is known.
    """

    def __init__(
        self, price: Price | None = None, max_cost: float | None = None, max_requests: int | None = None
    ) -> None:
        if max_cost is not None and price is None:
            raise UsageError(
                "Expected a price for the model because --max-cost is set, found none in the price table. "
                "Add it to a table and pass --prices, or use --max-requests."
            )
        self.price = price
        self.max_cost = max_cost
        self.max_requests = max_requests
        self.requests = 0
        self.prompt_tokens = 0
        self.answer_tokens = 0

    @property
    def cost(self) -> float | None:
        """US dollars spent by this process, or None when the price is unknown."""
        return self.price.cost(self.prompt_tokens, self.answer_tokens) if self.price else None

    def admit(self) -> None:
        """Count one request that is about to be sent.

        Raises:
            BudgetReachedError: When it may not be sent.
        """
        if self.max_requests is not None and self.requests >= self.max_requests:
            raise BudgetReachedError(f"--max-requests {self.max_requests} is reached")
        if self.max_cost is not None and (self.cost or 0.0) >= self.max_cost:
            raise BudgetReachedError(f"--max-cost {self.max_cost:g} is reached")
        self.requests += 1

    def spend(self, prompt_tokens: int, answer_tokens: int) -> None:
        """Add what one answer used."""
        self.prompt_tokens += prompt_tokens
        self.answer_tokens += answer_tokens
