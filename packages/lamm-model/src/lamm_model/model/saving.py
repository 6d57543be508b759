"""Saving and loading as transformers does it: adapter sets in place, every part in its own type."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import nn

from lamm_model.errors import LammModelError
from lamm_model.model.hub import CardFacts, model_card, push_folder

_LARGEST = {"config": 1 << 24, "": 1 << 28}  # bytes of a JSON file with such a name: vocabularies are large
MANIFEST = "lamm.json"  # a folder with this file holds what fine-tuning changed and the names of the base models
_HUB = ("cache_dir", "force_download", "local_files_only", "proxies", "revision", "token")


def pretrained(
    auto: Any,
    name: str | os.PathLike[str],
    *,
    trust_remote_code: bool = False,
    expected: str = "readable files of a model",
    **options: Any,
) -> Any:
    """Load with one of transformers' classes, from a folder or the hub, and run no code that lies there: the one way.

    Args:
        auto: A class with `from_pretrained`.
        name: Folder or hub name.
        trust_remote_code: Whether the user said yes, by name, to code that the model brings.
        expected: What errors call it.
        **options: As `from_pretrained` takes them.

    Raises:
        LammModelError: It needs code of its own, or its files are too large, nested too deep or hold odd values.
    """
    if os.path.isdir(name):
        refuse_huge(Path(name))
    with readable(name, expected):
        return auto.from_pretrained(name, trust_remote_code=trust_remote_code, **options)


# What libraries raise about values that nobody foresaw; tokenizers raises plain exceptions.
_ODD_VALUES = (
    ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError, RecursionError,
    StrictDataclassError,
)  # fmt: skip


@contextmanager
def readable(name: str | os.PathLike[str], expected: str = "readable files of a model") -> Iterator[None]:
    """Read a model's files inside the block: whatever a library raises there about their values names the model.

    Args:
        name: The model's folder or name.
        expected: What errors call it.

    Raises:
        LammModelError: It needs code of its own, or its files hold values that are no model's.
    """
    try:
        yield
    except LammModelError as fault:
        if str(name) in str(fault) or not os.path.isdir(name):
            raise
        raise type(fault)(f"{str(fault)[:500]} Read: {name}.") from fault
    except Exception as fault:
        words = " ".join(str(fault).split())
        if isinstance(fault, ValueError) and "trust_remote_code" in words:
            raise LammModelError(
                f"Expected a model that transformers knows by itself, got one that brings code of its own ({name}), "
                "which is not run. Choose another; `lamm model predict` runs it with --trust-remote-code."
            ) from fault
        if type(fault) is Exception or isinstance(fault, _ODD_VALUES):
            raise LammModelError(
                f"Expected {expected}, got {words[:300] or type(fault).__name__} ({name}). Use an intact folder."
            ) from fault
        raise


def refuse_huge(folder: Path) -> None:
    """Refuse a model's folder with JSON files too large to be a model's, before they are read.

    Raises:
        LammModelError: There is one; it is named.
    """
    for path in sorted(folder.glob("*.json")):
        most = _LARGEST["config" if "config" in path.name else ""]
        if path.stat().st_size > most:
            raise LammModelError(
                f"Expected at most {most >> 20} MiB, got {path.stat().st_size >> 20} MiB ({path}). Use an intact model."
            )


class LammSaving:
    """What the LAMM models add to transformers' `save_pretrained` and `from_pretrained`.

    Attributes:
        open_checkpoint: Loads a checkpoint folder; set by the package's root, which knows the rooms above this one.
    """

    config: Any
    open_checkpoint: ClassVar[Callable[..., Any] | None] = None

    def save_pretrained(self, save_directory: str | os.PathLike[str], *args: Any, **kwargs: Any) -> None:
        """Save a whole model, adapter sets in place; what is loaded again answers exactly the same."""
        self.config.part_dtypes = part_dtypes(self)  # type: ignore[arg-type]
        super().save_pretrained(save_directory, *args, **kwargs)  # type: ignore[misc]

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool = True,
        token: str | None = None,
        commit_message: str = "",
        max_shard_size: int | str = "50GB",
        facts: CardFacts | None = None,
    ) -> str:
        """Save the whole model and upload it with a card, private unless told otherwise.

        Args:
            repo_id: `OWNER/NAME`; `HF_ENDPOINT` names another server.
            private: Nobody but its owner may read it.
            token: That of `HF_TOKEN` or `hf auth login` when None.
            commit_message: Of the commit.
            max_shard_size: As for `save_pretrained`.
            facts: What the card says of licences, data and results.

        Returns:
            The address of the commit.
        """
        known = {key: str(name) for key, name in (getattr(self, "lamm_base", None) or {}).items() if name}
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder, max_shard_size=max_shard_size)
            card = model_card(self.config, facts or CardFacts(parts=known), repo_id)
            (Path(folder) / "README.md").write_text(card, encoding="utf-8")
            return push_folder(Path(folder), repo_id, public=not private, token=token, message=commit_message)

    @classmethod
    def from_pretrained(cls, name: str | os.PathLike[str], *args: Any, **kwargs: Any) -> Any:
        """Load a whole model as any transformers model does, or a checkpoint onto the base models that it names.

        A checkpoint is what `lamm model finetune` writes into `model/`. It takes `dtype`, `attn_implementation` and a
        `device_map` of one device.
        """
        folder = checkpoint_folder(name, kwargs)
        if folder is None or cls.open_checkpoint is None:
            return super().from_pretrained(name, *args, **kwargs)  # type: ignore[misc]
        whole = cls.open_checkpoint(folder, **kwargs)
        model = whole if isinstance(whole, cls) else whole.model
        return (model, {}) if kwargs.get("output_loading_info") else model

    def _get_dtype_plan(self, dtype: torch.dtype) -> dict[str, torch.dtype]:
        """Load each part in the type it was saved in, unless another type than the saved one is asked for."""
        plan: dict[str, torch.dtype] = super()._get_dtype_plan(dtype)  # type: ignore[misc]
        saved = {part: getattr(torch, name) for part, name in (self.config.part_dtypes or {}).items()}
        return plan | saved if saved.pop("", None) == dtype else plan


def part_dtypes(model: nn.Module) -> dict[str, str] | None:
    """Name the parts of a model whose type is not the model's own.

    Returns:
        Patterns of parameter names to types, and the model's own type under an empty name; None where all are of one.
    """
    types: dict[str, torch.dtype] = {}
    for name, parameter in model.named_parameters():
        if parameter.is_floating_point():
            part = next((part for part in name.split(".") if part not in ("model", "0")), name)
            types.setdefault("language_model.*.lora_" if ".lora_" in name else part, parameter.dtype)
    own = next(iter(types.values()), torch.float32)
    # Adapter sets first: they lie within the language model.
    named = dict(sorted(types.items(), key=lambda pair: "lora" not in pair[0]))
    different = {part: dtype for part, dtype in named.items() if dtype != own or "lora" in part}
    if not different:
        return None
    return {part: str(dtype).removeprefix("torch.") for part, dtype in {"": own, **different}.items()}


def checkpoint_folder(name: str | os.PathLike[str], options: dict[str, Any]) -> Path | None:
    """Return the folder of a checkpoint, a hub repository's fetched into the cache; None where it is none."""
    if os.path.isdir(name):
        return Path(name) if (Path(name) / MANIFEST).is_file() else None
    from huggingface_hub import snapshot_download
    from transformers.utils import cached_file

    chosen = {key: options[key] for key in _HUB if options.get(key) is not None}
    quiet = {"_raise_exceptions_for_missing_entries": False, "_raise_exceptions_for_connection_errors": False}
    if cached_file(str(name), MANIFEST, _raise_exceptions_for_gated_repo=False, **quiet, **chosen) is None:
        return None
    chosen.pop("proxies", None)
    return Path(
        snapshot_download(str(name), allow_patterns=["*.json", "*.safetensors", "*.model", "*.jinja"], **chosen)
    )
