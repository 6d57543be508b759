"""The `lamm metrics` commands."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamm_metrics.bridges.command import export, lmms_eval
from lamm_metrics.options import (
    FILE,
    FOLDER,
    echo,
    metric_options,
    progress_bar,
    protocols,
    read_files,
    save,
    shared,
    writable,
)

if TYPE_CHECKING:
    from lamm_metrics.gpt.judging import Plan


@click.group()
def metrics() -> None:
    """Score answers, compare models, judge open answers."""


metrics.add_command(lmms_eval)
metrics.add_command(export)


@metrics.command()
@shared("task", "references", "predictions", "id_key", "text_key")
@click.option(
    "--name",
    default="",
    help="What to call the run (default: the predictions' `model` or `model_id`, else their file's name).",
)
@click.option(
    "--protocol",
    shell_complete=protocols,
    default="standard",
    show_default=True,
    help="standard, a published rule such as leo (`lamm metrics list --protocols`), paper for LAMM's "
    "published formulas, or coco for COCO's files and numbers.",
)
@shared("names", "pairs", "missing", "seed")
@click.option("--draws", default=1000, show_default=True, type=click.IntRange(2), help="Bootstrap draws.")
@shared("confidence")
@click.option("--chance", is_flag=True, help="Also score answers that are drawn without looking.")
@shared("verbose", "json")
@click.option(
    "--output", type=click.Path(dir_okay=False), callback=writable, help="Also write a report: .html, .json or .txt."
)
@click.option("--media-root", type=FOLDER, help="Folder of the images, to show them in an HTML report.")
def score(
    task: str | None,
    references: str,
    predictions: str,
    id_key: str,
    text_key: str,
    name: str,
    protocol: str,
    names: tuple[str, ...],
    pairs: tuple[str, ...],
    missing: str,
    chance: bool,
    verbose: bool,
    as_json: bool,
    output: str | None,
    media_root: str | None,
    **settings: Any,
) -> None:
    """Score the answers in a predictions file."""
    from lamm_metrics.comparison.chance import chance_predictions
    from lamm_metrics.records.predictions import read_predictions
    from lamm_metrics.records.tasks import task_of_references
    from lamm_metrics.scoring import score as score_files

    truth: Any = references
    answers: Any = predictions
    if protocol == "coco":
        if chance or id_key or text_key or task is None:
            raise click.UsageError(
                "Expected --task alone with --protocol coco, got --chance, --id-key, --text-key or no --task. "
                "COCO's files have one form and name no task."
            )
    else:
        truth, (answers,) = read_files(task, references, [predictions], id_key, text_key, name)
        task = task_of_references(truth)
    settings |= {"metrics": names, **metric_options(pairs, task, protocol, names)}
    with progress_bar(f"scoring {task}") as progress:
        report = score_files(task, truth, answers, protocol, missing=missing, progress=progress, **settings)
    report = replace(report, model=name or report.model)
    reports = {report.model or "model": {task: report}}
    if chance:
        guesses = read_predictions(chance_predictions(task, truth, settings["seed"]), name="chance")
        reports["chance"] = {task: score_files(task, truth, guesses, protocol, **settings)}
    listed = {model: by_task[task] for model, by_task in reports.items()}
    text = "\n\n".join(
        ("chance\n" if model == "chance" else "") + found.text(verbose=verbose) for model, found in listed.items()
    )
    echo({model: found.to_json() for model, found in listed.items()} if chance else report.to_json(), text, as_json)
    if output:
        save(output, reports, media_root, f"{task}: {report.model or 'model'}", not as_json)


@metrics.command("list")
@click.option("--metrics", "by_metric", is_flag=True, help="List the metrics with their options instead.")
@click.option("--protocols", "by_rule", is_flag=True, help="List the published rules instead.")
@shared("json")
def list_tasks(by_metric: bool, by_rule: bool, as_json: bool) -> None:
    """List the tasks with their metrics, the metrics with their options, or the published rules."""
    from lamm_metrics.answers.kinds import described
    from lamm_metrics.records.tasks import all_tasks
    from lamm_metrics.tables import table

    if by_metric or by_rule:
        _list_metrics(as_json) if by_metric else _list_protocols(as_json)
        return
    listed = [described(task) for task in all_tasks().values()]
    rows = [("task", "file", "reads", "metrics", "better", "chance")]
    for task in listed:
        better = "higher" if task["higher_is_better"] else "lower"
        metrics_named = ", ".join([*task["metrics"], *(f"{name} (where records allow)" for name in task["also"])])
        rows.append((task["key"], f"{task['prefix']}_*.json", task["extractor"], metrics_named, better, task["chance"]))
    echo(listed, table(rows), as_json)


def _list_protocols(as_json: bool) -> None:
    """Print every published rule: its tasks with the metrics, where it comes from and what differs."""
    from dataclasses import asdict

    from lamm_metrics.protocols import PUBLISHED
    from lamm_metrics.tables import table

    rows = [("protocol", "task", "metrics", "source", "rule")]
    for row in PUBLISHED.values():
        for task, uses in row.tasks.items():
            rows.append((row.name, task, ", ".join(use.metric for use in uses), row.source, row.rule))
    echo([asdict(row) for row in PUBLISHED.values()], table(rows), as_json)


def _list_metrics(as_json: bool) -> None:
    """Print every metric with its options, their types and defaults."""
    from lamm_metrics.metrics.registry import metric_class, metric_names, options_of
    from lamm_metrics.tables import table

    listed: list[dict[str, Any]] = []
    rows: list[tuple[str, ...]] = [("metric", "option", "type", "default")]
    for name in metric_names():
        options = options_of(metric_class(name)).values()
        written = [{"name": one.name, "type": one.kind, "default": one.default_text} for one in options]
        listed.append({"name": name, "options": written})
        rows += [(name, *one.values()) for one in written] or [(name, "", "", "")]
    echo(listed, table(rows), as_json)


@metrics.command()
@shared("task", "references", "id_key", "text_key")
@click.argument("first", type=FILE)
@click.argument("second", type=FILE)
@shared("names", "pairs", "protocol", "missing", "seed")
@click.option("--draws", default=10000, show_default=True, type=click.IntRange(100), help="Draws of each test.")
@shared("confidence", "verbose", "json")
def compare(
    task: str | None,
    references: str,
    id_key: str,
    text_key: str,
    first: str,
    second: str,
    names: tuple[str, ...],
    pairs: tuple[str, ...],
    protocol: str,
    verbose: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Test whether two predictions files FIRST and SECOND differ, record by record."""
    from lamm_metrics.comparison.paired import compare as compare_files
    from lamm_metrics.records.tasks import task_of_references

    truth, answers = read_files(task, references, [first, second], id_key, text_key)
    task = task_of_references(truth)
    settings |= {"metrics": names, **metric_options(pairs, task, protocol, names)}
    with progress_bar(f"comparing {task}") as progress:
        found = compare_files(task, truth, answers[0], answers[1], protocol, progress=progress, **settings)
    echo(found.to_json(), found.text(verbose=verbose), as_json)


@metrics.command()
@shared("task", "references", "predictions", "id_key", "text_key")
@click.option("--threshold", default=0.5, show_default=True, type=click.FloatRange(0, 1), help="Overlap that counts.")
@click.option(
    "--protocol",
    "rules",
    multiple=True,
    shell_complete=protocols,
    help="Show this rule only, for open answers; repeatable.",
)
@shared("missing", "pairs", "json")
def conventions(
    task: str | None,
    references: str,
    predictions: str,
    id_key: str,
    text_key: str,
    threshold: float,
    rules: tuple[str, ...],
    missing: str,
    pairs: tuple[str, ...],
    as_json: bool,
) -> None:
    """Score the same answers under every convention or published rule in use, side by side, and say what differs."""
    from lamm_metrics.comparison.conventions import compare_conventions, conventions_table
    from lamm_metrics.comparison.rules import compare_rules
    from lamm_metrics.protocols import protocols_of

    truth, (answers,) = read_files(task, references, [predictions], id_key, text_key)
    task = truth.task or "detection"
    if rules or protocols_of(task):
        if pairs:
            raise click.UsageError(
                "Expected no --set beside published rules, got one. Leave it out: their options are their own."
            )
        with progress_bar("scoring under each rule"):
            found = compare_rules(truth, answers, task, rules, missing)
        echo(found.to_json(), str(found), as_json)
        return
    with progress_bar("scoring under each convention"):
        rows = compare_conventions(truth, answers, task, threshold, missing, **metric_options(pairs, task))
    echo([row.to_json() for row in rows], conventions_table(rows), as_json)


@metrics.command()
@click.argument("references", metavar="BENCHMARK", type=FILE)
@shared("task", "json")
def lint(references: str, task: str | None, as_json: bool) -> None:
    """Say the true answers of BENCHMARK in every known phrasing and list the records that are not read back.

    Exits with 1 where there are any.
    """
    from lamm_metrics.linting.checking import lint as lint_file

    with progress_bar("reading phrasings"):
        found = lint_file(references, task)
    echo(found.to_json(), str(found), as_json)
    if found.unread:
        raise click.exceptions.Exit(1)


@metrics.command()
@click.argument("results", nargs=-1, required=True, type=FILE)
@click.option(
    "--output",
    required=True,
    type=click.Path(dir_okay=False),
    callback=writable,
    help="File to write: .html, .json or .txt.",
)
@click.option("--title", default="LAMM report", show_default=True, help="Heading of an HTML report.")
@click.option("--media-root", type=FOLDER, help="Folder of the images, to show them.")
@shared("json")
def report(results: tuple[str, ...], output: str, title: str, media_root: str | None, as_json: bool) -> None:
    """Join the JSON reports RESULTS (`score --output NAME.json`) into one report, models side by side."""
    from lamm_metrics.report.leaderboard import comparison_table
    from lamm_metrics.report.page import by_model
    from lamm_metrics.results.report import read_reports

    reports = by_model([found for path in results for found in read_reports(path)])
    listed = [found.to_json() for by_task in reports.values() for found in by_task.values()]
    echo(listed, comparison_table(reports), as_json)
    save(output, reports, media_root, title, not as_json)


@metrics.command()
@shared("references")
@click.option("--predictions", required=True, multiple=True, type=FILE, help="Answers of a model; one for every model.")
@click.option(
    "--endpoint", required=True, help="Base URL of an OpenAI-compatible server, such as http://localhost:8000/v1."
)
@click.option("--judge", "judges", multiple=True, help="Judging model; repeatable. Default: the server's only model.")
@click.option("--output", required=True, type=click.Path(file_okay=False), help="Folder; run again to continue there.")
@click.option("--mode", default="pairwise", show_default=True, help="pairwise, listwise or absolute.")
@shared("task", "id_key", "text_key", "missing")
@click.option("--sample", type=int, help="Judge so many records, drawn with the seed.")
@shared("seed")
@click.option("--repeat-share", default=0.1, show_default=True, help="Share of records judged twice.")
@click.option("--temperature", default=0.0, show_default=True, help="The judge's temperature.")
@click.option("--max-tokens", default=512, show_default=True, help="Most tokens of a verdict.")
@click.option("--concurrency", default=8, show_default=True, help="Requests at once.")
@click.option("--timeout", default=120.0, show_default=True, help="Seconds one reply may take.")
@click.option("--retries", default=5, show_default=True, help="Further attempts after a failure that may pass.")
@click.option("--max-cost", type=float, help="Most US dollars that all runs with this output may cost.")
@click.option("--prices", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Price table (TOML).")
@click.option("--batch", is_flag=True, help="Use the server's Batch API: half the price, up to a day.")
@click.option("--media-root", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Folder of the records' images, which the judge is shown then.")  # fmt: skip
@click.option("--batch-pause", default=30.0, show_default=True, help="Seconds between two looks at a batch.")
@click.option("--draws", default=1000, show_default=True, help="Bootstrap draws.")
@shared("confidence")
@click.option("--api-key-env", help="Variable of the endpoint's API key [OpenAI: OPENAI_API_KEY; else no key].")
@click.option("--dry-run", is_flag=True, help="Send nothing: estimate requests, tokens and cost.")
@shared("json")
def judge(
    references: str,
    predictions: tuple[str, ...],
    output: str,
    task: str | None,
    id_key: str,
    text_key: str,
    missing: str,
    api_key_env: str | None,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Let a language model compare or grade answers (GPT Metric).

    No answered request is sent twice: replies are kept in the output folder, and the same command again continues.
    """
    from dataclasses import asdict

    from lamm_metrics.errors import LammMetricsError
    from lamm_metrics.gpt.judging import judge_answers, plan_judging
    from lamm_metrics.gpt.settings import JudgeSettings, judge_key

    settings = JudgeSettings(key=judge_key(options["endpoint"], api_key_env), **options)
    truth, answers = read_files(task, references, predictions, id_key, text_key)
    if dry_run:
        plan = plan_judging(truth, answers, settings, output, task=task, missing=missing)
        echo(asdict(plan), _in_words(plan), as_json)
        return
    with progress_bar("judging") as progress:
        found = judge_answers(truth, answers, settings, output, task=task, missing=missing, progress=progress)
    echo(found.to_json(), str(found), as_json)
    if found.unsent:
        reasons = ", ".join(f"{count} {reason}" for reason, count in found.reports[0].unscored.items())
        raise LammMetricsError(
            f"Expected every verdict, got none for {found.unsent} ({reasons}). "
            "Run the same command again to ask for those only."
        )


def _in_words(plan: "Plan") -> str:
    unpriced = f"unknown (no price for {', '.join(plan.unpriced)}; add it to a copy of the table, --prices)"
    cost = unpriced if plan.cost is None else f"about {plan.cost:.4f} USD, at most {plan.most:.4f} USD"
    return (
        f"{plan.records} records, {plan.verdicts} verdicts, {plan.requests} requests to send "
        f"(about {plan.prompt_tokens} prompt tokens)\ncost: {cost}, without corrective re-asks"
    )
