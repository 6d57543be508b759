"""The settings of a generation run, from a TOML file, `--set` and command-line options; its prompt and its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from lamm_data.errors import UsageError
from lamm_data.files.json_lines import load_json
from lamm_data.files.settings import check_values, load_toml, nearest, parse_part
from lamm_data.generation.input_rows import read_rows, split_row
from lamm_data.generation.prompts import Prompt, load_prompt
from lamm_data.generation.request_builder import RequestBuilder, Sampling
from lamm_data.generation.rows import Row, RowFault
from lamm_llm import EndpointSettings, find_key

_ENDPOINT_KEYS = {field.name for field in fields(EndpointSettings)} - {"key"} | {"api_key_env"}


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
        see: `image` to send the picture, `views` to ask first what views of the cloud show; empty to send text only.
        see_only: Tell nothing of the annotations; show the picture or the views alone.
        media_root: Folder of the pictures and clouds; by default that of the annotations.
        picture_size: Longest side of a picture as it is sent, in pixels; 1024 by default, 512 for views.
        views: Views of a cloud, 1 to 8.
    """

    type: str
    annotations: Path
    output: Path
    model: str
    endpoints: tuple[EndpointSettings, ...]
    prompt: Path | None = None
    style: Literal["full", "brief"] = "full"
    rounds: int | None = None
    examples: int | None = None
    format: Literal["auto", "json_schema", "json_object", "text"] = "auto"
    temperature: int | float | None = None
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
    see: Literal["", "image", "views"] = ""
    see_only: bool = False
    media_root: Path | None = None
    picture_size: int | None = None
    views: int = 4


_PATHS = {"annotations", "output", "prompt", "prices", "descriptions", "media_root"}
_AT_LEAST = {"rounds": 1, "max_tokens": 1, "attempts": 1, "picture_size": 64, "views": 1}


def read_settings(path: Path) -> dict[str, Any]:
    """Read the values of a TOML configuration.

    Args:
        path: The file; paths in it are relative to its folder.

    Returns:
        Raw values for `make_settings`.

    Raises:
        UsageError: When the file is missing or not TOML.
    """
    values = load_toml(path)
    return {
        key: str(path.parent / value) if key in _PATHS and isinstance(value, str) else value
        for key, value in values.items()
    }


def make_settings(values: dict[str, Any], path: Path | None = None) -> GenerationSettings:
    """Check raw values and build the settings; all faults are named at once.

    Args:
        values: Keys of `GenerationSettings`; for the endpoints either `endpoint` (a URL, with `concurrency`,
            `requests_per_minute`, `tokens_per_minute`, `timeout`, `api_key_env` beside it) or a list `endpoints` of
            tables with `url` and the same keys.
        path: The file that holds them, for messages.

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
    checked, faults, _ = check_values(values, GenerationSettings, least=0)
    faults += [f"missing {key!r}" for key in ("type", "annotations", "output", "model") if key not in values]
    faults += [] if tables else ["missing 'endpoint'"]
    faults += [
        f"{key!r} must be at least {least}, not {checked[key]}"
        for key, least in _AT_LEAST.items()
        if checked.get(key, least) < least
    ]
    faults += [f"'views' must be at most 8, not {checked['views']}"] if checked.get("views", 1) > 8 else []
    faults += ["'see_only' without 'see'"] if checked.get("see_only") and not checked.get("see") else []
    faults += [fault for table in tables for fault in _endpoint_faults(table)]
    if faults:
        where = f" in {path}" if path else ""
        raise UsageError(f"Expected a complete generation configuration{where}, got: {'; '.join(faults)}.")
    endpoints = tuple(_endpoint({**shared, **table}) for table in tables)
    return GenerationSettings(**checked, endpoints=endpoints)


def settings_builder(settings: GenerationSettings) -> RequestBuilder:
    """Load the prompt that the settings name, and return what builds its requests."""
    prompt = load_prompt(
        settings.type,
        settings.prompt,
        style=settings.style,
        rounds=settings.rounds,
        examples=settings.examples,
        seeing=settings.see == "image",
    )
    if settings.see == "views" and prompt.modality == "image":
        raise UsageError(f"Expected a type about point clouds for --see views, got {settings.type}. Use --see image.")
    return RequestBuilder(prompt, Sampling(settings.model, settings.temperature, settings.max_tokens, settings.seed))


def input_rows(settings: GenerationSettings, prompt: Prompt) -> Iterator[Row | RowFault]:
    """Read the rows a run works on.

    Args:
        settings: Where the rows are, and which of them to use.
        prompt: The prompt: one that asks for wrong options makes a row of every question.

    Yields:
        Rows and faults in input order; the same ones for the same settings.

    Raises:
        UsageError: When the input, the shard or the table of descriptions is unusable.
        SourceError: When a source file is damaged.
    """
    number, shards = parse_part(settings.shard, "shard")
    texts = _read_descriptions(settings.descriptions) if settings.descriptions else {}
    rows = islice(_parts(settings, prompt, texts), settings.limit)
    return islice(rows, number, None, shards)


def _read_descriptions(path: Path) -> dict[str, str]:
    """Read encyclopedia texts by class name, from TOML or JSON."""
    values: Any = load_toml(path) if path.suffix == ".toml" else load_json(path)
    if not isinstance(values, dict) or not all(isinstance(text, str) for text in values.values()):
        raise UsageError(f"Expected a table of class names and texts in {path}, got something else.")
    return {name: " ".join(text.split()) for name, text in values.items()}


def _parts(settings: GenerationSettings, prompt: Prompt, texts: Mapping[str, str]) -> Iterator[Row | RowFault]:
    for row in read_rows(settings.annotations, settings.split):
        if isinstance(row, Row) and texts.get(row.label):
            row = replace(row, description=texts[row.label])
        if isinstance(row, Row) and prompt.answer == "options":
            yield from split_row(row)
        else:
            yield row


def _endpoint_faults(table: Any) -> list[str]:
    if not isinstance(table, dict) or not isinstance(table.get("url"), str):
        return ["an endpoint without 'url'"]
    unknown = sorted(set(table) - _ENDPOINT_KEYS)
    return [f"unknown key {key!r} in an endpoint{nearest(key, _ENDPOINT_KEYS)}" for key in unknown]


def _endpoint(table: dict[str, Any]) -> EndpointSettings:
    """Build one endpoint; the key comes from the environment, never from the configuration."""
    key = find_key(table["url"], table.pop("api_key_env", None))
    return EndpointSettings(key=key, **table)
