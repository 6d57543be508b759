"""Annotations of 3D language sets, laid out as they are published, become benchmark files with nothing lost."""

import csv
import json

import numpy as np
import pytest

from lamm_data.benchmark.run import build_benchmark
from lamm_data.errors import SourceError, UsageError
from lamm_data.records.benchmark import read_benchmark
from lamm_data.records.instruction import read_records
from lamm_data.sources.readers.scannet_export import FOLDER
from lamm_data.templates.run import ConvertSettings, convert_source

BOXES = np.array(
    [[1, 2, 0.5, 1, 1, 1, 1, 0], [4, 2, 0.5, 1, 1, 1, 1, 1], [0, 0, 1, 2, 1, 2, 2, 12], [9, 0, 1, 1, 1, 1, 3, 3]],
    dtype=float,
)
"""Two chairs, a table, and a lamp: rows of centre, size, class, object id."""


@pytest.fixture
def root(tmp_path):
    """A prepared ScanNet of one scene, `scene0011_00`, that is in the list of every split."""
    folder = tmp_path / "root" / FOLDER
    folder.mkdir(parents=True)
    np.save(folder / "scene0011_00_aligned_bbox.npy", BOXES)
    np.save(folder / "scene0011_00_aligned_vert.npy", np.zeros((5, 6), np.float32))
    (folder.parent / "classes.tsv").write_text("1\tchair\n2\ttable\n3\tlamp\n")
    for split in ("train", "val"):
        (folder.parent / f"scannetv2_{split}.txt").write_text("scene0011_00\n")
    return folder.parent


def write(root, name, value):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))


def table(root, name, rows):
    with (root / name).open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def built(source, root, **options):
    """Build all benchmark files of a source; return their records by task, and what was left out."""
    out = root.parent / "out"
    files = build_benchmark(source, root, out, **options)
    records = {file.name: read_benchmark(out / file.name) for file in files}
    return (
        {some[0].task: some for some in records.values() if some},
        {reason: number for file in files for reason, number in file.left_out.items()},
    )


def test_scanqa_keeps_every_answer_as_published(root):
    entry = {"scene_id": "scene0011_00", "question_id": "val-scene0011-7", "object_ids": [12], "question": "What?"}
    write(root, "ScanQA_v1.0_val.json", [entry | {"answers": ["Brown ", "brown", "Brown "]}])
    records, _ = built("scanqa", root, tasks=("open_vqa3d",))
    (record,) = records["open_vqa3d"]
    assert (record.id, record.answers, record.group) == ("val-scene0011-7", ["Brown ", "brown", "Brown "], "scene0011")
    assert record.extra == {"question": "What?", "object_ids": [12]}


def test_the_whole_of_scanqa(real_data, tmp_path):
    (file,) = build_benchmark("scanqa", real_data / "scanqa", tmp_path, media="ignore", tasks=("open_vqa3d",))
    raw = {entry["question_id"]: entry for entry in json.loads((real_data / "scanqa/ScanQA_v1.0_val.json").read_text())}
    records = read_benchmark(tmp_path / "OpenVQA_ScanQA.json")
    assert (file.records, file.published, len(records)) == (4675, 4675, 4675)
    assert all(record.answers == raw[record.id]["answers"] for record in records)
    assert len({record.pcl for record in records}) == 71


SITUATION = {
    "question_id": 7, "question": "What is left of me?", "scene_id": "scene0011_00", "situation": "I sit on the chair.",
    "alternative_situation": ["a", "b"],
}  # fmt: skip
ANSWER = {
    "question_id": 7, "scene_id": "scene0011_00", "answers": [{"answer": "table", "answer_id": 1}],
    "position": {"x": 1, "y": 0, "z": 0}, "rotation": {"_x": 0, "_y": 0, "_z": 0, "_w": 1}, "question_type": "N/A",
}  # fmt: skip


def sqa3d(root, questions, answers):
    write(root, "balanced/v1_balanced_questions_test_scannetv2.json", {"questions": questions})
    write(root, "balanced/v1_balanced_sqa_annotations_test_scannetv2.json", {"annotations": answers})


def test_sqa3d_is_joined_by_question_and_its_situations_move_with_the_scene(root):
    other = {"question_id": 8, "question": "Where?"}
    sqa3d(root, [SITUATION, SITUATION | other], [ANSWER | {"question_id": 8}, ANSWER])
    turned = "axisAlignment = 0 -1 0 5 1 0 0 6 0 0 1 7 0 0 0 1\n"
    write(root, "scans/scene0011_00/scene0011_00.txt", turned)
    records, left_out = built("sqa3d", root)
    first = records["open_vqa3d"][0]
    assert (first.id, first.answers, first.extra["situation"]) == ("7", ["table"], "I sit on the chair.")
    assert first.query == "I sit on the chair. What is left of me?"
    place = records["localisation3d"][0]
    assert (place.position, place.rotation) == ([5, 7, 7], [0, 0, 0.707107, 0.707107])
    assert place.extra["frame"] == "aligned to the walls"
    assert not left_out
    (root / "scans/scene0011_00/scene0011_00.txt").unlink()
    records, left_out = built("sqa3d", root)
    assert "localisation3d" not in records
    assert left_out == {"question without a situation": 2}


def test_a_situation_is_told_before_its_question_is_taught(root):
    sqa3d(root, [SITUATION], [ANSWER])
    path = root.parent / "i.jsonl"
    convert_source("sqa3d", root, path, ConvertSettings(tasks=("vqa3d",), split="test"))
    (record,) = read_records(path)
    assert "I sit on the chair. What is left of me?" in record.conversations[0].text


def test_sqa3d_without_the_answer_to_a_question_is_refused(root):
    sqa3d(root, [SITUATION], [ANSWER | {"question_id": 9}])
    with pytest.raises(SourceError, match=r"answer to question 7 .*both files of one split"):
        built("sqa3d", root)


def test_msqa_reads_the_files_that_are_there(root):
    entry = {
        "index": 3, "scan_id": "scene0011_00", "question": "Is <chair-4-IMG> red?", "answers": ["yes", "Yes"],
        "situation": "I face <office chair-2-IMG>.", "type": "attribute", "location": [0, 1, 2],
    }  # fmt: skip
    write(root, "msqa_scannet_test.json", [entry])
    write(root, "msqa_rscan_test.json", [entry | {"scan_id": "0cac75b1"}])
    records, _ = built("msqa", root, media="ignore")
    first, second = records["open_vqa3d"]
    assert (first.id, second.id) == ("scannet-3", "3rscan-3")
    assert (first.query, first.extra["question_type"]) == ("I face office chair. Is chair red?", "attribute")
    assert second.pcl == "3rscan_pcls/0cac75b1.npy"


def test_beacon3d_tells_types_and_chains(root):
    asked = {"question_id": "scene0011_00_12_0_appearance_1", "scene_id": "scene0011_00", "question": "What colour?",
             "object_ids": [12], "object_names": ["table"], "answers": ["White"]}  # fmt: skip
    write(root, "data/scannet/scannet_qa.json", [asked])
    (record,) = built("beacon3d", root)[0]["open_vqa3d"]
    assert record.extra["question_type"] == "appearance"
    assert record.extra["extra_knowledge"] is True
    assert record.extra["object_id"] == "scene0011_00-12"
    chain = {"item_id": "scene0011_00_0_chain_1_0_class-spatial", "scan_id": "scene0011_00", "target_id": [0, 1],
             "instance_type": "chair", "utterance": "The chairs"}  # fmt: skip
    write(root, "data/scannet/scannet_grounding.json", [chain])
    (record,) = built("beacon3d_grounding", root)[0]["multi_grounding3d"]
    assert len(record.object) == 2
    assert record.extra == {"question_type": "class-spatial", "chain": "scene0011_00_0_chain_1_0"}


def test_open_eqa_takes_every_answer_and_the_scene_of_the_walk(root):
    asked = {"question_id": "a", "question": "What is it?", "answer": "A chair", "category": "object recognition",
             "episode_history": "scannet-v0/002-scannet-scene0011_00", "extra_answers": ["chair"]}  # fmt: skip
    walk = {"question_id": "b", "episode_history": "hm3d-v0/000-hm3d-BFRy-1"}
    write(root, "open-eqa-v0.json", [asked, asked | walk])
    first, second = built("open_eqa", root, media="ignore")[0]["open_vqa3d"]
    assert (first.answers, first.extra["question_type"]) == (["A chair", "chair"], "object recognition")
    assert (first.group, second.pcl) == ("scene0011", "hm3d_pcls/BFRy-1.npy")
    write(root, "open-eqa-v0.json", [asked | {"episode_history": "elsewhere"}])
    with pytest.raises(SourceError, match="Expected a walk number-set-scene, got 'elsewhere'"):
        built("open_eqa", root)


def test_3d_pope_names_setting_and_template(root):
    entry = {"id": "scene0011_00$popular_template_1$0", "scene_id": "scene0011_00", "question_type": "popular",
             "conversations": [{"from": "human", "value": "Are there any sofas in the room?\n<image>"}],
             "ground_truth_answer": "no", "template": "template_1"}  # fmt: skip
    write(root, "scannet_nyu40/popular_template_1.json", [entry])
    (record,) = built("3d_pope", root, split="nyu40")[0]["yes_no3d"]
    assert (record.id, record.label, record.query) == (entry["id"], "no", "Are there any sofas in the room?")
    assert (record.extra["setting"], record.extra["template"]) == ("popular", "template_1")


def test_vsi_bench_has_numbers_and_options(root):
    row = {"id": 4, "dataset": "scannet", "scene_name": "scene0011_00", "question": "How far?"}
    distance = row | {"question_type": "object_abs_distance", "ground_truth": "2.5", "options": None}
    order = row | {"id": 5, "question_type": "route_planning", "ground_truth": "B", "options": ["A. left", "B. right"]}
    write(root, "test.jsonl", "\n".join(map(json.dumps, (distance, order))))
    first, second = built("vsi_bench", root)[0]["spatial_questions3d"]
    assert (first.num, first.extra["question_type"], first.query) == (2.5, "object_abs_distance", "How far?")
    assert (second.gt_choice, second.gt_choices) == (1, ["left", "right"])
    assert second.query == "How far? Options: (A) left (B) right"


def described(object_id, name, text="it."):
    return {"scene_id": "scene0011_00", "object_id": object_id, "object_name": name, "ann_id": "0", "description": text}


def test_scanrefer_says_which_objects_are_the_only_ones_of_their_class(root):
    rows = [described("0", "chair"), described("1", "chair"), described("12", "table"), described("3", "lamp")]
    write(root, "ScanRefer_filtered_val.json", rows)
    records = built("scanrefer", root)[0]["visual_grounding3d"]
    assert [record.extra["unique"] for record in records] == [False, False, True, True]
    assert records[2].extra["source_id"] == "scene0011_00-12-0"


def test_scan2cap_gathers_what_is_said_of_each_object(root):
    rows = [described("12", "table", "a table."), described("0", "chair", "a chair."), described("12", "table", "big.")]
    write(root, "ScanRefer_filtered_val.json", rows)
    records, _ = built("scan2cap", root)
    (scene,) = records["dense_caption3d"]
    assert [item["sentences"] for item in scene.object] == [["a table.", "big."], ["a chair."]]
    table, chair = records["object_caption3d"]
    assert (table.id, table.sentences, chair.sentences) == ("scene0011_00-12", ["a table.", "big."], ["a chair."])
    assert "[0.000, 0.000, 1.000, 2.000, 1.000, 2.000]" in table.query


STIMULUS = {
    "assignmentid": "17", "stimulus_id": "scene0011_00-office_chair-3-0-1-5", "target_id": "0",
    "tokens": "['the', 'left']",
    "scan_id": "scene0011_00", "utterance": "the left chair", "mentions_target_class": "True",
    "correct_guess": "False",
}  # fmt: skip


def test_nr3d_tells_easy_from_hard_and_what_depends_on_the_view(root):
    easy = STIMULUS | {
        "assignmentid": "18",
        "stimulus_id": "scene0011_00-lamp-2-3-5",
        "target_id": "3",
        "tokens": "['Left']",
    }
    table(root, "nr3d.csv", [STIMULUS, easy, STIMULUS | {"scan_id": "scene0999_00"}])
    first, second = built("nr3d", root)[0]["visual_grounding3d"]
    assert (first.extra["easy"], first.extra["view_dependent"], first.extra["source_id"]) == (False, True, "17")
    assert (second.extra["easy"], second.extra["view_dependent"]) == (True, False)
    assert (first.extra["mentions_target_class"], first.extra["correct_guess"]) == (True, False)


def test_sr3d_needs_no_columns_of_people(root):
    row = {key: STIMULUS[key] for key in ("stimulus_id", "target_id", "tokens", "scan_id", "utterance")}
    table(root, "sr3d.csv", [row | {"coarse_reference_type": "horizontal"}])
    (record,) = built("sr3d", root)[0]["visual_grounding3d"]
    assert record.extra == {"source_id": "2", "easy": False, "view_dependent": True, "reference_type": "horizontal"}


def test_multi3drefer_means_none_one_or_several(root):
    row = {"scene_id": "scene0011_00", "description": "these", "eval_type": "mt", "object_name": "chair"}
    rows = [row | {"ann_id": k, "object_ids": ids} for k, ids in enumerate(([0, 1], [], [12], [0, 77]))]
    write(root, "multi3drefer_val.json", rows)
    records, left_out = built("multi3drefer", root)
    assert [len(record.object) for record in records["multi_grounding3d"]] == [2, 0, 1]
    assert [record.id for record in records["multi_grounding3d"]] == [f"scene0011_00_{k}" for k in range(3)]
    assert left_out == {"description of an object without box": 1}


def test_vigil3d_leaves_prompts_out_that_are_not_valid(root):
    row = {"prompt_id": "a", "scene_id": "scene0011_00", "object_id": "0,1", "description": "chairs", "is_valid": "1"}
    table(root, "vigil3d_scannet.csv", [row, row | {"prompt_id": "b", "object_id": ""}, row | {"is_valid": "0"}])
    records, left_out = built("vigil3d", root)
    assert [len(record.object) for record in records["multi_grounding3d"]] == [2, 0]
    assert left_out == {"description that is marked as not valid": 1}


def test_a_description_without_its_scene_is_named(root):
    rows = [described("0", "chair"), described("0", "chair") | {"scene_id": "scene0552_00"}]
    write(root, "ScanRefer_filtered_val.json", rows)
    _, left_out = built("scanrefer", root)
    assert left_out == {"description of a scene that scannetv2_val.txt lacks (scene0552_00)": 1}
    write(root, "ScanRefer_filtered_val.json", rows[1:])
    with pytest.raises(
        SourceError, match=r"scenes of .*scannetv2_val.txt in .*ScanRefer_filtered_val.json, got scene0552_00"
    ):
        built("scanrefer", root)
    table(root, "nr3d.csv", [STIMULUS | {"scan_id": ""}])
    with pytest.raises(SourceError, match=r"scene of an Nr3D row, got an empty scan_id \(.*nr3d.csv, line 2\)"):
        built("nr3d", root)


def test_a_file_of_another_version_says_what_was_expected(root):
    write(
        root, "multi3drefer_val.json", [{"scene_id": "scene0011_00", "object_id": 3, "ann_id": 1, "description": "x"}]
    )
    with pytest.raises(SourceError, match=r"Expected a Multi3DRefer entry with object_ids, eval_type, got"):
        built("multi3drefer", root)
    table(root, "nr3d.csv", [{"scan_id": "scene0011_00", "utterance": "x"}])
    with pytest.raises(SourceError, match="Expected an Nr3D row with stimulus_id, target_id, tokens"):
        built("nr3d", root)
    table(root, "nr3d.csv", [STIMULUS | {"stimulus_id": "scene0011_00 lamp"}])
    with pytest.raises(SourceError, match="Expected a stimulus_id scene-class-number-target"):
        built("nr3d", root)


def test_the_fifty_real_descriptions_keep_their_ids(real_data, root):
    raw = json.loads((real_data / "scanrefer" / "ScanRefer_filtered_sampled50.json").read_text())
    for scene in {entry["scene_id"] for entry in raw}:
        ids = sorted({int(entry["object_id"]) for entry in raw if entry["scene_id"] == scene})
        rows = [[k, 0, 1, 1, 1, 1, 1, key] for k, key in enumerate(ids)]
        np.save(root / FOLDER / f"{scene}_aligned_bbox.npy", np.array(rows, dtype=float))
    write(root, "ScanRefer_filtered_val.json", raw)
    (root / "scannetv2_val.txt").write_text("\n".join(sorted({entry["scene_id"] for entry in raw})))
    records, left_out = built("scanrefer", root, media="ignore")
    ids = {f"{entry['scene_id']}-{entry['object_id']}-{entry['ann_id']}" for entry in raw}
    assert {record.extra["source_id"] for record in records["visual_grounding3d"]} == ids
    assert not left_out


def rooms(tmp_path, listed="split.csv"):
    """Two rooms of SpatialLM's training set, or of its test set."""
    root = tmp_path / "spatiallm"
    rows = [{"id": f"scene_000000_0{room}_0", "scene_id": "scene_000000", "split": "train"} for room in (0, 1)]
    for row in rows:
        write(root, f"layout/{row['id']}.txt", "wall_0=Wall(1.0,0.0,0.0,5.0,0.0,0.0,2.8,0.0)\n"
              "door_0=Door(wall_9,2.0,0.0,1.0,0.8,2.0)\nbbox_0=Bbox(coffee_table,3.0,2.0,0.5,0.0,1.0,0.5,0.4)\n"
              "bbox_1=Bbox(unknown,3.0,2.0,0.5,0.0,1.0,0.5,0.4)\n")  # fmt: skip
        cloud = np.array([[1, -1, 0], [5, 4, 2.8]], np.float32)
        write(root, f"pcd/{row['id']}.ply", "ply\nformat ascii 1.0\nelement vertex 2\nproperty float x\n"
              "property float y\nproperty float z\nend_header\n"
              + "\n".join(" ".join(map(str, point)) for point in cloud) + "\n")  # fmt: skip
    table(root, listed, rows if listed == "split.csv" else [{"id": row["id"], "pcd": "", "layout": ""} for row in rows])
    return root


def test_spatiallms_rooms_become_boxes_in_metres_with_their_clouds_corner(tmp_path):
    root = rooms(tmp_path, "test.csv")
    records, left_out = built("spatiallm", root)
    first = records["detection3d"][0]
    assert first.object == [
        {"label": "wall", "bbox": [3.0, 0.0, 1.4, 4.0, 0.1, 2.8]},
        {"label": "coffee table", "bbox": [3.0, 2.0, 0.5, 1.0, 0.5, 0.4]},
    ]
    assert (first.cloud_corner, first.group) == ([1.0, -1.0, 0.0], "scene_000000_00")
    assert left_out == {"door or window of a wall that is not there": 2, "object without a name": 2}


def test_spatiallms_rooms_are_answered_in_steps_of_layout_text(tmp_path):
    root = rooms(tmp_path)
    settings = ConvertSettings(numbers="layout", workers=2)
    counts = convert_source("spatiallm", root, tmp_path / "out.jsonl", settings)
    answer = read_records(tmp_path / "out.jsonl")[0].conversations[1].text
    assert answer == "wall_0=Wall(0,40,0,160,40,0,139,0)\nbbox_0=Bbox(coffee_table,80,120,20,640,64,32,25)"
    assert counts["detection3d: records written"] == 2
    assert counts["detection3d: left out: door or window of a wall that is not there"] == 2


def test_a_room_whose_layout_is_torn_is_named_with_its_line(tmp_path):
    root = rooms(tmp_path)
    write(root, "layout/scene_000000_01_0.txt", "bbox_0=Bbox(bed,1.0,2.0,nan,0.0,1.0,1.0,1.0)\n")
    with pytest.raises(SourceError, match=r"in a Bbox.*line 1.*scene_000000_01_0.txt"):
        convert_source("spatiallm", root, tmp_path / "out.jsonl")


def test_a_room_that_is_listed_outside_the_root_is_refused(tmp_path):
    root = rooms(tmp_path)
    write(tmp_path, "secret.txt", "bbox_0=Bbox(bed,1.0,2.0,3.0,0.0,1.0,1.0,1.0)\n")
    table(root, "split.csv", [{"id": "../../secret", "scene_id": "s", "split": "train"}])
    with pytest.raises(SourceError, match="secret"):
        convert_source("spatiallm", root, tmp_path / "out.jsonl")


def test_layout_text_is_for_3d_detections_alone(root, tmp_path):
    with pytest.raises(UsageError, match="detection3d with the number style 'layout'"):
        convert_source("scanqa", root, tmp_path / "out.jsonl", ConvertSettings(numbers="layout", media="ignore"))
