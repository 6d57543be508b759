"""Children end with us, folders have one user, settings are checked."""

import os
import subprocess
import sys
import time

import pytest

from lamm_cli.folders import FolderInUseError, sole_use
from lamm_cli.processes import CommandFailedError, free_port, run_lamm, start

HOLD = """
import sys, time
from pathlib import Path
from lamm_cli.folders import sole_use
with sole_use(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
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


def test_a_folder_has_one_user_and_is_free_after_a_kill(tmp_path):
    holder = start([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(FolderInUseError, match="another run"), sole_use(tmp_path):
        pass
    holder.kill()
    holder.wait()
    with sole_use(tmp_path):
        assert os.path.isdir(tmp_path)


def test_free_ports_differ_from_taken_ones():
    import socket

    port = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        assert free_port() != port
