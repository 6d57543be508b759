"""Tables and report of a finished run, written again without asking any model."""

from pathlib import Path

from lamm_cli.benchmark.contestants import contestants
from lamm_cli.benchmark.judging import judge_captions
from lamm_cli.benchmark.provenance import SETTINGS
from lamm_cli.benchmark.reporting import REPORT, paired, write_outcome
from lamm_cli.benchmark.sets import gather_files
from lamm_cli.comparison import score_runs
from lamm_cli.folders import sole_use
from lamm_cli.scores import BenchmarkFilesError, Scorer
from lamm_cli.settings import packaged_settings, read_settings


def rewrite_report(folder: Path) -> Path:
    """Score a run directory's predictions (what is scored already is not scored again) and write what people read.

    Returns:
        The report.

    Raises:
        BenchmarkFilesError: The folder is no run directory, or predictions are missing.
    """
    path = folder / SETTINGS
    if not path.is_file():
        raise BenchmarkFilesError(
            f"Expected a run directory, found no {SETTINGS} in {folder}. `lamm benchmark run` makes one."
        )
    settings = read_settings(path, packaged_settings("benchmark"), free=("models",))
    with sole_use(folder):
        files = gather_files(settings["benchmark"], folder / "benchmark")
        scorer = Scorer(folder / "scores", settings["scoring"]["protocol"], {"draws": settings["scoring"]["draws"]})
        asked = contestants(settings["models"], settings["benchmark"]["blind"])
        runs = {one.label: folder / "predictions" / one.folder for one in asked}
        table, reports = score_runs(files, runs, scorer)
        judged = judge_captions(settings["judge"], files, runs, folder)
        write_outcome(
            folder, table, reports, files, significance=paired(files, runs, scorer), judged=judged, force=True
        )
    return folder / REPORT
