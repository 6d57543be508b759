"""`lamm model chat`: talk with the model about images and point clouds in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamm_model.errors import LammModelError
from lamm_model.processing.segments import MARKERS, strip_markers

if TYPE_CHECKING:
    from lamm_model.model.modeling_lamm import LammForConditionalGeneration
    from lamm_model.processing.processing_lamm import LammProcessor

HELP = "/image FILE  show a picture    /cloud FILE  show a point cloud of any format    /reset  forget    /quit  leave"


class ChatSession:
    """A dialogue with history; media shown before a question belong to it. The task type chooses the system message."""

    def __init__(
        self,
        model: LammForConditionalGeneration,
        processor: LammProcessor,
        task_type: str = "normal",
        max_new_tokens: int = 256,
    ) -> None:
        from lamm_model.answering.prompt_state import MediaFeatures

        self.model = model.eval()
        self.processor = processor
        self.task_type = task_type
        self.max_new_tokens = max_new_tokens
        self._features = MediaFeatures(model, processor)
        self._turns: list[dict[str, str]] = []
        self._media: list[tuple[str, Path]] = []
        self._shown = 0

    def show(self, kind: str, path: Path) -> None:
        """Add a medium (`image` or `point_cloud`) to the next question; the file is read now.

        Raises:
            LammModelError: The file cannot be read.
        """
        self._features.get([(kind, path)])
        self._media.append((kind, path))

    def reset(self) -> None:
        """Forget the dialogue and its media."""
        self._turns, self._media, self._shown = [], [], 0

    def ask(self, question: str) -> Iterator[str]:
        """Ask and stream the answer in pieces. The turn joins the history when the answer is complete.

        Raises:
            LammModelError: The dialogue has outgrown the model's context.
        """
        from lamm_model.answering.decoding import TextStream, decode_rows
        from lamm_model.processing.coordinates import answer_mapping

        plain = strip_markers(question)
        marks = "".join(MARKERS[kind] for kind, _ in self._media[self._shown :])
        turns = [*self._turns, {"from": "human", "value": marks + plain}]
        pictures = [path for kind, path in self._media if kind == "image"]
        row = self.processor.encode_dialogue(
            turns,
            media=[kind for kind, _ in self._media],
            pictures=pictures,
            task_type=self.task_type,
            for_generation=True,
            max_length=self.model.config.context_length - self.max_new_tokens,
            name="this chat; /reset starts anew",
        )
        prompt = self._features.prompt_row(row, self._media, self.max_new_tokens)
        finish = answer_mapping(self.processor.image_processor, pictures)
        stream = TextStream(self.processor.decode_answer, self.processor.stop_strings, finish)
        for (new,) in decode_rows(self.model, self.processor, [prompt]):
            yield stream.add(new.token, last=bool(new.finish))
        self._turns = [*turns, {"from": "gpt", "value": stream.text}]
        self._shown = len(self._media)


def _task_types(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    from lamm_model.processing.prompt_formats import system_messages

    return [name for name in system_messages() if name.startswith(begun)]


@click.command()
@click.option("--model", "folder", required=True, type=click.Path(path_type=Path), help="Checkpoint or model folder.")
@click.option("--image", "images", multiple=True, type=click.Path(path_type=Path), help="Show a picture first.")
@click.option(
    "--cloud",
    "clouds",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Show a point cloud first: .npy, .ply, .pcd, .xyz, .las, ...",
)
@click.option(
    "--task-type", default="normal", show_default=True, shell_complete=_task_types, help="Chooses the system message."
)
@click.option(
    "--max-tokens", "max_new_tokens", default=256, show_default=True, type=click.IntRange(1), help="Longest answer."
)
@click.option("--dtype", type=click.Choice(["float32", "bfloat16"]), default="float32", show_default=True,
              help="Numbers of the language model's weights.")  # fmt: skip
@click.option("--quantize", type=click.Choice(["none", "8bit", "4bit"]), default="none", show_default=True,
              help="Hold its weights in so many bits.")  # fmt: skip
@click.option("--device", default="", help="cpu, cuda, ... (default: cuda where there is one).")
def chat(
    folder: Path,
    images: tuple[Path, ...],
    clouds: tuple[Path, ...],
    task_type: str,
    max_new_tokens: int,
    dtype: str,
    quantize: str,
    device: str,
) -> None:
    """Talk with a model; questions are read line by line from standard input."""
    from lamm_model.checkpoints.checkpoint import load_for_inference

    click.echo(f"Loading {folder} ...", err=True)
    model, processor = load_for_inference(folder, dtype, device, quantize)
    session = ChatSession(model, processor, task_type, max_new_tokens)
    for kind, paths in (("image", images), ("point_cloud", clouds)):
        for path in paths:
            session.show(kind, path)
    click.echo(HELP, err=True)
    click.echo("> ", nl=False, err=True)
    for line in sys.stdin:
        if not run_line(session, line.strip()):
            return
        click.echo("> ", nl=False, err=True)


def run_line(session: ChatSession, line: str) -> bool:
    """Carry out one line; return whether to go on."""
    command, _, argument = line.partition(" ")
    kinds: dict[str, Any] = {"/image": "image", "/cloud": "point_cloud"}
    if command == "/quit":
        return False
    try:
        if command in kinds:
            session.show(kinds[command], Path(argument.strip()).expanduser())
            click.echo(f"shown: {argument.strip()}", err=True)
        elif command == "/reset":
            session.reset()
        elif command.startswith("/"):
            click.echo(HELP, err=True)
        elif line:
            for piece in session.ask(line):
                click.echo(piece, nl=False)
            click.echo()
    except LammModelError as fault:
        click.echo(f"Error: {fault}", err=True)
    return True
