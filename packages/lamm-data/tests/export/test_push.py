"""Pushing an export to a dataset host that speaks the Hub's API over a socket."""

import os
import shutil
import subprocess
import sys

import pytest
from hub_server import TOKEN, Repository, serve_hub

from lamm_data.export.formats import export_records, read_export
from lamm_data.records.instruction import InstructionRecord, read_records
from lamm_data.templates.run import ConvertSettings, convert_source

pytest.importorskip("huggingface_hub", reason="huggingface_hub pushes: pip install 'lamm-data[hub]'")
pytest.importorskip("pyarrow", reason="pyarrow writes Parquet: pip install 'lamm-data[parquet]'")
COMMAND = "from lamm_cli.main import main; main()"
NAME = "me/rooms"


@pytest.fixture(scope="module")
def export(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    convert_source("sample", world, folder / "i.jsonl", ConvertSettings(tasks=("vqa", "vqa3d")))
    export_records(read_records(folder / "i.jsonl"), folder / "out", "parquet", media_root=world, embed=True, card="A")
    return folder / "out"


@pytest.fixture
def hub():
    with serve_hub() as served:
        yield served


def push(hub, folder, *options, token=TOKEN, **more):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(folder.parent / "home"), **more}
    environment |= {"HF_TOKEN": token} if token else {}
    argv = [sys.executable, "-c", COMMAND, "data", "push", str(folder), NAME, *options]
    return subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=120)


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_arrives_is_what_was_exported_and_private(hub, export, tmp_path):
    done = push(hub, export)
    assert done.returncode == 0, done.stderr
    assert f"{NAME}, private" in done.stdout
    repository = hub.repositories[NAME]
    assert repository.private
    assert repository.files == files_of(export)
    (tmp_path / "back").mkdir()
    for name, content in repository.files.items():
        (tmp_path / "back" / name).write_bytes(content)
    assert list(read_export(tmp_path / "back", "parquet")) == list(read_export(export, "parquet"))


def test_a_failed_commit_is_taken_up_and_nothing_is_sent_twice(hub, export):
    hub.failing["/commit/main"] = (500, f"the commit of {TOKEN} failed\nfor now")
    failed = push(hub, export)
    assert failed.returncode == 1
    assert "status 500" in failed.stderr
    assert "not sent twice" in failed.stderr
    assert "Traceback" not in failed.stderr
    sent, hub.failing = list(hub.uploads), {}
    assert len(sent) == len(list(export.glob("*.parquet")))
    assert hub.repositories[NAME].files == {}
    assert push(hub, export).returncode == 0
    assert hub.uploads == sent
    assert hub.repositories[NAME].files == files_of(export)


def test_a_failed_upload_names_the_file(hub, export):
    hub.failing["PUT /lfs/"] = (403, "no room")
    failed = push(hub, export)
    assert failed.returncode == 1
    assert "train-00000.parquet" in failed.stderr
    assert "status 403" in failed.stderr
    assert hub.repositories[NAME].commits == []


def test_the_token_is_written_nowhere(hub, export):
    outputs = []
    for part in ("PUT /lfs/", "/api/repos/create", "/preupload/main", "/objects/batch", "/commit/main"):
        hub.failing = {part: (400, f"who is {TOKEN}?")}
        done = push(hub, export, HF_DEBUG="1")
        assert done.returncode == 1
        outputs.append(done.stdout + done.stderr)
    hub.failing = {}
    done = push(hub, export, HF_DEBUG="1")
    outputs.append(done.stdout + done.stderr)
    assert not [text for text in outputs if TOKEN in text]
    files = [path for path in export.parent.rglob("*") if path.is_file()]
    assert not [path for path in files if TOKEN.encode() in path.read_bytes()]
    assert not [request for request in hub.requests if TOKEN in request]
    assert not [name for name, content in hub.repositories[NAME].files.items() if TOKEN.encode() in content]


def test_shards_of_a_longer_export_go_and_other_files_stay(hub, export):
    old = {"train-00001.parquet": b"old", "notes.md": b"mine", "data/train-00001.parquet": b"mine"}
    hub.repositories[NAME] = Repository(private=True, files=dict(old))
    assert push(hub, export).returncode == 0
    del old["train-00001.parquet"]
    assert hub.repositories[NAME].files == files_of(export) | old
    assert len(hub.repositories[NAME].commits) == 1


@pytest.mark.parametrize(("private", "options", "words"), [(False, (), "a private"), (True, ("--public",), "a public")])
def test_a_repository_that_others_can_read_is_not_taken_for_a_private_one(
    hub, export, tmp_path, private, options, words
):
    copy = allowed(export, tmp_path)
    hub.repositories[NAME] = Repository(private=private)
    done = push(hub, copy, *options)
    assert done.returncode == 2
    assert f"Expected {words} repository" in done.stderr
    assert hub.repositories[NAME].files == {}


def allowed(export, tmp_path):
    """A copy of the export whose card says that all may be passed on."""
    shutil.copytree(export, tmp_path / "copy")
    card = tmp_path / "copy" / "README.md"
    card.write_text(card.read_text().replace("**Not everything here may be passed on**", "All may be passed on"))
    return tmp_path / "copy"


def test_public_is_said_and_needs_licences_that_allow_it(hub, world, export, tmp_path):
    record = next(read_export(export, "parquet"))
    unknown = InstructionRecord(record.conversations, image=record.media[0])
    export_records([unknown], tmp_path / "unknown", "parquet", media_root=world, embed=True, card="A")
    done = push(hub, tmp_path / "unknown", "--public")
    assert done.returncode == 2
    assert "may be passed on" in done.stderr
    assert hub.requests == []
    assert "Not stated means unknown" in (private := push(hub, tmp_path / "unknown")).stdout, private.stderr
    assert push(hub, tmp_path / "unknown", "--public").returncode == 2
    hub.repositories.clear()
    done = push(hub, allowed(export, tmp_path), "--public")
    assert done.returncode == 0, done.stderr
    assert not hub.repositories[NAME].private


@pytest.mark.parametrize(
    "fault", ["no card", "changed", "link out", "climbs", "no token", "refused token", "no server"]
)
def test_what_cannot_be_pushed_is_said_before_anything_is_sent(hub, export, tmp_path, fault):
    folder, options = tmp_path / "copy", {}
    shutil.copytree(export, folder)
    metadata, shard = folder / "croissant.json", folder / "train-00000.parquet"
    words, code = {
        "no card": ("got no README.md", 1),
        "changed": ("got other bytes", 1),
        "link out": ("below the media root", 1),
        "climbs": ("below the media root", 1),
        "no token": ("Set HF_TOKEN", 1),
        "refused token": ("401", 1),
        "no server": ("Expected to upload", 1),
    }[fault]
    if fault == "no card":
        (folder / "README.md").unlink()
    elif fault == "changed":
        shard.write_bytes(shard.read_bytes() + b"x")
    elif fault == "link out":
        shard.unlink()
        shard.symlink_to(export / shard.name)
    elif fault == "climbs":
        metadata.write_text(metadata.read_text().replace('"train-00000.parquet"', '"../../etc/passwd"'))
    elif fault == "no token":
        options["token"] = ""
    elif fault == "refused token":
        options["token"] = "hf_" + "other" * 6
    else:
        options["HF_ENDPOINT"] = "http://127.0.0.1:9"
    done = push(hub, folder, **options)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert hub.uploads == []
    assert not any(repository.files for repository in hub.repositories.values())


def test_a_second_push_of_the_same_export_sends_no_data(hub, export):
    assert push(hub, export).returncode == 0
    sent = list(hub.uploads)
    assert push(hub, export).returncode == 0
    assert hub.uploads == sent
