"""The models of a benchmark run: those that the user names, one that is tuned for it, and their answers."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from lamm_cli.benchmark.sets import sources_under
from lamm_cli.folders import file_hash, folder_state
from lamm_cli.leaderboard.scores import BenchmarkFile
from lamm_cli.output import console, shown
from lamm_cli.processes import run_lamm
from lamm_cli.settings import SettingsError, Tables
from lamm_llm import find_key, write_whole

FREE = ("models", "api_keys")
"""Tables of the settings whose keys the user chooses."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
BLIND = "blind"
STAMP = ".complete"


@dataclass(frozen=True)
class Model:
    """One column of the leaderboard: a model, with its media or without.

    Attributes:
        name: What the leaderboard and the folders call it: letters, digits and `._+-`, no dot at the beginning.
        model: Folder of a checkpoint, or the name by which the endpoint knows the model.
        endpoint: Address of an OpenAI-compatible endpoint; empty for a folder.
        blind: Whether images and clouds are withheld.
        api_key_env: Variable that holds the endpoint's API key; OpenAI's own for OpenAI when empty.
    """

    name: str
    model: str
    endpoint: str = ""
    blind: bool = False
    api_key_env: str = field(default="", repr=False)  # no part of what is asked

    def __post_init__(self) -> None:
        """Refuse a name that cannot name a folder."""
        if not NAME.fullmatch(self.name) or self.name.endswith(f".{BLIND}"):
            raise SettingsError(
                f"Expected a model's name of letters, digits and ._+-, got {self.name!r}. Choose another."
            )

    @property
    def label(self) -> str:
        """Return the column's heading."""
        return f"{self.name} ({BLIND})" if self.blind else self.name

    @property
    def folder(self) -> str:
        """Return the name of its folders."""
        return f"{self.name}.{BLIND}" if self.blind else self.name

    def arguments(self) -> list[str]:
        """Return what tells `lamm model predict` whom to ask."""
        asked = ["--model", self.model]
        asked += ["--endpoint", self.endpoint] if self.endpoint else []
        asked += ["--api-key-env", self.api_key_env] if self.api_key_env else []
        return [*asked, "--blind"] if self.blind else asked


def asked_models(
    models: Mapping[str, object], blind: bool, keys: Mapping[str, str] = MappingProxyType({})
) -> list[Model]:
    """Return every model, followed by the same model blind.

    Args:
        models: By name a folder, or `MODEL@URL`.
        blind: Whether each also answers without its media.
        keys: By name the variable that holds the API key of the model's endpoint.

    Raises:
        SettingsError: A name cannot name a folder, or there is nothing behind it; a key is of no endpoint.
        lamm_llm.UsageError: An address carries a secret, or a key is not set.
    """
    found = []
    for name, target in models.items():
        if not isinstance(target, str) or not target:
            raise SettingsError(f"Expected a folder or MODEL@URL for the model {name}, got {target!r}.")
        asked = Model(name, *_model_and_endpoint(target), api_key_env=keys.get(name, ""))
        if asked.endpoint:
            find_key(asked.endpoint, asked.api_key_env)
        if not asked.endpoint and not Path(asked.model).is_dir():
            raise SettingsError(f"Expected the folder of a model for {name}, got nothing at {asked.model}.")
        found += [asked, replace(asked, blind=True)] if blind else [asked]
    if strange := sorted(keys.keys() - {one.name for one in found if one.endpoint}):
        raise SettingsError(f"Expected [api_keys] of models at endpoints, got one for {', '.join(strange)}.")
    return found


def named_models(words: Iterable[str]) -> dict[str, str]:
    """Read `NAME=FOLDER`, `FOLDER`, `NAME=MODEL@URL` or `MODEL@URL` as a table of models.

    Raises:
        SettingsError: Two models have one name.
    """
    models: dict[str, str] = {}
    for word in words:
        name, sign, target = word.partition("=")
        if not sign or not NAME.fullmatch(name):
            name, target = _plain_name(word), word
        if name in models:
            raise SettingsError(f"Expected a name of its own for each model, got {name} twice. Write NAME={target}.")
        models[name] = target if "://" in target else str(Path(target).resolve())
    return models


def _model_and_endpoint(target: str) -> tuple[str, str]:
    found = re.fullmatch(r"(.+?)@([a-z]+:/.*)", target, re.IGNORECASE)
    return (found[1], found[2]) if found else (target, "")


def _plain_name(target: str) -> str:
    """Name a model after its folder, or after the last part of the name that an endpoint has for it."""
    path = Path(_model_and_endpoint(target)[0])
    name = path.parent.name if path.name == "model" and path.parent.name else path.name
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", name).strip("-.") or "model"


def tuned_models(settings: Tables, files: Sequence[BenchmarkFile], folder: Path) -> list[Model]:
    """Convert the training split of the sources under the root, tune on it, and return the tuned model.

    Args:
        settings: All tables; `[finetune]` names the preset or configuration.
        files: The benchmark files, whose tasks are trained for.
        folder: Where instructions, checkpoints and the model go.

    Raises:
        SettingsError: The root holds finished benchmark files only: there is no training split to tune on.
        lamm_cli.processes.CommandFailedError: Conversion or training failed; the same call goes on from there.
    """
    chosen, benchmark = settings["finetune"], settings["benchmark"]
    sources = sources_under(Path(benchmark["root"]), benchmark["sources"])
    if not sources:
        raise SettingsError(
            f"Expected sources with a training split under {benchmark['root']}, found none. "
            "The fine-tune setting needs the sources' own files, not finished benchmark files."
        )
    if len(sources) > 1:
        raise SettingsError(
            f"Expected one source in the fine-tune setting, found {', '.join(source.name for source in sources)}. "
            "Choose one with --set 'benchmark.sources=[\"NAME\"]' and one run directory a source."
        )
    source = sources[0]
    folder.mkdir(parents=True, exist_ok=True)
    records, run = folder / f"{source.name}.jsonl", folder / source.name
    tasks = sorted({file.task for file in files} & set(source.tasks))
    if not records.exists():
        amount = ["--per-item", chosen["per_item"]] if chosen["per_item"] else []
        options = ["--source", source.name, "--root", source.root, "--output", records]
        run_lamm(["data", "convert", *options, "--tasks", ",".join(tasks), *amount])
    paths = [f'data.records=["{records.resolve()}"]', f'data.media_root="{source.root.resolve()}"']
    overrides = [part for assignment in paths for part in ("--set", assignment)]
    run_lamm(["model", "finetune", chosen["config"], "--output", run, *overrides])
    name = f"{Path(chosen['config']).stem}+{source.name}"
    tuned = Model(name, str(run / "model"))
    return [tuned, replace(tuned, blind=True)] if benchmark["blind"] else [tuned]


def predict(
    one: Model, files: Sequence[BenchmarkFile], folder: Path, settings: Tables, words: Sequence[str] = ()
) -> bool:
    """Have all files answered into `<folder>/<file>.jsonl`.

    Args:
        one: The model.
        files: What is asked.
        folder: Where its answers go.
        settings: All tables; `[prediction]` says how.
        words: Further options of `lamm model predict`.

    Returns:
        Whether anything was asked; False when the same model had answered the same files so before.

    Raises:
        lamm_cli.processes.CommandFailedError: The model or the files are not usable; the same call goes on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stamp, state = folder / STAMP, _state(one, files, settings, words)
    whole = all((folder / f"{file.name}.jsonl").is_file() for file in files)
    if whole and stamp.is_file() and stamp.read_text() == state:
        return False
    console().print(shown(f"    {one.label}"), style="dim", markup=False)
    chosen = settings["prediction"]
    how = ["--batch-size", chosen["batch_size"], "--dtype", chosen["dtype"], "--device", chosen["device"]]
    how += ["--system", chosen["system"]]
    by_root: dict[Path, list[str]] = {}  # one command answers the files of a root with one loaded model
    for file in files:
        by_root.setdefault(file.media_root, []).append(str(file.path))
    for root, names in by_root.items():
        options = ["--name", one.label, "--benchmark", names[0], "--media-root", root, "--output", f"{folder}/"]
        command = ["model", "predict", *one.arguments(), *options, *how, *words, "--keep-going", "--", *names[1:]]
        run_lamm(command, launcher=chosen["launcher"])
    write_whole(stamp, state)
    return True


def _state(one: Model, files: Sequence[BenchmarkFile], settings: Tables, words: Sequence[str]) -> str:
    digest = hashlib.sha256(repr((one, sorted(settings["prediction"].items()), list(words))).encode())
    for file in files:
        digest.update(file_hash(file.path).encode())
    if not one.endpoint:
        digest.update(folder_state(Path(one.model)).encode())
    return digest.hexdigest()
