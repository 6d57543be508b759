"""Parquet and WebDataset: written, read back, loaded by the datasets library, refused when damaged or unsafe."""

import io
import json
import sys
import tarfile

import pytest
from click.testing import CliRunner
from PIL import Image

from lamm_data.cli import data
from lamm_data.errors import LammDataError, SourceError, UsageError
from lamm_data.export.formats import export_records, read_export
from lamm_data.export.parquet import read_parquet, write_parquet
from lamm_data.export.webdataset import read_webdataset, write_webdataset
from lamm_data.records.instruction import InstructionRecord, Turn, read_records, write_records
from lamm_data.templates.run import ConvertSettings, convert_source

TASKS = ("vqa", "detection", "caption", "detection3d", "vqa3d")


@pytest.fixture(scope="module")
def records(world, tmp_path_factory):
    path = tmp_path_factory.mktemp("records") / "i.jsonl"
    convert_source("sample", world, path, ConvertSettings(tasks=TASKS, rounds=2))
    return read_records(path)


def odd_records():
    """What published files hold: lists of media, missing ids, unknown keys, `./` prefixes."""
    turns = [Turn("human", "What?", {"lang": "en"}), Turn("gpt", 'A "dog".')]
    return [
        InstructionRecord(turns, image=["./a.jpg", "b.jpg"], id=7, extra={"score": [1, None]}),
        InstructionRecord([*turns[:1], Turn("gpt", "é")], pcl="c.npy", meta={"a": {"b": 1.5}}, task_type="VQA3D"),
    ]


@pytest.fixture(scope="module")
def parquet():
    return pytest.importorskip("pyarrow.parquet", reason="pyarrow writes Parquet: pip install 'lamm-data[parquet]'")


def test_parquet_reads_back_equal_over_several_shards(parquet, records, tmp_path):
    some = [*records, *(record for record in odd_records() if isinstance(record.id, str | None))]
    assert write_parquet(some, tmp_path, rows_per_shard=100) == len(some)
    assert len(list(tmp_path.iterdir())) == -(-len(some) // 100) > 1
    assert list(read_parquet(tmp_path)) == some
    write_parquet([], tmp_path / "..")  # an empty file is a file, too
    assert list(read_parquet(tmp_path.parent / "train-00000.parquet")) == []


def test_integer_ids_become_text_in_a_typed_column(parquet, tmp_path):
    write_parquet(odd_records(), tmp_path)
    first, second = read_parquet(tmp_path)
    assert first.id == "7"
    assert first.image == ["./a.jpg", "b.jpg"]
    assert first.extra == {"score": [1, None]}
    assert first.conversations[0].extra == {"lang": "en"}
    assert second == odd_records()[1]


def test_damaged_foreign_and_future_parquet_is_refused(parquet, records, tmp_path):
    import pyarrow as pa

    write_parquet(records[:5], tmp_path)
    path = tmp_path / "train-00000.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(SourceError, match="whole Parquet file"):
        list(read_parquet(path))
    table = pa.table({"x": [1]})
    parquet.write_table(table, path)
    with pytest.raises(SourceError, match="got none version none"):
        list(read_parquet(path))
    parquet.write_table(table.replace_schema_metadata({"schema": "lamm-instruction", "version": "9"}), path)
    with pytest.raises(SourceError, match="version 9"):
        list(read_parquet(path))
    parquet.write_table(table.replace_schema_metadata({"schema": "lamm-instruction", "version": "1"}), path)
    with pytest.raises(SourceError, match="Was it written by `lamm data export`"):
        list(read_parquet(path))


def test_without_pyarrow_the_message_says_what_to_install(records, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(LammDataError, match=r"lamm-data\[parquet\]"):
        export_records(records, tmp_path / "out", "parquet")
    assert not (tmp_path / "out").exists()


def test_webdataset_reads_back_equal_and_carries_the_media(world, records, tmp_path):
    assert write_webdataset(records, tmp_path, world, per_shard=50) == len(records)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names[0] == "npy-000000.tar"
    assert names[-1].startswith("png-")
    assert list(read_webdataset(tmp_path)) == records
    with tarfile.open(tmp_path / "png-000000.tar") as shard:
        members = shard.getmembers()
        assert [member.name for member in members[:2]] == ["000000000.json", "000000000.png"]
        assert shard.extractfile(members[1]).read() == (world / records[0].media[0]).read_bytes()
        assert len(members) == 100


def test_the_same_records_give_the_same_shards(world, records, tmp_path):
    for name in "ab":
        export_records(records[:20], tmp_path / name, "webdataset", media_root=world)
    first, second = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in "ab")
    assert first == second


def test_several_media_of_one_record_stay_together(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "out").mkdir()
    record = InstructionRecord([Turn("human", "Which?"), Turn("gpt", "b")], image=["a.jpg", "b.jpg"])
    write_webdataset([record], tmp_path / "out", tmp_path)
    with tarfile.open(tmp_path / "out" / "jpgx2-000000.tar") as shard:
        assert shard.getnames() == ["000000000.json", "000000000.0.jpg", "000000000.1.jpg"]
    assert list(read_webdataset(tmp_path / "out")) == [record]


def test_missing_media_are_counted_and_nothing_is_left(records, tmp_path):
    with pytest.raises(SourceError, match=f"got {len(records)} missing"):
        export_records(records, tmp_path / "out", "webdataset", media_root=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_files_is_never_overwritten(records, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(UsageError, match="Name another one"):
        export_records(records, tmp_path / "out", "webdataset", media_root=tmp_path)
    with pytest.raises(UsageError, match="media-root"):
        export_records(records, tmp_path / "other", "webdataset")
    with pytest.raises(UsageError, match="format"):
        read_export(tmp_path, "word")


def tar_with(path, name, kind=tarfile.REGTYPE, content=b"{}", link=""):
    with tarfile.open(path, "w") as shard:
        member = tarfile.TarInfo(name)
        member.type, member.linkname, member.size = kind, link, len(content) if kind == tarfile.REGTYPE else 0
        shard.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    ("name", "kind", "content", "words"),
    [
        ("../evil.json", tarfile.REGTYPE, b"{}", "leads out of the folder"),
        ("/etc/evil.json", tarfile.REGTYPE, b"{}", "leads out of the folder"),
        ("a.json", tarfile.SYMTYPE, b"", "link or device"),
        ("a.json", tarfile.REGTYPE, b"{", "record as JSON"),
        ("a.json", tarfile.REGTYPE, b"[]", "schema"),
        ("a.json", tarfile.REGTYPE, b'{"schema": "lamm-instruction", "version": 2}', "version 2"),
        ("a.json", tarfile.REGTYPE, b'{"schema": "lamm-instruction", "version": 1}', "written by `lamm data export`"),
    ],
)
def test_unsafe_and_foreign_shards_are_refused(tmp_path, name, kind, content, words):
    with pytest.raises(SourceError, match=words):
        list(read_webdataset(tar_with(tmp_path / "x-000000.tar", name, kind, content, "/etc/passwd")))


def test_truncated_shards_are_refused(world, records, tmp_path):
    write_webdataset(records[:3], tmp_path, world)
    path = next(iter(tmp_path.glob("png-*.tar")))
    whole = path.read_bytes()
    second = whole.index(b"ustar", 512) - 257
    path.write_bytes(whole[:second] + b"\xff" + whole[second + 1 :])  # a damaged header is not the end
    with pytest.raises(SourceError, match="whole tar file"):
        list(read_webdataset(path))
    path.write_bytes(whole[:700])
    with pytest.raises(SourceError, match="whole tar file"):
        list(read_webdataset(path))
    with pytest.raises(SourceError, match="got none"):
        list(read_webdataset(tmp_path / "nothing"))


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    module = pytest.importorskip("datasets", reason="the datasets library loads exports: pip install datasets")
    module.disable_progress_bars()
    return module


@pytest.mark.parametrize("name", ["llava", "messages", "parquet", "webdataset"])
def test_every_format_loads_with_the_datasets_library(datasets, parquet, world, records, tmp_path, name):
    folder = name in ("parquet", "webdataset")
    output = tmp_path / "out" if folder else tmp_path / "out.jsonl"
    export_records(records, output, name, media_root=world)
    builder = {"llava": "json", "messages": "json"}.get(name, name)
    files = {"llava": str(output), "messages": str(output), "parquet": f"{output}/*.parquet",
             "webdataset": f"{output}/png-*.tar"}[name]  # fmt: skip
    loaded = datasets.load_dataset(builder, data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    flat = [record for record in records if record.modality == "image"] if name == "webdataset" else records
    assert len(loaded) == len(flat)
    row = loaded[0]
    if name == "webdataset":
        assert row["png"].size == (224, 224)
        assert row["json"]["conversations"][1]["value"] == flat[0].conversations[1].text
    elif name == "messages":
        assert row["messages"][1]["content"][0]["text"] == flat[0].conversations[1].text
    else:
        assert row["conversations"][1]["value"] == flat[0].conversations[1].text


def test_media_inside_parquet_are_shown_and_decode(datasets, parquet, world, records, tmp_path):
    out = tmp_path / "out"
    assert export_records(records, out, "parquet", media_root=world, embed=True, card="Sample") == len(records)
    loaded = datasets.load_dataset(str(out), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.features["images"] == datasets.List(datasets.Image())
    stored = datasets.load_dataset("parquet", data_files=f"{out}/*.parquet", cache_dir=str(tmp_path / "cache"))["train"]
    assert stored.features == loaded.features  # as the files say by themselves, and as the card says
    for row, record in zip(loaded, records, strict=True):
        assert [cloud["path"] for cloud in row["clouds"]] == (row["media"] if record.modality == "pcl" else [])
        assert [cloud["bytes"] for cloud in row["clouds"]] == [
            (world / name).read_bytes() for name in record.media if record.modality == "pcl"
        ]
        assert len(row["images"]) == (record.modality == "image")
        for picture in row["images"]:
            with Image.open(world / record.media[0]) as original:
                assert picture.convert("RGB").tobytes() == original.convert("RGB").tobytes()
    assert list(read_parquet(out)) == records


def test_groups_and_shards_of_rows_end_by_their_bytes(parquet, world, records, tmp_path, monkeypatch):
    monkeypatch.setattr("lamm_data.export.parquet.GROUP_BYTES", 200_000)
    monkeypatch.setattr("lamm_data.export.parquet.SHARD_BYTES", 1_000_000)
    write_parquet(records, tmp_path, media_root=world)
    sizes = [sum((world / name).stat().st_size for name in record.media) for record in records]
    assert len(list(tmp_path.iterdir())) >= sum(sizes) // (1_000_000 + 200_000 + max(sizes)) > 1
    for path in tmp_path.iterdir():
        metadata = parquet.read_metadata(path)
        groups = [metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups)]
        assert max(groups) < 200_000 + max(sizes) + 100_000
    assert list(read_parquet(tmp_path)) == records


def test_a_record_about_an_image_and_a_cloud_keeps_both(parquet, world, records, tmp_path):
    picture, cloud = (next(r.media[0] for r in records if r.modality == kind) for kind in ("image", "pcl"))
    both = InstructionRecord(records[0].conversations, image=picture, pcl=cloud, extra={"a": 1})
    for name in ("parquet", "webdataset"):
        export_records([both], tmp_path / name, name, media_root=world, embed=name == "parquet")
        assert list(read_export(tmp_path / name, name)) == [both]
    row = parquet.read_table(tmp_path / "parquet" / "train-00000.parquet").to_pylist()[0]
    assert [part["bytes"] for part in row["images"]] == [(world / picture).read_bytes()]
    assert [part["bytes"] for part in row["clouds"]] == [(world / cloud).read_bytes()]
    with tarfile.open(tmp_path / "webdataset" / "png_npy-000000.tar") as shard:
        assert shard.getnames() == ["000000000.json", "000000000.0.png", "000000000.1.npy"]


def test_dialogues_about_no_medium_have_shards_of_their_own(tmp_path):
    spoken = InstructionRecord([Turn("human", "Hello"), Turn("gpt", "Hi.")])
    export_records([spoken], tmp_path / "out", "webdataset", media_root=tmp_path)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["json-000000.tar"]
    assert list(read_export(tmp_path / "out", "webdataset")) == [spoken]


def test_pictures_that_are_none_are_named_and_nothing_is_left(parquet, records, tmp_path):
    (tmp_path / "notes.txt").write_text("nothing to see")
    record = InstructionRecord(records[0].conversations, image="notes.txt")
    with pytest.raises(SourceError, match=r"notes\.txt \(no picture\)"):
        export_records([record], tmp_path / "out", "parquet", media_root=tmp_path, embed=True)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(UsageError, match="format parquet"):
        export_records([record], tmp_path / "out.jsonl", "llava", media_root=tmp_path, embed=True)


@pytest.mark.parametrize("name", ["lamm", "llava", "messages", "parquet", "webdataset", "embedded"])
def test_croissant_metadata_are_valid_and_read_the_records(parquet, world, records, tmp_path, name):
    mlcroissant = pytest.importorskip("mlcroissant", reason="MLCommons' library: pip install mlcroissant")
    embed, layout = name == "embedded", "parquet" if name == "embedded" else name
    (tmp_path / "out").mkdir()
    output = tmp_path / "out" if layout in ("parquet", "webdataset") else tmp_path / "out" / "i.jsonl"
    bare = InstructionRecord(records[0].conversations, image=records[0].image)  # without id and task type
    export_records([bare] if name == "lamm" else records[:5], output, layout, media_root=world, embed=embed, card="S")
    dataset = mlcroissant.Dataset(jsonld=str(tmp_path / "out" / "croissant.json"))
    assert dataset.metadata.ctx.issues.errors == set()
    if layout == "webdataset":  # tar files have no columns
        return
    row = next(iter(dataset.records("records")))
    column = "messages" if name == "messages" else "conversations"
    answers = row[f"records/{column}"][f"records/{column}/{'text' if name == 'messages' else 'value'}"]
    assert answers[1].decode() == records[0].conversations[1].text
    if embed:
        assert row["records/images"][0].size == (224, 224)


def test_a_folder_with_a_card_loads_by_its_name_alone(datasets, parquet, records, tmp_path):
    export_records(records, tmp_path / "out", "parquet", card="Sample instructions")
    loaded = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert [row["id"] for row in loaded] == [record.id for record in records]


def test_shards_with_a_card_load_a_series_at_a_time(datasets, world, records, tmp_path):
    export_records(records, tmp_path / "out", "webdataset", media_root=world, card="Sample shards")
    for name, modality in (("png", "image"), ("npy", "pcl")):
        loaded = datasets.load_dataset(str(tmp_path / "out"), name, split="train", cache_dir=str(tmp_path / "cache"))
        assert len(loaded) == sum(record.modality == modality for record in records)
    assert len(loaded[0]["npy"]) == 4096  # the last one's points


def test_command_writes_shards_from_the_records_own_folder(world, records, tmp_path):
    path = world / "some.jsonl"
    write_records(path, records[:4])
    argv = ["export", str(path), "--to", "webdataset", "--output", str(tmp_path / "out"), "--card", "Some"]
    result = CliRunner().invoke(data, argv)
    path.unlink()
    assert result.exit_code == 0, result.output
    assert {item.name for item in (tmp_path / "out").iterdir()} >= {"README.md", "croissant.json"}
    assert json.loads((tmp_path / "out" / "croissant.json").read_text())["distribution"]
