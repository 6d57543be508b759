"""The `lamm model export`, `lamm model push` and `lamm model convert` commands."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lamm_llm import writes_alone


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder to write; must not exist.")
@click.option("--adapter", help="Adapter set to merge: image, point_cloud, text or shared.")
@click.option("--language-model-only", is_flag=True, help="Write the merged language model alone.")
@click.option(
    "--to",
    type=click.Choice(["transformers", "vllm"]),
    default="transformers",
    show_default=True,
    help="Who is to open it; vLLM does so through the plugin in this package.",
)
@click.option("--each-adapter", is_flag=True, help="Merge nothing: write one checkpoint for each adapter set.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
@writes_alone("output")
def export(
    folder: Path,
    output: Path,
    adapter: str | None,
    language_model_only: bool,
    to: str,
    each_adapter: bool,
    as_json: bool,
) -> None:
    """Merge an adapter set of the checkpoint FOLDER and write a plain transformers model."""
    from rich.console import Console

    from lamm_model.checkpoints.export import export_checkpoint, split_checkpoint

    console = Console(stderr=True)
    if each_adapter:
        with console.status("writing each adapter set"):
            names = split_checkpoint(folder, output)
        if as_json:
            click.echo(json.dumps([{"output": str(output / name), "adapter": name} for name in names]))
        else:
            click.echo("\n".join(f"{output / name}: adapter set {name} alone" for name in names))
        return
    with console.status("merging the adapters"):
        name = export_checkpoint(folder, output, adapter, language_model_only, to)
    if as_json:
        click.echo(json.dumps([{"output": str(output), "adapter": name or None}]))
        return
    click.echo(f"{output}: {f'adapter set {name} merged' if name else 'a model without adapters'}")
    if to == "vllm":
        click.echo(f"Where vLLM is installed{'' if language_model_only else ' beside lamm-model'}: vllm serve {output}")


@click.command()
@click.argument("weights", type=click.Path(path_type=Path))
@click.option(
    "--kind",
    type=click.Choice(["concerto", "point-bert", "ptv3", "sonata", "utonia"]),
    help="What published point-cloud tower WEIGHTS are; the files below are told by their keys.",
)
@click.option("--language-model", help="For a delta: folder or hub name of the Vicuna or Llama 2 that it is for.")
@click.option("--image-tower", default="openai/clip-vit-large-patch14", show_default=True, help="For a delta.")
@click.option("--point-cloud-tower", help="For the delta of a 3D model: folder of a converted EPCL checkpoint.")
@click.option("--prompt-format", type=click.Choice(["lamm", "llama2"]), default="lamm", show_default=True)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
@writes_alone("output")
def convert(
    weights: Path,
    kind: str | None,
    language_model: str | None,
    image_tower: str,
    point_cloud_tower: str | None,
    prompt_format: str,
    output: Path,
    as_json: bool,
) -> None:
    """Convert a released file; nothing in it is run, and every key is accounted for.

    A LAMM delta (LoRA and projector, .pt) becomes a checkpoint; the EPCL checkpoint (.pth) a point-cloud tower;
    OpenAI's own CLIP (ViT-L-14.pt) an image tower. With --kind, WEIGHTS are those of a point-cloud tower, a file or
    OWNER/NAME[/FILE] on the Hub; their licence is said, and kept beside them.
    """
    from rich.console import Console

    from lamm_model.checkpoints.published.lamm_delta import convert_file
    from lamm_model.checkpoints.published.point_towers import convert_point_tower

    with Console(stderr=True).status("converting the weights"):
        if kind is not None:
            counts = convert_point_tower(kind, weights, output)
        else:
            counts = convert_file(weights, output, language_model, image_tower, point_cloud_tower, prompt_format)
    if as_json:
        click.echo(json.dumps({"output": str(output), **counts}))
        return
    click.echo(f"{output}: " + ", ".join(f"{count} tensors {what.replace('_', ' ')}" for what, count in counts.items()))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("repository", metavar="OWNER/NAME")
@click.option("--public/--private", default=False, show_default=True, help="Who may read the repository.")
@click.option("--licence", default="", help="Licence of the whole, as the Hub names it; needed where it is public.")
@click.option("--json", "as_json", is_flag=True, help="Print where it went as JSON.")
def push(folder: Path, repository: str, public: bool, licence: str, as_json: bool) -> None:
    """Upload the model or run in FOLDER with its card to the Hugging Face Hub, private unless told so."""
    from lamm_model.checkpoints.push import push_model

    address = push_model(folder, repository, public=public, licence=licence)
    if as_json:
        click.echo(json.dumps({"address": address, "public": public}))
        return
    click.echo(f"Pushed to {repository}, {'public' if public else 'private'}: {address}")
