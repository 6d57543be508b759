"""The README's two commands, and nothing in the project that belongs to one machine."""

import re
import shutil
import subprocess


def _commands(text: str) -> list[str]:
    return re.findall(r"^```(?:bash|sh)\n(.+?)^```", text, re.MULTILINE | re.DOTALL)


def test_the_readme_opens_with_two_commands_of_which_one_is_the_ci(root):
    top = (root / "README.md").read_text().split("\n## ", 2)[0] + (root / "README.md").read_text().split("\n## ", 2)[1]
    blocks = _commands(top)
    assert len(blocks) == 2
    assert all(len(block.strip().splitlines()) == 1 for block in blocks)
    assert blocks[1].strip() == "bash .ci/run"


def test_ci_and_the_readme_run_the_same_thing(root):
    assert "bash .ci/run" in (root / ".github/workflows/ci.yml").read_text()
    assert (root / ".ci/run").stat().st_mode & 0o111


def test_every_nox_session_explains_itself(root):
    if shutil.which("nox") is None:  # nox itself is not part of the environment that these tests run in
        source = (root / "noxfile.py").read_text()
        sessions = re.findall(r"@nox\.session.*?\n(?:@.*\n)*def (\w+)\(.*?\) -> None:\n    \"\"\"(.+?)\"\"\"", source)
        assert {name for name, _ in sessions} >= {"tests", "lint", "types", "packaging", "build", "wheels"}
        return
    listing = subprocess.run(["nox", "-l"], cwd=root, capture_output=True, text=True, check=True)
    lines = [line for line in listing.stdout.splitlines() if re.match(r"^[*-] ", line)]
    assert lines
    assert all(" -> " in line for line in lines)


def test_no_file_names_a_machine(root):
    tracked = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout.split()
    pattern = re.compile(r"/(?:home|root|work|Users)/[\w.-]+/|/opt/pypi")
    named = []
    for name in tracked:
        path = root / name
        if path.suffix in {".png", ".npy", ".gz", ".zip"} or not path.is_file():
            continue
        if name != "tests/repository/test_front_door.py" and pattern.search(path.read_text(errors="ignore")):
            named.append(name)
    assert not named
