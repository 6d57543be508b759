"""Pictures and views on their way to the model: the bytes a server receives, and what resuming sends again."""

import base64
import hashlib
import io
import json

import numpy as np
import pytest
from PIL import Image

from lamm_data.errors import LammDataError, UsageError
from lamm_data.generation.estimate import estimate
from lamm_data.generation.run import generate
from lamm_data.generation.seeing import picture_jpeg

DESCRIPTION = json.dumps({"description": "A red square lies on a blue ground. It is large."})


def picture(path, size=(1600, 1200), colour=(200, 30, 30), **options):
    Image.new("RGB", size, colour).save(path, **options)


@pytest.fixture
def seen_run(settings, tmp_path):
    """Settings of a run that sends the pictures of three rows."""

    def make(url, **changes):
        for number in range(3):
            if not (tmp_path / f"{number:06d}.jpg").exists():
                picture(tmp_path / f"{number:06d}.jpg", colour=(200, 30, 40 * number))
        values = {"rows": 3, "type": "detailed_description", "see": "image"}
        return settings(url, **values | changes)

    return make


def parts(seen):
    """The JPEG files and the text of a request's last message."""
    content = seen.body["messages"][-1]["content"]
    if isinstance(content, str):
        return [], content
    urls = [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
    assert all(url.startswith("data:image/jpeg;base64,") for url in urls)
    return [base64.b64decode(url.partition(",")[2], validate=True) for url in urls], content[-1]["text"]


def decoded(content):
    with Image.open(io.BytesIO(content)) as image:
        assert image.format == "JPEG"
        return image.convert("RGB")


def test_the_picture_goes_beside_the_annotations_and_its_hash_into_the_record(loopback, reply, seen_run, lines):
    server = loopback(lambda seen: reply(DESCRIPTION))
    run = seen_run(server.url)
    assert generate(run).counts.finished == 3
    assert len(server.requests) == 3
    by_hash = {}
    for seen in server.requests:
        [content], text = parts(seen)
        assert decoded(content).size == (1024, 768)
        assert "cup: [0.1, 0.2, 0.3, 0.4]" in text
        assert "which you see" in seen.body["messages"][0]["content"]
        assert len(seen.body["messages"]) == 2  # no examples without a picture
        by_hash[hashlib.sha256(content).hexdigest()] = decoded(content).getpixel((5, 5))
    for number, record in enumerate(lines(run.output)):
        [digest] = record["meta"]["shown"]
        assert np.allclose(by_hash[digest], (200, 30, 40 * number), atol=3)


def test_see_only_tells_nothing_of_the_annotations(loopback, reply, seen_run):
    server = loopback(lambda seen: reply(DESCRIPTION))
    generate(seen_run(server.url, see_only=True, picture_size=256))
    for seen in server.requests:
        [content], text = parts(seen)
        assert decoded(content).size == (256, 192)
        assert text == "Describe this picture."


def test_resuming_sends_nothing_twice_and_a_changed_picture_is_a_new_request(loopback, reply, seen_run, tmp_path):
    server = loopback(lambda seen: reply(DESCRIPTION))
    generate(seen_run(server.url))
    assert generate(seen_run(server.url)).traffic.sent == 0
    picture(tmp_path / "000001.jpg", colour=(0, 200, 0))
    assert generate(seen_run(server.url)).traffic.sent == 1
    [content], _ = parts(server.requests[-1])
    assert np.allclose(decoded(content).getpixel((5, 5)), (0, 200, 0), atol=3)
    assert generate(seen_run(server.url, picture_size=512)).traffic.sent == 3


def test_a_correction_shows_the_picture_again(loopback, reply, seen_run):
    server = loopback(lambda seen: reply("{}"))
    assert generate(seen_run(server.url, limit=1)).counts.rejected.total() == 1
    first, second = server.requests
    assert second.body["messages"][1] == first.body["messages"][1]
    assert len(second.body["messages"]) == 4


def test_a_picture_that_is_missing_damaged_or_outside_costs_its_row_only(loopback, reply, seen_run, tmp_path, lines):
    server = loopback(lambda seen: reply(DESCRIPTION))
    run = seen_run(server.url)
    (tmp_path / "000001.jpg").write_bytes(b"\xff\xd8\xff rubbish")
    rows = lines(run.annotations)
    rows[2]["image"] = "../outside.jpg"
    run.annotations.write_text("".join(json.dumps(row) + "\n" for row in rows))
    summary = generate(run)
    assert (summary.counts.finished, summary.counts.rejected) == (1, {"no_picture": 2})
    assert summary.counts.add_up()
    details = [line["detail"] for line in lines(tmp_path / "out.rejected.jsonl")]
    assert "000001.jpg" in details[0]
    assert "below the media root" in details[1]
    picture(tmp_path / "000001.jpg")
    assert generate(run).counts.finished == 2


def test_pictures_are_sent_upright_on_white_and_never_enlarged(tmp_path):
    image = Image.new("RGB", (200, 100), (0, 0, 255))
    image.paste((255, 0, 0), (0, 0, 100, 100))  # the left half is red
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    image.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    turned = decoded(picture_jpeg(tmp_path / "turned.jpg", 1024))
    assert turned.size == (100, 200)
    assert turned.getpixel((50, 20))[0] > 200  # the left half is on top now
    assert turned.getpixel((50, 180))[2] > 200
    Image.new("RGBA", (300, 300), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert decoded(picture_jpeg(tmp_path / "clear.png", 128)).getpixel((64, 64)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"type": "factual_knowledge_dialogue"}, "can see pictures"),
        ({"type": "detailed_description", "see": "views"}, "about point clouds"),
        ({"see": "", "see_only": True}, "'see_only' without 'see'"),
        ({"see": "views", "views": 9}, "at most 8"),
        ({"picture_size": 8}, "at least 64"),
        ({"see": "smell"}, "'see'"),
    ],
)
def test_what_cannot_be_seen_is_refused(settings, changes, words):
    with pytest.raises(UsageError, match=words):
        generate(settings("http://127.0.0.1:1/v1", **{"see": "image", **changes}))


def test_an_estimate_counts_pictures_by_their_size_and_then_by_what_the_server_counted(loopback, reply, seen_run):
    server = loopback(lambda seen: reply(DESCRIPTION, prompt_tokens=5000))
    run = seen_run(server.url, model="gpt-4o-mini")
    blind = estimate(seen_run(server.url, model="gpt-4o-mini", see=""))
    before, small = estimate(run), estimate(seen_run(server.url, model="gpt-4o-mini", picture_size=256))
    assert before.prompt_tokens - small.prompt_tokens == 3 * (
        round(1024 * 768 / 750 + 0.5) - round(256 * 192 / 750 + 0.5)
    )
    assert before.cost > blind.cost
    generate(seen_run(server.url, model="gpt-4o-mini", max_requests=1))
    after = estimate(run)
    assert (after.answered, after.requests, after.prompt_tokens) == (1, 2, 10_000)


def test_views_are_put_into_words_object_by_object_and_then_into_one_description(
    loopback, reply, tell, room_run, lines
):
    server = loopback(lambda seen: tell(seen.body))
    run = room_run(server.url, concurrency=1)
    summary = generate(run)
    assert summary.counts.finished == 2
    assert len(server.requests) == 2 * (3 + 1)
    pictures = [parts(seen) for seen in server.requests[:3]]
    assert [decoded(content).size for [content], _ in pictures] == [(512, 512)] * 3
    assert [("from above" in text, "obliquely" in text) for _, text in pictures] == [(True, False)] + [(True, True)] * 2
    assert all("Object 1: crate\nObject 2: stool" in text for _, text in pictures)
    images, merged = parts(server.requests[3])
    assert not images
    assert "crate: It is of colour 1.\nstool: It is of colour 2.\nThe floor is bare." in merged
    shown = [hashlib.sha256(content).hexdigest() for [content], _ in pictures]
    assert lines(run.output)[0]["meta"]["shown"] == shown
    assert lines(run.output)[0]["pcl"] == "one.npy"


def test_what_views_say_is_sorted_by_object_and_numbers_become_names(loopback, reply, tell, room_run):
    said = [
        "Object 1: It is green, beside object 2.",
        "2) A low stool with three legs.",
        "object 2 – It is lower than Object 1.",
        "Object 7: Nothing of the kind is in sight.",
        "3 cups stand on the floor.",
        "Object 1: It is green, beside object 2.",
    ]
    views = json.dumps({"statements": said})
    server = loopback(lambda seen: reply(views) if parts(seen)[0] else tell(seen.body))
    generate(room_run(server.url, limit=1))
    _, text = parts(server.requests[-1])
    told = text.partition("Statements:\n")[2].partition("\n\n")[0].splitlines()
    assert told == [
        "crate: It is green, beside the stool.",
        "stool: A low stool with three legs. It is lower than the crate.",
        "3 cups stand on the floor.",
    ]


def test_types_that_need_more_than_captions_need_it_with_views_too(loopback, tell, room_run):
    server = loopback(lambda seen: tell(seen.body))
    with pytest.raises(LammDataError, match="2 no_label"):
        generate(room_run(server.url, type="factual_knowledge_dialogue_3d", see_only=True))
    assert not server.requests


def test_rows_of_the_other_modality_are_not_looked_at(loopback, reply, room_run):
    server = loopback(lambda seen: reply(DESCRIPTION))
    with pytest.raises(LammDataError, match="2 other_modality"):
        generate(room_run(server.url, see="image", type="detailed_description"))
    assert not server.requests


def test_media_that_are_nowhere_end_the_run_with_a_hint(loopback, reply, settings, tmp_path):
    server = loopback(lambda seen: reply(DESCRIPTION))
    with pytest.raises(LammDataError, match=r"3 no_picture.*--media-root"):
        generate(settings(server.url, rows=3, type="detailed_description", see="image", media_root=tmp_path / "no"))
    assert not server.requests


def test_resuming_views_sends_nothing_twice_and_a_changed_cloud_is_asked_about_anew(
    loopback, reply, tell, room_run, tmp_path
):
    server = loopback(lambda seen: tell(seen.body))
    generate(room_run(server.url))
    assert generate(room_run(server.url)).traffic.sent == 0
    cloud = np.load(tmp_path / "two.npy")
    np.save(tmp_path / "two.npy", cloud + np.float32(0.0))
    assert generate(room_run(server.url)).traffic.sent == 0
    np.save(tmp_path / "two.npy", np.concatenate([cloud, cloud[2000:] + np.float32((0, 1, 0))]))
    assert generate(room_run(server.url)).traffic.sent == 3  # what is said of the views is the same


def test_a_cloud_that_cannot_be_read_and_a_view_without_answer(loopback, reply, tell, answer, room_run, tmp_path):
    server = loopback(lambda seen: tell(seen.body))
    run = room_run(server.url)
    (tmp_path / "one.npy").write_bytes(b"rubbish")
    summary = generate(run)
    assert (summary.counts.finished, summary.counts.rejected) == (1, {"no_cloud": 1})
    broken = loopback(lambda seen: answer(500, {}) if parts(seen)[0] else reply(DESCRIPTION))
    run = room_run(broken.url, output=tmp_path / "broken.jsonl", attempts=1)
    summary = generate(run)
    assert (summary.counts.failed, summary.counts.rejected) == ({"http_500": 1}, {"no_cloud": 1})


def test_an_estimate_of_views_counts_every_request(loopback, reply, tell, room_run):
    server = loopback(lambda seen: tell(seen.body))
    before = estimate(room_run(server.url))
    assert (before.rows, before.requests, before.unusable) == (2, 8, 0)
    generate(room_run(server.url))
    after = estimate(room_run(server.url))
    assert (after.answered, after.requests) == (2, 0)
