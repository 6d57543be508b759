"""JSON by orjson where it is installed (`lamm-llm[fast]`), by the standard library elsewhere.

Only for what goes over the wire and into files. Request keys are always made by the standard library, so that they do
not depend on what is installed.
"""

from __future__ import annotations

import json
from typing import Any

try:
    import orjson
except ModuleNotFoundError:

    def dumps(value: Any) -> bytes:
        """Encode as compact UTF-8 JSON."""
        return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()

    def loads(text: bytes | str) -> Any:
        """Decode JSON; ValueError when it is none."""
        return json.loads(text)

else:

    def dumps(value: Any) -> bytes:
        """Encode as compact UTF-8 JSON."""
        try:
            return orjson.dumps(value)
        except TypeError:  # lone surrogates and integers beyond 64 bits, which the standard library escapes or writes
            return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()

    def loads(text: bytes | str) -> Any:
        """Decode JSON; ValueError when it is none."""
        try:
            return orjson.loads(text)
        except ValueError as error:
            if "surrogate" not in str(error):
                raise
            return json.loads(text)  # half of a surrogate pair, which the standard library reads


def whole_characters(text: str) -> str:
    r"""Return a text that UTF-8 can hold: surrogate pairs joined, single halves replaced by U+FFFD.

    >>> whole_characters("a\ud83d\ude00\ud800") == "a\U0001f600\ufffd"
    True
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
