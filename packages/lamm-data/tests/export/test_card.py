"""Licences rolled up over records, and the data set card that states them."""

import hashlib
import json
import re

import pytest

from lamm_data.errors import LammDataError, UsageError
from lamm_data.export.card import CardFacts
from lamm_data.export.formats import export_records
from lamm_data.export.licences import licence_of
from lamm_data.records.instruction import InstructionRecord, Turn
from lamm_data.sources.readers.coco import read_instances
from lamm_data.sources.registry import get_source
from lamm_data.templates.convert import Conversion, convert

TURNS = [Turn("human", "What is it?"), Turn("gpt", "dog")]


def record(source, licence=None, **values):
    meta = {"source": source, "licence": licence or get_source(source).licence}
    return InstructionRecord(TURNS, image="a.jpg", meta=meta, **values)


def test_a_record_can_forbid_what_its_source_allows_never_the_reverse():
    assert licence_of(record("textvqa")).commercial
    assert not licence_of(record("textvqa", "Attribution-NonCommercial License")).commercial
    assert not licence_of(record("scienceqa", "CC-BY-4.0")).commercial
    assert not licence_of(record("coco_detection")).commercial  # which photograph's licence?
    assert licence_of(record("coco_detection", "Attribution License")).commercial
    assert not licence_of(InstructionRecord(TURNS, image="a.jpg")).commercial


@pytest.mark.parametrize(
    ("values", "source"),
    [
        ({"src_image": "coco2017"}, "coco_detection"),
        ({"src_image": "coco_train2014"}, "coco_detection"),
        ({"src_image": "svt"}, "svt"),
        ({"src_dataset": "ShapeNet"}, "shapenet"),
        ({"src_dataset": "3RScan"}, "3rscan"),
        ({"src_image": "unheard of"}, "not stated"),
    ],
)
def test_published_records_are_traced_by_their_data_set(values, source):
    media = {"pcl": "a.npy"} if "src_dataset" in values else {"image": "a.jpg"}
    # Generated records keep file and line under `source`.
    traced = InstructionRecord(TURNS, meta={"source": {"file": "x.jsonl", "line": 1}}, **media, **values)
    assert licence_of(traced).source == source


def test_licences_are_counted_by_source_and_text():
    facts = CardFacts()
    records = [record("voc2012"), record("textvqa"), record("voc2012"), InstructionRecord(TURNS, image="a.jpg")]
    assert list(facts.watch(records)) == records
    assert [(row.source, row.records) for row in facts.rows] == [("voc2012", 2), ("not stated", 1), ("textvqa", 1)]


def test_licences_of_single_coco_photographs_reach_the_records(real_data, tmp_path):
    path = real_data / "coco100" / "instances_val2014_100.json"
    value = json.loads(path.read_text())
    names = {entry["id"]: entry["name"] for entry in value["licenses"]}
    items = list(read_instances(path))
    assert [item.licence for item in items] == [names[image["license"]] for image in value["images"]]
    meta = {"source": "coco_detection", "licence": get_source("coco_detection").licence}
    records = list(convert(items, Conversion("detection", "coco2014", meta=meta)))
    allowed = [r for r in records if "NonCommercial" not in r.meta["licence"]]
    assert 0 < len(allowed) < len(records)
    assert export_records(allowed, tmp_path / "a.jsonl", "llava", commercial=True) == len(allowed)
    with pytest.raises(LammDataError, match=r"of coco_detection \(Attribution-NonCommercial"):
        export_records(records, tmp_path / "b.jsonl", "llava", commercial=True)
    assert not (tmp_path / "b.jsonl").exists()


def head_of(text):
    yaml = pytest.importorskip("yaml", reason="PyYAML reads the card's head")
    return yaml.safe_load(re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)[1])


def test_the_card_states_counts_licences_and_citations(tmp_path):
    records = [record("scanrefer"), record("textvqa"), record("textvqa")]
    made = {"generator": "small|model", "prompt": {"name": "daily_dialogue", "version": 3}}
    records.append(InstructionRecord(TURNS, image="b.jpg", src_image="coco2017", meta=made))
    export_records(records, tmp_path / "data.jsonl", "llava", card="My data")
    text = (tmp_path / "README.md").read_text()
    head = head_of(text)
    assert head["license"] == "other"
    assert head["size_categories"] == ["n<1K"]
    assert head["configs"] == [{"config_name": "default", "data_files": [{"split": "train", "path": "data.jsonl"}]}]
    assert "| textvqa | CC-BY-4.0 | yes | yes | 2 |" in text
    assert "| scanrefer | CC-BY-NC-SA-3.0 | **no** | **no** | 1 |" in text
    assert "Not everything here may be passed on" in text
    assert "| small\\|model, prompt daily_dialogue 3 | 1 |" in text
    assert "Singh et al., Towards VQA Models That Can Read" in text
    with pytest.raises(UsageError, match=r"README\.md"):
        export_records(records, tmp_path / "more.jsonl", "llava", card="My data")
    assert not (tmp_path / "more.jsonl").exists()


def test_one_known_licence_is_named_by_its_identifier(tmp_path):
    export_records([record("textvqa")], tmp_path / "data.jsonl", "messages", card="Text")
    assert head_of((tmp_path / "README.md").read_text())["license"] == "cc-by-4.0"


def test_an_unknown_licence_stays_unknown_and_is_said(tmp_path):
    unknown = InstructionRecord(TURNS, image="a.jpg", meta={"source": "images"})
    export_records([unknown, InstructionRecord(TURNS, image="b.jpg")], tmp_path / "a" / "data.jsonl", "llava", card="A")
    text = (tmp_path / "a" / "README.md").read_text()
    assert head_of(text)["license"] == "unknown"
    assert "The licence of 2 records is unknown" in text
    export_records([unknown, record("textvqa")], tmp_path / "b" / "data.jsonl", "llava", card="B")
    text = (tmp_path / "b" / "README.md").read_text()
    assert head_of(text)["license"] == "other"
    assert "The licence of 1 records is unknown" in text


def test_the_card_says_what_generators_were_shown_and_what_records_are_about(tmp_path):
    made = {"source": "textvqa", "generator": "m"}
    seen = InstructionRecord(TURNS, image="a.jpg", meta={**made, "shown": ["00"]})
    export_records([seen, record("textvqa")], tmp_path / "a" / "d.jsonl", "lamm", card="A")
    assert "of 1 it was shown pictures" in (tmp_path / "a" / "README.md").read_text()
    text_only = InstructionRecord(TURNS, meta=made)
    export_records([text_only], tmp_path / "b" / "d.jsonl", "lamm", card="B")
    text = (tmp_path / "b" / "README.md").read_text()
    assert "never saw" in text
    assert head_of(text)["task_categories"] == ["text-generation"]


def test_croissant_names_files_checksums_and_columns(tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow writes Parquet: pip install 'lamm-data[parquet]'")
    export_records([record("textvqa")], tmp_path / "out", "parquet", card="Text")
    value = json.loads((tmp_path / "out" / "croissant.json").read_text())
    assert value["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert value["license"] == ["textvqa: CC-BY-4.0"]
    (file,) = value["distribution"]
    assert file["sha256"] == hashlib.sha256((tmp_path / "out" / file["contentUrl"]).read_bytes()).hexdigest()
    fields = {field["name"]: field for field in value["recordSet"][0]["field"]}
    assert {"id", "modality", "media", "conversations", "meta"} <= set(fields)
    parts = fields.pop("conversations")["subField"]
    assert [part["source"]["transform"]["jsonPath"] for part in parts] == ["[*].from", "[*].value"]
    assert all(field["source"]["fileObject"]["@id"] == file["@id"] for field in [*fields.values(), *parts])
