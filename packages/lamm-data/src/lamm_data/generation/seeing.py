"""Requests with pictures: the row's own, or views of its cloud that are put into words first.

Whatever is drawn or resized is a function of the medium and the settings, and its SHA-256 is part of the request's key:
resuming sends nothing twice, and a changed picture is a new request.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lamm_data.errors import SourceError
from lamm_data.files.pictures import media_file, open_picture, upright
from lamm_data.generation.prompts import Prompt, load_view_prompt
from lamm_data.generation.request_builder import MAX_OBJECTS, RequestBuilder
from lamm_data.generation.rows import Row, SceneObject
from lamm_data.generation.settings import GenerationSettings
from lamm_data.generation.solving import Ask, Outcome, Solver, why_useless
from lamm_llm import WaitingError

if TYPE_CHECKING:
    from PIL.Image import Image

    from lamm_data.render.views import View

NOT_SEEN = ("no_picture", "no_cloud")
"""Why rows are rejected whose medium is missing or damaged."""
PICTURE_SIZE, VIEW_SIZE = 1024, 512
_ANNOTATIONS = ("captions", "objects", "relations", "label", "description", "questions")
_QUALITY = 90
_OF_OBJECT = re.compile(r"\W*(?:object\s*#?(\d+)\b[\s:,.)\]–—-]*|(\d+)\s*[:.)\]–—-]\s*)(.+)", re.IGNORECASE | re.DOTALL)
_NUMBERED = re.compile(r"\bobject\s*#?(\d+)\b", re.IGNORECASE)


def picture_jpeg(path: Path, longest: int) -> bytes:
    """Read a picture as people see it, and write it as JPEG: turned upright, on white, at most so many pixels long.

    Raises:
        SourceError: It is missing or damaged.
    """
    from PIL import Image

    with open_picture(path) as opened:
        opened.draft("RGB", (longest, longest))
        image: Image.Image = upright(opened)
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            clear = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear)
        image = image.convert("RGB")
        image.thumbnail((longest, longest))
    return jpeg(image)


def jpeg(image: Image) -> bytes:
    """Write a picture as JPEG."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


def cloud_views(path: Path, objects: Sequence[SceneObject], count: int, size: int) -> list[View]:
    """Draw views of a cloud, with its objects numbered from 1.

    Raises:
        SourceError: The cloud is missing or damaged.
    """
    from lamm_data.clouds.reading import read_cloud
    from lamm_data.render.views import ViewSettings, render_views

    return render_views(read_cloud(path).values, [item.box for item in objects], ViewSettings(count, size))


def without_annotations(prompt: Prompt, row: Row) -> Row:
    """Return a row of which nothing is told but what a prompt is about: its questions, its class and what is known."""
    blank = Row(row.id, row.media)
    about = {name: getattr(blank, name) for name in _ANNOTATIONS if name not in _besides_captions(prompt)}
    return replace(row, **about)


def _besides_captions(prompt: Prompt) -> tuple[str, ...]:
    """Return the row fields that a prompt needs and that seeing gives no substitute for."""
    return tuple(name for name in prompt.needs if name != "captions")


@dataclass
class _SeeingSolver(Solver):
    """What both ways of seeing share: the settings, and where the media are."""

    settings: GenerationSettings

    def medium(self, row: Row) -> Path:
        """Find the row's medium.

        Raises:
            SourceError: It is missing, or outside the media root.
        """
        annotations = self.settings.annotations
        root = self.settings.media_root or (annotations if annotations.is_dir() else annotations.parent)
        return media_file(root, row.media)

    def told(self, row: Row) -> Row:
        """Return what is told of a row beside what is shown."""
        return without_annotations(self.builder.prompt, row) if self.settings.see_only else self.builder.focused(row)


@dataclass
class PictureSolver(_SeeingSolver):
    """Sends the row's picture with what is known about it."""

    async def solve(self, row: Row, ask: Ask) -> Outcome:
        """Work on one row until it has an answer or a reason.

        Raises:
            BudgetReachedError, EndpointError: When the run, not the row, has to stop.
        """
        useless = why_useless(replace(self.builder.prompt, modality="image"), row)
        if useless is not None:
            return useless
        size = self.settings.picture_size or PICTURE_SIZE
        try:
            picture = await asyncio.to_thread(lambda: picture_jpeg(self.medium(row), size))
        except SourceError as error:
            return Outcome(reason=NOT_SEEN[0], detail=str(error))
        told = self.told(row)
        outcome = await self.answer(told, self.builder.telling(told, [picture]), ask)
        outcome.shown = (_sha256(picture),)
        return outcome


@dataclass(frozen=True)
class ShownView:
    """A view as it is asked about: the row that its request tells, the picture, and the numbers in sight there."""

    row: Row
    picture: bytes
    numbers: frozenset[int]


@dataclass
class ViewSolver(_SeeingSolver):
    """Asks what each view of the row's cloud shows; the answers become captions of the row, which is then solved."""

    def __post_init__(self) -> None:
        self._captioner = Solver(RequestBuilder(load_view_prompt(), self.builder.sampling), self.ladder, self.reask)

    async def solve(self, row: Row, ask: Ask) -> Outcome:
        """Work on one row until it has an answer or a reason.

        Raises:
            BudgetReachedError, EndpointError, WaitingError: When the run, not the row, has to stop or wait.
        """
        prompt = self.builder.prompt
        useless = why_useless(replace(prompt, needs=_besides_captions(prompt), modality="pcl"), row)
        if useless is not None:
            return useless
        try:
            views = await asyncio.to_thread(self._draw, row)
        except SourceError as error:
            return Outcome(reason=NOT_SEEN[1], detail=str(error))
        outcomes = await self._ask_about(views, ask)
        failed = next((outcome for outcome in outcomes if outcome.failed), None)
        if failed is not None or all(outcome.answer is None for outcome in outcomes):
            return failed or outcomes[0]
        told = self.told(row)
        told = replace(told, captions=(*told.captions, *_captions(row, views, outcomes)))
        outcome = await self.answer(told, self.builder.telling(told), ask)
        outcome.shown = tuple(_sha256(view.picture) for view in views)
        return outcome

    async def _ask_about(self, views: Sequence[ShownView], ask: Ask) -> list[Outcome]:
        """Ask about every view, also when an answer has to be waited for: they travel in one batch."""
        outcomes, waiting = list[Outcome](), False
        for view in views:
            build = self._captioner.builder.telling(view.row, [view.picture])
            try:
                outcomes.append(await self._captioner.answer(view.row, build, ask))
            except WaitingError:
                waiting = True
        if waiting:
            raise WaitingError
        return outcomes

    def _draw(self, row: Row) -> list[ShownView]:
        """Draw the views of the row's cloud; the first forty objects are numbered."""
        objects = row.objects[:MAX_OBJECTS]
        drawn = cloud_views(self.medium(row), objects, self.settings.views, self.settings.picture_size or VIEW_SIZE)
        shown = []
        for view in drawn:
            name = "from above" if view.name == "from above" else "obliquely from above"
            marked = tuple(f"Object {number}: {objects[number - 1].label}" for number in view.objects)
            about = Row(f"{row.id}, {view.name}", row.media, "pcl", captions=marked, label=name)
            shown.append(ShownView(about, jpeg(view.picture), frozenset(view.objects)))
        return shown


def _captions(row: Row, views: Sequence[ShownView], outcomes: Sequence[Outcome]) -> list[str]:
    """Put together what views say, object by object; what is about no numbered object stands at the end.

    What a view says of an object that is not in sight there is left out, and so is what another view said already.

    Returns:
        For each object one caption, its name in front.
    """
    by_object: dict[int, dict[str, None]] = {}
    for view, outcome in zip(views, outcomes, strict=True):
        for statement in outcome.answer.items if outcome.answer else ():
            found = _OF_OBJECT.fullmatch(statement)
            number = int(found[1] or found[2]) if found and row.objects else 0
            if not number or number in view.numbers:
                text = found[3] if found and number else statement
                by_object.setdefault(number, {})[_with_names(row, text)] = None
    scene = by_object.pop(0, {})
    return [f"{row.objects[n - 1].label}: {' '.join(by_object[n])}" for n in sorted(by_object)] + list(scene)


def _with_names(row: Row, text: str) -> str:
    """Write the names of objects for their numbers, which nobody sees who reads the record."""
    names = {str(number): item.label for number, item in enumerate(row.objects, start=1)}
    return _NUMBERED.sub(lambda match: f"the {names.get(match[1], 'other object')}", text)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
