"""A hook of mkdocs: the page of downloads is made from the table of sources, `lamm_data/sources/registry.toml`."""

import tomllib
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

REGISTRY = Path(__file__).resolve().parents[1] / "packages/lamm-data/src/lamm_data/sources/registry.toml"
# As the download pages state them; a source that is not named here says its size on its own page.
SIZES = {
    "coco_detection": "train2017 18 GB, val2017 1 GB, annotations 241 MB",
    "coco_captions": "as coco_detection",
    "coco_keypoints": "as coco_detection",
    "visual_genome": "15 GB",
    "cifar10": "163 MB",
    "voc2012": "1.9 GB",
    "celeba": "1.4 GB (aligned)",
    "textvqa": "7.5 GB",
    "ucmerced": "317 MB",
    "scannet": "1.2 TB in all; the meshes and annotations of `layout` are a small part",
}
OPENING = """# Downloads

No package of LAMM carries a data set, and none downloads one. This page says for each source where to get it, which
files are read, where they must lie, and under what terms. It is made from the table that the commands use:

    lamm data sources voc2012                                  # the same, for one source
    lamm data unpack VOCtrainval_11-May-2012.tar --root .      # refuses names that lead out, and bombs
    lamm data sources voc2012 --root VOCdevkit/VOC2012 --split val    # is everything there, and can it be decoded?

Files are named from the folder that you give as `--root`. `{split}` stands for the split, `|` separates alternatives,
`?` marks what is optional. For `lamm benchmark run --root DATA` put each source into `DATA/NAME`.

"""
OWN = """## LAMM's own files

From `openlamm/LAMM_Dataset` on the Hugging Face Hub, or `LAMM/LAMM` on OpenDataLab. Each zip unpacks to a folder of its
name beside `meta_file`; give the folder that holds these folders as `--media-root`.

| file | size | media |
|---|---|---|
| `2D_Instruct/meta_file/LAMM_instruct_186k.json` | 325 MB | the four archives below |
| `daily_dialogue_49k.json`, `detailed_description_49k.json` | 112 MB, 66 MB | `coco_images.zip`, 7.8 GB |
| `factual_knowledge_dialogue_42k.json` | 83 MB | `bamboo_images.zip`, 5.4 GB |
| `vision_task_dialogue_46k.json` | 65 MB | COCO, Bamboo, Locount and TextVQA images, 9.2 GB |
| `3D_Instruct/meta_file/LAMM_3dinstruct_10k.json` | 20 MB | `3rscan_pcls.zip` 720 MB, `shapenet_pcls.zip` 209 MB |
| `2D_Benchmark/meta_file/*.json` | 0.1 to 7.5 MB each | one archive a data set, 9 to 566 MB |
| `3D_Benchmark/meta_file/*.json` | 0.9 to 3.7 MB each | `scannet_pcls.zip`, 246 MB |

The data card says Apache-2.0, an earlier one CC-BY-NC-4.0. The images keep the terms of their sources. The
file of keypoints is called `Keypoints_Detection_LSP.json`, whatever its list says.
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated page."""
    files.append(File.generated(config, "downloads.md", content=downloads_page()))
    return files


def sources() -> dict[str, dict[str, Any]]:
    """Return the sources that are downloaded, by name."""
    table = tomllib.loads(REGISTRY.read_text(encoding="utf-8"))
    return {name: entry for name, entry in table.items() if entry.get("url", "").startswith("http")}


def downloads_page() -> str:
    """Return the page: one table of terms, then each source's files."""
    found = sources()
    rows = [
        f"| [`{name}`](#{name}) | {_terms(entry)} | {', '.join(entry['readers'])} |" for name, entry in found.items()
    ]
    sections = [_section(name, entry) for name, entry in found.items()]
    head = "## All of them\n\n| source | may be passed on, used commercially | tasks |\n|---|---|---|\n"
    return "\n".join([OPENING + head + "\n".join(rows) + "\n", OWN, *sections])


def _terms(entry: dict[str, Any]) -> str:
    return f"{'yes' if entry['redistribution'] else 'no'}, {'yes' if entry['commercial'] else 'no'}"


def _section(name: str, entry: dict[str, Any]) -> str:
    """Return what to know about one source."""
    note = entry.get("note", "")
    lines = [
        f"## {entry['title']} {{#{name}}}\n",
        f"- **Name**: `{name}`",
        f"- **Get it**: <{entry['url']}>",
        f"- **Size**: {SIZES[name]}" if name in SIZES else "",
        f"- **Licence**: {entry['licence']}",
        f"- **Splits**: {', '.join(entry['splits'])}",
        f"- **First run**: `lamm data prepare {name} --root DIR`" if entry.get("prepare") else "",
        f"- **Note**: {note}" if note else "",
        f"- **Cite**: {entry['citation']}",
        "\n```text\n" + "\n".join(entry["layout"]) + "\n```\n",
    ]
    return "\n".join(line for line in lines if line)
