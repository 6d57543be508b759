"""The one base class of every error that lamm-metrics raises on purpose, and the hint that ends some of them."""

from collections.abc import Iterable
from difflib import get_close_matches


class LammMetricsError(Exception):
    """A fault the user can mend: the message says what was expected, what was found and what to do.

    Attributes:
        exit_code: Process status a command line should end with: 1 when the work failed, 2 when it was misused.
    """

    exit_code = 1


class UsageError(LammMetricsError):
    """The call itself is wrong: an unknown task, option or combination."""

    exit_code = 2


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return what to do about an unknown name: the known one that is nearest, else all there are.

    >>> did_you_mean("captoin", ["caption", "vqa"]), did_you_mean("x", ["caption", "vqa"])
    ('Did you mean caption?', 'Choose one of caption, vqa.')
    """
    names = [str(one) for one in known]
    close = get_close_matches(str(name), names, n=1)
    return f"Did you mean {close[0]}?" if close else f"Choose one of {', '.join(names)}."
