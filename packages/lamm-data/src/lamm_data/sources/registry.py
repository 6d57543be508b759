"""The table of sources, kept as TOML beside this module."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

from lamm_data.errors import SourceError, UsageError
from lamm_data.files.settings import did_you_mean, packaged_toml
from lamm_data.records.annotations import Annotated
from lamm_data.records.tasks import TASKS
from lamm_data.sources.guard import guarded

OWN = "images"
"""Name of the source that is the user's own."""
ENTRY_POINTS = "lamm.sources"


@dataclass(frozen=True, slots=True)
class Source:
    """One source data set.

    Attributes:
        name: Name on the command line.
        title: Full name.
        url: Where to get it.
        layout: Files below the root; `{split}` stands for the split, ` | ` separates alternatives, a trailing `?` marks
            what is optional.
        splits: Names of its splits.
        train: Split that instruction data is made from by default.
        readers: `module:function` by task key; the function takes root and split. Modules of lamm-data are named from
            its room `sources` on, those of other packages in full.
        licence: SPDX id or terms in words.
        redistribution: Whether derived records may be passed on with the media.
        commercial: Whether commercial use is allowed.
        citation: Whom to cite.
        note: What else to know.
        dataset: Name in records and benchmark files.
        datasets: The same by task, where it differs.
        benchmark_split: Held-out split; empty when the source is for training only.
        benchmark_tasks: Tasks of its benchmark files; its readers' tasks when empty.
        published: Number of records of the published benchmark file, by task (faces: `task.attribute`).
        per_item: Pairs an item and task that conversion draws by default.
        choices: Options per question where options are made.
        classes: Closed class list of a benchmark; objects of other classes are left out.
        licence_per_image: Whether each image has a licence of its own, which records state in `meta.licence`.
        fine_tune: Whether LAMM also reports this benchmark after fine-tuning on the training split.
        prepare: `module:function` that makes the media files.
        synthetic: Whether it is drawn rather than recorded.
    """

    name: str
    title: str
    url: str
    layout: tuple[str, ...]
    splits: tuple[str, ...]
    train: str
    readers: dict[str, str]
    licence: str
    redistribution: bool
    commercial: bool
    citation: str
    note: str = ""
    dataset: str = ""
    datasets: dict[str, str] = field(default_factory=dict)
    benchmark_split: str = ""
    benchmark_tasks: tuple[str, ...] = ()
    published: dict[str, int] = field(default_factory=dict)
    per_item: dict[str, int] = field(default_factory=dict)
    choices: int = 4
    classes: tuple[str, ...] = ()
    licence_per_image: bool = False
    fine_tune: bool = False
    prepare: str = ""
    synthetic: bool = False

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """Keys of the tasks that benchmark files can be built for."""
        return self.benchmark_tasks or tuple(task for task in self.readers if task in TASKS)

    def dataset_of(self, task: str, attribute: str = "") -> str:
        """Return the data set name that records of a task, and of an attribute of it, carry."""
        name = self.datasets.get(task, self.dataset)
        return f"{name}({TASKS[task].attributes[attribute]})" if attribute else name

    def published_records(self, task: str, attribute: str = "") -> int:
        """Return the number of records of the published benchmark file; 0 when unknown."""
        return self.published.get(f"{task}.{attribute}" if attribute else task, 0)

    def check_split(self, split: str) -> None:
        """Check that there is a split of this name.

        Raises:
            UsageError: There is none.
        """
        if split not in self.splits:
            raise UsageError(f"Expected a split of {self.name}, got {split!r}. {did_you_mean(split, self.splits)}")

    def open(self, root: str | Path, split: str, task: str) -> Iterator[Annotated]:
        """Read the items of a split for a task.

        Raises:
            UsageError: The source has no such split or task.
            SourceError: The root is no folder; readers raise it for what is wrong inside.
        """
        self.check_split(split)
        if task not in self.readers:
            raise UsageError(f"Expected a task of {self.name}, got {task!r}. {did_you_mean(task, self.readers)}")
        if not Path(root).is_dir():
            advice = "Unpack it with `lamm data unpack`, and name" if Path(root).is_file() else "Name"
            raise SourceError(f"Expected a folder, got {root}. {advice} the folder of the download with --root.")
        return guarded(load_function(self.readers[task])(Path(root), split), f"{self.name} in {root}")


def load_function(target: str) -> Callable[..., Any]:
    """Import `module:function`: a module below this room where there is one of that name, else one of any package."""
    module, _, name = target.partition(":")
    own = module.partition(".")[0] in ("readers", "own", "prepare")
    function: Callable[..., Any] = getattr(
        importlib.import_module(f"lamm_data.sources.{module}" if own else module), name
    )
    return function


@cache
def load_sources() -> dict[str, Source]:
    """Load the table and the sources that installed packages bring by the entry point group `lamm.sources`, by name.

    Raises:
        UsageError: What a package offers is no source, or has a name that is taken.
    """
    from importlib.metadata import entry_points

    entries = packaged_toml("sources", "registry.toml")
    for entry in entries.values():
        entry |= {key: tuple(value) for key, value in entry.items() if isinstance(value, list)}
    sources = {name: Source(name=name, **entry) for name, entry in entries.items()}
    for point in entry_points(group=ENTRY_POINTS):
        loaded = point.load()
        for source in [loaded] if isinstance(loaded, Source) else loaded:
            if not isinstance(source, Source) or source.name in sources:
                raise UsageError(
                    f"Expected {point.value!r} to be a lamm_data.Source (or a list of them) with a name of its own, "
                    f"got {str(source)[:80]}. Tell the authors of the package that brings it."
                )
            sources[source.name] = source
    return sources


def get_source(name: str) -> Source:
    """Look a source up.

    Raises:
        UsageError: There is none of this name.
    """
    sources = load_sources()
    if name not in sources:
        hint = did_you_mean(name, sources)
        raise UsageError(
            f"Expected a source, got {name!r}. {hint} Your own files, in any label format: --source {OWN}."
        )
    return sources[name]


def open_source(
    name: str,
    root: str | Path,
    dataset: str = "",
    licence: str = "",
    layout: str = "",
    *,
    found: Callable[[str], None] | None = None,
) -> Source:
    """Look a source up; the user's own is read from its root.

    Args:
        name: Source name.
        root: Folder of the source.
        dataset: Name of the user's own data set.
        licence: Its licence.
        layout: Its label format.
        found: Called with what was found in a folder of the user's own.

    Raises:
        UsageError: There is none of this name, or name, licence or format are stated for a source that has its own.
    """
    if name == OWN:
        own = load_function("own.source:own_source")(root, dataset=dataset, licence=licence, layout=layout)
        if found is not None:
            found(own.found)
        return cast("Source", own)
    source = get_source(name)
    if dataset or licence or layout:
        raise UsageError(
            f"Expected --dataset, --licence and --format with --source {OWN} only, got them with {name}, which has its "
            "own. Leave them out."
        )
    return source


def choose_tasks(source: Source, wanted: tuple[str, ...], possible: tuple[str, ...]) -> tuple[str, ...]:
    """Return the wanted tasks, or all possible ones when none is named.

    Raises:
        UsageError: The source does not have a wanted task.
    """
    unknown = [task for task in wanted if task not in possible]
    if unknown:
        raise UsageError(
            f"Expected tasks of {source.name}, got {', '.join(unknown)}. {did_you_mean(unknown[0], possible)}"
        )
    return wanted or possible
