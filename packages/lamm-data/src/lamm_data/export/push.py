"""Exported records with their card to a dataset repository of the Hugging Face Hub (extra `hub`)."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from lamm_data.errors import LammDataError, SourceError, UsageError, import_extra
from lamm_data.export.card import NOT_TO_PASS_ON
from lamm_data.files.pictures import media_file, shown_name
from lamm_llm import check_address

CARD = ("README.md", "croissant.json")
_SHARD = re.compile(r"[A-Za-z0-9]+-(?:\d{5}\.parquet|\d{6}\.tar)")
"""Files that exports write in numbers: those that a repository has of an earlier export, and this one lacks, go."""


class Pushed(NamedTuple):
    """What a push did: the address of its commit, and each source's licence, `not stated` where it is unknown."""

    address: str
    licences: tuple[str, ...]


def push_export(folder: str | Path, repository: str, *, public: bool = False) -> Pushed:
    """Upload what `export_records` wrote with a card, in one commit.

    What is there already is not sent again, so that a push that failed goes on where it was. Shards that the repository
    has of an earlier, longer export are removed in the same commit; all else there is left alone.

    The token is the one of `HF_TOKEN` or `hf auth login`; `HF_ENDPOINT` names another server.

    Args:
        folder: The export.
        repository: Its name on the Hub, `owner/name`; made where it does not exist.
        public: Anybody may read it. By default nobody but its owner may.

    Returns:
        The address of the commit, and the licences.

    Raises:
        LammDataError: huggingface_hub is not installed, there is no token, or the Hub refuses.
        SourceError: The folder has no card, or its files are not those that the card describes.
        UsageError: The repository is private where a public one is asked for, or the reverse; or the licences do not
            allow that it is public.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository, re.ASCII):
        raise UsageError(f"Expected the repository as OWNER/NAME, got {shown_name(repository)}.")
    hub = import_extra("huggingface_hub", "the Hugging Face Hub", "hub")
    files, licences = pushed_files(Path(folder))
    if public and NOT_TO_PASS_ON in files["README.md"].read_text(encoding="utf-8"):
        raise UsageError(
            f"Expected records that may be passed on, got some that may not, by the table of licences in "
            f"{files['README.md']}. Leave them out and export again, or push without --public."
        )
    token = hub.get_token()
    if not token:
        raise LammDataError("Expected a token of the Hub, got none. Set HF_TOKEN, or run: hf auth login.")
    if not sys.stderr.isatty():
        hub.utils.disable_progress_bars()
    api = hub.HfApi(token=token)
    check_address(api.endpoint)
    with _named(hub, token, repository):
        api.create_repo(repository, repo_type="dataset", private=not public, exist_ok=True)
        known = api.dataset_info(repository)
        if bool(known.private) == public:
            found, wanted = ("private", "public") if public else ("public", "private")
            raise UsageError(
                f"Expected a {wanted} repository, got {repository}, which is {found}. Change that on its page, or push "
                f"{'without' if public else 'with'} --public."
            )
        operations = [hub.CommitOperationAdd(name, path) for name, path in files.items()]
        there = (entry.rfilename for entry in known.siblings or [])
        stale = [name for name in there if _SHARD.fullmatch(name) and name not in files]
        operations += [hub.CommitOperationDelete(name) for name in stale]
        commit = api.create_commit(
            repository, operations, commit_message="Upload records with lamm data push", repo_type="dataset"
        )
    return Pushed(str(commit.commit_url), licences)


def pushed_files(folder: Path) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Return what is uploaded, by name: the card and the data files that `croissant.json` describes, each unchanged.

    Returns:
        The files, and the licences that `croissant.json` states.

    Raises:
        SourceError: There is no card, or a file is missing, outside the folder, or not the one described.
    """
    missing = [name for name in CARD if not (folder / name).is_file()]
    if missing:
        raise SourceError(
            f"Expected an export with a card, got no {missing[0]} in {folder}. Write it: lamm data export --card TITLE."
        )
    files = {name: media_file(folder, name) for name in CARD}
    try:
        described = json.loads(files["croissant.json"].read_text(encoding="utf-8"))
        listed = [(str(entry["contentUrl"]), str(entry["sha256"])) for entry in described["distribution"]]
        licences = tuple(map(str, described.get("license", ())))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SourceError(
            f"Expected the files and their SHA-256 in `distribution`, got {error!r} ({files['croissant.json']}). "
            "Export again."
        ) from error
    for name, digest in listed:
        try:
            path = media_file(folder, name)
        except SourceError as error:
            raise SourceError(
                f"Expected the files that croissant.json describes, got: {error} ({files['croissant.json']}). "
                "Export again."
            ) from error
        with path.open("rb") as handle:
            same = hashlib.file_digest(handle, "sha256").hexdigest() == digest
        if not same:
            raise SourceError(
                f"Expected the file that croissant.json describes, got other bytes ({path}). Export again."
            )
        files[name] = path
    return files, licences


@contextmanager
def _named(hub: Any, token: str, repository: str) -> Iterator[None]:
    """Turn what a request to the Hub raises into one error that says what the server said, without the token."""
    # Refusals derive from the HTTP library's base class; a wrong name is a ValueError, a foreign answer a KeyError.
    network = hub.errors.HfHubHTTPError.__bases__
    try:
        yield
    except LammDataError:
        raise
    except (*network, OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise LammDataError(
            f"Expected to upload to {repository}, got {_reason(error).replace(token, '***')}. Run the same command "
            "again once that is mended: files that have arrived are not sent twice."
        ) from None


def _reason(error: BaseException) -> str:
    """Say in one line what went wrong: what was done, the status, and the server's own words."""
    doing = str(error) if isinstance(error, RuntimeError) and error.__cause__ else ""
    while getattr(error, "response", None) is None and error.__cause__ is not None:
        error = error.__cause__
    response: Any = getattr(error, "response", None)
    kind = type(error).__name__ if response is None else f"status {response.status_code}"
    said = getattr(error, "server_message", None) or str(error)
    return shown_name(" ".join(f"{doing} {kind}: {said}".split())).rstrip(".")
