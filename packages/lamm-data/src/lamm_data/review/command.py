"""`lamm data review`."""

from __future__ import annotations

import getpass
import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lamm_llm import writes_alone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamm_data.generation.rows import Row
    from lamm_data.records.instruction import InstructionRecord
    from lamm_data.review.session import ReviewSession
    from lamm_data.review.statistics import ReviewReport

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("records", type=_FILE)
@click.option("--share", type=float, default=0.1, show_default=True, help="Share of every stratum to read.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the draw.")
@click.option("--verdicts", type=_FILE, multiple=True, help="File of verdicts; further ones are other reviewers'.")
@click.option("--reviewer", help="Your name in the verdicts [the name of the user].")
@click.option("--annotations", type=_FILE, help="Rows the records were made from: boxes to draw, rows to write anew.")
@click.option("--media-root", type=_FILE, help="Folder that media paths are relative to [that of RECORDS].")
@click.option("--port", type=int, default=0, help="Port of the page [any free one].")
@click.option("--report", is_flag=True, help="Serve no page: print what the verdicts say.")
@click.option("--rejected-rows", type=_FILE, help="Write the rows of rejected records, for `lamm data generate`.")
@click.option("--replace", type=_FILE, help="Records written anew, to put in the places of rejected ones.")
@click.option("--rejected", type=_FILE, help="With --replace: write the rejected records here.")
@click.option("--output", type=_FILE, help="Write the sample, or with --replace the records that stand, here.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@writes_alone("output", "rejected", "rejected_rows")
def review(
    records: Path,
    share: float,
    seed: int,
    verdicts: tuple[Path, ...],
    reviewer: str | None,
    annotations: Path | None,
    media_root: Path | None,
    port: int,
    report: bool,
    rejected_rows: Path | None,
    replace: Path | None,
    rejected: Path | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Read a sample by hand, on a page of this machine, and act on what was rejected.

    Without --verdicts the sample is only written to --output. With it, a page shows one record after the other with its
    image or cloud and its boxes; verdicts are on the disk as soon as they are given, and the same command goes on with
    the next record. --report, --rejected-rows and --replace use verdicts without serving a page.
    """
    from lamm_data.errors import UsageError
    from lamm_data.generation.input_rows import rows_by_id
    from lamm_data.records.instruction import read_records, write_records
    from lamm_data.review.sampling import draw_sample
    from lamm_data.review.session import ReviewSession

    if not verdicts and (report or rejected_rows or replace or not output):
        raise UsageError("Expected --verdicts FILE to review, or --output FILE to draw a sample only; got neither.")
    if replace and not (output and rejected):
        raise UsageError(
            "Expected --output and --rejected beside --replace, got fewer. Name files for what stands and what goes."
        )
    if rejected_rows and not annotations:
        raise UsageError(
            "Expected --annotations beside --rejected-rows, got none. Name the rows the records were made from."
        )
    needed = verdicts if report or replace or rejected_rows else verdicts[1:]
    if absent := [str(path) for path in needed if not path.is_file()]:
        raise UsageError(f"Expected files of verdicts, found nothing at {', '.join(absent)}. Review first, or check.")
    everything, rows = read_records(records), rows_by_id(annotations) if annotations else {}
    if replace or rejected_rows:
        _act(everything, rows, verdicts, rejected_rows, replace, rejected, output)
        return
    sample = list(draw_sample(everything, share, seed))
    if output:
        write_records(output, sample)
        click.echo(f"{len(sample)} of {len(everything)} records in {output}", err=len(verdicts) > 0)
    if verdicts:
        name = reviewer or getpass.getuser()
        with closing(ReviewSession(sample, verdicts, name, media_root or records.parent, rows)) as session:
            if not report:
                _serve(session, port)
            _show(session.report(), as_json)


def _serve(session: ReviewSession, port: int) -> None:
    from lamm_data.review.server import ReviewServer

    with ReviewServer(session, port) as server:
        click.echo(f"{len(session.records)} records to read at {server.url}\nCtrl-C ends.", err=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("", err=True)


def _show(report: ReviewReport, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(report.to_dict()))
        return
    width = max(len(name) for name in report.strata) + 2
    click.echo(f"{'':{width}}{'sample':>8}{'read':>8}{'accepted':>10}   95 % interval")
    for name, layer in report.strata.items():
        low, high = layer.interval
        share = "-" if layer.share is None else f"{layer.share:.3f}"
        span = f"{low:.3f} to {high:.3f}" if layer.read else "-"
        click.echo(f"{name:{width}}{layer.sampled:>8}{layer.read:>8}{share:>10}   {span}")
    for reason, count in report.strata["all"].reasons.most_common():
        click.echo(f"{count:>8}  {reason}")
    for item in report.agreements:
        kappa = "not defined" if item.kappa is None else f"{item.kappa:.3f}"
        click.echo(f"{' and '.join(item.reviewers)} agree on {item.same} of {item.records} (Cohen's kappa {kappa})")
    if report.stale:
        click.echo(f"{report.stale} verdicts are on records that are not in this sample, or were changed since")


def _act(
    records: list[InstructionRecord],
    rows: Mapping[str, Row],
    verdicts: tuple[Path, ...],
    rejected_rows: Path | None,
    replace: Path | None,
    rejected: Path | None,
    output: Path | None,
) -> None:
    from lamm_data.records.instruction import read_records, write_records
    from lamm_data.review.regenerate import replace_rejected, write_rejected_rows
    from lamm_data.review.statistics import rejected_keys
    from lamm_data.review.verdicts import read_verdicts

    refused = rejected_keys(read_verdicts(verdicts))
    if rejected_rows:
        count = write_rejected_rows(rejected_rows, records, refused, rows)
        click.echo(f"{count} rows to write anew in {rejected_rows}")
    if replace and rejected and output:
        result = replace_rejected(records, refused, read_records(replace))
        write_records(rejected, result.removed)
        write_records(output, result.records)
        click.echo(
            f"{len(records)} records: {len(result.removed)} rejected, {result.replaced} new in their places, "
            f"{len(result.without)} ids without a new one; {len(result.records)} stand in {output}, "
            f"the rejected in {rejected}."
        )
