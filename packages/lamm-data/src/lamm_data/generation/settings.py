"""The settings of a generation run, from a TOML file, `--set` and command-line options."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from lamm_data.errors import UsageError
from lamm_data.generation.prompts import Prompt, load_prompt
from lamm_llm import FORMATS, EndpointSettings

_ENDPOINT_KEYS = {
    "url", "api_key_env", "model", "concurrency", "requests_per_minute", "tokens_per_minute", "timeout",
}  # fmt: skip


@dataclass(frozen=True)
class GenerationSettings:
    """What a run does.

    Attributes:
        type: Kind of data, a packaged prompt's name.
        annotations: File or folder of annotation rows.
        output: File of records to write; the journal and the rejections stand beside it.
        model: Model name.
        endpoints: Where to ask.
        prompt: The user's prompt file, laid over the packaged one.
        style: `full`, or `brief` for small models.
        rounds: Rounds of dialogue to ask for.
        examples: In-context examples to keep.
        format: `auto`, `json_schema`, `json_object` or `text`.
        temperature: Sampling temperature.
        max_tokens: Most tokens of one answer.
        seed: Seed of the requests, of drawn questions and of retry jitter.
        limit: Use only so many rows.
        shard: Which part of the rows this process takes, for example `1/2`.
        split: Split of a source's download to read, where the source has several.
        descriptions: TOML or JSON table of encyclopedia texts by class name, for factual knowledge.
        media_prefix: Put before every media path, for example `coco_images/`.
        source: Written as `src_image` (or `src_dataset`) where a row states none.
        attempts: Tries of one request.
        retry_delay: Seconds before the second try of a request; doubled each time, up to 30 s.
        patience: Seconds without any success before a throttling endpoint is given up.
        max_cost: US dollars to spend in this call, at most.
        max_requests: Requests to send in this call, at most.
        prices: The user's price table.
        reask: Ask once more after an unusable answer.
    """

    type: str
    annotations: Path
    output: Path
    model: str
    endpoints: tuple[EndpointSettings, ...]
    prompt: Path | None = None
    style: str = "full"
    rounds: int | None = None
    examples: int | None = None
    format: str = "auto"
    temperature: float | None = None
    max_tokens: int = 1024
    seed: int = 0
    limit: int | None = None
    shard: str = ""
    split: str = ""
    descriptions: Path | None = None
    media_prefix: str = ""
    source: str = ""
    attempts: int = 6
    retry_delay: float = 0.5
    patience: float = 900.0
    max_cost: float | None = None
    max_requests: int | None = None
    prices: Path | None = None
    reask: bool = True


_PATHS = {"annotations", "output", "prompt", "prices", "descriptions"}
_KINDS: dict[str, type | tuple[type, ...]] = {
    "type": str, "style": str, "model": str, "format": str, "media_prefix": str, "source": str,
    "shard": str, "split": str, "rounds": int,
    "examples": int, "max_tokens": int, "seed": int, "limit": int, "attempts": int, "max_requests": int,
    "temperature": (int, float), "retry_delay": (int, float),
    "patience": (int, float), "max_cost": (int, float), "reask": bool,
}  # fmt: skip
_AT_LEAST_ONE = ("rounds", "max_tokens", "attempts")


def read_settings(path: Path) -> dict[str, Any]:
    """Read the values of a TOML configuration.

    Args:
        path: The file; paths in it are relative to its folder.

    Returns:
        Raw values for `make_settings`.

    Raises:
        UsageError: When the file is missing or not TOML.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"Expected a configuration file at {path}, found nothing there.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"Expected TOML in {path}, got: {error}") from error
    return {key: str(path.parent / value) if key in _PATHS else value for key, value in values.items()}


def parse_assignment(text: str) -> tuple[str, Any]:
    """Read one `--set key=value`; the value is TOML, or plain text where it is none.

    >>> parse_assignment("rounds=5"), parse_assignment("model=a/b")
    (('rounds', 5), ('model', 'a/b'))
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"Expected --set key=value, got {text!r}.")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value


def make_settings(values: dict[str, Any]) -> GenerationSettings:
    """Check raw values and build the settings; all faults are named at once.

    Args:
        values: Keys of `GenerationSettings`; for the endpoints either `endpoint` (a URL, with `concurrency`,
            `requests_per_minute`, `tokens_per_minute`, `timeout`, `api_key_env` beside it) or a list `endpoints` of
            tables with `url` and the same keys.

    Returns:
        The settings.

    Raises:
        UsageError: Naming every unknown, missing or wrong value.
    """
    values = {key: value for key, value in values.items() if value is not None}
    shared = {key: values.pop(key) for key in _ENDPOINT_KEYS - {"model", "url"} if key in values}
    tables = values.pop("endpoints", None)
    url = values.pop("endpoint", None)
    if tables is None:
        tables = [{"url": url}] if url else []
    known = {item.name for item in fields(GenerationSettings)}
    faults = [f"unknown key {key!r}" for key in sorted(set(values) - known)]
    faults += [f"missing {key!r}" for key in ("type", "annotations", "output", "model") if key not in values]
    faults += [] if tables else ["missing 'endpoint'"]
    faults += _value_faults(values)
    faults += [fault for table in tables for fault in _endpoint_faults(table)]
    if faults:
        raise UsageError(f"Expected a complete generation configuration, got: {'; '.join(faults)}.")
    values |= {key: Path(values[key]) for key in _PATHS if key in values}
    endpoints = tuple(_endpoint({**shared, **table}) for table in tables)
    return GenerationSettings(**values, endpoints=endpoints)


def settings_prompt(settings: GenerationSettings) -> Prompt:
    """Load the prompt that the settings name."""
    return load_prompt(
        settings.type, settings.prompt, style=settings.style, rounds=settings.rounds, examples=settings.examples
    )


def _value_faults(values: dict[str, Any]) -> list[str]:
    faults = []
    for key, kind in _KINDS.items():
        value = values.get(key)
        wrong = value is not None and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool))
        if wrong:
            faults.append(f"{key!r} has the wrong type ({value!r})")
        elif key in _AT_LEAST_ONE and value is not None and value < 1:
            faults.append(f"{key!r} must be at least 1, not {value}")
    if isinstance(values.get("format"), str) and values["format"] not in ("auto", *FORMATS):
        faults.append(f"'format' must be auto, {', '.join(FORMATS)}, not {values['format']!r}")
    if values.get("style", "full") not in ("full", "brief"):
        faults.append(f"'style' must be full or brief, not {values['style']!r}")
    return faults


def _endpoint_faults(table: Any) -> list[str]:
    if not isinstance(table, dict) or not isinstance(table.get("url"), str):
        return ["an endpoint without 'url'"]
    return [f"unknown key {key!r} in an endpoint" for key in sorted(set(table) - _ENDPOINT_KEYS)]


def _endpoint(table: dict[str, Any]) -> EndpointSettings:
    """Build one endpoint; the key comes from the environment, never from the configuration."""
    named = table.pop("api_key_env", None)
    if named and named not in os.environ:
        raise UsageError(f"Expected an API key in the environment variable {named}, found it unset.")
    key = os.environ.get(named or "OPENAI_API_KEY", "")
    if int(table.get("concurrency", 1)) < 1:
        raise UsageError(f"Expected a concurrency of at least 1, got {table['concurrency']}.")
    return EndpointSettings(key=key.strip(), **table)
