"""Visual Genome 1.0 to 1.4: objects, attributes, relationships, regions and questions, joined by image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lamm_data.errors import SourceError
from lamm_data.files.json_lines import iter_values, load_json
from lamm_data.records.annotations import Annotated, Box, Question, Relation
from lamm_data.sources.readers.fields import need

Images = Mapping[int, Mapping[str, Any]]
OPTIONAL = ("attributes", "relationships", "region_descriptions", "question_answers")


def _image_id(entry: dict[str, Any], images: Images, path: Path) -> int:
    """Return the image id of a record: `image_id` since 1.2, plain `id` in 1.0 (and for regions and questions)."""
    key = entry.get("image_id", entry.get("id"))
    if not isinstance(key, int) or key not in images:
        raise SourceError(f"Expected an image listed in image_data.json, got id {key!r} ({path}).")
    return key


class _Joined:
    """One file read in step with the objects file; records that come early wait in memory."""

    def __init__(self, path: Path, images: Images) -> None:
        self._path, self._images, self._waiting = path, images, dict[int, dict[str, Any]]()
        self._stream = iter_values(path) if path.is_file() else iter(())

    def get(self, image_id: int) -> dict[str, Any]:
        """Return the record of an image, or an empty one."""
        while image_id not in self._waiting:
            following = next(self._stream, None)
            if following is None:
                return {}
            entry = following[1]
            self._waiting[_image_id(entry, self._images, self._path)] = entry
        return self._waiting.pop(image_id)


def object_name(entry: dict[str, Any]) -> str:
    """Return an object's name: 1.4 mixes a list `names` with a string `name`, 1.0 has `object_names` too."""
    names = entry.get("names") or entry.get("object_names") or [entry.get("name", "")]
    return " ".join(str(names[0]).split()).lower()


def object_id(entry: dict[str, Any]) -> str:
    """Return an object's id: `object_id` since 1.2, `id` in 1.0."""
    return str(entry.get("object_id", entry.get("id", "")))


def _words(values: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(" ".join(value.split()).lower() for value in values if value and value.strip()))


def _merged(objects: list[dict[str, Any]]) -> dict[str, str]:
    """Map the ids that 1.4 merged into an object to that object's id; older versions merged none."""
    return {str(old): object_id(entry) for entry in objects for old in entry.get("merged_object_ids") or ()}


def _boxes(objects: list[dict[str, Any]], attributes: list[dict[str, Any]], where: str) -> tuple[Box, ...]:
    merged, ids = _merged(objects), {object_id(entry) for entry in objects}
    # The key `attributes` is simply missing for objects without any.
    adjectives: dict[str, tuple[str, ...]] = {}
    for entry in attributes:
        key = merged.get(object_id(entry), object_id(entry))
        adjectives[key] = tuple(dict.fromkeys((*adjectives.get(key, ()), *_words(entry.get("attributes") or []))))
    if adjectives and ids and not ids & adjectives.keys():
        raise SourceError(
            "Expected objects and attributes of one version of Visual Genome, got object ids with nothing in common "
            f"({where}). Take all files from one version."
        )
    out = []
    for entry in objects:
        x, y, width, height = (float(entry[key]) for key in ("x", "y", "w", "h"))
        key = object_id(entry)
        out.append(Box(object_name(entry), (x, y, x + width, y + height), key, attributes=adjectives.get(key, ())))
    return tuple(out)


def _relations(entries: list[dict[str, Any]], merged: dict[str, str]) -> tuple[Relation, ...]:
    # Predicates come as "ON", "on", "wears": letter case is folded, the words are left as people wrote them.
    triples = (
        Relation(
            object_name(entry["subject"]),
            " ".join(entry["predicate"].split()).lower(),
            object_name(entry["object"]),
            merged.get(object_id(entry["subject"]), object_id(entry["subject"])),
            merged.get(object_id(entry["object"]), object_id(entry["object"])),
        )
        for entry in entries
    )
    return tuple(dict.fromkeys(triples))


def _questions(entries: list[dict[str, Any]]) -> tuple[Question, ...]:
    return tuple(
        Question(entry["question"].strip(), (entry["answer"].strip().rstrip("."),), id=str(entry["qa_id"]))
        for entry in entries
    )


def read_visual_genome(root: Path, split: str = "all") -> Iterator[Annotated]:
    """Read a folder with `image_data.json`, `objects.json` and any of the other four files, of one version.

    Boxes are pixels and may leave the image (`Box.normalised` clips them). Region phrases become captions. `link` holds
    the COCO and Flickr ids of images that have one: about half of the images are COCO images.

    Raises:
        SourceError: A file is missing or truncated, or names an image that is not listed.
    """
    path = root / "image_data.json"
    keys = ("image_id", "width", "height", "url")
    images = {entry["image_id"]: entry for entry in (need(e, keys, path, "an image") for e in load_json(path))}
    joined = {name: _Joined(root / f"{name}.json", images) for name in OPTIONAL}
    for _, entry in iter_values(root / "objects.json"):
        key = _image_id(entry, images, root / "objects.json")
        image = images[key]
        parts = {name: stream.get(key) for name, stream in joined.items()}
        regions = parts["region_descriptions"].get("regions", [])
        links = {"coco": image.get("coco_id"), "flickr": image.get("flickr_id")}
        yield Annotated(
            str(key),
            "/".join(str(image["url"]).rsplit("/", 2)[-2:]),
            origin="objects.json",
            width=int(image["width"]),
            height=int(image["height"]),
            boxes=_boxes(entry["objects"], parts["attributes"].get("attributes", []), f"{root}, image {key}"),
            captions=_phrases([region["phrase"] for region in regions]),
            questions=_questions(parts["question_answers"].get("qas", [])),
            relations=_relations(parts["relationships"].get("relationships", []), _merged(entry["objects"])),
            link={name: str(value) for name, value in links.items() if value is not None},
        )


def _phrases(texts: list[str]) -> tuple[str, ...]:
    """Return each phrase once; blank ones stay, to be counted."""
    tidy = [" ".join(text.split()) for text in texts]
    return (*dict.fromkeys(filter(None, tidy)), *[""] * tidy.count(""))
