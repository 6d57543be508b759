"""`lamm data check`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
@click.option("--media-root", type=_FILE, help="Folder of the records' media, which are opened and compared.")
@click.option("--benchmark-media", type=_FILE, help="Folder of the benchmarks' media [where the benchmark names them].")
@click.option("--near-duplicates", type=float, help="ROUGE-L from which two dialogues count as one, for example 0.9.")
@click.option("--rounds", type=int, help="Rounds that every conversation must have.")
@click.option("--skip", multiple=True, help="Kind of finding to leave out; may be repeated.")
@click.option("--bias", is_flag=True, help="Also give figures that show a lean of the text.")
@click.option("--output", type=_FILE, help="Write the records without findings here.")
@click.option("--rejected", type=_FILE, help="Write the others here, with findings [beside --output].")
@click.option("--workers", type=int, default=2, show_default=True, help="Processes.")
@click.option("--no-fail", is_flag=True, help="Only look: end with status 0 although records have faults.")
@click.option("--json", "as_json", is_flag=True, help="Print the report and all findings as JSON.")
def check(
    records: Path,
    benchmarks: tuple[Path, ...],
    links: tuple[Path, ...],
    media_root: Path | None,
    benchmark_media: Path | None,
    skip: tuple[str, ...],
    output: Path | None,
    rejected: Path | None,
    no_fail: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Check instruction records and name every fault; nothing is deleted. Ends with status 1 when there are faults."""
    from lamm_data.errors import LammDataError, UsageError
    from lamm_data.progress import progress_bar
    from lamm_data.quality.checks.record import KINDS
    from lamm_data.quality.contamination.benchmarks import ContaminationSettings, media_beside
    from lamm_data.quality.run import CheckSettings, check_file
    from lamm_llm import refuse_folder, sibling

    unknown = sorted(set(skip) - set(KINDS))
    if unknown:
        raise UsageError(f"Expected kinds of findings out of {', '.join(KINDS)}, got {', '.join(unknown)}.")
    if output is not None:
        refuse_folder(output, UsageError)
    contamination = ContaminationSettings(
        benchmarks, links, media_root or media_beside(records), benchmark_media or media_beside(*benchmarks)
    )
    settings = CheckSettings(contamination=contamination, media_root=media_root, skip=frozenset(skip), **options)
    rejected = rejected or (sibling(output, "rejected.jsonl") if output else None)
    size = records.stat().st_size if records.is_file() else None
    with progress_bar("check (bytes)", size) as advance:
        report = check_file(records, settings, output, rejected, advance)
    if as_json:
        values = {name: getattr(report, name) for name in ("records", "usable", "kept", "kinds", "funnel")}
        values["findings"] = [{"record": index + 1, **asdict(finding)} for index, finding in report.findings]
        click.echo(json.dumps(values | ({"bias": report.bias.to_dict()} if report.bias else {})))
    else:
        _show(report)
    if not report.usable:
        raise LammDataError(f"Expected instruction records in {records}, got none that is usable, of {report.records}.")
    faulty = report.records - report.kept
    if faulty and not no_fail:
        kinds = ", ".join(f"{count} {kind}" for kind, count in report.kinds.items())
        raise LammDataError(
            f"Expected records without faults, got {faulty} of {report.records} with some ({kinds}). "
            "Mend or leave out what --rejected names; --skip KIND accepts a kind, --no-fail only looks."
        )


def _show(report: CheckReport) -> None:
    from lamm_data.quality.checks.bias import describe_bias

    for index, finding in report.findings[:_SHOWN]:
        turn = f", turn {finding.turn}" if finding.turn else ""
        click.echo(f"record {index + 1}{turn}: {finding.kind}: {finding.detail}")
    if len(report.findings) > _SHOWN:
        click.echo(f"... and {len(report.findings) - _SHOWN} more findings (--rejected writes them all)")
    click.echo(f"{'records read':28}{report.records:>10}")
    for kind, left in report.funnel.items():
        click.echo(f"{'left after ' + kind:28}{left:>10}{'-' + str(report.kinds[kind]):>10}")
    click.echo(f"{'records without findings':28}{report.kept:>10}")
    if report.bias:
        click.echo("\n".join(describe_bias(report.bias)))
