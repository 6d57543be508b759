"""What can go wrong between the judge and its server."""

from collections.abc import Iterator
from contextlib import contextmanager

from lamm_metrics.errors import LammMetricsError, UsageError


class EndpointError(LammMetricsError):
    """The endpoint cannot be used: it is down, or the key, the model or the quota is wrong. The run stops at once."""


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
