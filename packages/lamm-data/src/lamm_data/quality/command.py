"""`lamm data check`, `dedup` and `review`."""

from __future__ import annotations

import json
from pathlib import Path

import click

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("records", type=_FILE)
@click.option("--annotations", type=_FILE, help="Rows the records were made from, to check what the text claims.")
@click.option("--benchmark", "benchmarks", type=_FILE, multiple=True, help="Benchmark file that must not be touched.")
@click.option("--near-duplicates", type=float, help="ROUGE-L from which two dialogues count as one, for example 0.9.")
@click.option("--skip", multiple=True, help="Kind of finding to leave out; may be repeated.")
@click.option("--output", type=_FILE, help="Write the records without findings here.")
@click.option("--rejected", type=_FILE, help="Write the others here, each with its findings.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def check(
    records: Path,
    annotations: Path | None,
    benchmarks: tuple[Path, ...],
    near_duplicates: float | None,
    skip: tuple[str, ...],
    output: Path | None,
    rejected: Path | None,
    as_json: bool,
) -> None:
    """Check instruction records and name every fault; nothing is deleted."""
    from lamm_data.errors import UsageError
    from lamm_data.quality.checking import CheckSettings, check_file
    from lamm_data.quality.findings import KINDS

    unknown = sorted(set(skip) - set(KINDS))
    if unknown:
        raise UsageError(f"Expected kinds of findings out of {', '.join(KINDS)}, got {', '.join(unknown)}.")
    settings = CheckSettings(annotations, benchmarks, near_duplicates, frozenset(skip))
    report = check_file(records, settings, output, rejected)
    if as_json:
        values = {"records": report.records, "kept": report.kept, "kinds": report.kinds, "funnel": report.funnel}
        click.echo(json.dumps(values))
        return
    for place, finding in report.findings[:20]:
        turn = f", turn {finding.turn}" if finding.turn else ""
        click.echo(f"record {place + 1}{turn}: {finding.kind}: {finding.detail}")
    if len(report.findings) > 20:
        click.echo(f"... and {len(report.findings) - 20} more findings (--rejected writes them all)")
    click.echo(f"{'records read':24}{report.records:>10}")
    for kind, left in report.funnel.items():
        click.echo(f"{'left after ' + kind:24}{left:>10}{'-' + str(report.kinds[kind]):>10}")


@click.command()
@click.argument("records", type=_FILE)
@click.option("--output", type=_FILE, required=True, help="Write the records that are kept here.")
@click.option("--rejected", type=_FILE, help="Write the duplicates here, each with the record it repeats.")
@click.option("--threshold", type=float, default=0.7, show_default=True, help="ROUGE-L from which two texts are one.")
@click.option("--text", type=click.Choice(["dialogue", "questions", "answers"]), default="dialogue", show_default=True)
@click.option("--workers", type=int, default=2, show_default=True, help="Threads.")
def dedup(records: Path, output: Path, rejected: Path | None, threshold: float, text: str, workers: int) -> None:
    """Find near-duplicate records by exact ROUGE-L and keep the first of each group."""
    from lamm_data.progress import progress_bar
    from lamm_data.quality.duplicates import find_near
    from lamm_data.records import read_records, write_records

    found = read_records(records)
    roles = {"dialogue": ("human", "gpt"), "questions": ("human",), "answers": ("gpt",)}[text]
    texts = ["\n".join(turn.text for turn in record.dialogue() if turn.role in roles) for record in found]
    with progress_bar("compare", len(texts)) as advance:
        duplicates = {item.place: item for item in find_near(texts, threshold, workers, advance)}
    if rejected is not None:
        for place, item in duplicates.items():
            found[place].extra["duplicate_of"] = {"record": item.of + 1, "rouge_l": item.similarity}
        write_records(rejected, (found[place] for place in sorted(duplicates)))
    kept = write_records(output, (record for place, record in enumerate(found) if place not in duplicates))
    click.echo(f"{len(found)} records: {kept} kept, {len(duplicates)} near duplicates (ROUGE-L >= {threshold:g})")


@click.command()
@click.argument("records", type=_FILE)
@click.option("--output", type=_FILE, required=True, help="Write the sample here.")
@click.option("--share", type=float, default=0.1, show_default=True, help="Share of every task type.")
@click.option("--seed", type=int, default=0, show_default=True)
def review(records: Path, output: Path, share: float, seed: int) -> None:
    """Draw a sample of records for reading by hand; it stays the same when the file grows."""
    from lamm_data.quality.sampling import draw_sample
    from lamm_data.records import read_records, write_records

    found = read_records(records)
    drawn = write_records(output, draw_sample(found, share, seed))
    click.echo(f"{drawn} of {len(found)} records in {output}")
