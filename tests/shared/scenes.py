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


# What stands in a furnished room: its name, and the solids it is made of (low corner and size in metres).
FURNITURE = {
    "bed": [
        ((0.2, 0.2, 0.1), (2.0, 1.6, 0.35)), ((0.2, 0.2, 0.45), (0.5, 1.6, 0.15)), ((0.1, 0.2, 0.0), (0.1, 1.6, 1.0)),
    ],
    "desk": [
        ((4.2, 0.1, 0.7), (1.5, 0.7, 0.05)), ((4.25, 0.15, 0), (0.06, 0.6, 0.7)), ((5.6, 0.15, 0), (0.06, 0.6, 0.7)),
    ],
    "chair": [
        ((4.7, 1.0, 0.42), (0.5, 0.5, 0.06)), ((4.7, 1.45, 0.48), (0.5, 0.05, 0.5)), ((4.9, 1.2, 0), (0.1, 0.1, 0.42)),
    ],
    "monitor": [((4.7, 0.3, 0.85), (0.6, 0.05, 0.38)), ((4.95, 0.3, 0.75), (0.1, 0.1, 0.1))],
    "bookshelf": [((0.05, 3.0, height), (0.35, 1.4, 0.28)) for height in (0.0, 0.42, 0.84, 1.26, 1.68)],
    "sofa": [
        ((2.4, 4.1, 0), (2.2, 0.85, 0.42)), ((2.4, 4.75, 0.42), (2.2, 0.2, 0.45)), ((2.4, 4.1, 0.42), (0.2, 0.6, 0.2)),
    ],
    "table": [((2.9, 2.4, 0.4), (1.2, 0.7, 0.05)), ((3.4, 2.7, 0), (0.2, 0.2, 0.4))],
    "plant": [((5.4, 4.4, 0), (0.3, 0.3, 0.35)), ((5.3, 4.3, 0.5), (0.5, 0.5, 0.7))],
    "door": [((5.94, 2.2, 0), (0.04, 0.9, 2.05))],
    "window": [((2.2, 0.02, 0.9), (1.6, 0.05, 1.2))],
}  # fmt: skip


def furnished_room(count=200_000, seed=0):
    """Draw a room of 6 x 5 x 2.6 m as a scanner sees it: surfaces only, 4 mm of noise, corners darker, denser near it.

    Returns:
        The cloud `[count, 6]`, x, y, z in metres and colours 0 to 255, and the boxes of the furniture by name: centre
        and size, six numbers in metres.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    shell = [((0, 0, 0), (6, 5, 0), "floor"), ((0, 0, 2.6), (6, 5, 0), "ceiling"), ((0, 0, 0), (0, 5, 2.6), "wall")]
    shell += [((6, 0, 0), (0, 5, 2.6), "wall"), ((0, 0, 0), (6, 0, 2.6), "wall"), ((0, 5, 0), (6, 0, 2.6), "wall")]
    solids = [*shell, *((*part, name) for name, parts in FURNITURE.items() for part in parts)]
    shades = {"floor": (150, 118, 86), "wall": (214, 208, 196), "ceiling": (236, 236, 232), "window": (170, 205, 235)}
    for number, name in enumerate(FURNITURE):
        shades.setdefault(name, (60 + 37 * number % 150, 50 + 83 * number % 160, 60 + 59 * number % 150))
    low, size = (np.array([solid[side] for solid in solids], float) for side in (0, 1))
    # Faces of a solid are drawn by their area.
    areas = np.stack([size[:, 1] * size[:, 2], size[:, 0] * size[:, 2], size[:, 0] * size[:, 1]], axis=1)
    solid, axis = np.divmod(rng.choice(areas.size, 2 * count, p=areas.ravel() / areas.sum()), 3)
    at = rng.uniform(size=(len(solid), 3))
    at[np.arange(len(at)), axis] = np.round(at[np.arange(len(at)), axis])
    xyz = low[solid] + at * size[solid]
    distance = np.linalg.norm(xyz - (3, 2.5, 1.5), axis=1)
    seen = np.argsort(rng.exponential(size=len(xyz)) * (1 + 0.15 * distance**2))[:count]
    xyz, solid = xyz[seen], solid[seen]
    colours = np.array([shades[name] for *_, name in solids], float)[solid]
    grain = 1 + 0.06 * np.sin(9 * xyz[:, 0]) * np.sin(11 * xyz[:, 1] + 3 * xyz[:, 2]) + rng.normal(0, 0.04, count)
    edge = np.minimum(np.minimum(xyz[:, 0], 6 - xyz[:, 0]), np.minimum(xyz[:, 1], 5 - xyz[:, 1]))
    colours *= (grain * (0.75 + 0.25 * np.clip(edge / 0.6, 0, 1)))[:, None]
    cloud = np.c_[xyz + rng.normal(0, 0.004, xyz.shape), np.clip(colours, 0, 255).round()].astype(np.float32)
    boxes = {}
    for name, parts in FURNITURE.items():
        first = np.min([part[0] for part in parts], axis=0)
        last = np.max([np.add(*part) for part in parts], axis=0)
        boxes[name] = [round(float(value), 3) for value in (*(first + last) / 2, *(last - first))]
    return cloud, boxes
