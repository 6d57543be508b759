"""Where text goes: results on stdout, everything else on stderr."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def console() -> "Console":
    """Return a console on stderr, for progress and titles."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)
