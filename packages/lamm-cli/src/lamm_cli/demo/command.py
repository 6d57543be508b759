"""The command `lamm demo`: the whole of LAMM on this machine."""

from pathlib import Path

import click


@click.command()
@click.option(
    "--output", type=click.Path(path_type=Path), default=Path("demo"), show_default=True, help="Folder of the run."
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one key of the demo's settings.")
@click.option("--show", is_flag=True, help="Print the settings and end.")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def demo(output: Path, overrides: tuple[str, ...], show: bool, as_json: bool) -> None:
    """Run the whole of LAMM on this machine, with real parts and no account, GPU or download.

    Draws a synthetic sample world, lets a small language model write dialogues about it over an OpenAI-compatible
    server, converts annotations to instructions, fine-tunes a multimodal model with one LoRA set per modality, and
    scores it on held-out images and point clouds beside the untuned model, the blind model and chance. Takes about
    twenty minutes on two cores; when interrupted, run it again and it goes on.
    """
    from lamm_cli.settings import as_toml, override, packaged_settings

    settings = override(packaged_settings("demo"), overrides)
    if show:
        click.echo(as_toml(settings), nl=False)
        return
    from lamm_cli.demo.stages import run_demo

    table = run_demo(output, settings)
    if as_json:
        import json

        click.echo(json.dumps(table.to_json()))
    else:
        table.show()
        click.echo(f"Report: {output / 'report.html'}   Table: {output / 'table.md'}")
