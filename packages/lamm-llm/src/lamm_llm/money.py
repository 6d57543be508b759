"""What a run costs and where it has to stop."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from lamm_llm.errors import BudgetReachedError, UsageError


@dataclass(frozen=True)
class Price:
    """US dollars for a million tokens of prompts, and of answers."""

    prompt: float
    answer: float

    def cost(self, prompt_tokens: int, answer_tokens: int) -> float:
        """Return the cost of so many tokens, in US dollars.

        >>> Price(2.0, 8.0).cost(1_000_000, 500_000)
        6.0
        """
        return (prompt_tokens * self.prompt + answer_tokens * self.answer) / 1e6

    def scaled(self, share: float) -> Price:
        """Return a share of the price."""
        return Price(self.prompt * share, self.answer * share)


def find_price(model: str, table: Path | None = None) -> Price | None:
    """Return a model's price; None when the table does not hold the model.

    A dated name such as gpt-4o-2024-08-06 has the price of its longest known beginning.

    Args:
        model: Model name.
        table: A price table of the user's; the packaged one by default.

    Raises:
        UsageError: When the table cannot be read.
    """
    models: dict[str, Price] = _read_table(table)["models"]
    known = [name for name in models if model == name or model.startswith(f"{name}-2")]
    return models[max(known, key=len)] if known else None


def batch_share(table: Path | None = None, default: float = 1.0) -> float:
    """Return what a request costs in a batch, as a share of its price; `default` where the table names none."""
    return float(_read_table(table).get("batch", default))


def _read_table(table: Path | None) -> dict[str, Any]:
    """Read and check a price table."""
    try:
        source = table if table is not None else files("lamm_llm") / "prices.toml"
        values = tomllib.loads(source.read_text(encoding="utf-8"))
        prices = values["models"].items()
        models = {name: Price(float(price["prompt"]), float(price["answer"])) for name, price in prices}
        if wrong := [name for name, price in models.items() if not (price.prompt >= 0 and price.answer >= 0)]:
            raise ValueError(f"a price below 0 for {', '.join(wrong)}")
        return {"models": models, **({"batch": float(values["batch"])} if "batch" in values else {})}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f'Expected a price table with [models] "name" = {{ prompt = 0.1, answer = 0.4 }}, got {table}: {error!r}.'
        ) from error


class Budget:
    """Counts what is spent and stops the run before the next request once a limit is reached.

    Args:
        price: The model's price, or those of several models by name; None when unknown.
        max_cost: US dollars, or None.
        max_requests: Requests sent, repeats included, or None.
        promise: Set aside the most that a request may cost before it is sent, so that the cost limit is never passed;
            otherwise the requests under way when it is reached are still paid.

    Attributes:
        cost: US dollars spent, or None when the price is unknown.
        suspected: US dollars that sendings may have cost whose answer never arrived: they count against the limit, but
            are no known cost.

    Raises:
        UsageError: When a cost limit is set but no price is known.
    """

    def __init__(
        self,
        price: Price | Mapping[str, Price] | None = None,
        max_cost: float | None = None,
        max_requests: int | None = None,
        *,
        promise: bool = False,
    ) -> None:
        if max_cost is not None and price is None:
            raise UsageError(
                "Expected a price for the model because --max-cost is set, found none in the price table. "
                "Add it to a table and pass --prices, or use --max-requests."
            )
        self.price, self.max_cost, self.max_requests = price, max_cost, max_requests
        self.requests = self.prompt_tokens = self.answer_tokens = 0
        self.cost = None if price is None else 0.0
        self.suspected = 0.0
        self._stopped = ""
        self._promises = promise and max_cost is not None
        self._promised, self._under_way = 0.0, 0
        self._settled = asyncio.Event()

    @property
    def gone(self) -> float:
        """US dollars that are or may be spent."""
        return (self.cost or 0.0) + self.suspected

    def dollars(self, prompt_tokens: int, answer_tokens: int, model: str = "") -> float:
        """Return the cost of so many tokens of a model; 0 where the price is unknown."""
        price = self.price.get(model) if isinstance(self.price, Mapping) else self.price
        return price.cost(prompt_tokens, answer_tokens) if price else 0.0

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
        if self.max_cost is not None and self.gone >= self.max_cost:
            raise self._reached()

    async def promise(self, prompt_tokens: int, answer_tokens: int, model: str = "") -> float:
        """Set aside the most that a request can cost; wait for requests under way where they may leave enough.

        Returns:
            The sum, to be given to `settle`.

        Raises:
            BudgetReachedError: The limit would be passed.
        """
        if not self._promises or self.max_cost is None:
            return 0.0
        most = self.dollars(prompt_tokens, answer_tokens, model)
        while self.gone + self._promised + most > self.max_cost:
            if self.gone + most > self.max_cost or not self._under_way:
                raise self._reached()
            self._settled.clear()
            await self._settled.wait()
        self._promised += most
        self._under_way += 1
        return most

    def settle(self, promised: float) -> None:
        """Free what was set aside: what the request did cost has been counted by then."""
        if promised:
            self._promised -= promised
            self._under_way -= 1
            self._settled.set()

    def suspect(self, prompt_tokens: int, answer_tokens: int, model: str = "") -> None:
        """Count what a sending may have cost whose answer never arrived."""
        self.suspected += self.dollars(prompt_tokens, answer_tokens, model)

    def _reached(self) -> BudgetReachedError:
        return BudgetReachedError(f"--max-cost {self.max_cost:g} is reached")

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
        if self.max_cost is not None and self.gone + self.dollars(prompt_tokens, answer_tokens) > self.max_cost:
            raise self._reached()
        self.admit()
        self.spend(prompt_tokens, answer_tokens)

    def spend(self, prompt_tokens: int, answer_tokens: int, model: str = "", share: float = 1.0) -> None:
        """Add what one answer used, and what it cost: a share of the price through the Batch API."""
        if self.cost is not None:
            self.cost += share * self.dollars(prompt_tokens, answer_tokens, model)
        self.prompt_tokens += prompt_tokens
        self.answer_tokens += answer_tokens
