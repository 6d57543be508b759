"""Scores and reports made up for the tests of the report."""

from lamm_metrics import Report, Sample, Score


def made_score(value, half=0.05, n=100, failed=0, higher=True, **more):
    interval = None if value is None or half is None else (value - half, value + half)
    named = {"name": "accuracy" if higher else "mae", "signature": "accuracy|failed:wrong|v:1"} | more
    return Score(value=value, interval=interval, n=n, n_failed=failed, higher_is_better=higher, **named)


def made_report(value, *, note="", samples=(), **more):
    return Report("vqa", "standard", (made_score(value, **more),), tuple(samples), note=note)


def made_samples(pairs):
    return [Sample(str(i), f"g{i}", "ok", 0.0, read, truth=truth) for i, (read, truth) in enumerate(pairs)]
