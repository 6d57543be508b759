"""PLACEHOLDER."""

import click


@click.command()
def demo() -> None:
    """Run the whole of LAMM on this machine."""
