"""The one base class of every error that lamm-model raises on purpose."""


class LammModelError(Exception):
    """A fault the user can mend: the message says what was expected, what was found and what to do.

    Attributes:
        exit_code: Process status a command line should end with: 1 when the work failed, 2 when it was misused.
    """

    exit_code = 1


class UsageError(LammModelError):
    """The call itself is wrong: an unknown preset, option or combination."""

    exit_code = 2
