"""Dialogues in other tools' layouts: ShareGPT, OpenAI's messages, ms-swift, LLaVA, PointLLM, laid out as ours."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

ROLES = {
    "human": "human", "user": "human", "gpt": "gpt", "assistant": "gpt", "chatgpt": "gpt", "model": "gpt", "bot": "gpt",
    "system": "system", "developer": "system",
}  # fmt: skip
"""What other tools call who speaks."""
MARKS = {"<image>": "image", "<pcl>": "pcl", "<point_cloud>": "pcl"}
"""Placeholders of media in questions, and the kinds of media that they stand for."""
MARK = re.compile("|".join(MARKS))
_OPENING = re.compile(rf"\s*((?:(?:{MARK.pattern})\s*)+)")
_ENDING = re.compile(rf"\n\s*((?:(?:{MARK.pattern})\s*)+)\Z")
_MEDIA = {"image": "image", "images": "image", "pcl": "pcl", "point_cloud": "pcl", "point_clouds": "pcl"}
_OBJECT = "<point>"  # PointLLM's placeholder; its rows name an object, whose file this is:
_OBJECT_FILE = "{}_8192.npy"
_TEXTS = ("text", "input_text", "output_text")
_SOURCES = ("path", "image_url", "image", "url", "point_cloud")
_OLD_SWIFT = ("query", "response", "history")
_UNREAD = ("videos", "audios", "video", "audio", "objects", "tools")
"""Keys whose content a record cannot hold: a row that has any is none."""


def is_foreign(value: Any) -> bool:
    """Tell whether a row is laid out otherwise than our records."""
    if not isinstance(value, dict):
        return False
    turns = value.get("conversations")
    if not isinstance(turns, list):
        return "messages" in value or ("query" in value and "response" in value)
    first = turns[0] if turns else None
    return (
        "images" in value
        or "point_clouds" in value
        or _is_about_object(value)
        or (isinstance(first, dict) and ("role" in first or first.get("from") not in ("human", "gpt")))
        or "video" in value
        or "videos" in value
        or _lacks_media(value, turns)
    )


def _is_about_object(value: Mapping[str, Any]) -> bool:
    """Tell whether a row is laid out as PointLLM's: an object by its id, and its placeholder in the first question."""
    turns = value.get("conversations")
    first = turns[0].get("value") if isinstance(turns, list) and turns and isinstance(turns[0], Mapping) else None
    named = isinstance(value.get("object_id"), str) and not any(value.get(key) for key in _MEDIA)
    return named and isinstance(first, str) and _OBJECT in first


def _lacks_media(value: dict[str, Any], turns: list[Any]) -> bool:
    """Tell whether questions have placeholders while the row names neither image nor cloud."""
    if value.get("image") is not None or value.get("pcl") is not None:
        return False
    texts = [turn.get("value") for turn in turns[::2] if isinstance(turn, dict)]
    return any(mark in text for text in texts if isinstance(text, str) for mark in MARKS)


def native(value: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Lay a foreign row out as a record.

    Media come from `images`, `image`, `pcl` or `point_clouds`, else from the parts of messages; of PointLLM's rows the
    cloud of 8,192 points is that of the object's id. Their placeholders stay where they are
    in the questions, but for those that all open the first one, where a record's media stand anyway. System messages
    before the first question become the unknown key `system`.

    Returns:
        The row by our keys, and what keeps it from being a record.
    """
    faults = [f"Expected a dialogue about images or clouds, got `{key}`, which a record cannot hold."
              for key in _UNREAD if value.get(key)]  # fmt: skip
    media: dict[str, list[str]] = {"image": [], "pcl": []}
    for key, kind in _MEDIA.items():
        entries = value.get(key)
        for entry in entries if isinstance(entries, list) else [] if entries is None else [entries]:
            faults += _add(media[kind], entry)
    about_object = _is_about_object(value)
    if about_object:
        media["pcl"].append(_OBJECT_FILE.format(value["object_id"]))
    listed = any(media.values())
    inside: dict[str, list[str]] = {"image": [], "pcl": []}
    turns = list[dict[str, Any]]()
    systems = [value["system"]] if value.get("system") else []
    for role, content in _turns(value):
        text, wrong = _text(content, inside)
        faults += wrong
        if about_object and role == "human" and isinstance(text, str):
            text = text.replace(_OBJECT, "<pcl>")
        if role != "system":
            turns.append({"from": role, "value": text})
        elif turns:
            faults.append(f"Expected system messages before the first question, got one after turn {len(turns)}.")
        else:
            systems.append(text)
    system = systems[0] if len(systems) == 1 else "\n".join(map(str, systems))
    media = media if listed else inside
    faults += _mark_faults(turns, media)
    _take_opening_out(turns)
    known = {"messages", "conversations", "system", *_OLD_SWIFT, *_MEDIA, *_UNREAD}
    out = {key: entry for key, entry in value.items() if key not in known}
    out |= {key: paths[0] if len(paths) == 1 else paths for key, paths in media.items() if paths}
    return out | ({"system": system} if system else {}) | {"conversations": turns}, faults


def _turns(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield who says what, the roles by our names where they are known."""
    rows = value.get("messages", value.get("conversations"))
    if rows is None:
        history = value.get("history") or []
        for pair in (*(history if isinstance(history, list) else [None]), (value.get("query"), value.get("response"))):
            question, answer = pair if isinstance(pair, list | tuple) and len(pair) == 2 else (None, None)
            yield from (("human", question), ("gpt", answer))
        return
    for row in rows if isinstance(rows, list) else ():
        entry = row if isinstance(row, Mapping) else {}
        role = str(entry.get("role", entry.get("from")))
        yield ROLES.get(role.lower(), role), entry.get("content", entry.get("value"))


def _text(content: Any, media: dict[str, list[str]]) -> tuple[Any, list[str]]:
    """Return the text of a message, its media put aside; content of another kind stays, to be refused as no text."""
    if not isinstance(content, list):
        return content, []
    pieces, faults = list[tuple[str, bool]](), list[str]()
    for part in content:
        kind = str(part.get("type")) if isinstance(part, Mapping) else ""
        text = part if isinstance(part, str) else part.get("text") if isinstance(part, Mapping) else None
        if (kind in _TEXTS or isinstance(part, str)) and isinstance(text, str):
            pieces.append((text, False))
        elif kind in ("image", "image_url", "input_image", "point_cloud"):
            source = next((part[key] for key in _SOURCES if part.get(key)), None)
            if source is not None or kind not in ("image", "point_cloud"):  # else the row lists its media
                faults += _add(media["pcl" if kind == "point_cloud" else "image"], source)
            pieces.append(("<pcl>" if kind == "point_cloud" else "<image>", True))
        else:
            faults.append(f"Expected parts of text, images or clouds, got {kind or part!r:.40}.")
    if any(MARK.search(text) for text, is_mark in pieces if not is_mark):  # they say where the parts' media stand
        pieces = [piece for piece in pieces if not piece[1]]
    joined, after_text = "", False
    for text, is_mark in pieces:
        joined += f"\n{text}" if after_text and not is_mark else text
        after_text = not is_mark
    return joined, faults


def _add(paths: list[str], entry: Any) -> list[str]:
    """Add a medium: a path or an address, also inside the objects that other tools put around one."""
    inside = False
    while isinstance(entry, Mapping):
        inside = bool(entry.get("bytes"))
        entry = entry.get("path") or entry.get("url")
    inside = (isinstance(entry, str) and entry.startswith("data:")) or (inside and not entry)
    if not isinstance(entry, str) or not entry.strip() or inside:
        found = "a picture inside the row" if inside else repr(entry)[:40]
        return [f"Expected the path of an image or cloud, got {found}. Write it into a file and name that."]
    paths.append(entry)
    return []


def marks_of(texts: Iterable[str]) -> list[str]:
    """Return the kinds of media (`image`, `pcl`) that placeholders in questions stand for, in order."""
    return [MARKS[match[0]] for text in texts if "<" in text for match in MARK.finditer(text)]


def opening_marks(text: str) -> tuple[list[str], str]:
    """Return what the placeholders before a question, or in lines after it, stand for, and the question without them.

    LLaVA's own data have them in either place, and its training moves them to the front.
    """
    match = (_OPENING.match(text) or _ENDING.search(text)) if "<" in text else None
    return (marks_of([match[1]]), text[: match.start()] + text[match.end() :]) if match else ([], text)


def _mark_faults(turns: list[dict[str, Any]], media: dict[str, list[str]]) -> list[str]:
    marks = marks_of(turn["value"] for turn in turns if turn["from"] == "human" and isinstance(turn["value"], str))
    if not marks or Counter(marks) == {kind: len(paths) for kind, paths in media.items() if paths}:
        return []
    present = f"{len(marks)} of {sum(map(len, media.values()))}"
    return [f"Expected as many placeholders as images or clouds, of their kinds, got {present}."]


def _take_opening_out(turns: list[dict[str, Any]]) -> None:
    """Remove the placeholders that open the first question, where there are no others."""
    questions = [turn for turn in turns if turn["from"] == "human" and isinstance(turn["value"], str)]
    marks = marks_of(turn["value"] for turn in questions)
    if marks and opening_marks(questions[0]["value"])[0] == marks:
        questions[0]["value"] = opening_marks(questions[0]["value"])[1].strip()
