"""A media root, and names of media that lead out of it or to no file: the table that every reader is tested with."""

import os

from PIL import Image

OUTSIDE = ["/etc/passwd", "../out.png", "a/../../out.png", "a/../a/in.png", "link-out.png", "folder-out/out.png"]
OUTSIDE += ["//etc/passwd"]
NOT_THERE = ["b.png", "a", "", ".", "a\0.png", "circle", "pipe.png", "a/in.png/b", "\udcff.png"]
NOT_THERE += ["x" * 300 + ".png", "y/" * 5000 + "z.png"]


def media_root(parent):
    """Make a media root with a picture inside, one beside it, and links to both."""
    folder = parent / "root"
    (folder / "a").mkdir(parents=True)
    for path in (folder / "a" / "in.png", parent / "out.png"):
        Image.new("RGB", (8, 6)).save(path)
    (folder / "link-in.png").symlink_to(folder / "a" / "in.png")
    (folder / "link-out.png").symlink_to(parent / "out.png")
    (folder / "folder-out").symlink_to(parent, target_is_directory=True)
    (folder / "circle").symlink_to(folder / "circle")
    os.mkfifo(folder / "pipe.png")
    return folder
