"""A model's folder or a fine-tuning run to the Hugging Face Hub, with a card of what is known about it."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lamm_llm import loads
from lamm_model.checkpoints.checkpoint import locate, read_config, read_manifest
from lamm_model.errors import LammModelError, UsageError
from lamm_model.model.hub import UNKNOWN, CardFacts, model_card, push_folder

_LICENCE = re.compile(r"^license:\s*[\"']?([\w.+-]+)", re.MULTILINE)


def push_model(
    folder: str | Path,
    repository: str,
    *,
    public: bool = False,
    licence: str = "",
    metrics: Mapping[str, float] | None = None,
    token: str | None = None,
) -> str:
    """Upload a checkpoint, a whole model or a finished run with its card, in one commit.

    Args:
        folder: Of the model, or of the run: its data and loss are then on the card.
        repository: `OWNER/NAME`, made where it does not exist; `HF_ENDPOINT` names another server.
        public: Anybody may read it. By default nobody but its owner may.
        licence: Of the whole, as the Hub names it.
        metrics: Further results for the card.
        token: That of `HF_TOKEN` or `hf auth login` when None.

    Returns:
        The address of the commit.

    Raises:
        UsageError: It is to be public without a licence.
        LammModelError: There is no model, or the Hub refuses.
    """
    if public and not licence:
        raise UsageError(
            "Expected a licence for a public model, got none. Name one (--licence apache-2.0), or push privately."
        )
    model = locate(folder)
    facts = card_facts(Path(folder), licence, metrics or {})
    with tempfile.TemporaryDirectory() as beside:
        copy = Path(beside) / "model"
        shutil.copytree(model, copy)
        card = model_card(read_config(model), facts, repository)
        (copy / "README.md").write_text(card, encoding="utf-8")
        return push_folder(copy, repository, public=public, token=token)


def card_facts(folder: Path, licence: str, metrics: Mapping[str, float]) -> CardFacts:
    """Collect what a folder tells: base models and their licences, data and loss of the run."""
    manifest = read_manifest(locate(folder)) or {}
    parts = {key: str(name) for key, name in manifest.get("base", {}).items() if name}
    run = folder / "finetune.json"
    data, measured = _run_facts(run) if run.is_file() else ([], {})
    return CardFacts(
        licence, parts, {name: licence_of(name) for name in parts.values()}, tuple(data), {**measured, **metrics}
    )


def _run_facts(path: Path) -> tuple[list[str], dict[str, float]]:
    """Return what the record of a run says about its data, and what was measured.

    Raises:
        LammModelError: It is no such record.
    """
    try:
        record = loads(path.read_bytes())
        about = record["data"]
        data = [f"{Path(name).name} (SHA-256 {digest[:12]})" for name, digest in about["records"].items()]
        data.append(f"{record['dialogues']} dialogues about {about['media']} media")
        measured = {"training loss": float(record["loss"]), "steps": int(record["steps"])}
        "".join(data).encode()  # half a character cannot be on a card
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as fault:
        raise LammModelError(
            f"Expected the record of a fine-tuning run, got {type(fault).__name__}: {fault} ({path}). "
            "Push the folder of an intact run, or its model/ alone."
        ) from fault
    return data, measured


def licence_of(name: str) -> str:
    """Return the licence that a base model's own card states: in its folder, or on the Hub where it can be asked."""
    card = Path(name) / "README.md"
    if card.is_file():
        found = _LICENCE.search(card.read_text(encoding="utf-8"))
        return found.group(1) if found else UNKNOWN
    if name.count("/") != 1 or Path(name).exists():
        return UNKNOWN
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    network: Any = HfHubHTTPError.__bases__
    try:
        data = HfApi().model_info(name).card_data
    except (*network, OSError, ValueError):
        return UNKNOWN
    return str(data.get("license") or UNKNOWN) if data is not None else UNKNOWN
