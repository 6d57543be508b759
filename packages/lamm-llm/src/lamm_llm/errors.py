"""The errors that lamm-llm raises on purpose, under one base class."""


class LammLlmError(Exception):
    """A fault the user can mend: the message says what was expected, what was found and what to do.

    Attributes:
        exit_code: Process status a command line should end with: 1 when the work failed, 2 when it was misused.
    """

    exit_code = 1


class UsageError(LammLlmError):
    """The call itself is wrong: an unknown price, an address that is none, a journal of another run."""

    exit_code = 2
