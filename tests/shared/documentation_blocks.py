"""Fenced blocks of the documentation, and how they are run.

A `bash` or `python` block is run in the page's folder, after the blocks before it; `python` goes on with the names of
the page's earlier `python` blocks. A block with `title="name"` is written to that file instead. A block of any other
language shows something and is not run. `<!-- not run: REASON -->` before a block says why it cannot run here.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FENCE = re.compile(
    r"(?:^<!-- not run: (?P<reason>.+?) -->\n+)?^```(?P<language>\w+)(?P<head>[^\n]*)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
# Pages that load a language model: tests/integration/test_documentation.py follows them.
HEAVY = ("howto/scans.md", "model.md", "training.md", "tutorial.md")
RUN = {"bash": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    language: str
    title: str
    body: str
    reason: str
    before: str = ""

    @property
    def name(self):
        return f"{self.page}:{self.line}"

    @property
    def does_something(self):
        return bool(self.title) or self.language in RUN


def blocks(page):
    """Return the blocks of a page below docs/, in order, with the lines that they begin in."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found, before = [], ""
    for match in FENCE.finditer(text):
        title = re.search(r'title="([^"]+)"', match["head"])
        line = text.count("\n", 0, match.start("language")) + 1
        name = title[1] if title else ""
        found.append(Block(page, line, match["language"], name, match["body"], match["reason"] or "", before))
        if match["language"] == "python" and not name and not match["reason"]:
            before += match["body"]
    return found


def follow(block, folder, smaller=None):
    """Do what a block says, in ``folder``; ``smaller`` replaces texts by others that cost less time."""
    body = block.body
    for long, short in (smaller or {}).items():
        body = body.replace(long, short)
    if block.title:
        path = folder / block.title
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body, encoding="utf-8")
        return ""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "HF_HUB_OFFLINE": "1", "COLUMNS": "100"}
    command = [*RUN[block.language], block.before + body if block.language == "python" else body]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{block.name} ended with {done.returncode}:\n{body}\n{done.stdout}\n{done.stderr}"
    return done.stdout
