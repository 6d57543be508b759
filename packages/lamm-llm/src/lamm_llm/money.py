"""What a run costs and where it has to stop."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from lamm_llm.errors import UsageError
from lamm_llm.failures import BudgetReachedError


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

    def scaled(self, share: float) -> Price:
        """Give the same price at a share of it."""
        return Price(self.prompt * share, self.answer * share)


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
    models: dict[str, Price] = _read_table(table)["models"]
    return models.get(model)


def batch_share(table: Path | None = None) -> float:
    """Give what a request costs in a batch, as a share of its price.

    Args:
        table: A price table of the user's; the packaged one by default.

    Returns:
        The table's `batch`, or 1.0 where it names none.
    """
    return float(_read_table(table)["batch"])


def _read_table(table: Path | None) -> dict[str, Any]:
    """Read and check a price table."""
    try:
        source = table if table is not None else files("lamm_llm") / "prices.toml"
        values = tomllib.loads(source.read_text(encoding="utf-8"))
        models = {name: _read_price(price) for name, price in values["models"].items()}
        return {"models": models, "batch": float(values.get("batch", 1.0))}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
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
        self._stopped = ""

    @property
    def cost(self) -> float | None:
        """US dollars spent by this process, or None when the price is unknown."""
        return self.price.cost(self.prompt_tokens, self.answer_tokens) if self.price else None

    def stop(self, why: str) -> None:
        """Let no request pass any more."""
        self._stopped = self._stopped or why

    def check(self) -> None:
        """Tell whether a request may be sent at all.

        Raises:
            BudgetReachedError: When it may not.
        """
        if self._stopped:
            raise BudgetReachedError(self._stopped)
        if self.max_requests is not None and self.requests >= self.max_requests:
            raise BudgetReachedError(f"--max-requests {self.max_requests} is reached")
        if self.max_cost is not None and (self.cost or 0.0) >= self.max_cost:
            raise BudgetReachedError(f"--max-cost {self.max_cost:g} is reached")

    def admit(self) -> None:
        """Count one request that is about to be sent.

        Raises:
            BudgetReachedError: When it may not be sent.
        """
        self.check()
        self.requests += 1

    def admit_whole(self, prompt_tokens: int, answer_tokens: int) -> None:
        """Count one request that cannot be stopped later, as a batch's: it must fit at its longest.

        Raises:
            BudgetReachedError: When it may not be sent.
        """
        most = self.price.cost(prompt_tokens, answer_tokens) if self.price else 0.0
        if self.max_cost is not None and (self.cost or 0.0) + most > self.max_cost:
            raise BudgetReachedError(f"--max-cost {self.max_cost:g} is reached")
        self.admit()
        self.spend(prompt_tokens, answer_tokens)

    def spend(self, prompt_tokens: int, answer_tokens: int) -> None:
        """Add what one answer used."""
        self.prompt_tokens += prompt_tokens
        self.answer_tokens += answer_tokens
