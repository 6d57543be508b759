"""The `lamm model` commands."""

import click


@click.group()
def model() -> None:
    """PLACEHOLDER."""
