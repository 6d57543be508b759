"""Two benchmark files, one about images and one about clouds, and what a model answers to each question."""

import json
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from lamm_metrics import score

COLOURS = ["red", "blue", "green"]


@dataclass
class Bench:
    """A benchmark file with its pictures and answers by the text of the question."""

    file: Path
    answers: dict[str, str]
    rule: dict[str, str]

    @property
    def by_id(self):
        records = json.loads(self.file.read_text())
        return [{"id": one["id"], "text": self.answers[one["query"]]} for one in records]

    def report(self, **options):
        return score(None, str(self.file), self.by_id, self.rule["protocol"], **options)

    def shown(self):
        """The scores as harnesses show them."""
        scores = self.report().scores
        table = {"unread": scores[0].failure_rate}
        for one in scores:
            if one.value is not None:
                table[one.name] = one.value
            if one.interval:
                table[f"{one.name}/low"], table[f"{one.name}/high"] = one.interval
        return table


def png(colour):
    """A picture of one pixel."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" + bytes(colour))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture
def shop(tmp_path):
    """Choices about images; a third of the answers are wrong, one cannot be read."""
    records, answers = [], {}
    for i in range(9):
        (tmp_path / f"{i // 3}.png").write_bytes(png((i, 0, 0)))
        query = f"What colour is door {i}?"
        records.append({"id": i, "image": f"{i // 3}.png", "query": query, "gt_choices": COLOURS, "gt_choice": i % 3})
        answers[query] = f"It is {COLOURS[i % 3 if i % 4 else 0]}." if i else "I cannot see."
    (tmp_path / "VQA_Shop.json").write_text(json.dumps(records))
    return Bench(tmp_path / "VQA_Shop.json", answers, {"protocol": "standard"})


@pytest.fixture
def rooms(tmp_path):
    """Open questions about clouds, shown from two sides, under a rule with types of questions and n-grams."""
    views = tmp_path / "views"
    views.mkdir()
    lines, records, answers = [], [], {}
    for i in range(8):
        cloud = f"room{i // 2}.npy"
        for side in (1, 2) if i % 2 == 0 else ():
            (views / f"{cloud}.{side}.png").write_bytes(png((0, i, side)))
            lines.append({"cloud": cloud, "view": f"side {side}", "picture": f"{cloud}.{side}.png", "objects": []})
        query = f"{['What', 'Is', 'How many', 'Which'][i % 4]} number {i}?"
        records.append({"id": f"q{i}", "pcl": cloud, "query": query, "answers": ["a brown chair", "brown chair"],
                        "task": "open_vqa3d", "system": "Answer in a few words."})  # fmt: skip
        answers[query] = ["Brown chair.", "the chair", "a brown chair", "two tables"][i % 3]
    (views / "views.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "OpenVQA_Rooms.json").write_text(json.dumps(records))
    return Bench(tmp_path / "OpenVQA_Rooms.json", answers, {"protocol": "leo", "views": str(views)})
