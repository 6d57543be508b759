"""`lamm data check` and `dedup`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lamm_data.quality.run import CheckReport

_FILE = click.Path(path_type=Path)
_SHOWN = 20


@click.command()
@click.argument("records", type=_FILE)
@click.option("--annotations", type=_FILE, help="Rows the records were made from, to check what the text claims.")
@click.option("--benchmark", "benchmarks", type=_FILE, multiple=True, help="Benchmark file that must not be touched.")
@click.option("--links", type=_FILE, multiple=True, help="image_data.json (Visual Genome) or 3RScan.json: same media.")
@click.option("--media-root", type=_FILE, help="Folder of the records' media, to compare files and pictures.")
@click.option("--benchmark-media", type=_FILE, help="Folder of the benchmarks' media, to compare files and pictures.")
@click.option("--near-duplicates", type=float, help="ROUGE-L from which two dialogues count as one, for example 0.9.")
@click.option("--rounds", type=int, help="Rounds that every conversation must have.")
@click.option("--skip", multiple=True, help="Kind of finding to leave out; may be repeated.")
@click.option("--bias", is_flag=True, help="Also give figures that show a lean of the text.")
@click.option("--output", type=_FILE, help="Write the records without findings here.")
@click.option("--rejected", type=_FILE, help="Write the others here, with findings [beside --output].")
@click.option("--workers", type=int, default=2, show_default=True, help="Processes.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def check(
    records: Path,
    annotations: Path | None,
    benchmarks: tuple[Path, ...],
    links: tuple[Path, ...],
    media_root: Path | None,
    benchmark_media: Path | None,
    near_duplicates: float | None,
    rounds: int | None,
    skip: tuple[str, ...],
    bias: bool,
    output: Path | None,
    rejected: Path | None,
    workers: int,
    as_json: bool,
) -> None:
    """Check instruction records and name every fault; nothing is deleted."""
    from lamm_data.errors import UsageError
    from lamm_data.files.whole import refuse_folder
    from lamm_data.progress import progress_bar
    from lamm_data.quality.checks.findings import KINDS
    from lamm_data.quality.contamination.benchmarks import ContaminationSettings
    from lamm_data.quality.run import CheckSettings, check_file

    unknown = sorted(set(skip) - set(KINDS))
    if unknown:
        raise UsageError(f"Expected kinds of findings out of {', '.join(KINDS)}, got {', '.join(unknown)}.")
    if (media_root is None) != (benchmark_media is None):
        raise UsageError("Expected --media-root and --benchmark-media together, got one of them.")
    if output is not None:
        refuse_folder(output)
    contamination = ContaminationSettings(benchmarks, links, media_root, benchmark_media)
    settings = CheckSettings(annotations, contamination, near_duplicates, rounds, frozenset(skip), bias, workers)
    rejected = rejected or _beside(output)
    size = records.stat().st_size if records.is_file() else None
    with progress_bar("check (bytes)", size) as advance:
        report = check_file(records, settings, output, rejected, advance)
    if as_json:
        click.echo(json.dumps(_plain(report)))
    else:
        _show(report)


def _beside(output: Path | None) -> Path | None:
    """Name the file of rejected records that goes with an output: nothing is deleted."""
    return output.with_name(f"{output.stem}.rejected.jsonl") if output else None


def _plain(report: CheckReport) -> dict[str, object]:
    values: dict[str, object] = {
        "records": report.records, "kept": report.kept, "kinds": report.kinds, "funnel": report.funnel,
    }  # fmt: skip
    return values | ({"bias": report.bias.to_dict()} if report.bias else {})


def _show(report: CheckReport) -> None:
    from lamm_data.quality.checks.bias import describe_bias

    for place, finding in report.findings[:_SHOWN]:
        turn = f", turn {finding.turn}" if finding.turn else ""
        click.echo(f"record {place + 1}{turn}: {finding.kind}: {finding.detail}")
    if len(report.findings) > _SHOWN:
        click.echo(f"... and {len(report.findings) - _SHOWN} more findings (--rejected writes them all)")
    click.echo(f"{'records read':28}{report.records:>10}")
    for kind, left in report.funnel.items():
        click.echo(f"{'left after ' + kind:28}{left:>10}{'-' + str(report.kinds[kind]):>10}")
    click.echo(f"{'records without findings':28}{report.kept:>10}")
    if report.bias:
        click.echo("\n".join(describe_bias(report.bias)))


@click.command()
@click.argument("records", type=_FILE)
@click.option("--output", type=_FILE, required=True, help="Write the records that are kept here.")
@click.option("--rejected", type=_FILE, help="Write the duplicates here, with what they repeat [beside --output].")
@click.option("--threshold", type=float, default=0.7, show_default=True, help="ROUGE-L from which two texts are one.")
@click.option(
    "--text",
    type=click.Choice(["dialogue", "questions", "answers"]),
    default="dialogue",
    show_default=True,
    help="What is compared.",
)
@click.option(
    "--method",
    type=click.Choice(["exact", "minhash"]),
    default="exact",
    show_default=True,
    help="exact compares all pairs; minhash those that share hashes, for millions.",
)
@click.option("--workers", type=int, default=2, show_default=True, help="Threads of the exact method.")
def dedup(
    records: Path, output: Path, rejected: Path | None, threshold: float, text: str, method: str, workers: int
) -> None:
    """Find near-duplicate records by ROUGE-L and keep the first of each group."""
    from lamm_data.files.whole import refuse_folder
    from lamm_data.near_duplicates.exact import find_near
    from lamm_data.progress import progress_bar
    from lamm_data.records.instruction import read_records, write_records

    refuse_folder(output)
    found = read_records(records)
    roles = {"dialogue": ("human", "gpt"), "questions": ("human",), "answers": ("gpt",)}[text]
    texts = ["\n".join(turn.text for turn in record.dialogue() if turn.role in roles) for record in found]
    with progress_bar("compare", len(texts)) as advance:
        if method == "exact":
            alike = find_near(texts, threshold, workers, advance)
        else:
            from lamm_data.near_duplicates.minhash import find_near_minhash

            alike = find_near_minhash(texts, threshold, advance=advance)
    duplicates = {item.place: item for item in alike}
    rejected = rejected or _beside(output)
    if rejected is not None:
        for place, item in duplicates.items():
            found[place].extra["duplicate_of"] = {"record": item.of + 1, "rouge_l": item.similarity}
        write_records(rejected, (found[place] for place in sorted(duplicates)))
    kept = write_records(output, (record for place, record in enumerate(found) if place not in duplicates))
    click.echo(f"{len(found)} records: {kept} kept, {len(duplicates)} near duplicates (ROUGE-L >= {threshold:g})")
