"""The GPT Metric within a run: a language model compares the captions, and what it said is kept."""

import hashlib
import json
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lamm_cli.leaderboard.scores import BenchmarkFile
from lamm_cli.leaderboard.table import Cell
from lamm_cli.output import csv_text, markdown_table
from lamm_cli.processes import run_lamm
from lamm_cli.settings import SettingsError
from lamm_llm import write_whole
from lamm_metrics import Report, Score

TASK = "caption"
FOLDER = "judgements"
LETTERS = string.ascii_uppercase
SHOWN = ("win_rate/", "grade/")


@dataclass(frozen=True)
class JudgedRow:
    """One score that a judge gave one model on one file."""

    benchmark: str
    run: str
    metric: str
    cell: Cell
    n: int


@dataclass
class Judged:
    """What judges said of a run.

    Attributes:
        rows: Scores.
        scores: The same as `lamm metrics judge` wrote them, by run and row of the report.
        transcripts: What was said, by benchmark and record id.
    """

    rows: list[JudgedRow] = field(default_factory=list)
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)
    transcripts: dict[str, dict[str, str]] = field(default_factory=dict)

    def markdown(self) -> str:
        """Return the scores as a Markdown table."""
        head = ("benchmark", "GPT Metric", "n", "run", "score")
        rows = ([row.benchmark, f"{row.metric} ↑", str(row.n), row.run, str(row.cell)] for row in self.rows)
        return markdown_table(head, rows)

    def csv(self) -> str:
        """Return the scores as further lines of the table's CSV."""
        cells = ((row, row.cell) for row in self.rows)
        return csv_text(
            [row.benchmark, f"gpt_{row.metric}", True, row.n, row.run, cell.value, *cell.sides, None]
            for row, cell in cells
        )

    def reports(self, run: str) -> dict[str, Report]:
        """Return one run's scores as rows of the report's leaderboard."""
        return {
            name: Report("gpt", "gpt", (replace(Score.from_json(score), name=name.rpartition(" ")[2]),), model=run)
            for name, score in self.scores.get(run, {}).items()
        }


def judge_captions(
    chosen: Mapping[str, Any], files: Sequence[BenchmarkFile], runs: Mapping[str, Path], folder: Path
) -> Judged:
    """Let the judge of `[judge]` compare the runs' captions; several runs in pairs, a single one by grades.

    Transcripts are kept under `judgements`; nothing that was answered is asked again.

    Args:
        chosen: The table `[judge]`; an empty endpoint judges nothing.
        files: The benchmark.
        runs: Folder of predictions by run.
        folder: The run directory.

    Raises:
        SettingsError: More runs than a judge can compare.
        lamm_cli.processes.CommandFailedError: The judge does not answer; the same call goes on.
    """
    judged = Judged()
    if not chosen["endpoint"]:
        return judged
    if len(runs) > 26:
        raise SettingsError(f"Expected at most 26 runs to judge, got {len(runs)}. Leave some out.")
    for file in files:
        if file.task == TASK:
            output = folder / FOLDER / file.name
            answers = [path / f"{file.name}.jsonl" for path in runs.values()]
            _judge(chosen, file, answers, output)
            _take(judged, file, list(runs), output)
    return judged


def _judge(chosen: Mapping[str, Any], file: BenchmarkFile, answers: Sequence[Path], output: Path) -> None:
    asked = {key: value for key, value in chosen.items() if key != "api_key_env"}
    stamp, digest = output / ".complete", hashlib.sha256(repr(sorted(asked.items())).encode())
    for path in (file.path, *answers):
        digest.update(path.read_bytes())
    if stamp.is_file() and stamp.read_text() == digest.hexdigest():
        return
    words = ["metrics", "judge", "--benchmark", file.path, "--endpoint", chosen["endpoint"], "--output", output]
    words += [part for path in answers for part in ("--predictions", path)]
    words += ["--mode", "pairwise" if len(answers) > 1 else "absolute", "--task", TASK]
    words += ["--sample", min(chosen["records"], file.records)] if chosen["records"] else []
    words += ["--judge", chosen["model"]] if chosen["model"] else []
    words += ["--api-key-env", chosen["api_key_env"]] if chosen["api_key_env"] else []
    words += ["--max-cost", chosen["max_cost"]] if chosen["max_cost"] else []
    run_lamm(words)
    write_whole(stamp, digest.hexdigest())


def _take(judged: Judged, file: BenchmarkFile, runs: Sequence[str], output: Path) -> None:
    result = json.loads((output / "result.json").read_text(encoding="utf-8"))
    names = dict(zip(result["models"], runs, strict=True))
    for score in result["reports"][0]["scores"]:
        prefix, _, rest = score["name"].partition("/")
        if score["name"].startswith(SHOWN) and rest in names:
            cell = Cell.read({**score, "failed": 0.0})
            judged.rows.append(JudgedRow(file.name, names[rest], prefix, cell, score["n"] - score["n_failed"]))
            judged.scores.setdefault(names[rest], {})[f"{file.name} gpt_{prefix}"] = score
    verdicts: dict[str, list[str]] = {}
    with (output / "transcripts.jsonl").open(encoding="utf-8") as handle:
        for row in map(json.loads, handle):
            verdicts.setdefault(str(row["id"]), []).append("\n".join(_verdict(row, names)))
    judged.transcripts[file.name] = {key: "\n\n".join(texts) for key, texts in verdicts.items()}


def _verdict(row: Mapping[str, Any], names: Mapping[str, str]) -> Iterable[str]:
    shown = ", ".join(f"{letter} = {names[model]}" for letter, model in zip(LETTERS, row["order"], strict=False))
    yield f"{row['judge']} ({shown})" + (f", unscored: {row['unscored']}" if row["unscored"] else "")
    for reply in row["replies"]:
        yield str(reply.get("text", reply) if isinstance(reply, dict) else reply)
