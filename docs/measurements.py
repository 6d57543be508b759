"""A hook of mkdocs: the page of measurements, made from benchmarks/results/*.json with machine, date and versions."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
# Shown elsewhere: verification has a page of its own, and ways are counted for those who work on the code.
ELSEWHERE = {"metrics_verification", "ways"}
AREAS = {
    "kernels": "Kernels",
    "training": "Training",
    "serving": "Serving",
    "data": "Data",
    "metrics": "Metrics",
}
NAMES = {"cpu": "CPU", "gpu": "GPU", "ap": "AP", "coco": "COCO", "iou": "IoU", "meteor": "METEOR", "scanqa": "ScanQA"}
# Repetitions and least times say how a median came about; readers want the median.
LEFT_OUT = ("repeats", "least_", "minimum_", "date", "numbers", "interval", "losses", "kind")
OPENING = """# Measurements

Every number here was written by a script in `benchmarks/`, which runs the peers beside LAMM in one call. Give the
script again to measure your machine; `nox -s bench` runs all of them.

Times are medians. Other work on a machine slows the clock and hardly the processor's own time: compare the latter where
both stand. A load up to the number of cores means that little else ran.
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated page."""
    files.append(File.generated(config, "measurements.md", content=measurements_page()))
    return files


def results() -> dict[str, Path]:
    """Return the results that the page shows, by name."""
    found = {path.stem: path for path in sorted((BENCHMARKS / "results").glob("*.json"))}
    return {name: path for name, path in found.items() if name not in ELSEWHERE}


def script(name: str) -> Path:
    """Return the script that writes a result."""
    area, _, rest = name.partition("_")
    return BENCHMARKS / area / f"{rest}.py"


def measurements_page() -> str:
    """Return the page: an area after the other, a section for each result."""
    parts = [OPENING]
    for area, title in AREAS.items():
        parts.append(f"## {title}\n")
        for name, path in results().items():
            if name.startswith(f"{area}_"):
                parts.append(_section(name, json.loads(path.read_text(encoding="utf-8"))))
    return "\n".join(parts)


def _section(name: str, result: dict[str, Any]) -> str:
    docstring = ast.get_docstring(ast.parse(script(name).read_text(encoding="utf-8"))) or ""
    about = " ".join(docstring.split("\n\n")[0].split())
    command = f"    python benchmarks/{script(name).relative_to(BENCHMARKS).as_posix()}\n"
    described = {"benchmark", "date", "note", "versions", "settings", "machine", "about", "seconds"} | {
        "processor",
        "cpu",
    }
    shown = {key: value for key, value in result.items() if key not in described}
    body = shown.get("measured") or shown.get("measured_at_clients") or shown.get("rows") or shown
    heading = " ".join(NAMES.get(word, word) for word in name.split("_")[1:])
    return f"### {heading[:1].upper()}{heading[1:]}\n\n{about}\n\n{command}\n{_machine(result)}\n\n{_tables(body)}"


def _machine(result: dict[str, Any]) -> str:
    """Return one line: device, cores, load, date and versions, as far as the result tells."""
    machine = result["machine"] if isinstance(result.get("machine"), dict) else {"processor": result.get("machine")}
    told = {**machine, **result, **(result.get("about") or {})}
    device = told.get("device") or told.get("processor") or told.get("cpu")
    parts = [str(device)] if device else []
    parts += [f"{told['cores']} cores"] if "cores" in told else []
    load = told.get("load_average", told.get("load_average_before", told.get("load when started")))
    parts += [f"load {load}"] if load is not None else []
    parts += [str(told["date"])] if "date" in told else []
    versions = dict(told.get("versions") or {})
    versions |= {"torch": told["torch"]} if "torch" in told else {}
    parts += [f"{package} {version}" for package, version in versions.items()]
    return f"*{', '.join(parts)}.*" + (f" {told['note'][:1].upper()}{told['note'][1:]}." if told.get("note") else "")


def _tables(result: dict[str, Any]) -> str:
    """Return tables of nested results: a row for each entry that holds values, below the names that lead to it."""
    tables: dict[tuple[str, ...], list[str]] = {}  # rows by their columns
    for path, values in _rows(result, ()):
        row = f"| {_words(', '.join(path))} | " + " | ".join(values.values()) + " |"
        tables.setdefault(tuple(values), []).append(row)
    heads = {
        columns: "|  | " + " | ".join(map(_words, columns)) + " |\n|---|" + "---|" * len(columns) for columns in tables
    }
    return "\n".join(f"{heads[columns]}\n" + "\n".join(rows) + "\n" for columns, rows in tables.items())


def _rows(node: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, str]]]:
    below = {key: value for key, value in node.items() if isinstance(value, dict)}
    # A quantity of every implementation, such as "peak bytes", is a column of their rows.
    quantities = [key for key, value in below.items() if value.keys() and value.keys() <= below.keys() - {key}]
    if alone := _values(node):
        yield path, alone
    for key, value in below.items():
        if key not in quantities:
            more = {quantity: below[quantity][key] for quantity in quantities if key in below[quantity]}
            yield from _rows(value | more, path if key == "peers" else (*path, key))


def _values(value: dict[str, Any]) -> dict[str, str]:
    """Return what one entry holds besides further entries, as it is written."""
    return {
        key: _written(one)
        for key, one in value.items()
        if not isinstance(one, dict)
        and one not in (None, "not installed")
        and not key.startswith(LEFT_OUT)
        and _written(one)
    }


def _written(value: Any) -> str:
    if isinstance(value, list):
        return f"{value[0]} to {value[1]}" if len(value) == 2 else ""
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 10000 else f"{value:,.0f}"
    return f"{value:,}" if type(value) is int else str(value)


def _words(name: str) -> str:
    return re.sub(r"\bours?\b", "LAMM", name.replace("_", " ").replace("|", "\\|"))
