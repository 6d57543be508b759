"""Turn errors into one line a user can act on.

The LAMM packages raise errors that carry an `exit_code`; the operating system raises `OSError`. Both are the
user's to mend and are shown as one sentence. Anything else is a bug of ours and keeps its traceback.
"""

import os
import sys
from collections.abc import Callable
from difflib import get_close_matches
from typing import NoReturn

import click

from lamm_cli.output import label


def show_traceback() -> bool:
    """Return whether the user asked for tracebacks with `LAMM_DEBUG=1`."""
    return os.environ.get("LAMM_DEBUG", "") not in ("", "0")


def describe(error: BaseException) -> str:
    """Return the one line that stands for an error.

    Args:
        error: A LAMM error, an `OSError`, or a LAMM package that is not installed.

    Returns:
        The message, the file named first for errors of the operating system.
    """
    if isinstance(error, OSError) and error.strerror:
        named = f"{error.filename}: " if error.filename else ""
        return f"{named}{error.strerror}."
    if isinstance(error, ModuleNotFoundError):
        return f"Expected {_ours(error)}, found none. Install all of LAMM: pip install 'lamm-cli[all]'."
    # A list of faults keeps its lines: each line is one fault with its own place.
    return str(error).strip() or type(error).__name__


def _ours(error: ModuleNotFoundError) -> str:
    """Return which of our packages is not installed; empty where it is another module, or one inside a package."""
    name = error.name or ""
    return name.replace("_", "-") if name.startswith("lamm_") and "." not in name else ""


def exit_code_of(error: BaseException) -> int | None:
    """Return the status to end with, or None when the error is a bug and must keep its traceback."""
    code = getattr(error, "exit_code", None)
    if isinstance(code, int):
        return code
    if isinstance(error, ModuleNotFoundError) and _ours(error):
        return 2
    return 1 if isinstance(error, OSError) else None


def end_with(message: str, code: int) -> NoReturn:
    """Print one error line on stderr and end the process with `code`."""
    label("Error:", "1;31")
    click.echo(f" {message}", err=True)
    sys.exit(code)


def _hinted(misuse: click.ClickException, context: click.Context) -> str:
    """Return what click says, with the nearest command where one was mistyped; it looks at loaded commands only."""
    if isinstance(context.command, click.Group) and getattr(misuse, "possibilities", ()) is None:
        near = get_close_matches(str(getattr(misuse, "command_name", "")), context.command.list_commands(context), n=1)
        return misuse.format_message() + "".join(f" Did you mean '{name}'?" for name in near)
    return misuse.format_message()


def _abandon_stdout() -> None:
    """Lead stdout to nowhere: what still waits to be written must not fail again when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run_guarded(command: Callable[[], object]) -> None:
    """Run a command line, turning expected errors into one line and an exit status.

    Exit status: 0 done, 1 failed, 2 misuse, 130 interrupted. A closed output pipe ends quietly.
    """
    try:
        command()
    except BrokenPipeError:
        _abandon_stdout()  # the reader (head, less) has gone
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        end_with("interrupted. Run the same command again to go on.", 130)
    except click.ClickException as misuse:
        context = getattr(misuse, "ctx", None)
        if context is None or isinstance(misuse, getattr(click.exceptions, "NoArgsIsHelpError", ())):
            misuse.show()
            sys.exit(misuse.exit_code)
        end_with(f"{_hinted(misuse, context)} See {context.command_path} --help.", misuse.exit_code)
    except Exception as error:
        code = exit_code_of(error)
        if isinstance(error, OSError) and error.filename == "stdout":
            _abandon_stdout()
        if code is None or show_traceback():
            raise
        end_with(describe(error), code)
