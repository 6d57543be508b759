"""Ask language models: journalled, limited, priced, batched; with text and pictures.

Importing this package is cheap; the `openai` SDK is loaded when an endpoint is opened.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamm_llm.addresses import check_address, find_key, shown_address
    from lamm_llm.batch_server import ENDED, BatchServer, BatchView
    from lamm_llm.batch_state import (
        BATCHES,
        Batch,
        BatchState,
        Outbox,
        refuse_open_batches,
        request_line,
    )
    from lamm_llm.endpoint import Endpoint, EndpointSettings
    from lamm_llm.engine import Engine, RetryPolicy, Traffic, run_async
    from lamm_llm.errors import (
        BudgetReachedError,
        EndpointError,
        ErrorReplyError,
        GaveUpError,
        InUseError,
        LammLlmError,
        RefusedError,
        ThrottledError,
        TransientError,
        UnsupportedError,
        UsageError,
        WaitingError,
        parse_duration,
    )
    from lamm_llm.files import (
        atomic_bytes,
        atomic_path,
        atomic_text,
        disk_faults,
        dumps,
        loads,
        open_line,
        refuse_folder,
        seal_line,
        sibling,
        sole_use,
        write_whole,
        writes_alone,
    )
    from lamm_llm.journal import Journal, Sending, read_replies
    from lamm_llm.limits import Budget, Gate, Price, Rate, batch_share, find_price
    from lamm_llm.replies import Reply, json_values, read_reply, without_thinking
    from lamm_llm.requests import (
        FORMATS,
        FormatLadder,
        Request,
        RequestMould,
        closed_object,
        image_part,
        make_request,
        response_format,
        user_message,
    )

_HOMES = {
    "addresses": "check_address find_key shown_address",
    "batch_server": "ENDED BatchServer BatchView",
    "batch_state": "BATCHES Batch BatchState Outbox refuse_open_batches request_line",
    "endpoint": "Endpoint EndpointSettings",
    "engine": "Engine RetryPolicy Traffic run_async",
    "errors": (
        "BudgetReachedError EndpointError ErrorReplyError GaveUpError InUseError LammLlmError RefusedError "
        "ThrottledError TransientError UnsupportedError UsageError WaitingError parse_duration"
    ),
    "files": (
        "atomic_bytes atomic_path atomic_text disk_faults dumps loads open_line refuse_folder seal_line sibling "
        "sole_use write_whole writes_alone"
    ),
    "journal": "Journal Sending read_replies",
    "limits": "Budget Gate Price Rate batch_share find_price",
    "replies": "Reply json_values read_reply without_thinking",
    "requests": (
        "FORMATS FormatLadder Request RequestMould closed_object image_part make_request response_format user_message"
    ),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = [
    "BATCHES", "ENDED", "FORMATS", "Batch", "BatchServer", "BatchState", "BatchView", "Budget", "BudgetReachedError",
    "Endpoint", "EndpointError", "EndpointSettings", "Engine", "ErrorReplyError", "FormatLadder", "Gate",
    "GaveUpError", "InUseError", "Journal", "LammLlmError", "Outbox", "Price", "Rate", "RefusedError", "Reply",
    "Request", "RequestMould", "RetryPolicy", "Sending", "ThrottledError", "Traffic", "TransientError",
    "UnsupportedError", "UsageError", "WaitingError", "atomic_bytes", "atomic_path", "atomic_text", "batch_share",
    "check_address", "closed_object", "disk_faults", "dumps", "find_key", "find_price", "image_part", "json_values",
    "loads", "make_request", "open_line", "parse_duration", "read_replies", "read_reply", "refuse_folder",
    "refuse_open_batches", "request_line", "response_format", "run_async", "seal_line", "shown_address", "sibling",
    "sole_use", "user_message", "without_thinking", "write_whole", "writes_alone",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module 'lamm_llm' has no attribute {name!r}")
    value = getattr(import_module(f"lamm_llm.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
