"""The `lamm` command."""

import os
import sys

import click

from lamm_cli.failures import run_guarded
from lamm_cli.output import guard_streams
from lamm_cli.plugins import PluginGroup, versions


def _show_versions(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        for name, version in versions().items():
            click.echo(f"{name} {version}")
        ctx.exit()


@click.group(cls=PluginGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_versions, help="Show the versions."
)
def lamm() -> None:
    """Make instruction data, tune and score multimodal models on images and point clouds.

    Each part is a package of its own: lamm-data, lamm-model and lamm-metrics. Commands of packages that are not
    installed say which install brings them. Set LAMM_DEBUG=1 to see tracebacks.
    """


def main() -> None:
    """Run the command line: the entry point of the `lamm` script."""
    if "_LAMM_COMPLETE" not in os.environ:  # a shell that asks for completions is answered in bytes
        guard_streams()
    run_guarded(_carry_out)


def _carry_out() -> None:
    # By itself click would end an interrupted command with "Aborted!" and 1.
    status = lamm.main(prog_name="lamm", standalone_mode=False)
    if isinstance(status, int):
        sys.exit(status)


if __name__ == "__main__":
    main()
