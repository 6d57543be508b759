"""The viewer's script, for pages that hold it and servers that hand it out."""

import json
from functools import cache
from importlib.resources import files

PARTS = ("base", "gestures", "boxes", "points", "webgl", "plane", "scene", "cloud", "picture")


@cache
def viewer_script() -> str:
    """Return the viewer as one classic script, its style included, which defines `lammViewer`.

    `lammViewer.cloud(cloud, {name, series, spin})` makes an element of what `pack_cloud` returns, and
    `lammViewer.picture(image, {name, series})` one around an `img`. A series is
    `{name, colour, dashed, answer, marks}`, a mark `{kind, numbers, label, found, colour}`: "box" `[x1, y1, x2, y2]`,
    "point" `[x, y]` and "polygon" `[x, y, …]` in shares of the picture, "box3d" centre, size and angles in the
    cloud's frame. Texts are shown as text. The script asks nothing of the network and needs no inline style.
    """
    folder = files("lamm_metrics.viewer") / "data"
    style = json.dumps((folder / "viewer.css").read_text("utf-8"))
    return "\n".join(
        [f"const lammViewerStyle = {style};", *((folder / f"{name}.js").read_text("utf-8") for name in PARTS)]
    )
