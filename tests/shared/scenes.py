"""Small scenes that tests and measurements share: a picture with its cloud, and sound records of annotated scenes."""

import json

WORDS = {1: "one", 2: "two", 3: "three", 4: "four"}


def draw_scene(folder):
    """Draw a red block, as `scene.png` and as `room.npy`."""
    import numpy as np
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (320, 240), (214, 222, 235))
    ImageDraw.Draw(image).rectangle((32, 48, 128, 192), fill=(200, 40, 40))
    image.save(folder / "scene.png")
    rng = np.random.default_rng(0)
    floor = np.c_[rng.uniform(-2, 2, (3000, 2)), np.zeros(3000)]
    block = np.c_[rng.uniform(-0.5, 0.5, (1500, 2)), rng.uniform(0, 1, 1500)]
    np.save(folder / "room.npy", np.r_[floor, block].astype(np.float32))


def write_sound_records(rows, path):
    """Write what the annotations of scenes with several objects hold: what there is, how many, where, and a box."""
    with path.open("w") as out:
        for row in rows:
            if len(row.objects) < 2:
                continue
            first = row.objects[0]
            box = ", ".join(f"{value:.2f}" for value in first.box)
            rounds = [
                ("What is there?", f"There is {row.captions[0]}, {WORDS[len(row.objects)]} shapes in all."),
                ("Where are they?", f"{row.captions[3][:1].upper()}{row.captions[3][1:]}."),
                (f"Give the box of the {first.label}.", f"The {first.label} is at [{box}]."),
            ]
            turns = [
                {"from": role, "value": text}
                for pair in rounds
                for role, text in zip(("human", "gpt"), pair, strict=True)
            ]
            record = {"id": row.id, "image": row.media, "conversations": turns, "task_type": "detection"}
            out.write(json.dumps(record) + "\n")
