import json

import pytest
from click.testing import CliRunner
from PIL import Image

from lamm_data.benchmark.run import build_benchmark
from lamm_data.cli import data
from lamm_data.errors import SourceError, UsageError
from lamm_data.records.annotations import Annotated
from lamm_data.records.benchmark import read_benchmark
from lamm_data.records.instruction import read_records
from lamm_data.records.tasks import CONVERSION_TASKS, TASKS
from lamm_data.sources.check import check_download
from lamm_data.sources.registry import get_source, load_function, load_sources
from lamm_data.templates.run import ConvertSettings, convert_source

NAMED_BY_THE_PAPER = [
    "coco_captions",
    "coco_detection",
    "coco_keypoints",
    "visual_genome",
    "bamboo",
    "bamboo_detection",
    "cifar10",
    "voc2012",
    "flickr30k",
    "flickr30k_entities",
    "fsc147",
    "svt",
    "celeba",
    "scienceqa",
    "textvqa",
    "locount",
    "ai2d",
    "ucmerced",
    "lsp",
    "3rscan",
    "clevr3d",
    "3dssg",
    "shapenet",
    "scannet",
    "scanrefer",
    "scanqa",
    "sample",
]
LANGUAGE_3D = [
    "sqa3d", "msqa", "beacon3d", "beacon3d_grounding", "nr3d", "sr3d", "multi3drefer", "vigil3d", "scan2cap", "3d_pope",
    "spatiallm", "vsi_bench", "open_eqa",
]  # fmt: skip
LANGUAGE_2D = ["vqav2", "gqa", "docvqa", "chartqa", "refcoco", "refcoco_plus", "refcocog"]
DRAWN = ["sample_halls", "sample_situations", "sample_crowds"]
OWN = "images"
"""The user's own images: their name, licence and citation are nobody else's."""


def test_every_source_is_listed_with_licence_layout_and_citation():
    sources = dict(load_sources())
    assert set(sources) == {*NAMED_BY_THE_PAPER, *LANGUAGE_3D, *LANGUAGE_2D, *DRAWN, OWN}
    own = sources.pop(OWN)
    assert (own.licence, own.citation, own.dataset, own.redistribution) == ("not stated", "", "", False)
    for source in sources.values():
        assert source.url
        assert source.layout
        assert source.licence
        assert len(source.citation) > 20
        assert source.train in source.splits
        assert not source.benchmark_split or source.benchmark_split in source.splits


def test_every_reader_exists_and_every_task_is_known():
    for source in load_sources().values():
        for task, target in source.readers.items():
            assert task in CONVERSION_TASKS or task in TASKS
            assert callable(load_function(target))
        assert set(source.benchmark_tasks) <= set(source.readers)
        assert not source.prepare or callable(load_function(source.prepare))


@pytest.fixture
def voc_root(tmp_path):
    root = tmp_path / "voc"
    for folder in ("ImageSets/Main", "Annotations", "JPEGImages"):
        (root / folder).mkdir(parents=True)
    xml = (
        "<annotation><filename>{0}.jpg</filename><size><width>100</width><height>50</height></size>"
        "<object><name>dog</name><difficult>{1}</difficult><bndbox><xmin>11</xmin><ymin>6</ymin><xmax>60</xmax><ymax>40</ymax></bndbox></object>"
        "<object><name>person</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>100</xmax><ymax>50</ymax></bndbox></object></annotation>"
    )
    for name, difficult in (("a", 0), ("b", 1)):
        (root / "Annotations" / f"{name}.xml").write_text(xml.format(name, difficult))
        Image.new("RGB", (100, 50)).save(root / "JPEGImages" / f"{name}.jpg")
    for split in ("train", "val"):
        (root / "ImageSets" / "Main" / f"{split}.txt").write_text("a\nb\n")
    return root


def test_voc_becomes_the_published_benchmark_and_its_locating_variant(voc_root, tmp_path):
    files = build_benchmark("voc2012", voc_root, tmp_path / "out")
    assert [(file.name, file.records) for file in files] == [
        ("Detection_VOC2012.json", 2),
        ("Locating_VOC2012.json", 3),
    ]
    assert files[0].left_out == {"difficult object": 1}
    first = read_benchmark(tmp_path / "out" / "Detection_VOC2012.json")[0]
    assert first.object[0] == {"label": "dog", "bbox": [0.1, 0.1, 0.6, 0.8]}
    dog = read_benchmark(tmp_path / "out" / "Locating_VOC2012.json")[0]
    assert dog.query == "Give the position [x, y] of each dog in the image."


def test_missing_media_fail_are_skipped_or_ignored_as_told(voc_root, tmp_path):
    (voc_root / "JPEGImages" / "b.jpg").unlink()
    out = tmp_path / "i.jsonl"
    with pytest.raises(SourceError, match=r"1 missing: JPEGImages/b\.jpg"):
        convert_source("voc2012", voc_root, out)
    assert not out.exists()
    counts = convert_source("voc2012", voc_root, out, ConvertSettings(media="skip-missing"))
    assert counts["detection: left out: media missing"] == 1
    assert len(read_records(out)) == 1
    convert_source("voc2012", voc_root, out, ConvertSettings(media="ignore"))
    record = read_records(out)[1]
    assert record.meta["source"] == "voc2012"
    assert record.meta["licence"].startswith("VOC")


def test_own_pools_replace_the_packages(voc_root, tmp_path):
    (tmp_path / "pools").mkdir()
    (tmp_path / "pools" / "detection.toml").write_text('questions = ["Boxes?"]\nanswers = ["{label}={box}"]\n')
    out = tmp_path / "i.jsonl"
    convert_source("voc2012", voc_root, out, ConvertSettings(pools=tmp_path / "pools"))
    turns = read_records(out)[0].conversations
    assert [turn.text for turn in turns] == ["Boxes?", "Dog=[0.1, 0.1, 0.6, 0.8] Person=[0.0, 0.0, 1.0, 1.0]"]


def test_check_names_what_is_missing_damaged_and_of_another_size(voc_root):
    source = get_source("voc2012")
    assert check_download(source, voc_root, decode=True).faults == []
    (voc_root / "JPEGImages" / "a.jpg").write_bytes(b"\xff\xd8 no picture")
    Image.new("RGB", (10, 10)).save(voc_root / "JPEGImages" / "b.jpg")
    finding = check_download(source, voc_root, decode=True)
    assert (finding.items, finding.media) == (2, 2)
    assert any("damaged: JPEGImages/a.jpg" in fault for fault in finding.faults)
    assert any("10x10" in fault for fault in finding.faults)
    (voc_root / "Annotations" / "a.xml").write_text("<annotation>")
    (voc_root / "JPEGImages" / "b.jpg").unlink()
    faults = check_download(source, voc_root).faults
    assert any("well-formed" in fault for fault in faults)
    told = CliRunner().invoke(data, ["sources", "voc2012", "--root", str(voc_root), "--json"])
    assert json.loads(told.stdout)["kinds"]["annotations"] == 1


def test_links_out_of_the_root_are_named(voc_root, tmp_path):
    (voc_root / "JPEGImages" / "a.jpg").unlink()
    (tmp_path / "secret.jpg").write_bytes(b"x")
    (voc_root / "JPEGImages" / "a.jpg").symlink_to(tmp_path / "secret.jpg")
    assert "outside the root: JPEGImages/a.jpg" in check_download(get_source("voc2012"), voc_root).faults


def test_sample_world_is_just_another_download(world):
    for split in ("train", "benchmark"):
        finding = check_download(get_source("sample"), world, split, decode=True)
        assert finding.faults == []
        assert finding.items == finding.media > 40


def test_commands_list_describe_and_check(voc_root):
    runner = CliRunner()
    listed = runner.invoke(data, ["sources"]).stdout
    assert all(name in listed for name in NAMED_BY_THE_PAPER)
    described = runner.invoke(data, ["sources", "scannet"]).stdout
    assert "redistributed: no" in described
    assert "lamm data prepare scannet" in described
    checked = runner.invoke(data, ["sources", "voc2012", "--root", str(voc_root), "--json"])
    assert json.loads(checked.stdout)["faults"] == []
    (voc_root / "JPEGImages" / "a.jpg").unlink()
    checked = runner.invoke(data, ["sources", "voc2012", "--root", str(voc_root)])
    assert isinstance(checked.exception, SourceError)
    assert "missing: JPEGImages/a.jpg" in checked.stdout
    assert isinstance(runner.invoke(data, ["prepare", "voc2012", "--root", str(voc_root)]).exception, UsageError)


@pytest.mark.parametrize(
    ("name", "split", "task", "error"),
    [
        ("nothing", "train", "vqa", UsageError),
        ("voc2012", "test", "detection", UsageError),
        ("voc2012", "val", "vqa", UsageError),
    ],
)
def test_unknown_names_are_misuse(name, split, task, error, tmp_path):
    with pytest.raises(error, match=r"got '(nothing|test|vqa)'\. (Choose one of|Did you mean) "):
        get_source(name).open(tmp_path, split, task)
    with pytest.raises(error, match=r"got 'yolo'.*Your own files, in any label format: --source images"):
        get_source("yolo")
    with pytest.raises(SourceError, match=r"Name the folder"):
        get_source("voc2012").open(tmp_path / "none", "val", "detection")
    (tmp_path / "voc.tar").write_bytes(b"x")
    with pytest.raises(SourceError, match="lamm data unpack"):
        get_source("voc2012").open(tmp_path / "voc.tar", "val", "detection")


def test_item_defaults_are_empty():
    assert Annotated("1", "a.png").group == ""


def test_media_of_an_unknown_split_are_not_prepared(tmp_path):
    call = ["prepare", "cifar10", "--root", str(tmp_path), "--split", "holiday"]
    error = CliRunner().invoke(data, call).exception
    assert isinstance(error, UsageError)
    assert "got 'holiday'. Choose one of train, test." in str(error)
