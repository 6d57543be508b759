"""What a run of the GPT Metric is asked to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lamm_metrics.errors import LammMetricsError, UsageError

MODES = ("pairwise", "listwise", "absolute")


class EndpointError(LammMetricsError):
    """The endpoint cannot be used: it is down, or the key, the model or the quota is wrong. The run stops at once."""


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
        media_root: Folder of the records' pictures, which the judge is shown then; None to tell it the truth alone.
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
    media_root: Path | None = None
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
        with client_errors():
            from lamm_llm import check_address

            check_address(self.endpoint)
        if urlsplit(self.endpoint).query:
            raise UsageError(f"Expected an endpoint without query, got one for {self.shown_endpoint}. Leave it out.")

    def __repr__(self) -> str:
        return f"JudgeSettings({self.shown_endpoint}, judges={self.judges}, mode={self.mode})"

    @property
    def shown_endpoint(self) -> str:
        """The URL without a slash at its end, fit for messages and files."""
        return self.endpoint.rstrip("/")


def judge_key(endpoint: str, variable: str | None) -> str:
    """Return the API key for an endpoint: of the named variable, else OpenAI's for OpenAI's own address.

    Raises:
        UsageError: The address is none or carries a secret, or the variable holds no key.
    """
    with client_errors():
        from lamm_llm import find_key

        return find_key(endpoint, variable)


@contextmanager
def client_errors() -> Iterator[None]:
    """Raise the errors of the client, which names its models by `--model`, as the judge's own.

    Raises:
        UsageError: The client is not installed.
    """
    try:
        import lamm_llm
    except ImportError as error:
        raise UsageError('Expected lamm-llm, got none. Install it: pip install "lamm-metrics[gpt]".') from error
    try:
        yield
    except lamm_llm.LammLlmError as error:
        kinds: dict[type, type[LammMetricsError]]
        kinds = {lamm_llm.EndpointError: EndpointError, lamm_llm.UsageError: UsageError}
        own = next((kind for other, kind in kinds.items() if isinstance(error, other)), LammMetricsError)
        raise own(str(error).replace("--model", "--judge")) from error
