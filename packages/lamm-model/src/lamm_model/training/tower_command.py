"""The command ``lamm model pretrain-tower``."""

from pathlib import Path

import click


@click.command("pretrain-tower")
@click.option("--root", type=click.Path(path_type=Path), required=True, help="Folder of clouds and ScanQA files.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Folder of the tower.")
@click.option("--preset", default="tiny", show_default=True, help="Size of the tower.")
@click.option("--epochs", type=click.IntRange(min=1), default=30, show_default=True, help="Passes over the scenes.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of weights and order.")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
def pretrain_tower(root: Path, output: Path, preset: str, epochs: int, seed: int, as_json: bool) -> None:
    """Pre-train a point-cloud tower on closed questions about scenes.

    Reads the training split of ROOT (ScanNet's exported layout with ScanQA files, as `lamm data sample` writes it).
    Give the folder of the tower as `model.point_cloud_tower` to `lamm model finetune`. A folder that is there is left
    alone.
    """
    if output.exists():
        click.echo(f"{output} is there already; nothing was done.", err=as_json)
        return
    import os

    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    import transformers
    from rich.console import Console
    from rich.progress import Progress

    from lamm_model.training.tower_pretraining.pretraining import TowerSettings, read_scene_questions
    from lamm_model.training.tower_pretraining.pretraining import pretrain_tower as run

    transformers.utils.logging.disable_progress_bar()
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("pre-training the point-cloud tower", total=None)
        settings = TowerSettings(preset=preset, epochs=epochs, seed=seed)
        numbers = run(
            read_scene_questions(root),
            output,
            settings,
            lambda step, steps, log: progress.update(
                task, completed=step, total=steps, description=f"pre-training the point-cloud tower, {log['loss']:.2f}"
            ),
        )
    if as_json:
        import json

        click.echo(json.dumps(numbers))
    else:
        click.echo(
            f"{numbers['questions']} questions about {numbers['scenes']} scenes, {numbers['steps']} steps; "
            f"{numbers['accuracy']:.1%} right in the last pass. The tower is in {output}."
        )
