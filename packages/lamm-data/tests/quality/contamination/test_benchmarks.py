"""Contamination by linked ids, rescans, copied words and copied pictures."""

import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from lamm_data.errors import SourceError
from lamm_data.quality.checks.record import PreparedRecord
from lamm_data.quality.contamination.benchmarks import COMMON, Benchmarks, ContaminationSettings
from lamm_data.quality.contamination.image_hashes import HashIndex, hash_image
from lamm_data.quality.contamination.media_keys import MediaKeys
from lamm_data.records.instruction import InstructionRecord, Turn

DATA = Path(os.environ.get("LAMM_TEST_DATA", Path(__file__).parents[6] / "shared/data"))
ROOM, AGAIN = "0cac7578-8d6f-2d13-8c2d-bfa7a04f8af3", "8eabc405-5af7-2f32-86d2-d994a2c26282"


def record(text="Yes.", **media):
    return PreparedRecord(InstructionRecord([Turn("human", "What?"), Turn("gpt", text)], id="1", **media))


def benchmark(tmp_path, *items):
    path = tmp_path / "Caption_x.json"
    path.write_text(json.dumps(list(items)))
    return path


def findings(settings, prepared):
    return [finding.detail for finding in Benchmarks(settings).check(prepared)]


def test_a_visual_genome_image_that_coco_has_is_known_as_coco_s(tmp_path):
    links = tmp_path / "image_data.json"
    links.write_text(json.dumps([{"image_id": 7, "coco_id": 42}, {"image_id": 8, "coco_id": None}]))
    item = {"id": 1, "image": "val2017/000000000042.jpg", "query": "?"}
    settings = ContaminationSettings((benchmark(tmp_path, item),), (links,))
    assert findings(settings, record(image="VG_100K_2/7.jpg")) == [
        "VG_100K_2/7.jpg is in Caption_x.json (coco:000000000042)"
    ]
    assert findings(settings, record(image="VG_100K/8.jpg")) == []
    assert findings(ContaminationSettings(settings.benchmarks), record(image="VG_100K_2/7.jpg")) == []


def test_a_rescan_is_the_same_room(tmp_path):
    links = tmp_path / "3RScan.json"
    links.write_text(json.dumps([{"reference": ROOM, "type": "train", "scans": [{"reference": AGAIN}]}]))
    path = benchmark(tmp_path, {"id": 1, "pcl": f"./3rscan_pcls/{ROOM}.npy", "query": "?"})
    assert findings(ContaminationSettings((path,), (links,)), record(pcl=f"3rscan_pcls/{AGAIN}.npy"))
    assert not findings(ContaminationSettings((path,)), record(pcl=f"3rscan_pcls/{AGAIN}.npy"))


def test_links_of_another_kind_are_refused(tmp_path):
    links = tmp_path / "other.json"
    links.write_text(json.dumps([{"a": 1}]))
    with pytest.raises(SourceError, match=r"image_data\.json"):
        MediaKeys([links])


def test_plain_numbers_and_common_names_do_not_collide():
    key = MediaKeys()
    assert key("ai2d_images/12.png") != key("fsc147_images/12.jpg")
    assert key("images/test/5/image.png") != key("images/test/6/image.png")


@pytest.mark.parametrize("shift", range(14))
def test_thirteen_words_are_found_wherever_they_start(tmp_path, shift):
    words = [f"w{number}" for number in range(40)]
    path = benchmark(tmp_path, {"id": 1, "image": "zz/1.jpg", "query": " ".join(words)})
    text = " ".join([f"x{n}" for n in range(shift)] + words[9:22] + ["end"])
    assert findings(ContaminationSettings((path,)), record(text, image="a.jpg")) == [
        f"{' '.join(words[9:22])} (Caption_x.json)"
    ]
    fewer = " ".join([f"x{n}" for n in range(shift)] + words[9:21] + ["end"])
    assert findings(ContaminationSettings((path,)), record(fewer, image="a.jpg")) == []


def test_the_instruction_of_a_benchmark_is_no_content(tmp_path):
    query = "please look at the picture with care and name every single thing that you can see in it"
    items = [{"id": n, "image": f"zz/{n}.jpg", "query": query} for n in range(COMMON + 1)]
    assert findings(ContaminationSettings((benchmark(tmp_path, *items),)), record(query, image="a.jpg")) == []


def photographs():
    """Twelve real photographs of the test data, by name."""
    found = {path.name: path.read_bytes() for path in sorted(DATA.glob("coco/images/*.jpg"))}
    with zipfile.ZipFile(DATA / "textvqa/textvqa_0.5.1_dummy.zip") as archive:
        for name in archive.namelist():
            if name.lower().endswith(".zip"):
                with zipfile.ZipFile(io.BytesIO(archive.read(name))) as inner:
                    found |= {n: inner.read(n) for n in inner.namelist() if n.lower().endswith((".jpg", ".png"))}
            elif name.lower().endswith((".jpg", ".png")):
                found[name] = archive.read(name)
    return dict(list(found.items())[:12])


def variants(image):
    yield "half", image.resize((image.width // 2, image.height // 2)), "JPEG", {"quality": 90}
    yield "poor", image, "JPEG", {"quality": 25}
    yield "lossless", image, "PNG", {}
    yield "wide", image.resize((int(image.width * 1.15), image.height)), "JPEG", {"quality": 85}
    yield "bright", ImageEnhance.Brightness(image).enhance(1.15), "JPEG", {"quality": 90}
    yield "grey", image.convert("L"), "JPEG", {"quality": 90}


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the real photographs of LAMM_TEST_DATA")
def test_copies_of_photographs_are_found_and_other_photographs_are_not(tmp_path, world, record_property):
    index, copies = HashIndex(), []
    for name, content in photographs().items():
        path = tmp_path / Path(name).name
        path.write_bytes(content)
        index.add(hash_image(path), path.name)
        with Image.open(path) as image:
            image.thumbnail((640, 640))
            for kind, changed, form, options in variants(image.convert("RGB")):
                copy = tmp_path / f"{kind}-{path.name}.{form.lower()}"
                changed.save(copy, form, **options)
                copies.append((path.name, copy))
    assert len(copies) >= 24
    missed = [copy.name for name, copy in copies if (index.find(hash_image(copy)) or ("",))[0] != name]
    record_property("copies missed, copies", f"{len(missed)}, {len(copies)}")
    assert len(missed) <= 0.05 * len(copies), missed
    # Pictures of the sample world are none of these, and are drawn alike to each other.
    others = sorted(world.rglob("*.png"))[:60]
    assert [path for path in others if index.find(hash_image(path))] == []


def test_pictures_are_compared_where_both_folders_are_given(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    small = Image.fromarray(rng.integers(0, 255, (12, 12, 3), np.uint8))
    picture = small.resize((300, 300), Image.Resampling.BICUBIC)
    picture.save(tmp_path / "b" / "bench.png")
    picture.resize((200, 210)).save(tmp_path / "a" / "train.jpg", quality=70)
    Image.new("RGB", (50, 50), (9, 9, 9)).save(tmp_path / "a" / "flat.png")
    path = benchmark(tmp_path, {"id": 1, "image": "bench.png", "query": "?"})
    settings = ContaminationSettings((path,), (), tmp_path / "a", tmp_path / "b")
    assert "looks alike" in findings(settings, record(image="train.jpg"))[0]
    assert findings(settings, record(image="flat.png")) == []
    assert "missing" in findings(settings, record(image="missing.png"))[0]


def test_the_index_finds_exactly_what_a_plain_search_finds(tmp_path):
    rng = np.random.default_rng(1)
    from lamm_data.quality.contamination.image_hashes import ImageHash

    base = [int(value) for value in rng.integers(0, 2**63, 30)]
    stored = [ImageHash(str(n), value, value ^ 5) for n, value in enumerate(base)]
    index = HashIndex(distance=6)
    for n, value in enumerate(stored):
        index.add(value, str(n))
    for trial in range(400):
        flips = [int(bit) for bit in rng.choice(64, rng.integers(0, 12), replace=False)]
        value = base[trial % 30]
        for bit in flips:
            value ^= 1 << bit
        query = ImageHash("q", value, value ^ 5)
        near = any((query.difference ^ other.difference).bit_count() <= 6 for other in stored)
        assert (index.find(query) is not None) == near
