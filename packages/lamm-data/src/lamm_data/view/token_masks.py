"""Where the loss mask of a record comes from: a package that trains offers it by the entry point group below.

An entry point is a function of a model's name (a folder, or a training configuration) that returns a function of a
record, which returns its tokens in order.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import TypeAlias

from lamm_data.errors import LammDataError, UsageError
from lamm_data.records.instruction import InstructionRecord

GROUP = "lamm.token_masks"
LEARNT, SEEN, MEDIUM = "learnt", "seen", "medium"
ROLES = (LEARNT, SEEN, MEDIUM)
# The text of a token, and whether the loss learns it, only sees it, or it stands for an image or a cloud.
Token: TypeAlias = tuple[str, str]
TokenMask: TypeAlias = Callable[[InstructionRecord], list[Token]]


def open_token_masks(model: str) -> TokenMask:
    """Ask the installed package for the tokens of records, each a text and a role of `ROLES`, under a model.

    Args:
        model: Folder of a model, or whatever else the package takes, such as a training configuration.

    Raises:
        UsageError: No installed package offers tokens.
        LammDataError: What is offered cannot be loaded.
    """
    offered = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    if not offered:
        raise UsageError(
            "Expected a package that knows the tokens of a model, found none. Install one (pip install lamm-model), or "
            "leave --model out."
        )
    try:
        opened: Callable[[str], TokenMask] = offered[0].load()
    except (ImportError, AttributeError) as error:
        raise LammDataError(
            f"Expected {offered[0].value} to give tokens, but it cannot be loaded: {error}. Mend the installation."
        ) from error
    return opened(model)
