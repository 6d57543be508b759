"""`lamm data check`."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamm_llm import writes_alone

if TYPE_CHECKING:
    from lamm_data.quality.judging.judge import FaithfulnessSettings
    from lamm_data.quality.run import CheckReport

_FILE = click.Path(path_type=Path)
_SHOWN = 20


def _kinds(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    from lamm_data.quality.checks.record import KINDS

    return [kind for kind in KINDS if kind.startswith(begun)]


@click.command()
@click.argument("records", type=_FILE)
@click.option("--annotations", type=_FILE, help="Rows the records were made from, to check what the text claims.")
@click.option("--benchmark", "benchmarks", type=_FILE, multiple=True, help="Benchmark file that must not be touched.")
@click.option("--links", type=_FILE, multiple=True, help="image_data.json (Visual Genome) or 3RScan.json: same media.")
@click.option("--media-root", type=_FILE, help="Folder of the records' media, which are opened and compared.")
@click.option("--benchmark-media", type=_FILE, help="Folder of the benchmarks' media [where the benchmark names them].")
@click.option(
    "--similarity",
    "near_duplicates",
    type=float,
    help="ROUGE-L from which two texts are one, such as 0.9 [equal ones].",
)
@click.option("--rounds", type=int, help="Rounds that every conversation must have.")
@click.option("--skip", multiple=True, shell_complete=_kinds, help="Kind of finding to leave out; may be repeated.")
@click.option("--bias", is_flag=True, help="Also give figures that show a lean of the text.")
@click.option("--judge", metavar="MODEL", help="Model that scores how faithful records without other findings are.")
@click.option("--endpoint", help="Base URL of the judge's OpenAI-compatible server.")
@click.option("--api-key-env", help="Environment variable of its API key [OpenAI: OPENAI_API_KEY; else no key].")
@click.option("--judge-least", type=click.IntRange(2, 5), default=4, show_default=True, help="Score that passes.")
@click.option("--concurrency", type=int, default=8, show_default=True, help="Requests to the judge at once.")
@click.option("--max-cost", type=float, help="Ask no more before this is passed, in US dollars.")
@click.option("--prices", type=_FILE, help="Price table to use instead of the packaged one.")
@click.option("--calibrate", type=click.IntRange(1), metavar="N",
              help="Measure the judge instead: on N records as they are and with a planted fault.")  # fmt: skip
@click.option("--output", type=_FILE, help="Write the records without findings here.")
@click.option("--rejected", type=_FILE, help="Write the others here, with findings [beside --output].")
@click.option("--workers", type=int, default=2, show_default=True, help="Processes.")
@click.option("--no-fail", is_flag=True, help="Only look: end with status 0 although records have faults.")
@click.option("--json", "as_json", is_flag=True, help="Print the report and all findings as JSON.")
@writes_alone("output", "rejected")
def check(
    records: Path,
    benchmarks: tuple[Path, ...],
    links: tuple[Path, ...],
    media_root: Path | None,
    judge: str | None,
    endpoint: str | None,
    api_key_env: str | None,
    judge_least: int,
    concurrency: int,
    max_cost: float | None,
    prices: Path | None,
    calibrate: int | None,
    benchmark_media: Path | None,
    skip: tuple[str, ...],
    output: Path | None,
    rejected: Path | None,
    no_fail: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Check instruction or benchmark records and name every fault; ends with status 1 when there are any.

    Nothing is deleted. Benchmark records are held against their tasks.
    """
    from lamm_data.errors import LammDataError, UsageError
    from lamm_data.files.settings import did_you_mean
    from lamm_data.progress import progress_bar
    from lamm_data.quality.checks.record import KINDS
    from lamm_data.quality.contamination.benchmarks import ContaminationSettings, media_beside
    from lamm_data.quality.run import CheckSettings, check_file
    from lamm_llm import refuse_folder, sibling

    unknown = sorted(set(skip) - set(KINDS))
    if unknown:
        raise UsageError(
            f"Expected kinds of findings in --skip, got {', '.join(unknown)}. {did_you_mean(unknown[0], KINDS)}"
        )
    if output is not None:
        refuse_folder(output, UsageError)
    contamination = ContaminationSettings(
        benchmarks, links, media_root or media_beside(records), benchmark_media or media_beside(*benchmarks)
    )
    judging = _judging(records, judge, endpoint, api_key_env, concurrency)
    if judging is not None:
        judging = replace(judging, least=judge_least, media_root=media_root, max_cost=max_cost, prices=prices)
    if calibrate is not None:
        _calibrate(records, options["annotations"], judging, calibrate, as_json)
        return
    settings = CheckSettings(
        contamination=contamination, media_root=media_root, skip=frozenset(skip), judge=judging, **options
    )
    rejected = rejected or (sibling(output, "rejected.jsonl") if output else None)
    size = records.stat().st_size if records.is_file() else None
    with progress_bar("check (bytes)", size) as advance:
        report = check_file(records, settings, output, rejected, advance)
    if as_json:
        values = {name: getattr(report, name) for name in ("records", "usable", "kept", "kinds", "funnel")}
        values["findings"] = [{"record": index + 1, **asdict(finding)} for index, finding in report.findings]
        values |= {"bias": report.bias.to_dict()} if report.bias else {}
        values |= {"judge": report.verdicts.to_dict()} if report.verdicts else {}
        click.echo(json.dumps(values))
    else:
        _show(report)
    if output is not None and not as_json:
        click.echo(f"Written: {output}, {rejected}", err=True)
    if not report.usable:
        raise LammDataError(
            f"Expected instruction or benchmark records in {records}, got none that is usable, of {report.records}."
        )
    faulty = report.records - report.kept
    if faulty and not no_fail:
        kinds = ", ".join(f"{count} {kind}" for kind, count in report.kinds.items())
        raise LammDataError(
            f"Expected records without faults in {records}, got {faulty} of {report.records} with some ({kinds}). "
            "Mend or leave out what --rejected names; --skip KIND accepts a kind, --no-fail only looks."
        )


def _judging(
    records: Path, model: str | None, endpoint: str | None, api_key_env: str | None, concurrency: int
) -> FaithfulnessSettings | None:
    """Say who judges; None where nobody was named."""
    from lamm_data.errors import UsageError
    from lamm_data.quality.judging.judge import FaithfulnessSettings
    from lamm_llm import EndpointSettings, find_key, sibling

    if model is None and endpoint is None:
        return None
    if model is None or endpoint is None or concurrency < 1:
        got = "no --judge" if model is None else "no --endpoint" if endpoint is None else f"--concurrency {concurrency}"
        raise UsageError(f"Expected --judge MODEL, --endpoint URL and a --concurrency from 1, got {got}.")
    asked = EndpointSettings(endpoint, find_key(endpoint, api_key_env), concurrency=concurrency)
    return FaithfulnessSettings(model, asked, sibling(records, "judge.journal.jsonl"))


def _calibrate(
    records: Path, annotations: Path | None, judging: FaithfulnessSettings | None, count: int, as_json: bool
) -> None:
    from lamm_data.errors import LammDataError, UsageError
    from lamm_data.progress import progress_bar
    from lamm_data.quality.judging.calibration import calibrate_judge, describe_calibration

    if judging is None or annotations is None:
        raise UsageError("Expected --judge, --endpoint and --annotations beside --calibrate, got fewer.")
    with progress_bar("calibrate (verdicts)", 2 * count) as advance:
        result = calibrate_judge(records, annotations, judging, count, advance=advance)
    click.echo(json.dumps(result.to_dict()) if as_json else "\n".join(describe_calibration(result)))
    if not result.tells_apart:
        raise LammDataError(
            f"Expected a judge that finds planted faults more often than it accuses sound records, got "
            f"{result.found[result.least]} of {result.judged[0]} found and {result.accused[result.least]} of "
            f"{result.judged[1]} accused at --judge-least {result.least}: its verdicts say nothing. Try "
            f"{f'--judge-least {result.best}, ' if result.best != result.least else ''}more records or another model."
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
    if report.verdicts:
        click.echo("\n".join(report.verdicts.describe()))
    if report.bias:
        click.echo("\n".join(describe_bias(report.bias)))
