"""The one base class of every error that lamm-metrics raises on purpose."""


class LammMetricsError(Exception):
    """A fault the user can mend: the message says what was expected, what was found and what to do.

    Attributes:
        exit_code: Process status a command line should end with: 1 when the work failed, 2 when it was misused.
    """

    exit_code = 1


class UsageError(LammMetricsError):
    """The call itself is wrong: an unknown task, option or combination."""

    exit_code = 2
