"""ShapeNet: class names from taxonomy.json, one model a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lamm_data.errors import SourceError
from lamm_data.files.json_lines import load_json
from lamm_data.records.annotations import Annotated, ClassLabel
from lamm_data.sources.readers.fields import need

CLOUDS = "shapenet_pcls"
POINTS = 4096


def read_taxonomy(path: Path) -> dict[str, str]:
    """Read class names by synset. A name such as "sofa,couch,lounge" lists synonyms: the first one is taken."""
    entries = (need(entry, ("synsetId", "name"), path, "a synset") for entry in load_json(path))
    return {str(entry["synsetId"]): str(entry["name"]).split(",")[0].strip() for entry in entries}


def cloud_name(synset: str, model: str) -> str:
    """Name a model's cloud as the LAMM-Dataset does."""
    return f"{CLOUDS}/{synset}_{model}_{POINTS}.npy"


def iter_models(root: Path) -> Iterator[tuple[str, str]]:
    """Yield `(synset, model)` of every model folder, sorted."""
    for synset in sorted(path for path in root.iterdir() if path.is_dir() and path.name.isdigit()):
        for model in sorted(path for path in synset.iterdir() if path.is_dir()):
            yield synset.name, model.name


def open_shapenet(root: Path, split: str) -> Iterator[Annotated]:
    """Read the class of each model of `<synset>/<model>`; clouds are made by `lamm data prepare shapenet`.

    Raises:
        SourceError: A folder's synset is not in the taxonomy.
    """
    names = read_taxonomy(root / "taxonomy.json")
    for synset, model in iter_models(root):
        if synset not in names:
            raise SourceError(f"Expected a synset of taxonomy.json, got the folder {synset} ({root}).")
        label = (ClassLabel(names[synset], "classification3d"),)
        yield Annotated(f"{synset}_{model}", cloud_name(synset, model), "pcl", origin="taxonomy.json", classes=label)
