"""The command ``lamm model cache-features``."""

from pathlib import Path

import click


@click.command()
@click.argument("config")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one key of the configuration.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder of the features.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def cache_features(config: str, overrides: tuple[str, ...], output: Path, as_json: bool) -> None:
    """Compute the frozen towers' features of a run's images and clouds once.

    CONFIG is the configuration that is then given to `lamm model finetune --set data.feature_cache=DIR`, or a preset.
    What the folder holds already is not computed again.
    """
    import transformers
    from rich.console import Console
    from rich.progress import Progress

    from lamm_model.training.run.cache_features import cache_features as fill_cache
    from lamm_model.training.settings import presets
    from lamm_model.training.settings.settings import load_settings

    path = presets.path_of(config) if config in presets.summaries() else Path(config)
    settings = load_settings(path, overrides)
    transformers.utils.logging.disable_progress_bar()  # one bar is enough
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("computing features", total=None)
        done = fill_cache(settings, output, lambda now, total: progress.update(task, completed=now, total=total))
    if as_json:
        import json

        click.echo(json.dumps(done))
    else:
        click.echo(
            f"{done['computed']} of {done['features']} features computed; "
            f"{done['media']} media, {done['bytes'] / 2**20:.1f} MiB in {output}."
        )
