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
from lamm_data.files.pictures import media_file, open_picture
from lamm_data.generation.prompts import Prompt, load_view_prompt
from lamm_data.generation.request_builder import MAX_OBJECTS, RequestBuilder
from lamm_data.generation.rows import Row
from lamm_data.generation.settings import GenerationSettings
from lamm_data.generation.solving import Ask, Outcome, Solver, why_useless
from lamm_llm import FormatLadder, WaitingError

if TYPE_CHECKING:
    from PIL.Image import Image

PICTURE_SIZE, VIEW_SIZE = 1024, 512
_QUALITY = 90
_OF_OBJECT = re.compile(r"\W*(?:object|objekt|number|no\.?)?\W*(\d+)\b\W*(.*)", re.IGNORECASE | re.DOTALL)


def solver_of(settings: GenerationSettings, builder: RequestBuilder, ladder: FormatLadder) -> Solver:
    """Return what solves the rows of a run: by text alone, with the picture, or by way of views."""
    if settings.see == "image":
        return PictureSolver(builder, ladder, settings.reask, settings)
    if settings.see == "views":
        return ViewSolver(builder, ladder, settings.reask, settings)
    return Solver(builder, ladder, settings.reask)


def picture_jpeg(path: Path, longest: int) -> bytes:
    """Read a picture as people see it, and write it as JPEG: turned upright, on white, at most so many pixels long.

    Raises:
        SourceError: It is missing or damaged.
    """
    from PIL import Image, ImageOps

    with open_picture(path) as opened:
        opened.draft("RGB", (longest, longest))
        image: Image.Image = ImageOps.exif_transpose(opened)
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


def without_annotations(prompt: Prompt, row: Row) -> Row:
    """Return a row of which nothing is told but the questions that a prompt is about."""
    questions = row.questions if "questions" in prompt.needs else ()
    return replace(row, captions=(), objects=(), relations=(), label="", description="", questions=questions)


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
        useless = why_useless(self.builder.prompt, row)
        if useless is not None:
            return useless
        size = self.settings.picture_size or PICTURE_SIZE
        try:
            picture = await asyncio.to_thread(lambda: picture_jpeg(self.medium(row), size))
        except SourceError as error:
            return Outcome(reason="no_picture", detail=str(error))
        told = self.told(row)
        outcome = await self.answer(told, self.builder.telling(told, [picture]), ask)
        outcome.shown = (_sha256(picture),)
        return outcome


@dataclass(frozen=True)
class ShownView:
    """A view as it is asked about: the row that its request tells, and the picture."""

    row: Row
    picture: bytes


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
        useless = why_useless(replace(self.builder.prompt, needs=()), row)
        if useless is not None:
            return useless
        try:
            views = await asyncio.to_thread(self._draw, row)
        except SourceError as error:
            return Outcome(reason="no_cloud", detail=str(error))
        outcomes = await self._ask_about(views, ask)
        failed = next((outcome for outcome in outcomes if outcome.failed), None)
        if failed is not None or all(outcome.answer is None for outcome in outcomes):
            return failed or outcomes[0]
        told = self.told(row)
        told = replace(told, captions=(*told.captions, *_captions(row, [o.answer.items for o in outcomes if o.answer])))
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
        from lamm_data.clouds.reading import load_cloud
        from lamm_data.render.views import ViewSettings, render_views

        objects = row.objects[:MAX_OBJECTS]
        settings = ViewSettings(self.settings.views, self.settings.picture_size or VIEW_SIZE)
        drawn = render_views(load_cloud(self.medium(row)), [item.box for item in objects], settings)
        shown = []
        for view in drawn:
            name = "from above" if view.name == "from above" else "obliquely from above"
            marked = tuple(f"Object {number}: {objects[number - 1].label}" for number in view.objects)
            about = Row(f"{row.id}, {view.name}", row.media, "pcl", captions=marked, label=name)
            shown.append(ShownView(about, jpeg(view.picture)))
        return shown


def _captions(row: Row, views: Sequence[Sequence[str]]) -> list[str]:
    """Put together what views say, object by object; what is about no numbered object stands at the end.

    Returns:
        For each object one caption, its name in front: what the views say of it, each statement once.
    """
    by_object: dict[int, list[str]] = {}
    for statement in dict.fromkeys(text for items in views for text in items):
        found = _OF_OBJECT.fullmatch(statement)
        number = int(found[1]) if found else 0
        known = found is not None and bool(found[2]) and 1 <= number <= min(len(row.objects), MAX_OBJECTS)
        by_object.setdefault(number if known else 0, []).append(found[2] if found and known else statement)
    scene = by_object.pop(0, [])
    return [f"{row.objects[n - 1].label}: {' '.join(dict.fromkeys(by_object[n]))}" for n in sorted(by_object)] + scene


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
