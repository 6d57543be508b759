"""Run other commands so that they end with us, and a language model server for as long as it is needed."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

# A killed demo must not leave a trainer or server behind that writes into the folder the next run uses: on Linux the
# kernel kills a process that has asked for it, and goes on asking after `exec`. No Python runs between a fork and that:
# it would inherit the locks of this process's threads. The arguments are the parent's id and the command.
_DIE_WITH_PARENT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execvp(sys.argv[2], sys.argv[2:])
"""


class CommandFailedError(Exception):
    """A command that this one started has failed; its own message stands above on stderr."""

    exit_code = 1


def start(command: Sequence[str], **options: object) -> "subprocess.Popen[bytes]":
    """Start a process that is killed when this one ends, however it ends (on Linux; elsewhere on a normal end only)."""
    guard = [sys.executable, "-ISc", _DIE_WITH_PARENT, str(os.getpid())] if sys.platform == "linux" else []
    return subprocess.Popen([*guard, *command], **options)  # type: ignore[call-overload, no-any-return]


def run_lamm(arguments: Sequence[object], launcher: Sequence[str] = (), output: Path | None = None) -> None:
    """Run one `lamm` command in a process of its own; its progress and errors go to our stderr.

    Args:
        arguments: What follows `lamm` on the command line, as text.
        launcher: Words that start a Python module on several processes, such as `torchrun --nproc-per-node=2`.
        output: File that takes what it prints on stdout, whole when it is there; dropped without one.

    Raises:
        CommandFailedError: It ended with another status than 0.
    """
    from lamm_llm import atomic_bytes

    command = [*(launcher or [sys.executable]), "-m", "lamm_cli", *map(str, arguments)]
    with nullcontext() if output is None else atomic_bytes(output) as taken:
        child = start(command, stdout=taken or subprocess.DEVNULL)
        try:
            status = child.wait()
        except BaseException:
            child.terminate()
            child.wait()
            raise
        if status:
            shown = f"`lamm {' '.join(map(str, arguments))}` ended with status {status}"
            raise CommandFailedError(f"{shown}. Mend what it says above, then run this again.")


def free_port() -> int:
    """Return a loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serve_language_model(log: Path, timeout: float = 180.0) -> Iterator[str]:
    """Serve language models through `transformers serve` on loopback.

    Args:
        log: File that takes what the server prints.
        timeout: Seconds it may take to answer.

    Yields:
        The base URL of the OpenAI-compatible API. Requests name the folder of the checkpoint as their model.

    Raises:
        CommandFailedError: The server ended or did not answer in time.
    """
    port = free_port()
    program = Path(sys.executable).with_name("transformers")
    # Without these limits the cache of the batching engine takes most of the machine's memory.
    limits = ["--cb-block-size", "32", "--cb-num-blocks", "512", "--cb-max-batch-tokens", "512"]
    command = [str(program), "serve", "--host", "127.0.0.1", "--port", str(port), "--continuous-batching", *limits]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    with log.open("ab") as output:
        server = start(command, stdout=output, stderr=output, env=environment)
        try:
            _wait_until_healthy(server, f"http://127.0.0.1:{port}/health", timeout, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()
            try:
                server.wait(timeout=10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait_until_healthy(server: "subprocess.Popen[bytes]", url: str, timeout: float, log: Path) -> None:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise CommandFailedError(f"Expected a language model server, got its end ({server.returncode}). See {log}.")
        try:
            with urllib.request.urlopen(url, timeout=2):  # our own server's address  # nosec B310
                return
        except urllib.error.HTTPError:
            return  # it answers, if not on this path
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise CommandFailedError(
        f"Expected the language model server to answer, got nothing in {timeout:.0f} s. See {log}."
    )
