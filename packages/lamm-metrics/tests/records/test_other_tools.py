"""What other tools write is read under their own names; what is not read is named, with what converts it."""

import json

import pytest

from lamm_metrics import LammMetricsError, Prediction, read_predictions, read_references, score
from lamm_metrics.records.files import FileFaultsError

CHAT = {"status_code": 200, "body": {"choices": [{"message": {"role": "assistant", "content": "Two."}}], "error": None}}
FAILED = {"status_code": 400, "body": {"error": {"message": "Too long."}}}


@pytest.mark.parametrize(
    ("tool", "record", "found"),
    [
        ("llava", {"question_id": 1, "prompt": "?", "text": "Two.", "answer_id": "Z", "model_id": "m"}, "Two."),
        ("lmms-eval", {"doc_id": 1, "doc": {}, "target": "2", "resps": [["2."]], "filtered_resps": ["Two."]}, "Two."),
        ("lm-eval, raw", {"doc_id": 1, "target": "2", "resps": [["Two."]]}, "Two."),
        ("chat completions", {"id": "b", "custom_id": "1", "response": CHAT, "error": None}, "Two."),
        ("responses", {"custom_id": "1", "response": {"body": {"output": [
            {"type": "reasoning", "content": []},
            {"type": "message", "content": [{"type": "output_text", "text": "Two."}]}]}}}, "Two."),
        ("VLMEvalKit", {"index": 1, "question": "?", "answer": "B", "prediction": "Two."}, "Two."),
        ("inspect_ai", {"id": 1, "target": "2", "messages": [], "output": {"choices": [
            {"message": {"content": [{"type": "text", "text": "Two."}]}}], "completion": "Two."}}, "Two."),
        ("answer", {"question_id": 1, "answer": "Two."}, "Two."),
        ("response", {"id": 1, "response": "Two."}, "Two."),
        ("output", {"id": 1, "output": "Two."}, "Two."),
        ("Video-3D-LLM", {"sample_id": 1, "pred_response": "Two.", "gt_response": "2", "question_type": "how"}, "Two."),
        ("Chat-Scene", {"scene_id": "s", "gt_id": 3, "qid": 1, "pred": "Two.", "ref_captions": ["2"]}, "Two."),
        ("MMScan", {"ID": 1, "question": "?", "pred": ["Two."], "gt": ["2"]}, "Two."),
        ("MSR3D", {"index": 1, "response_pred": "Two.", "response_gt": ["2"], "type": "counting"}, "Two."),
        ("a number", {"id": 1, "prediction": 2}, "2"),
        ("joints", {"id": 1, "answer": {"neck": "[0.1, 0.2]"}}, {"neck": "[0.1, 0.2]"}),
    ],
)  # fmt: skip
def test_names_that_tools_write_are_known(tmp_path, tool, record, found):
    (tmp_path / "answers.jsonl").write_text(json.dumps(record) + "\n")
    assert [one.text for one in read_predictions(tmp_path / "answers.jsonl").records.values()] == [found], tool


@pytest.mark.parametrize(
    ("models", "name"), [(("llava-7b", "llava-7b"), "llava-7b"), (("a", "b"), "mine"), (("a", ""), "mine")]
)
def test_records_of_one_model_name_the_run(tmp_path, models, name):
    records = [{"question_id": n, "text": "Two.", "model_id": model} for n, model in enumerate(models)]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, records)))
    assert read_predictions(tmp_path / "mine.jsonl").name == name
    assert read_predictions(tmp_path / "mine.jsonl", name="ours").name == "ours"


def test_ten_answers_of_a_submission_to_scanqa_are_ranked(tmp_path):
    submitted = {"scene_id": "s", "question_id": "q", "answer_top10": ["red", *"abcdefghi"], "bbox": [[0, 0, 0]] * 8}
    (tmp_path / "submission.json").write_text(json.dumps([submitted]))
    assert read_predictions(tmp_path / "submission.json").records["q"].ranked == submitted["answer_top10"]
    report = score("open_vqa3d", [{"id": "q", "answers": ["i"]}], tmp_path / "submission.json", "scanqa-official")
    assert {one.name: one.value for one in report.scores if one.name.startswith("em")} == {
        "em": 0, "em@10": 1, "em/Other": 0, "em@10/Other": 1
    }  # fmt: skip
    with pytest.raises(FileFaultsError, match="the best answer first"):
        read_predictions([{**submitted, "answer_top10": "red"}])


def test_a_batch_of_the_api_has_its_ids_under_custom_id_although_lines_have_their_own(tmp_path):
    lines = [
        {"id": "batch_req_1", "custom_id": "q1", "response": CHAT, "error": None},
        {"id": "batch_req_2", "custom_id": "q2", "response": FAILED, "error": None},
        {"id": "batch_req_3", "custom_id": "q3", "response": None, "error": {"code": "expired", "message": "Expired."}},
    ]
    assert read_predictions(lines).records == {
        "q1": Prediction("q1", "Two."),
        "q2": Prediction("q2", error="Too long."),
        "q3": Prediction("q3", error="Expired."),
    }


def test_logs_of_one_object(tmp_path):
    samples = [{"id": 1, "target": "2", "output": {"choices": [{"message": {"content": "Two."}}]}}]
    (tmp_path / "log.json").write_text(
        json.dumps({"version": 2, "eval": {"model": "org/m"}, "samples": samples}, indent=2)
    )
    found = read_predictions(tmp_path / "log.json")
    assert (found.name, found.records) == ("org/m", {"1": Prediction("1", "Two.")})
    logs = [{"doc_id": 0, "target": "2", "filtered_resps": ["Two."]}]
    (tmp_path / "pope.json").write_text(json.dumps({"args": {}, "logs": logs}))
    assert read_predictions(tmp_path / "pope.json").records == {"0": Prediction("0", "Two.")}


def test_other_keys_are_named_and_ambiguous_ones_refused(tmp_path):
    records = [{"qid": "a", "answer": "B", "response": "It is B."}, {"qid": "b", "answer": "A", "response": "A"}]
    with pytest.raises(FileFaultsError) as raised:
        read_predictions(records)
    for part in ("question_id", "filtered_resps", "got qid, answer, response", "--id-key KEY --text-key KEY"):
        assert part in str(raised.value)
    with pytest.raises(FileFaultsError, match="one of an answer"):
        read_predictions(records, id_key="qid")
    with pytest.raises(FileFaultsError, match=r"an answer \(reply\), got qid, answer, response"):
        read_predictions(records, id_key="qid", text_key="reply")
    found = read_predictions(records, id_key="qid", text_key="response")
    assert found.records == {"a": Prediction("a", "It is B."), "b": Prediction("b", "A")}
    truth = [{"qid": "a", "label": "cat", "id": 7}, {"qid": "b", "label": "dog", "id": 8}]
    assert list(read_references(truth, "classification", id_key="qid").records) == ["a", "b"]
    assert list(read_references(truth, "classification").records) == ["7", "8"]
    assert list(read_references([{"question_id": 5, "label": "cat"}], "classification").records) == ["5"]


def test_records_without_a_known_id_name_the_option():
    with pytest.raises(FileFaultsError, match=r"got qid, label \(records read: 1\).*--id-key KEY"):
        read_references([{"qid": "a", "label": "cat"}], "classification")
    with pytest.raises(FileFaultsError, match="predictions: put the references and the predictions in the right order"):
        read_references([{"id": 1, "text": "cat"}])
    with pytest.raises(FileFaultsError, match="--protocol coco"):
        read_references([{"annotations": [], "images": [], "categories": []}])


def test_several_answers_in_place_of_one_are_faults():
    with pytest.raises(FileFaultsError, match=r"record 2: expected one answer, got a list of 2"):
        read_predictions([{"doc_id": 1, "resps": [["a"]]}, {"doc_id": 2, "resps": [["a", "b"]]}])
    with pytest.raises(FileFaultsError, match="expected an answer, or a reply of a chat endpoint"):
        read_predictions([{"doc_id": 1, "resps": [{"loglikelihood": 3}]}])


def test_structured_answers_need_no_text_and_keep_their_meaning():
    found = read_predictions([{"question_id": 1, "choice": "B", "answer": "A"}, {"question_id": 2, "choice": "A"}])
    assert found.records["1"] == Prediction("1", choice="B")


@pytest.mark.parametrize(
    ("name", "start", "said"),
    [
        ("a.eval", b"PK\x03\x04", "inspect log dump {path} > a.json"),
        ("a.pkl", b"\x80\x04", "pandas.read_pickle('{path}')"),
        ("answers", b"\x80\x05", "pickle"),
        ("a.xls", b"\xd0\xcf\x11\xe0", "libreoffice --convert-to xlsx {path}"),
        ("a.arrow", b"ARROW1", "read_feather('{path}')"),
        ("a.jsonl.zst", b"\x28\xb5\x2f\xfd", "zstd -d {path}"),
        ("a.zip", b"PK\x03\x04", "unzip {path}"),
    ],
)
def test_a_file_that_is_not_read_is_named_with_what_converts_it(tmp_path, name, start, said):
    path = tmp_path / name
    path.write_bytes(start + b"\x00" * 20)
    for read in (read_predictions, read_references):
        with pytest.raises(LammMetricsError) as raised:
            read(path)
        assert said.format(path=path) in str(raised.value)


def test_folders(tmp_path):
    with pytest.raises(LammMetricsError, match="Expected a file, got a folder"):
        read_predictions(tmp_path)
    (tmp_path / "dataset_info.json").write_text("{}")
    with pytest.raises(LammMetricsError, match="load_from_disk"):
        read_predictions(tmp_path)


def test_cocos_results_name_the_protocol():
    with pytest.raises(FileFaultsError, match="--protocol coco"):
        read_predictions([{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 1.0}])
