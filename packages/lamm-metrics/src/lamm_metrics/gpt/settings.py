"""What a run of the GPT Metric is asked to do."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from lamm_metrics.errors import UsageError

MODES = ("pairwise", "listwise", "absolute")


@dataclass(frozen=True, slots=True, repr=False)
class JudgeSettings:
    """How to judge.

    Attributes:
        endpoint: Base URL of an OpenAI-compatible server, usually ending in `/v1`.
        judges: Names of the judging models; empty asks the server, which then has to have exactly one.
        mode: "pairwise", "listwise" or "absolute".
        key: API key; empty for servers without keys. Never written anywhere.
        sample: Judge so many records, drawn with the seed; None for all.
        seed: Seed of the sample, the orders, the judge's own sampling and the bootstrap.
        repeat_share: Share of the records that is judged a second time, for the self-agreement.
        temperature: The judge's temperature.
        max_tokens: Most tokens of one verdict.
        concurrency: Requests at once.
        timeout: Seconds one reply may take.
        retries: Further attempts after a failure that may pass.
        max_cost: Most US dollars that the requests kept in the cache may cost in all; None for no limit.
        prices: A price table in place of the packaged one.
        batch: Use the Batch API for all first requests: half the price, up to a day.
        batch_pause: Seconds between two looks at a batch.
        draws: Bootstrap draws.
        confidence: Coverage of the intervals.
    """

    endpoint: str
    judges: tuple[str, ...] = ()
    mode: str = "pairwise"
    key: str = ""
    sample: int | None = None
    seed: int = 0
    repeat_share: float = 0.1
    temperature: float = 0.0
    max_tokens: int = 512
    concurrency: int = 8
    timeout: float = 120.0
    retries: int = 5
    max_cost: float | None = None
    prices: Path | None = None
    batch: bool = False
    batch_pause: float = 30.0
    draws: int = 1000
    confidence: float = 0.95

    def __post_init__(self) -> None:
        self._check_endpoint()
        if self.mode not in MODES:
            raise UsageError(f"Expected mode to be {', '.join(MODES)}, got {self.mode!r}. Choose one of them.")
        if len(set(self.judges)) < len(self.judges):
            raise UsageError(f"Expected different judges, got {', '.join(self.judges)}. Name each once.")
        limits = {
            "sample": (1, 10**9),
            "repeat_share": (0, 1),
            "temperature": (0, 2),
            "max_tokens": (16, 10**6),
            "concurrency": (1, 512),
            "retries": (0, 100),
            "max_cost": (0, 10**9),
            "draws": (2, 10**7),
            "timeout": (0.1, 10**5),
            "batch_pause": (0, 86400),
            "confidence": (0.5, 0.9999),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise UsageError(f"Expected {name} from {low} to {high}, got {value}.")

    def _check_endpoint(self) -> None:
        parts = urlsplit(self.endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"Expected an endpoint such as http://localhost:8000/v1, got {self.shown_endpoint!r}.")
        if "@" in parts.netloc or parts.query:
            raise UsageError(
                f"Expected an endpoint without user name, password and query, got some for {self.shown_endpoint}. "
                "Put the key into the environment variable that --api-key-env names."
            )

    def __repr__(self) -> str:
        return f"JudgeSettings({self.shown_endpoint}, judges={self.judges}, mode={self.mode})"

    @property
    def shown_endpoint(self) -> str:
        """The URL without user name, password and query, fit for messages and files."""
        parts = urlsplit(self.endpoint)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
