"""`lamm model chat`: talk with the model about images and point clouds in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamm_model.errors import LammModelError

if TYPE_CHECKING:
    from lamm_model.modeling_lamm import LammForConditionalGeneration
    from lamm_model.processing_lamm import LammProcessor

MARKERS = {"image": "<image>", "point_cloud": "<pcl>"}
HELP = "/image FILE  show a picture    /cloud FILE  show a .npy, .ply or .pcd cloud    /reset  forget    /quit  leave"


class ChatSession:
    """A dialogue with history; media shown before a question belong to it.

    Attributes:
        model: In evaluation mode.
        processor: Its processor.
        task_type: Chooses the system message.
        max_new_tokens: Longest answer.
    """

    def __init__(
        self,
        model: LammForConditionalGeneration,
        processor: LammProcessor,
        task_type: str = "normal",
        max_new_tokens: int = 256,
    ) -> None:
        from lamm_model.prediction.media import MediaFeatures

        self.model = model.eval()
        self.processor = processor
        self.task_type = task_type
        self.max_new_tokens = max_new_tokens
        self._features = MediaFeatures(model, processor)
        self._turns: list[dict[str, str]] = []
        self._media: list[tuple[str, Path]] = []
        self._shown = 0

    def show(self, kind: str, path: Path) -> None:
        """Add a medium to the next question.

        Args:
            kind: `image` or `point_cloud`.
            path: The file; read now, so that a bad one is refused here.

        Raises:
            LammModelError: The file cannot be read.
        """
        self._features.get([(kind, path)])
        self._media.append((kind, path))

    def reset(self) -> None:
        """Forget the dialogue and its media."""
        self._turns, self._media, self._shown = [], [], 0

    def ask(self, question: str) -> Iterator[str]:
        """Ask and stream the answer.

        Args:
            question: What to ask.

        Yields:
            Pieces of the answer. The turn joins the history when the answer is complete.

        Raises:
            LammModelError: The dialogue has outgrown the model's context.
        """
        from lamm_model.prediction.decoding import PromptRow, stream_row

        plain = question.replace("<image>", "").replace("<pcl>", "").replace("<point_cloud>", "")
        marks = "".join(MARKERS[kind] for kind, _ in self._media[self._shown :])
        turns = [*self._turns, {"from": "human", "value": marks + plain}]
        row = self.processor.encode_dialogue(
            turns,
            media=[kind for kind, _ in self._media],
            task_type=self.task_type,
            for_generation=True,
            max_length=self._context() - self.max_new_tokens,
            name="this chat; /reset starts anew",
        )
        features = self._features.get(self._media)
        media = [(kind, feature) for (kind, _), feature in zip(self._media, features, strict=True)]
        prompt = PromptRow(row["input_ids"], row["modality_ids"], media=media, max_new_tokens=self.max_new_tokens)
        tokens: list[int] = []
        text = ""
        stream = stream_row(self.model, prompt, pad=self.processor.pad_token_id, end_ids=self.processor.end_token_ids)
        for token in stream:
            tokens.append(token)
            decoded = self.processor.tokenizer.decode(tokens, skip_special_tokens=True)
            if any(stop in decoded for stop in self.processor.stop_strings):
                break
            if not decoded.endswith("\ufffd"):  # a character may be spread over several tokens
                yield decoded[len(text) :]
                text = decoded
        answer = self.processor.answer_text(tokens)
        self._turns = [*turns, {"from": "gpt", "value": answer}]
        self._shown = len(self._media)

    def _context(self) -> int:
        return int(getattr(self.model.config.text_config, "max_position_embeddings", None) or 1 << 20)


@click.command()
@click.option("--model", "folder", required=True, type=click.Path(path_type=Path), help="Checkpoint or model folder.")
@click.option("--image", "images", multiple=True, type=click.Path(path_type=Path), help="Show a picture first.")
@click.option("--cloud", "clouds", multiple=True, type=click.Path(path_type=Path), help="Show a point cloud first.")
@click.option("--task-type", default="normal", show_default=True, help="Chooses the system message.")
@click.option("--max-new-tokens", default=256, show_default=True, type=click.IntRange(1), help="Longest answer.")
def chat(folder: Path, images: tuple[Path, ...], clouds: tuple[Path, ...], task_type: str, max_new_tokens: int) -> None:
    """Talk with a model; questions are read line by line from standard input."""
    from transformers.utils.logging import disable_progress_bar

    from lamm_model.checkpoints.delta import load_model

    disable_progress_bar()
    model, processor = load_model(folder)
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
