"""Children end with us, and ports are free."""

import subprocess
import sys
import time

import pytest

from lamm_cli.processes import CommandFailedError, free_port, run_lamm

PARENT = """
import sys, time
from lamm_cli.processes import start
child = start([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


def test_a_command_that_fails_is_named(capfd):
    with pytest.raises(CommandFailedError, match="`lamm no-such-command` ended with status 2"):
        run_lamm(["no-such-command"])


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_children_of_a_killed_parent_die():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    assert alive(child)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(child)


def test_free_ports_differ_from_taken_ones():
    import socket

    port = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        assert free_port() != port
