"""Addresses and keys of endpoints: what an address may hold, and which key goes where."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from lamm_llm.errors import UsageError

OPENAI_KEY = "OPENAI_API_KEY"
_SECRET_NAME = re.compile(
    r"(?:key|token|sig|signature|secret|pass(?:word|wd)?|pwd|auth|authorization|bearer|credentials?|code)",
    re.IGNORECASE,
)
_SECRET = re.compile(r"(?<=[^/][/=])(?:sk-|hf_|gsk_|ghp_)[\w\-]{16,}")
_NOT_VISIBLE = re.compile(r"[^!-~]")


def shown_address(url: str) -> str:
    """Return an address without user name, password, query and fragment, fit for messages and files.

    >>> shown_address("https://me:secret@example.org/v1?key=abc"), shown_address("me:secret@example.org")
    ('https://example.org/v1', 'example.org')
    """
    try:
        parts = urlsplit(url)
        shown = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    except ValueError:
        shown = re.split(r"[?#]", url)[0]
    if not shown.startswith(("http://", "https://")) or "@" in shown:
        shown = shown.rpartition("@")[2]
    return _SECRET.sub("***", shown).encode("unicode_escape").decode()[:200]


def check_address(url: str) -> str:
    """Return the address of an endpoint as it is, once it is one and carries no secret.

    Raises:
        UsageError: It is no address of HTTP, or carries a user name, a password or a key; none of these is shown.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or _NOT_VISIBLE.search(url) or "\\" in url:
        raise UsageError(f"Expected an endpoint such as http://localhost:8000/v1, got {shown_address(url)!r}.")
    named = [name for part in (parts.query, parts.fragment) for name, _ in parse_qsl(part, keep_blank_values=True)]
    if "@" in parts.netloc or any(map(_is_secret, named)) or _SECRET.search(url):
        raise UsageError(
            f"Expected an endpoint without user name, password or key in its address, got some for "
            f"{shown_address(url)}. Put the key into an environment variable and name it with --api-key-env."
        )
    return url


def find_key(url: str, variable: str | None = None, environment: Mapping[str, str] = os.environ) -> str:
    """Return the API key for an endpoint: of the variable that the user named for it, else OpenAI's for OpenAI.

    `OPENAI_API_KEY` is sent to OpenAI's own address only, unless it is named.

    Args:
        url: The endpoint's address.
        variable: Environment variable that the user named for this endpoint, if any.
        environment: Where variables are looked up.

    Returns:
        The key; empty where the endpoint gets none.

    Raises:
        UsageError: The address is none or carries a secret, or the named variable is not set or holds no key.
    """
    check_address(url)
    if variable and variable not in environment:
        raise UsageError(f"Expected an API key in the environment variable {variable}, found it unset.")
    variable = variable or (OPENAI_KEY if is_openai(url) else "")
    return check_key(environment.get(variable, "").strip(), f" in {variable}") if variable else ""


def check_key(key: str, where: str = "") -> str:
    """Return an API key as it is, once a header can carry it.

    Raises:
        UsageError: A character of it cannot be sent; the key is not shown.
    """
    if odd := _NOT_VISIBLE.search(key):
        raise UsageError(
            f"Expected an API key of visible ASCII characters{where}, got U+{ord(odd[0]):04X} at character "
            f"{odd.start() + 1} of {len(key)}. Copy the key anew."
        )
    return key


def is_openai(url: str) -> bool:
    """Tell whether an address is OpenAI's own, by HTTPS."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    return parts.scheme == "https" and (host == "openai.com" or host.endswith(".openai.com"))


def _is_secret(name: str) -> bool:
    """Tell whether a field of a query is named like a key: `api_key`, `X-Amz-Signature`, `accessToken`."""
    words = re.split(r"[^A-Za-z]+|(?<=[a-z])(?=[A-Z])", name)
    return bool(_SECRET_NAME.fullmatch(words[-1])) or name.lower().endswith(("apikey", "accesskey", "token", "passwd"))
