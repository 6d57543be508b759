"""`lamm data stats`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def stats(path: Path, as_json: bool) -> None:
    """Count what an instruction file holds: tasks, sources, licences, lengths, common short answers."""
    import json

    from lamm_data.records import scan_records
    from lamm_data.stats import count_records

    summary = count_records(scan_records(path)).summary()
    if as_json:
        click.echo(json.dumps(summary))
        return
    click.echo(f"{summary['records']} records about {summary['media']} images or clouds, {summary['faults']} faults")
    for name in ("rounds", "question_words", "answer_words"):
        click.echo(f"{name:16s}" + "  ".join(f"{key} {value}" for key, value in summary[name].items()))
    for name, counter in summary["counts"].items():
        click.echo(f"{name}:")
        for value, number in counter.items():
            click.echo(f"{number:10d}  {value}")
