"""A running review of real files, and a real browser."""

import threading

import numpy as np
import pytest
from headless_browser import opened_browser
from PIL import Image, ImageDraw

from lamm_data.generation.rows import Row, SceneObject
from lamm_data.records.instruction import InstructionRecord, Turn
from lamm_data.review.server import ReviewServer
from lamm_data.review.session import ReviewSession

HOSTILE = "It is <img src=x onerror=\"document.title='broken in'\"> & <b>bold</b>."


def draw_picture(path):
    image = Image.new("RGB", (400, 300), (210, 220, 235))
    pen = ImageDraw.Draw(image)
    pen.rectangle((40, 60, 160, 240), fill=(200, 40, 40))
    pen.ellipse((220, 100, 340, 220), fill=(40, 90, 200))
    image.save(path)


def draw_room(path):
    rng = np.random.default_rng(0)
    floor = np.c_[rng.uniform(-2, 2, (3000, 2)), np.zeros(3000), np.tile([150, 150, 140], (3000, 1))]
    block = np.c_[rng.uniform(-0.5, 0.5, (2000, 2)), rng.uniform(0, 1, 2000), np.tile([220, 60, 50], (2000, 1))]
    np.save(path, np.r_[floor, block].astype(np.float32))


@pytest.fixture
def sample(tmp_path):
    """Four records in two strata, with their media and rows."""
    media = tmp_path / "media"
    media.mkdir()
    draw_picture(media / "a.png")
    draw_picture(media / "b.png")
    draw_room(media / "room.npy")

    def record(name, text, kind="conversation", **keys):
        return InstructionRecord([Turn("human", "What is there?"), Turn("gpt", text)], id=name, task_type=kind, **keys)

    records = [
        record("a", HOSTILE, image="a.png", src_image="coco2017"),
        record("b", "A disc at [0.55, 0.33, 0.85, 0.73].", "detection", image="b.png", src_image="coco2017"),
        record("room", "A block at [0, 0, 0.5, 1, 1, 1].", "detection3d", pcl="room.npy", src_dataset="rooms"),
        record("c", "A red block.", image="a.png", src_image="coco2017"),
    ]
    objects = (SceneObject("block", (0.1, 0.2, 0.4, 0.8)), SceneObject("disc", (0.55, 0.33, 0.85, 0.73)))
    rows = {name: Row(name, f"{name}.png", captions=("A block and a disc.",), objects=objects) for name in "ab"}
    return media, records, rows


@pytest.fixture
def review(sample, tmp_path):
    """Starts servers; called again it restarts the review on the same verdicts."""
    media, records, rows = sample
    running = []

    def stop():
        for server in running:
            server.shutdown()
            server.server_close()
            server.session.close()
        running.clear()

    def start(reviewer="ann", root=media):
        stop()
        server = ReviewServer(ReviewSession(records, [tmp_path / "verdicts.jsonl"], reviewer, root, rows))
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        running.append(server)
        return server

    yield start
    stop()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with opened_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened
