"""What requests cost: a table that anybody can edit, estimates before sending, and a limit that holds."""

import json
import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from threading import Condition
from typing import Any, NamedTuple

from lamm_metrics.errors import UsageError
from lamm_metrics.gpt.cache import Reply, Sending
from lamm_metrics.gpt.failures import NotSentError
from lamm_metrics.records.files import is_number

# English text has about four bytes a token; three is a cautious guess for text with numbers.
BYTES_PER_TOKEN = 3
# Tokens of a typical verdict, for the lower of the two estimates.
TYPICAL_ANSWER = 120
# Share of the price that the Batch API costs.
BATCH_SHARE = 0.5


class Price(NamedTuple):
    """US dollars for a million tokens."""

    prompt: float
    answer: float

    def of(self, prompt_tokens: float, answer_tokens: float) -> float:
        """US dollars for so many tokens."""
        return (self.prompt * prompt_tokens + self.answer * answer_tokens) / 1e6


def read_prices(path: Path | None = None) -> dict[str, Price]:
    """Read a price table, the packaged one by default.

    Raises:
        UsageError: The file is no price table.
    """
    table = path or files("lamm_metrics.gpt").joinpath("data/prices.toml")
    try:
        values = tomllib.loads(table.read_text(encoding="utf-8"))
        found = {str(name): Price(row["prompt"], row["answer"]) for name, row in values["models"].items()}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"Expected a table of prices such as the packaged one, got {table}: {error!r}.") from error
    wrong = [name for name, price in found.items() if not all(is_number(value) and value >= 0 for value in price)]
    if wrong:
        raise UsageError(f"Expected prices of at least 0, got others for {', '.join(wrong)} ({table}).")
    return found


def price_of(prices: Mapping[str, Price], model: str) -> Price | None:
    """The price of a model; a dated name such as gpt-4o-2024-08-06 has that of its longest known beginning.

    >>> price_of({"gpt-4o": Price(1, 2)}, "gpt-4o-2024-08-06")
    Price(prompt=1, answer=2)
    """
    known = [name for name in prices if model == name or model.startswith(f"{name}-2")]
    return prices[max(known, key=len)] if known else None


def estimate_tokens(payload: Mapping[str, Any]) -> int:
    """A cautious guess at the tokens of a request, from its size in bytes."""
    return len(json.dumps(payload, ensure_ascii=False).encode("utf-8")) // BYTES_PER_TOKEN + 8


class Budget:
    """Money spent and promised.

    Args:
        prices: Price table.
        most: Most US dollars, None for no limit.
        paid: The asked model and the reply of every request answered before.
        unknown: Earlier sendings that may have been billed although their answer never arrived.
    """

    def __init__(
        self,
        prices: Mapping[str, Price],
        most: float | None,
        paid: Iterable[tuple[str, Reply]] = (),
        unknown: Iterable[Sending] = (),
    ) -> None:
        self.prices = prices
        self.most = most
        self._changed = Condition()
        self._promised = 0.0
        self._under_way = 0
        self.earlier = sum(self.cost(model, reply) or 0.0 for model, reply in paid)
        self.spent = self.earlier
        # What sendings of unknown outcome may have cost: it counts against the limit, but is no known cost.
        self.suspected = 0.0
        for sending in unknown:
            self.suspect(sending)

    @property
    def gone(self) -> float:
        """US dollars that are or may be spent."""
        return self.spent + self.suspected

    @property
    def holds(self) -> bool:
        """Whether everything that is, may be or is promised to be spent is within the limit."""
        return self.most is None or self.gone + self._promised <= self.most

    def cost(self, model: str, reply: Reply) -> float | None:
        """US dollars of a reply; None where the price is unknown."""
        price = price_of(self.prices, model)
        return None if price is None else reply.share * price.of(reply.prompt_tokens, reply.answer_tokens)

    def suspect(self, sending: Sending) -> None:
        """Count what a sending may have cost whose answer never arrived."""
        price = price_of(self.prices, sending.model)
        if price is not None:
            with self._changed:
                self.suspected += price.of(sending.prompt_tokens, sending.answer_tokens)

    def charge(self, model: str, reply: Reply) -> None:
        """Count a reply for which nothing was set aside."""
        with self._changed:
            self.spent += self.cost(model, reply) or 0.0

    def promise(self, model: str, payload: Mapping[str, Any]) -> float:
        """Set aside the most that a request can cost; wait for requests under way where they may leave enough.

        Returns:
            The sum, to be given to `settle`.

        Raises:
            NotSentError: The limit would be passed.
        """
        price = price_of(self.prices, model)
        most = 0.0 if price is None else price.of(estimate_tokens(payload), payload["max_tokens"])
        with self._changed:
            while self.most is not None and self.gone + self._promised + most > self.most:
                if self.gone + most > self.most or not self._under_way:
                    raise NotSentError("max_cost")
                self._changed.wait()
            self._promised += most
            self._under_way += 1
        return most

    def settle(self, promised: float, model: str, reply: Reply | None) -> None:
        """Replace what was set aside by what the reply cost; nothing where there is none."""
        with self._changed:
            self._promised -= promised
            self._under_way -= 1
            if reply is not None:
                self.spent += self.cost(model, reply) or 0.0
            self._changed.notify_all()
