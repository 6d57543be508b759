"""The `lamm model export` and `lamm model convert` commands."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder to write; must not exist.")
@click.option("--adapter", help="Adapter set to merge: image, point_cloud, text or shared.")
@click.option("--language-model-only", is_flag=True, help="Write the merged language model alone.")
def export(folder: Path, output: Path, adapter: str | None, language_model_only: bool) -> None:
    """Merge an adapter set of the checkpoint FOLDER and write a plain transformers model."""
    from lamm_model.checkpoints.export import export_checkpoint

    name = export_checkpoint(folder, output, adapter, language_model_only)
    click.echo(f"{output}: {f'adapter set {name} merged' if name else 'a model without adapters'}")


@click.command()
@click.argument("weights", type=click.Path(path_type=Path))
@click.option("--language-model", required=True, help="Folder or hub name of the Vicuna or Llama 2 the delta is for.")
@click.option("--image-tower", default="openai/clip-vit-large-patch14", show_default=True, help="Folder or hub name.")
@click.option("--point-cloud-tower", help="Folder of a converted point-cloud tower: the delta is of a 3D model.")
@click.option("--prompt-format", type=click.Choice(["lamm", "llama2"]), default="lamm", show_default=True)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Checkpoint folder to write.")
def convert(
    weights: Path,
    language_model: str,
    image_tower: str,
    point_cloud_tower: str | None,
    prompt_format: str,
    output: Path,
) -> None:
    """Convert a released LAMM delta (LoRA and projector, a .pt file) to a checkpoint. Nothing is unpickled."""
    from lamm_model.checkpoints.released import convert_delta

    counts = convert_delta(weights, output, language_model, image_tower, point_cloud_tower, prompt_format)
    click.echo(f"{output}: {counts['adapter']} adapter tensors and {counts['projector']} projector tensors")
