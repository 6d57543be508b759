"""Every kind of file, frame and list comes in as the same records."""

import gzip
import json
import subprocess
import sys

import numpy as np
import pytest

from lamm_metrics import LammMetricsError, read_predictions, read_references, score
from lamm_metrics.records.files import FileFaultsError
from lamm_metrics.records.predictions import Prediction

ANSWERS = {"1": Prediction("1", "Two, or 2."), "x": Prediction("x", 'She said "three,\nperhaps"'), "3": Prediction("3")}
ROWS = [{"id": "1", "text": "Two, or 2."}, {"id": "x", "text": 'She said "three,\nperhaps"'}, {"id": "3", "text": ""}]
CSV = 'id,text\n1,"Two, or 2."\nx,"She said ""three,\nperhaps"""\n3,\n'
REFERENCES = [
    {"id": 1, "gt_choice": 1, "gt_choices": ["a, b", "c"], "image": "1.png"},
    {"id": 2, "gt_choice": 0, "gt_choices": ["d", "e"], "image": "2.png"},
]


def records(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_predictions(path).records


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", "\n".join(map(json.dumps, ROWS))),
        ("a.json", json.dumps(ROWS)),
        ("a.json", json.dumps({row["id"]: row["text"] for row in ROWS}, indent=1)),
        ("a.json", json.dumps({row["id"]: row["text"] for row in ROWS})),
        ("a.json", json.dumps({row["id"]: {"text": row["text"]} for row in ROWS}, indent=1)),
        ("a.csv", CSV),
        (
            "a.csv",
            "\ufeff" + CSV.replace(",", ";", 1).replace('\n1,"', '\n1;"').replace("x,", "x;").replace("3,", "3;"),
        ),
        ("a.tsv", CSV.replace("id,text", "id\ttext").replace('1,"', '1\t"').replace("x,", "x\t").replace("3,", "3\t")),
    ],
)
def test_text_files_plain_and_compressed(tmp_path, name, text):
    if name == "a.csv" and text.startswith("\ufeff"):
        text = text.replace('"three;', '"three,')
    assert records(tmp_path / name, text) == ANSWERS
    assert records(tmp_path / f"{name}.gz", gzip.compress(text.encode())) == ANSWERS


def test_parquet_and_xlsx_plain_and_compressed(tmp_path):
    pandas = pytest.importorskip("pandas")
    for module, write, name in (("pyarrow", "to_parquet", "a.parquet"), ("openpyxl", "to_excel", "a.xlsx")):
        pytest.importorskip(module)
        getattr(pandas.DataFrame(ROWS), write)(tmp_path / name, index=False)
        data = (tmp_path / name).read_bytes()
        assert records(tmp_path / name, data) == ANSWERS
        assert records(tmp_path / f"{name}.gz", gzip.compress(data)) == ANSWERS
        with pytest.raises(LammMetricsError, match=rf"got a damaged one \(.*{name}"):
            records(tmp_path / name, data[: len(data) // 2])


@pytest.mark.parametrize(
    ("name", "start", "module", "extra"),
    [("a.parquet", b"PAR1", "pyarrow", "parquet"), ("a.xlsx", b"PK\x03\x04", "openpyxl", "xlsx")],
)
def test_a_table_without_its_reader_says_what_to_install(tmp_path, monkeypatch, name, start, module, extra):
    for name_of_part in (module, "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name_of_part, None)
    with pytest.raises(LammMetricsError, match=rf'Expected {module}.*pip install "lamm-metrics\[{extra}\]"'):
        records(tmp_path / name, start + b"\x00" * 20)


def test_frames_and_data_sets():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    frame = pandas.DataFrame(ROWS)
    for source in (frame, frame.set_index("id"), polars.DataFrame(ROWS), polars.LazyFrame(ROWS)):
        assert read_predictions(source).records == ANSWERS
    datasets = pytest.importorskip("datasets")
    data = datasets.Dataset.from_list(ROWS)
    for source in (data, data.to_iterable_dataset(), data.data.table):
        assert read_predictions(source).records == ANSWERS
    with pytest.raises(LammMetricsError, match=r"one split of a data set, got train, test"):
        read_predictions(datasets.DatasetDict(train=data, test=data))
    with pytest.raises(LammMetricsError, match="columns that occur more than once: 'text'"):
        read_predictions(pandas.concat([frame, frame["text"]], axis=1))


def test_structured_answers_and_truths_stand_in_cells_as_json(tmp_path):
    pandas = pytest.importorskip("pandas")
    box = {"label": "cat", "box": [0.1, 0.1, 0.5, 0.5]}
    (tmp_path / "p.csv").write_text(
        'id,boxes,number,choice\n1,"' + json.dumps([box]).replace('"', '""') + '",3,B\n2,[],,1\n'
    )
    assert read_predictions(tmp_path / "p.csv").records == {
        "1": Prediction("1", boxes=[box], number=3, choice="B"),
        "2": Prediction("2", boxes=[], choice=1),
    }
    frame = pandas.DataFrame({**{key: [one[key] for one in REFERENCES] for key in REFERENCES[0]}, "group": [None, "g"]})
    frame["gt_choice"] = np.array([1, 0], np.int8)
    path = tmp_path / "VQA_Mine.csv"
    frame.assign(gt_choices=frame["gt_choices"].map(json.dumps)).to_csv(path, index=False)
    expected = {"1": REFERENCES[0], "2": {**REFERENCES[1], "group": "g"}}
    for source in (frame, path):
        found = read_references(source, "vqa").records
        assert {key: {**one, "id": int(one["id"])} for key, one in found.items()} == expected
    assert read_references(path).task == "vqa"
    assert read_references(path).dataset == "Mine"


def test_numpy_types_in_records_are_read():
    references = [{"id": np.int64(1), "object": [{"label": np.str_("cat"), "bbox": np.array([0, 0, 0.5, 0.5])}]}]
    answers = [{"id": np.int32(1), "boxes": [{"label": "cat", "box": np.array([0, 0, 0.5, 0.5], np.float32)}]}]
    assert score("detection", references, answers).headline.value == 1.0
    points = [{"id": 1, "points": np.array([[4, 5]]), "image_size": (np.int64(10), 10)}]
    assert score("locating", points, [{"id": 1, "points": ({"point": np.array([0.4, 0.5])},)}]).headline.value == 1.0


def test_what_was_read_once_is_taken_as_it_is(tmp_path):
    (tmp_path / "VQA_Mine.json").write_text(json.dumps(REFERENCES))
    truth = read_references(tmp_path / "VQA_Mine.json", id_key="id")
    answers = read_predictions([{"id": 1, "text": "(B)"}, {"id": 2, "text": "(A)"}], name="mine")
    report = score(None, truth, answers)
    assert (report.headline.value, report.model, report.task, report.dataset) == (1.0, "mine", "vqa", "Mine")
    assert read_references(truth) is read_references(truth, "vqa") is truth
    assert read_predictions(answers, name="other").name == "other"
    again = read_references(truth, "vqa3d")
    assert (again.task, again.records, again.source) == ("vqa3d", truth.records, truth.source)
    with pytest.raises(FileFaultsError, match="`num`"):
        score("counting", truth, answers)
    with pytest.raises(LammMetricsError, match="--task vqa or vqa3d"):
        score(None, REFERENCES, answers)


def test_the_task_is_told_only_where_all_records_agree(tmp_path):
    both = [{"id": 1, "task": "counting", "num": 3}, {"id": 2, "task": "ocr", "word_list": ["a"]}]
    assert read_references(both).task == ""
    assert read_references(both[:1]).task == "counting"
    (tmp_path / "POPE_Mine.json.gz").write_bytes(gzip.compress(json.dumps([{"id": 1, "label": "yes"}]).encode()))
    found = read_references(tmp_path / "POPE_Mine.json.gz")
    assert (found.task, found.dataset) == ("yes_no", "Mine")
    (tmp_path / "VQA_Scan.json").write_text(
        json.dumps([{"id": 1, "pcl": "a.npy", "gt_choice": 0, "gt_choices": ["a"]}])
    )
    assert read_references(tmp_path / "VQA_Scan.json").task == "vqa3d"


def test_benchmark_records_may_begin_with_a_header(tmp_path):
    lines = [{"lamm": "benchmark", "version": 1}, {"id": 1, "num": 3}]
    (tmp_path / "r.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert list(read_references(tmp_path / "r.jsonl", "counting").records) == ["1"]
    with pytest.raises(FileFaultsError, match="expected"):
        read_references([{"lamm": "instructions"}, {"id": 1, "num": 3}], "counting")


def test_broken_tables_say_the_line(tmp_path):
    for text, said in (
        ("id,text\n1,a\n2\n3,b,c\n", "line 3: expected 2 cells, got 1; line 4: expected 2 cells, got 3"),
        ('id,text\n1,"a\n', "line 2: no row of a table"),
        ("id,text,text\n1,a,b\n", "columns that occur more than once: 'text'"),
        (b"id,text\n1,\xff\n", "Expected UTF-8, got byte 0xff"),
    ):
        with pytest.raises(FileFaultsError) as raised:
            records(tmp_path / "a.csv", text)
        assert said in str(raised.value)
    with pytest.raises(LammMetricsError, match="Expected a whole gzip file"):
        records(tmp_path / "a.jsonl.gz", gzip.compress(b'{"id": 1, "text": "a"}\n' * 999)[:-20])


def test_a_long_answer_in_a_cell_is_read_whole(tmp_path):
    assert len(records(tmp_path / "a.csv", "id,text\n1," + "a" * 300_000 + "\n")["1"].plain_text) == 300_000


def test_an_answer_that_begins_with_an_equals_sign_is_no_formula(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (("index", "answer", "prediction"), (7, "B", "=B"), (8, "A", None), (9, "3", 3)):
        book.active.append(row)
    book.save(tmp_path / "m_MMBench.xlsx")
    found = read_predictions(tmp_path / "m_MMBench.xlsx")
    assert {key: one.text for key, one in found.records.items()} == {"7": "=B", "8": "", "9": "3"}
    assert found.name == "m_MMBench"


def test_the_wrong_order_of_references_and_predictions_is_said(tmp_path):
    (tmp_path / "r.json").write_text(json.dumps(REFERENCES))
    (tmp_path / "p.jsonl").write_text('{"lamm": "predictions"}\n{"id": 1, "text": "A"}\n{"id": 2, "text": "A"}\n')
    with pytest.raises(FileFaultsError, match="in the right order"):
        score("vqa", tmp_path / "p.jsonl", tmp_path / "r.json")
    with pytest.raises(FileFaultsError, match=r"got benchmark records with their truth\. Put the references"):
        read_predictions(tmp_path / "r.json")
    with pytest.raises(FileFaultsError, match="got benchmark records with their truth"):
        read_predictions([{"id": 1, "points": [[1, 2]], "image_size": [9, 9]}])


def test_reading_lines_imports_no_reader_of_tables():
    code = (
        "import sys; from lamm_metrics import read_predictions; read_predictions([{'id': 1, 'text': 'a'}]);"
        "print(sorted({'pandas', 'polars', 'pyarrow', 'openpyxl', 'datasets'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_cell_of_one_answer_is_the_only_answer(tmp_path):
    path = tmp_path / "OpenVQA_Mine.csv"
    path.write_text('id,answers\n1,red\n2,2\n3,"[""a"", ""b""]"\n')
    assert [record["answers"] for record in read_references(path).records.values()] == [["red"], ["2"], ["a", "b"]]
