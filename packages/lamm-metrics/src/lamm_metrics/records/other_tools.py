"""Files of other tools: the keys under which they write ids and answers, and what converts those that are not read."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lamm_metrics.errors import LammMetricsError

IDS = ("id", "question_id", "doc_id", "custom_id", "index")
"""Keys of an id, of which a file without `id` has one."""
TEXTS = ("text", "answer", "response", "prediction", "output", "filtered_resps", "resps")
"""Keys of an answer, of which a file without `text` has one."""


RANKED = "answer_top10"
"""ScanQA's key of several answers, the best first, in submissions to its benchmark."""


class Keys(NamedTuple):
    """The keys of an id and of an answer in one file; none of an answer where only structured answers are there."""

    id: str
    text: str | None


TOOLS: Mapping[str, Sequence[Keys]] = {
    "lmms-eval": (Keys("doc_id", "filtered_resps"), Keys("doc_id", "resps")),
    "the Batch API": (Keys("custom_id", "response"),),
    "VLMEvalKit": (Keys("index", "prediction"),),
    "LLaVA": (Keys("question_id", "text"),),
    "ScanQA": (Keys("question_id", RANKED),),
    "Video-3D-LLM": (Keys("sample_id", "pred_response"),),
    "Chat-Scene": (Keys("qid", "pred"),),
    "MMScan": (Keys("ID", "pred"),),
    "MSR3D": (Keys("index", "response_pred"),),
}
"""Whose file has several known keys, such as the true `answer` of VLMEvalKit beside its `prediction`."""


class _Foreign(NamedTuple):
    """A kind of file that is not read.

    Attributes:
        name: What it is.
        endings: Endings of such names.
        start: Its first bytes, empty where only the name tells.
        command: What converts it; `{path}` is the file and `{name}` its name without the ending.
    """

    name: str
    endings: tuple[str, ...]
    start: bytes
    command: str


_PICKLE = "python -c \"import pandas; pandas.Series(pandas.read_pickle('{path}')).to_json('{name}.json')\""
_ARROW = "python -c \"import pyarrow.feather as f; f.read_feather('{path}').to_parquet('{name}.parquet')\""
_DATASET = "python -c \"import datasets; datasets.load_from_disk('{path}').to_json('{name}.jsonl')\""
_SHELF = (
    _Foreign("a log of inspect_ai", (".eval",), b"", "inspect log dump {path} > {name}.json"),
    _Foreign("a pickle, which may run anything (convert only your own)", (".pkl", ".pickle"), b"\x80", _PICKLE),
    _Foreign("a workbook of Excel 97", (".xls",), b"\xd0\xcf\x11\xe0", "libreoffice --convert-to xlsx {path}"),
    _Foreign("an Arrow or Feather file", (".arrow", ".feather"), b"ARROW1", _ARROW),
    _Foreign("a zip archive", (".zip",), b"PK\x03\x04", "unzip {path}"),
    _Foreign("a Zstandard file", (".zst", ".zstd"), b"\x28\xb5\x2f\xfd", "zstd -d {path}"),
    _Foreign("an xz file", (".xz",), b"\xfd7zXZ", "unxz {path}"),
    _Foreign("a bzip2 file", (".bz2",), b"BZh", "bunzip2 {path}"),
)


def refuse_foreign(path: Path, start: bytes, name: str) -> None:
    """Refuse a file of a kind that is not read.

    Raises:
        LammMetricsError: It is one, naming its kind and the command that converts it.
    """
    if path.is_dir():
        found: _Foreign | None = _Foreign("a folder of `datasets`", (), b"", _DATASET)
        if not (path / "dataset_info.json").is_file():
            raise LammMetricsError(f"Expected a file, got a folder ({path}). Name the file in it.")
    else:
        found = next((one for one in _SHELF if path.name.lower().endswith(one.endings)), None)
        found = found or next((one for one in _SHELF if one.start and start.startswith(one.start)), None)
    if found is not None:
        command = found.command.format(path=path, name=name)
        raise LammMetricsError(
            f"Expected JSON Lines, JSON, CSV, TSV, Parquet or xlsx, got {found.name} ({path}). Convert it: {command}."
        )


def records_of_object(found: Mapping[str, Any]) -> list[Any] | None:
    """Return the records that a single JSON object holds: a log's samples, or records or answers by id; else None.

    >>> records_of_object({"18_01": "yes", "18_02": "no"})
    [{'id': '18_01', 'text': 'yes'}, {'id': '18_02', 'text': 'no'}]
    """
    for key in ("samples", "logs"):  # of inspect_ai, of lmms-eval
        listed = found.get(key)
        if isinstance(listed, list) and all(isinstance(item, dict) for item in listed):
            about = found.get("eval")
            model = about.get("model") if isinstance(about, dict) else None
            return [*([{"lamm": "predictions", "model": model}] if isinstance(model, str) else []), *listed]
    if not found or "lamm" in found or not found.keys().isdisjoint({*IDS, *TEXTS}):
        return None
    if all(isinstance(value, Mapping) for value in found.values()):
        return [{"id": key, **value} for key, value in found.items()]
    if all(isinstance(value, str) for value in found.values()):
        return [{"id": key, "text": value} for key, value in found.items()]
    return None


def text_of(value: Any) -> Any:
    """Return the answer in what a tool wrote under its key: a text, a list of one, or a reply of a chat endpoint.

    Raises:
        ValueError: It holds no text, or several; says what was expected.

    >>> text_of([["Two cats."]]), text_of({"body": {"choices": [{"message": {"content": "Two cats."}}]}})
    ('Two cats.', 'Two cats.')
    """
    if isinstance(value, list):
        if len(value) != 1:
            raise ValueError(f"expected one answer, got a list of {len(value)}")
        return text_of(value[0])
    if isinstance(value, dict) and not all(isinstance(item, str) for item in value.values()):
        return _reply_text(value)
    return str(value) if isinstance(value, int | float) else value


def _reply_text(reply: Mapping[str, Any]) -> str:
    """Return the text of a reply: of chat completions, of completions, or of responses."""
    body = reply.get("body", reply)
    try:
        if "choices" in body:
            choice = body["choices"][0]
            message = choice.get("message", choice)
            content = message.get("content") or message.get("refusal") or message.get("text") or ""
        else:
            content = [part for item in body["output"] for part in item.get("content") or []]
        parts = [content] if isinstance(content, str) else [part.get("text") or "" for part in content]
        return "".join(parts)
    except (KeyError, IndexError, TypeError, AttributeError):
        raise ValueError("expected an answer, or a reply of a chat endpoint, got something else") from None


def error_of(record: Mapping[str, Any], value: Any) -> str:
    """Return why a tool's record has no answer: what it says under `error`, or a reply that says the request failed."""
    body = value.get("body") if isinstance(value, dict) else None
    for error in (record.get("error"), body.get("error") if isinstance(body, dict) else None):
        if error:
            return str(error.get("message") or error.get("code") or error) if isinstance(error, dict) else str(error)
    status = value.get("status_code") if isinstance(value, dict) else None
    return f"status {status}" if isinstance(status, int) and status >= 400 else ""
