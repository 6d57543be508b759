"""Tables: Open Images' CSV files, and a CSV of labels, captions or boxes with a heading."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePosixPath

from lamm_data.errors import SourceError
from lamm_data.records.annotations import ClassLabel
from lamm_data.sources.guard import unique_names
from lamm_data.sources.own.folder import SPLITS, Drawn, Folder, Part, hundredths, number_of, split_of
from lamm_data.sources.readers.fields import encoding_of, read_lines

IMAGE = ("image", "filename", "file_name", "image_path", "image_name", "imageid", "image_id", "filepath", "file",
         "path", "img", "img_path", "name")  # fmt: skip
LABEL = ("label", "class", "category", "class_name", "label_name", "labels", "category_name", "target")
CAPTION = ("caption", "captions", "description", "text", "sentence", "comment")
SPLIT = ("split", "subset", "set", "partition")
CORNERS = (("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"), ("x_min", "y_min", "x_max", "y_max"))
SIZES = (("x", "y", "width", "height"), ("x", "y", "w", "h"), ("left", "top", "width", "height"))
"""Names of columns, in the order in which they are looked for, in lower case."""
OPEN_IMAGES = frozenset({"imageid", "labelname"})
Row = tuple[int, dict[str, str]]


def heading(line: str) -> tuple[list[str], str]:
    """Return the names of columns in lower case, and what stands between them: a comma, semicolon or tab."""
    delimiter = max(",;\t", key=line.count)
    try:
        columns = next(csv.reader([line.lstrip("\ufeff")], delimiter=delimiter), [])
    except csv.Error:
        columns = []
    return [column.strip().lower() for column in columns], delimiter


def column(columns: list[str], names: tuple[str, ...]) -> str:
    """Return the first of some names that is a column; an empty string when none is."""
    return next((name for name in names if name in columns), "")


def _rows(folder: Folder, name: str) -> Iterator[Row]:
    """Yield rows by column name, with the line each ends on.

    Raises:
        SourceError: A row has more or fewer cells than the heading.
    """
    path = folder.root / name
    lines = read_lines(path)
    columns, delimiter = heading(lines[0] if lines else "")
    with path.open(newline="", encoding=encoding_of(path.read_bytes()[:4])) as handle:
        reader = csv.reader(handle, delimiter=delimiter)
        try:
            next(reader, None)
            for cells in reader:
                if len(cells) != len(columns) and any(cells):
                    raise SourceError(
                        f"Expected {len(columns)} cells ({', '.join(columns)}), got {len(cells)} "
                        f"({path}, line {reader.line_num})."
                    )
                folder.at = f"{path}, line {reader.line_num}"
                if any(cells):
                    yield reader.line_num, dict(zip(columns, cells, strict=True))
        except csv.Error as error:
            raise SourceError(f"Expected CSV, got {error} ({path}, line {reader.line_num}).") from error


def read_csv(folder: Folder, files: list[str]) -> Iterator[Part]:
    """Read tables with a row an annotation: a label, a caption or a box of an image. Corners are pixels."""
    for name in files:
        found: dict[tuple[str, str], Drawn] = defaultdict(Drawn)
        for line, row in _rows(folder, name):
            columns, where = list(row), f"{folder.root / name}, line {line}"
            split = SPLITS.get(row[column(columns, SPLIT)].strip().lower(), "") if column(columns, SPLIT) else ""
            text = row[column(columns, IMAGE)].strip()
            if not text:
                raise SourceError(f"Expected the name of an image, got an empty cell ({where}).")
            drawn = found[folder.find(text, name, split or split_of(name, by_name=True)), split]
            _csv_row(row, columns, drawn, where)
        for (media, split), drawn in found.items():
            width, height, _ = folder.size(media)
            yield split, drawn.item(media, name, (width, height))


def _csv_row(row: dict[str, str], columns: list[str], drawn: Drawn, where: str) -> None:
    label, caption = column(columns, LABEL), column(columns, CAPTION)
    for names in (*CORNERS, *SIZES):
        if label and set(names) <= set(columns):
            if not any(row[name].strip() for name in names):
                return  # an image without objects
            a, b, c, d = (number_of(row[name], where) for name in names)
            drawn.box(row[label], (a, b, a + c, b + d) if names in SIZES else (a, b, c, d))
            break
    else:
        if label:
            drawn.classes.append(ClassLabel(row[label]))
    if caption:
        drawn.captions.append(row[caption])


def _display_names(folder: Folder) -> dict[str, str]:
    """Read Open Images' class names by label id, `class-descriptions*.csv`."""
    names: dict[str, str] = {}
    for name in folder.others:
        if PurePosixPath(name).name.startswith(("class-descriptions", "oidv7-class-descriptions")):
            path = folder.root / name
            rows = (cells for cells in csv.reader(read_lines(path)) if len(cells) == 2)
            names |= unique_names(((key, text) for key, text in rows), path, "class")
    return names


def read_open_images(folder: Folder, files: list[str]) -> Iterator[Part]:
    """Read Open Images' boxes (fractions of the image; groups are crowds) and labels of whole images."""
    names = _display_names(folder)
    for name in files:
        by_image: dict[str, list[Row]] = defaultdict(list)
        for line, row in _rows(folder, name):
            by_image[row["imageid"].strip()].append((line, row))
        for image, rows in by_image.items():
            media, drawn = folder.find(image, name, split_of(name, by_name=True)), Drawn()
            width, height, _ = folder.size(media)
            for line, row in rows:
                _open_images_row(row, names, drawn, (width, height), f"{folder.root / name}, line {line}")
            yield "", drawn.item(media, name, (width, height))


def _open_images_row(
    row: dict[str, str], names: dict[str, str], drawn: Drawn, size: tuple[int, int], where: str
) -> None:
    key = row["labelname"].strip()
    label = names.get(key, "" if key.startswith("/") else key)
    if key and not label:
        raise SourceError(
            f"Expected the name of {key} in class-descriptions.csv beside the annotations, got none ({where})."
        )
    if "xmin" in row:
        x1, y1, x2, y2 = (number_of(row[edge], where) for edge in ("xmin", "ymin", "xmax", "ymax"))
        corners = hundredths((x1 * size[0], y1 * size[1], x2 * size[0], y2 * size[1]))
        drawn.box(label, corners, crowd=row.get("isgroupof", "").strip() == "1")
    elif row.get("confidence", "1").strip() in ("0", "0.0"):
        drawn.skip("label that is not there")
    else:
        drawn.classes.append(ClassLabel(label))
