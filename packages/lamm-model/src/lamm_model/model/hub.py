"""A model's card, and its way to the Hugging Face Hub."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamm_model.errors import LammModelError, UsageError

UNKNOWN = "not stated"
PAPER = """@article{yin2023lamm,
  title = {LAMM: Language-Assisted Multi-Modal Instruction-Tuning Dataset, Framework, and Benchmark},
  author = {Yin, Zhenfei and Wang, Jiong and Cao, Jianjian and Shi, Zhelun and Liu, Dingning and Li, Mukai and others},
  journal = {arXiv:2306.06687},
  year = {2023}
}"""


@dataclass(frozen=True)
class CardFacts:
    """What a card says beside the configuration.

    Attributes:
        licence: Of the whole, as the Hub names it (`apache-2.0`).
        parts: Base models by what they are (`language_model`, `image_tower`), as names or folders.
        licences: Of the parts, by their names.
        data: What it learnt from, a line each.
        metrics: Results by their names.
    """

    licence: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
    licences: Mapping[str, str] = field(default_factory=dict)
    data: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)


def model_card(config: Any, facts: CardFacts, name: str = "OWNER/NAME") -> str:
    """Write a model card: metadata that the Hub reads, then how to load the model, its parts, data and results.

    Args:
        config: A `LammConfig`.
        facts: The rest.
        name: Of the repository.
    """
    hub_names = [part for part in facts.parts.values() if part.count("/") == 1 and not Path(part).exists()]
    tags = ["lamm", *(["point-cloud"] if config.point_cloud_config is not None else [])]
    head = {"library_name": "transformers", "pipeline_tag": "image-text-to-text", "tags": tags}
    head |= {"base_model": hub_names} if hub_names else {}
    head |= {"license": facts.licence} if facts.licence else {}
    # JSON is YAML, and quotes whatever a name holds.
    metadata = "\n".join(f"{key}: {json.dumps(value)}" for key, value in head.items())
    sees = [
        kind for kind, part in (("images", config.image_config), ("point clouds", config.point_cloud_config)) if part
    ]
    sets = (config.adapters or {}).get("modalities", [])
    parts = [f"| {what} | {part} | {facts.licences.get(part, UNKNOWN)} |" for what, part in facts.parts.items()]
    cloud = config.point_cloud_config
    if getattr(cloud, "weights_licence", ""):
        parts.append(f"| point_cloud_tower | {cloud.weights_source} | {cloud.weights_licence} |")
    rows = {
        "Parts": ["| part | model | licence |", "|---|---|---|", *parts] if parts else [],
        "Data": [f"- {line}" for line in facts.data],
        "Results": ["| measure | value |", "|---|---|", *(f"| {k} | {v:.6g} |" for k, v in facts.metrics.items())]
        if facts.metrics
        else [],
    }
    sections = [f"## {title}\n\n" + ("\n".join(lines) or f"{UNKNOWN.capitalize()}.") for title, lines in rows.items()]
    return "\n\n".join(
        [
            f"---\n{metadata}\n---",
            f"# {name}",
            f"A LAMM model that reads text{''.join(f', {kind}' for kind in sees)} (language model: "
            f"{config.text_config.model_type}{'; adapter sets: ' + ', '.join(sets) if sets else ''}).",
            "```python\n# pip install lamm-model\nimport lamm_model  # tells transformers of the model\n"
            "from transformers import AutoModelForImageTextToText, AutoProcessor\n\n"
            f'model = AutoModelForImageTextToText.from_pretrained("{name}")\n'
            f'processor = AutoProcessor.from_pretrained("{name}")\n```',
            *sections,
            f"## Citation\n\n```bibtex\n{PAPER}\n```\n",
        ]
    )


def push_folder(folder: Path, repository: str, *, public: bool, token: str | None = None, message: str = "") -> str:
    """Upload a model's folder, card and all, in one commit; the repository is made where it does not exist.

    Returns:
        The address of the commit.

    Raises:
        UsageError: The repository is open to others where a private one is asked for, or the reverse.
        LammModelError: There is no token, or the Hub refuses, or cannot be reached.
    """
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError

    token = token or get_token()
    if not token:
        raise LammModelError("Expected a token of the Hub, got none. Set HF_TOKEN, or run: hf auth login.")
    api = HfApi(token=token)
    network: Any = (
        HfHubHTTPError.__bases__
    )  # refusals derive from the HTTP library's class; a wrong name is a ValueError
    try:
        api.create_repo(repository, private=not public, exist_ok=True)
        if bool(api.model_info(repository).private) == public:
            raise UsageError(
                f"Expected a {'public' if public else 'private'} repository, got {repository}, which is the reverse. "
                "Change that on its page, or ask for what it is."
            )
        commit = api.upload_folder(
            repo_id=repository, folder_path=folder, commit_message=message or "Upload a LAMM model"
        )
    except (*network, OSError, ValueError, RuntimeError) as fault:
        reason = " ".join(f"{type(fault).__name__}: {fault}".replace(token, "***").split())
        raise LammModelError(
            f"Expected to upload to {repository}, got {reason[:300]}. Once that is mended push again: files that have "
            "arrived are not sent twice."
        ) from None
    return str(commit.commit_url)
