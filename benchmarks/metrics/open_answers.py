"""100,000 open answers, with default intervals by scene, under published rules: processor and wall time.

The rules score METEOR too where pycocoevalcap is installed; the result names what was scored.

Questions, references and answers are drawn from a seed: answers of one to six words out of 3,000 with frequencies after
Zipf, one to four references, 1,000 scenes. Run: python benchmarks/metrics/open_answers.py
"""

from typing import Any

import numpy as np
from measuring import peak_memory_mib, seconds, write_result

from lamm_metrics import Report, score

RECORDS, SCENES, VOCABULARY = 100_000, 1_000, 3_000
RULES = ("scanqa-official", "leo", "llava3d", "mmscan")


def made(seed: int = 0) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """References and answers."""
    generator = np.random.default_rng(seed)
    words = np.array([f"w{chr(97 + i % 26)}{i}x" for i in range(VOCABULARY)])
    share = 1 / np.arange(1, VOCABULARY + 1)
    lengths = generator.integers(1, 7, RECORDS * 5)
    pool = iter(generator.choice(words, int(lengths.sum()), p=share / share.sum()).tolist())
    texts = [" ".join(next(pool) for _ in range(length)) for length in lengths.tolist()]
    several = generator.integers(1, 5, RECORDS).tolist()
    starts = np.array(["What is", "Is", "How many", "Where is", "Which"])[generator.integers(0, 5, RECORDS)].tolist()
    references = [
        {
            "id": str(i),
            "group": f"scene{i % SCENES:04d}",
            "query": f"{starts[i]} it?",
            "answers": texts[5 * i : 5 * i + several[i]],
        }
        for i in range(RECORDS)
    ]
    right = generator.random(RECORDS) < 0.4
    answers = [
        {"id": str(i), "text": references[i]["answers"][-1].capitalize() + "." if right[i] else texts[5 * i + 4]}
        for i in range(RECORDS)
    ]
    return references, answers


if __name__ == "__main__":
    references, answers = made()
    measured: dict[str, Any] = {}
    for name in (*RULES, "vqav2"):
        task, reports = "open_vqa" if name == "vqav2" else "open_vqa3d", list[Report]()
        time = seconds(
            lambda task=task, name=name, reports=reports: reports.append(
                score(task, references, answers, name, samples=False)
            ),
            repeats=1,
        )
        scored = [one.name for one in reports[0].scores if "/" not in one.name]
        measured[f"{name}, 1,000 draws"] = {**time, "scores": scored}
    measured["peak memory, MiB"] = peak_memory_mib()
    write_result(
        "open_answers",
        measured,
        [],
        f"{RECORDS} answers, {SCENES} scenes, in one process",
    )
