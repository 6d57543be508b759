"""The `lamm metrics` commands."""

import click


@click.group()
def metrics() -> None:
    """PLACEHOLDER."""
