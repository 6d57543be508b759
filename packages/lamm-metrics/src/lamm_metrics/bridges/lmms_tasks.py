"""Benchmark files as tasks of lmms-eval: a folder for its `--include_path`, and the functions that its task files name.

Each benchmark file becomes one task: `NAME.yaml` says how it is asked and scored, `NAME.jsonl` holds its questions.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from lamm_metrics.bridges.posed import flat, posed
from lamm_metrics.records.files import bare_name, write_beside

HERE = __name__
# lmms-eval splits the name of a function at its dots, so scores are called by their numbers.
PREFIX = "score_"


def write_lmms_tasks(
    folder: str | Path,
    references: Iterable[str | Path],
    protocol: str = "standard",
    media_root: str = "",
    views: str = "",
    task: str = "",
    max_new_tokens: int = 256,
) -> list[str]:
    """Write a folder of tasks for lmms-eval's `--include_path` and return their names.

    Args:
        folder: Folder to write; it is made where it is missing.
        references: Paths of benchmark files.
        protocol: "standard", "paper" or the name of a published rule.
        media_root: Folder of the pictures that records name; each file's own folder if empty.
        views: Folder that `lamm data render` wrote, of the clouds that records name.
        task: Task key; empty where the records or the file's name tell it.
        max_new_tokens: Most tokens of an answer.

    Raises:
        UsageError: Unknown task or protocol, or a record that this harness cannot ask.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    names = []
    for path in map(Path, references):
        rule = {"references": str(path.resolve()), "task": task, "protocol": protocol}
        whole = posed(**rule, media_root=media_root, views=views)
        name = f"lamm_{bare_name(path)}" + (f"_{protocol}" if protocol != "standard" else "")
        rows = [
            {
                "id": one.id, "question": "\n".join(filter(None, [one.system, one.text])), "truth": one.truth,
                "pictures": json.dumps([str(Path(picture).resolve()) for picture in one.pictures]),
                "rule": json.dumps(rule),
            }
            for one in whole.questions()
        ]  # fmt: skip
        write_beside(target / f"{name}.jsonl", (json.dumps(row) + "\n" for row in rows))
        scores = [(spec.name, spec.higher_is_better) for spec in whole.specs]
        write_beside(target / f"{name}.yaml", _task_file(name, scores, max_new_tokens))
        names.append(name)
    return names


def _task_file(name: str, scores: Sequence[tuple[str, bool]], max_new_tokens: int) -> list[str]:
    lines = [
        f"task: {json.dumps(name)}",
        "dataset_path: json",
        "dataset_kwargs:",
        f"  data_files: {{test: {json.dumps(name + '.jsonl')}}}",
        "test_split: test",
        "output_type: generate_until",
        f"doc_to_visual: !function {HERE}.visuals",
        f"doc_to_text: !function {HERE}.question",
        f"doc_to_target: !function {HERE}.truth",
        f"process_results: !function {HERE}.results",
        f"generation_kwargs: {{max_new_tokens: {max_new_tokens}, temperature: 0, do_sample: false}}",
        "metric_list:",
    ]
    for number, (score, higher) in enumerate(scores):
        for side in ("", "low", "high"):
            lines += [
                f"  - metric: {json.dumps(f'{score}/{side}' if side else score)}",
                f"    aggregation: !function {HERE}.{PREFIX}{number}{side}",
                f"    higher_is_better: {str(higher).lower()}",
            ]
    return [f"{line}\n" for line in [*lines, "metadata: {version: 1}"]]


def visuals(doc: Mapping[str, Any]) -> list[Any]:
    """Return the pictures of a question, opened."""
    from PIL import Image

    return [Image.open(path).convert("RGB") for path in json.loads(doc["pictures"])]


def question(doc: Mapping[str, Any], settings: object = None) -> str:
    """Return the text of a question."""
    return str(doc["question"])


def truth(doc: Mapping[str, Any]) -> str:
    """Return the truth in words."""
    return str(doc["truth"])


def results(doc: Mapping[str, Any], answers: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return what every score is made of: the record's id, the answer, and the rule."""
    names = [spec.name for spec in posed(**json.loads(doc["rule"])).specs]
    item = {"id": str(doc["id"]), "text": answers[0], "rule": doc["rule"]}
    return {key: item for name in names for key in (name, f"{name}/low", f"{name}/high")}


@lru_cache(maxsize=4)
def _table(rule: str, answers: tuple[tuple[str, str], ...]) -> dict[str, float]:
    """Return all scores of a task at once: lmms-eval asks for one after the other."""
    return flat(posed(**json.loads(rule)).scores(dict(answers)))


def _value(number: int, side: str, items: Sequence[Mapping[str, str]]) -> float:
    """Return one score, or a side of its interval; NaN where it is undefined."""
    rule = items[0]["rule"]
    name = posed(**json.loads(rule)).specs[number].name
    table = _table(rule, tuple((item["id"], item["text"]) for item in items))
    return table.get(f"{name}/{side}" if side else name, float("nan"))


def __getattr__(name: str) -> Callable[[Sequence[Mapping[str, str]]], float]:
    """Return the function that makes one score out of all answers: `score_3`, `score_3low`, `score_3high`."""
    number = name.removeprefix(PREFIX).removesuffix("low").removesuffix("high")
    if not name.startswith(PREFIX) or not number.isdecimal():
        raise AttributeError(f"module {HERE!r} has no attribute {name!r}")
    side = name.removeprefix(f"{PREFIX}{number}")

    def aggregate(items: Sequence[Mapping[str, str]]) -> float:
        return _value(int(number), side, items)

    aggregate.__name__ = name
    return aggregate
