"""The phrasings that are known, and a record's true answer in each of them."""

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any, cast

from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import YES_NO, Reference, axes, letter, truth_label

# A phrasing as it is written in the file: a template, or that of a list with those of its items.
Phrasing = str | Mapping[str, str]


@lru_cache(maxsize=1)
def known_phrasings() -> Mapping[str, Sequence[Phrasing]]:
    """Return the phrasings by kind of answer, as `phrasings.toml` lists them."""
    text = (files("lamm_metrics.linting") / "phrasings.toml").read_text(encoding="utf-8")
    return cast("Mapping[str, Sequence[Phrasing]]", tomllib.loads(text))


def spoken(kind: str, record: Reference, truth: Prediction) -> Iterator[tuple[str, str]]:
    """Yield every known phrasing of a kind, and a record's true answer in it; none where there is nothing to say.

    Args:
        kind: A key of `lamm_metrics.answers.kinds.ANSWERS`.
        record: The record.
        truth: Its true answer, structured.
    """
    if kind == "label or yes/no":
        kind = "yes/no" if truth_label(record).strip().lower() in YES_NO else "label"
    if kind == "number or choice":
        kind = "choice" if "gt_choice" in record else "number"
    words = _WORDS.get(kind)
    if words is None:
        return
    values = words(record, truth)
    if isinstance(values, Mapping):
        for phrasing in known_phrasings()[kind]:
            yield str(phrasing), str(phrasing).format_map(values)
        return
    for phrasing in known_phrasings()[kind] if values else ():
        form = cast("Mapping[str, str]", phrasing)
        items = form["joint"].join(form["item"].format_map(item) for item in values)
        yield form["text"].format(items=form["item"]), form["text"].format(items=items)


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _choice(record: Reference, truth: Prediction) -> Mapping[str, Any]:
    options = [str(option) for option in record["gt_choices"]]
    names = [str(name) for name in record.get("option_labels") or map(letter, range(len(options)))]
    right = int(record["gt_choice"])
    other = (right + 1) % len(options)
    listed = [f"{name}. {option}" for name, option in zip(names, options, strict=True)]
    return {
        "text": options[right],
        "lower": options[right].lower(),
        "letter": names[right],
        "other": options[other],
        "other_letter": names[other],
        "json": _json(options[right]),
        "listing": "\n".join(listed),
        "review": "\n".join(f"{line} {'✅' if place == right else '❌'}" for place, line in enumerate(listed)),
    }


def _label(record: Reference, truth: Prediction) -> Mapping[str, Any]:
    text = truth_label(record).replace("_", " ")
    return {"text": text, "lower": text.lower(), "json": _json(text)}


def _yes_no(record: Reference, truth: Prediction) -> Mapping[str, Any]:
    return {"yes": YES_NO[truth_label(record).strip().lower()].capitalize()}


def _number(record: Reference, truth: Prediction) -> Mapping[str, Any]:
    number = float(record["num"])
    return {"number": int(number) if number.is_integer() else number}


def _words(record: Reference, truth: Prediction) -> Sequence[Mapping[str, Any]]:
    return [{"word": word} for word in record["word_list"]]


def _located(record: Reference, truth: Prediction) -> Sequence[Mapping[str, Any]]:
    """Return boxes or points: the name and the numbers of each."""
    items = [(item.get("label"), item["box"]) for item in truth.boxes or ()]
    items += [(item.get("label"), item["point"]) for item in truth.points or ()]
    named = [(str(label or "object"), ", ".join(map(str, numbers))) for label, numbers in items]
    return [{"label": label, "json": _json(label), "box": numbers} for label, numbers in named]


def _situation(record: Reference, truth: Prediction) -> Mapping[str, Any]:
    named = {"position": "xyz", "rotation": "xyzw"}
    return {key: list(axes(record[key], names) or ()) for key, names in named.items()}


_WORDS: Mapping[str, Any] = {
    "choice": _choice,
    "label": _label,
    "yes/no": _yes_no,
    "number": _number,
    "words": _words,
    "2D boxes": _located,
    "3D boxes": _located,
    "points": _located,
    "situation": _situation,
}
