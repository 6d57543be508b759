"""Questions about scenes: SQA3D, MSQA, Beacon3D, OpenEQA, 3D-POPE, VSI-Bench."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from math import atan2, cos, sin
from pathlib import Path
from typing import Any, NamedTuple

from lamm_data.errors import SourceError, import_extra
from lamm_data.files.json_lines import iter_sections, iter_values
from lamm_data.records.annotations import Annotated, Question
from lamm_data.records.benchmark import by_axis
from lamm_data.sources.readers.fields import first_file, need
from lamm_data.sources.readers.scannet import read_alignment
from lamm_data.sources.readers.scannet_export import FOLDER, room_of
from lamm_data.sources.readers.three_rscan import CLOUDS
from lamm_data.writing.options import LETTERS

MEDIA = {
    "scannet": f"{FOLDER}/{{}}_aligned_vert.npy",
    "3rscan": f"{CLOUDS}/{{}}.npy",
    "arkitscenes": "arkitscenes_pcls/{}.npy",
    "scannetpp": "scannetpp_pcls/{}.npy",
    "multiscan": "multiscan_pcls/{}.npy",
    "hm3d": "hm3d_pcls/{}.npy",
}
"""Clouds of scenes below the root, by the data set that they are from."""
_PICTURED = re.compile(r"<([^<>-]+)-\d+-IMG>")
_LETTERED = re.compile(r"\s*([A-Z])[.)]\s*(.*)", re.DOTALL)


class Asked(NamedTuple):
    """A question, the scene it is about, the data set of that scene, and the file it stands in."""

    scenes: str
    scene: str
    question: Question
    origin: str


Reader = Callable[[Path, str], Iterable[Asked]]


def _entry(value: Any, keys: tuple[str, ...], where: str, what: str, scene: str = "scene_id") -> Mapping[str, Any]:
    """Return an entry that has its keys and names its scene.

    Raises:
        SourceError: It does not.
    """
    entry = need(value, (scene, *keys), where, what)
    if not str(entry[scene] or "").strip():
        raise SourceError(f"Expected the scene of {what}, got an empty {scene} ({where}). Mend it.")
    return entry


def _by_scene(asked: Iterable[Asked]) -> Iterator[Annotated]:
    """Yield the scenes in the order of their first question, each with all its questions."""
    grouped: dict[tuple[str, str, str], list[Question]] = defaultdict(list)
    for one in asked:
        grouped[one.scenes, one.scene, one.origin].append(one.question)
    for (scenes, scene, origin), questions in grouped.items():
        group = room_of(scene) if scenes == "scannet" else scene
        media = MEDIA[scenes].format(scene)
        yield Annotated(scene, media, "pcl", origin=origin, questions=tuple(questions), group=group)


def _open(read: Reader) -> Callable[[Path, str], Iterator[Annotated]]:
    return lambda root, split: _by_scene(read(root, split))


def _answered(text: str, answers: Iterable[str], **values: Any) -> Question:
    """Make an open question; its answers are also kept as they are published."""
    published = tuple(answers)
    return Question(
        text.strip(), tuple(dict.fromkeys(one.strip() for one in published)), references=published, **values
    )


SQA3D = "sqa_task/balanced/{0} | balanced/{0} | {0}"


def _sqa3d(root: Path, split: str) -> Iterator[Asked]:
    """Join questions and answers by `question_id`: the two files need not be in one order."""
    questions = first_file(root, SQA3D.format(f"v1_balanced_questions_{split}_scannetv2.json"))
    answers = first_file(root, SQA3D.format(f"v1_balanced_sqa_annotations_{split}_scannetv2.json"))
    keys = ("question_id", "scene_id", "answers", "position", "rotation")
    truths: dict[str, Mapping[str, Any]] = {}
    for section, value in iter_sections(answers):
        if section == "annotations":
            entry = need(value, keys, answers, "an SQA3D annotation")
            truths[str(entry["question_id"])] = entry
    for section, value in iter_sections(questions):
        if section != "questions":
            continue
        entry = _entry(value, ("question_id", "question", "situation"), str(questions), "an SQA3D question")
        key = str(entry["question_id"])
        if key not in truths:
            raise SourceError(
                f"Expected the answer to question {key} in {answers}, got none. Take both files of one split."
            )
        truth = truths[key]
        position, rotation = by_axis(truth["position"], "xyz"), by_axis(truth["rotation"], "xyzw")
        question = _answered(
            entry["question"],
            [answer["answer"] for answer in truth["answers"]],
            id=key,
            situation=entry["situation"].strip(),
            position=tuple(position or ()),
            rotation=tuple(rotation or ()),
        )
        yield Asked("scannet", str(entry["scene_id"]), question, questions.name)


def open_situations(root: Path, split: str) -> Iterator[Annotated]:
    """Read SQA3D's situations, moved by each scene's axis alignment: the clouds are aligned, the annotations are not.

    Of a scene without `scans/<scene>/<scene>.txt` nothing can be said: its questions come without positions.
    """
    for item in _by_scene(_sqa3d(root, split)):
        path = root / "scans" / item.id / f"{item.id}.txt"
        matrix = read_alignment(path) if path.is_file() else None
        yield replace(item, questions=tuple(_aligned(question, matrix) for question in item.questions))


def _aligned(question: Question, matrix: Any) -> Question:
    if matrix is None or not (question.position and question.rotation):
        return replace(question, position=(), rotation=())
    position = matrix[:3, :3] @ question.position + matrix[:3, 3]
    half = atan2(matrix[1, 0], matrix[0, 0]) / 2  # an alignment turns about z alone
    z, w = sin(half), cos(half)
    qx, qy, qz, qw = question.rotation
    turned = (w * qx - z * qy, w * qy + z * qx, w * qz + z * qw, w * qw - z * qz)
    stated = {**question.stated, "frame": "aligned to the walls"}
    return replace(
        question,
        position=tuple(round(float(value), 6) for value in position),
        rotation=tuple(round(float(value), 6) for value in turned),
        stated=stated,
    )


MSQA = {
    "scannet": "msqa_scannet_{split}.json",
    "3rscan": "msqa_rscan_{split}.json | msqa_3rscan_{split}.json",
    "arkitscenes": "msqa_arkitscenes_{split}.json",
}


def _msqa(root: Path, split: str) -> Iterator[Asked]:
    """Read those of MSQA's three files that are there; a picture inside a text is named by its object's class."""
    there = [
        (scenes, root / name.strip().format(split=split))
        for scenes, names in MSQA.items()
        for name in names.split("|")
        if (root / name.strip().format(split=split)).is_file()
    ]
    if not there:
        first_file(root, " | ".join(MSQA.values()), split=split)
    keys = ("index", "question", "answers", "situation", "type")
    for scenes, path in there:
        for line, value in iter_values(path):
            entry = _entry(value, keys, f"{path}, line {line}", "an MSQA entry", "scan_id")
            stated: dict[str, Any] = {"question_type": str(entry["type"])}
            stated |= {key: list(entry[key]) for key in ("location", "orientation") if entry.get(key)}
            question = _answered(
                _PICTURED.sub(r"\1", entry["question"]),
                entry["answers"],
                id=f"{scenes}-{entry['index']}",
                situation=_PICTURED.sub(r"\1", entry["situation"]).strip(),
                stated=stated,
            )
            yield Asked(scenes, str(entry["scan_id"]), question, path.name)


BEACON3D = {name: f"data/{name}/{name}_qa.json" for name in ("scannet", "3rscan", "multiscan")}


def _beacon3d(root: Path, split: str) -> Iterator[Asked]:
    """Read one domain. An id ends with the type of the question, and 1 where it needs more than the object's text."""
    path = first_file(root, f"{BEACON3D[split]} | {split}/{split}_qa.json")
    for line, value in iter_values(path):
        where = f"{path}, line {line}"
        entry = _entry(value, ("question_id", "question", "answers", "object_ids"), where, "a Beacon3D question")
        parts = str(entry["question_id"]).rsplit("_", 2)
        if len(parts) != 3:
            raise SourceError(f"Expected a question_id ..._type_number, got {entry['question_id']!r} ({where}).")
        stated = {"question_type": parts[1], "extra_knowledge": parts[2] == "1"}
        stated["object_ids"] = list(entry["object_ids"])
        stated["object_id"] = "-".join(map(str, (entry["scene_id"], *entry["object_ids"])))
        question = _answered(entry["question"], entry["answers"], id=str(entry["question_id"]), stated=stated)
        yield Asked(split, str(entry["scene_id"]), question, path.name)


def _open_eqa(root: Path, split: str) -> Iterator[Asked]:
    """Read questions about walks; a walk `<set>-v0/<number>-<set>-<scene>` names its scene."""
    path = first_file(root, "data/open-eqa-v0.json | open-eqa-v0.json")
    keys = ("question_id", "question", "answer", "category")
    for line, value in iter_values(path):
        where = f"{path}, line {line}"
        entry = _entry(value, keys, where, "an OpenEQA question", "episode_history")
        parts = str(entry["episode_history"]).rpartition("/")[2].split("-", 2)
        if len(parts) != 3 or parts[1] not in MEDIA:
            raise SourceError(f"Expected a walk number-set-scene, got {entry['episode_history']!r} ({where}). Mend it.")
        answers = [entry["answer"], *entry.get("extra_answers", ())]
        stated = {"question_type": str(entry["category"])}
        question = _answered(entry["question"], answers, id=str(entry["question_id"]), stated=stated)
        yield Asked(parts[1], parts[2], question, path.name)


def _pope(root: Path, split: str) -> Iterator[Asked]:
    """Read every setting and template of one label set."""
    paths = sorted((root / f"scannet_{split}").glob("*_template_*.json"))
    if not paths:
        raise SourceError(
            f"Expected scannet_{split}/<setting>_template_<number>.json in {root}, got none. Check the root folder."
        )
    keys = ("id", "conversations", "ground_truth_answer", "question_type", "template")
    for path in paths:
        for line, value in iter_values(path):
            entry = _entry(value, keys, f"{path}, line {line}", "a 3D-POPE entry")
            text = str(entry["conversations"][0]["value"]).replace("<image>", "")
            stated = {"setting": str(entry["question_type"]), "template": str(entry["template"])}
            question = _answered(text, [entry["ground_truth_answer"]], id=str(entry["id"]), stated=stated)
            yield Asked("scannet", str(entry["scene_id"]), question, path.parent.name)


VSI = {"test": "test.jsonl | test-00000-of-00001.parquet", "debiased": "test_debiased.jsonl | test_debiased.parquet"}


def _vsi_rows(path: Path) -> Iterator[tuple[int, Any]]:
    if path.suffix != ".parquet":
        return iter_values(path)
    parquet = import_extra("pyarrow.parquet", "Parquet files", "parquet")
    try:
        return enumerate(parquet.read_table(path).to_pylist(), 1)
    except (ValueError, OSError) as error:
        raise SourceError(f"Expected a Parquet file, got {error} ({path}). Download it again.") from error


def _vsi(root: Path, split: str) -> Iterator[Asked]:
    """Read numbers and lettered options. The questions are about videos; the record names the cloud of the scene."""
    path = first_file(root, VSI[split])
    keys = ("id", "dataset", "question_type", "question", "ground_truth")
    for line, value in _vsi_rows(path):
        where = f"{path}, line {line}"
        entry = _entry(value, keys, where, "a VSI-Bench row", "scene_name")
        scenes = str(entry["dataset"])
        if scenes not in MEDIA:
            raise SourceError(f"Expected a dataset out of {', '.join(MEDIA)}, got {scenes!r} ({where}).")
        question = Question(
            str(entry["question"]), id=str(entry["id"]), stated={"question_type": str(entry["question_type"])}
        )
        truth = str(entry["ground_truth"])
        options = [(_LETTERED.fullmatch(str(option)), str(option)) for option in entry.get("options") or ()]
        if options:
            letters = [match[1] if match else LETTERS[place] for place, (match, _) in enumerate(options)]
            if truth not in letters:
                raise SourceError(f"Expected the letter of an option, got {truth!r} ({where}). Download it again.")
            texts = tuple((match[2] if match else text).strip() for match, text in options)
            question = replace(question, choices=texts, answer=letters.index(truth))
        else:
            question = replace(question, number=float(truth))
        yield Asked(scenes, str(entry["scene_name"]), question, path.name)


open_sqa3d = _open(_sqa3d)
open_msqa = _open(_msqa)
open_beacon3d = _open(_beacon3d)
open_open_eqa = _open(_open_eqa)
open_3d_pope = _open(_pope)
open_vsi_bench = _open(_vsi)
