"""Answers on disk while a run is under way, and the finished predictions file."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from lamm_llm import atomic_path, disk_faults, open_line, seal_line, write_whole
from lamm_model.errors import LammModelError, UsageError
from lamm_model.prediction.queries import Benchmark, PredictionOptions

_FIELDS = {"key", "text", "error", "meta", "probabilities"}
"""What a line of a journal may have."""


class Journal:
    """Append-only answers beside the output: a killed run goes on where it stopped.

    The first line holds the run's settings, each further line one answer, with a checksum. A line that was being
    written when the process died is dropped and asked again. `finish` writes the ordered predictions beside the output
    and renames them there, then removes the journals.

    Several processes of one run (`shard`) each keep a journal of their own and read the others'. Whichever finds all
    answers there writes the output; two that find them at once write the same bytes.

    Attributes:
        output: The predictions file.
        path: The journal of this process.
        header: `{"lamm": "predictions", "model": ..., "config": ...}`.
        shard: Rank of this process and number of processes.
        answers: Answers so far by query key, those of other processes included.
    """

    def __init__(self, output: Path, header: dict[str, Any], shard: tuple[int, int] = (0, 1)) -> None:
        self.output = output
        self.shard = shard
        suffix = f".journal.{shard[0]}" if shard[1] > 1 else ".journal"
        self.path = output.with_name(output.name + suffix)
        self.header = header
        self.answers: dict[str, dict[str, Any]] = {}
        self._handle: IO[str] | None = None

    def is_finished(self) -> bool:
        """Tell whether the output is there already, from a run with these settings.

        Raises:
            UsageError: The output is there, from another run.
        """
        if not self.output.is_file():
            return False
        with self.output.open(encoding="utf-8") as handle:
            self._compare(handle.readline(), self.output)
        return True

    def rename(self) -> None:
        """Write the run's name into the finished output, where that has another."""
        with self.output.open(encoding="utf-8", newline="\n") as handle:
            header, answers = json.loads(handle.readline()), handle.read()
        if header.get("model") != self.header["model"]:
            header = {**header, "model": self.header["model"]}
            write_whole(self.output, json.dumps(header, ensure_ascii=False) + "\n" + answers)

    def _compare(self, line: str, path: Path) -> None:
        try:
            header = json.loads(line)
        except (ValueError, RecursionError):
            header = None
        config = header.get("config") if isinstance(header, dict) and header.get("lamm") == "predictions" else None
        if not isinstance(config, dict):
            raise UsageError(
                f"Expected predictions of this command in {path}, got another file. Choose another output."
            )
        if config != self.header["config"]:
            wanted = self.header["config"]
            differing = sorted(key for key in config.keys() | wanted.keys() if config.get(key) != wanted.get(key))
            raise UsageError(
                f"Expected {path} to be of a run with these settings, got others for: {', '.join(differing)}. "
                "Choose another output, or remove that file."
            )

    def open(self) -> None:
        """Read what earlier runs and other processes left, and open the journal of this process for appending."""
        self.output.parent.mkdir(parents=True, exist_ok=True)
        whole = self._read(self.path)
        if whole is None:
            write_whole(self.path, json.dumps(self.header) + "\n")
        else:
            os.truncate(self.path, whole)
        self._handle = self.path.open("a", encoding="utf-8", newline="\n")
        self._read_others()

    def _journals(self) -> list[Path]:
        pattern = re.compile(re.escape(f"{self.output.name}.journal") + r"(\.\d+)?")
        return sorted(path for path in self.output.parent.iterdir() if pattern.fullmatch(path.name))

    def _read_others(self) -> None:
        for path in self._journals():
            if path != self.path:
                self._read(path)

    def _read(self, path: Path) -> int | None:
        """Read a journal's answers; return how many bytes of whole lines it holds, None when there is none.

        A journal without an answer binds nobody: a corrected model name or endpoint begins it anew.
        """
        try:
            content = path.read_bytes()
        except FileNotFoundError:  # never there, or another process has just finished the output and removed it
            return None
        whole = content.rfind(b"\n") + 1
        lines = content[:whole].decode("utf-8", "replace").split("\n")[:-1]  # splitlines cuts at U+2028, too
        if not lines:
            return None
        if len(lines) == 1 and lines[0].startswith('{"lamm": "predictions"') and lines[0] != json.dumps(self.header):
            return None
        self._compare(lines[0], path)
        for number, line in enumerate(lines[1:], start=2):
            try:
                answer = open_line(line.encode(), _FIELDS)
                if not isinstance(answer["key"], str) or not isinstance(answer["text"], str):
                    raise ValueError("its `key` or `text` is no text")
                self.answers[answer.pop("key")] = answer
            except (ValueError, KeyError) as error:
                raise LammModelError(
                    f"Expected an answer in {path}, line {number}, got damaged text: {error}. "
                    "Remove that line and its question is asked again."
                ) from error
        return whole

    def add(self, answers: list[tuple[str, dict[str, Any]]]) -> None:
        """Append answers, `(query key, {"text": ..., ...})` each, durably."""
        if self._handle is None:
            raise UsageError("Expected an open journal, got a closed one. Call open first.")
        with disk_faults(self.output):
            for key, answer in answers:
                self.answers[key] = answer
                self._handle.write(seal_line({"key": key, **answer}).decode())
            self._handle.flush()
            os.fsync(self._handle.fileno())

    def finish(self, benchmark: Benchmark) -> bool:
        """Write the predictions in the benchmark's order and remove the journals, once every answer is there.

        Returns:
            Whether the output is written; False while other processes are still answering.
        """
        self._read_others()
        if any(query.key not in self.answers for query in benchmark.queries):
            self.close()
            return self.output.is_file()
        grouped: dict[str, list[tuple[str, dict[str, Any]]]] = {name: [] for name in benchmark.record_ids}
        for query in benchmark.queries:
            grouped[query.record_id].append((query.part, self.answers[query.key]))
        with atomic_path(self.output, sync=True) as beside, beside.open("w", encoding="utf-8", newline="\n") as handle:
            handle.write(json.dumps(self.header, ensure_ascii=False) + "\n")
            for record_id, answers in grouped.items():
                handle.write(json.dumps(_prediction(record_id, answers), ensure_ascii=False) + "\n")
        self.close()
        for path in self._journals():
            path.unlink(missing_ok=True)
        return True

    def close(self) -> None:
        """Close the journal, keeping it."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None


def _prediction(record_id: str, answers: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    if answers[0][0]:
        texts = {part: answer["text"] for part, answer in answers}
        errors = [f"{part}: {answer['error']}" for part, answer in answers if "error" in answer]
        return {"id": record_id, "text": texts, **({"error": "; ".join(errors)} if errors else {})}
    return {"id": record_id, **answers[0][1]}


def model_identity(folder: Path) -> str:
    """Hash a model folder's file names and the whole of each file."""
    digest = hashlib.sha256()
    for path in sorted(item for item in folder.rglob("*") if item.is_file()):
        with path.open("rb") as handle:
            content = hashlib.file_digest(handle, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder)} {content}\n".encode())
    return digest.hexdigest()


def run_name(model: str | Path, blind: bool = False, endpoint: str = "") -> str:
    """Return what a run is called: the model's name on the hub or at an endpoint, else its folder; blind or not.

    `model` in the folder of a fine-tuning run is called after that folder, anything else in it after both.
    """
    name, folder = str(model), Path(model)
    if not endpoint and folder.is_dir():
        folder = folder.resolve()
        of_run = (folder.parent / "run.json").is_file() or folder.name == "model"
        inner = "" if folder.name == "model" else f"/{folder.name}"
        name = f"{folder.parent.name}{inner}" if of_run else folder.name
    return f"{name} (blind)" if blind else name


def run_header(
    model: str | Path,
    benchmark: Path,
    options: PredictionOptions,
    dtype: str = "float32",
    endpoint: str = "",
    name: str = "",
) -> dict[str, Any]:
    """Describe a run: the first line of the predictions, and what a resumed run must agree with, but for its name."""
    settings = {name: value for name, value in asdict(options).items() if name not in ("batch_size", "media_root")}
    config = {
        **settings,
        "dtype": dtype,
        **({"endpoint": endpoint, "name": str(model)} if endpoint else {"model_sha256": model_identity(Path(model))}),
        "benchmark": benchmark.name,
        "benchmark_sha256": hashlib.sha256(benchmark.read_bytes()).hexdigest(),
    }
    return {
        "lamm": "predictions",
        "model": name or run_name(model, options.blind, endpoint),
        "version": version("lamm-model"),
        "config": config,
    }


def pair_outputs(benchmarks: list[Path], output: Path) -> list[tuple[Path, Path]]:
    """Match benchmark files, or the `.json` and `.jsonl` files of folders, with output files.

    Args:
        benchmarks: Files and folders.
        output: A file for one benchmark, else a folder.

    Raises:
        LammModelError: There is no benchmark file, or several and `output` names one file.
    """
    files: list[Path] = []
    for path in benchmarks:
        if path.is_dir():
            files += sorted(item for item in path.iterdir() if item.suffix in (".json", ".jsonl") and item.is_file())
        elif path.is_file():
            files.append(path)
        else:
            raise LammModelError(f"Expected a benchmark file or folder, got nothing at {path}. Check the path.")
    if not files:
        raise LammModelError(f"Expected benchmark files in {', '.join(map(str, benchmarks))}, got none.")
    if len(files) == 1 and not output.is_dir() and output.suffix:
        return [(files[0], output)]
    if output.suffix and not output.is_dir():
        raise LammModelError(f"Expected a folder as output for {len(files)} benchmark files, got {output}.")
    return [(path, output / f"{path.stem}.jsonl") for path in files]
