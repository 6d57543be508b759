"""Pre-train a point-cloud tower on questions about scenes, before it is joined to a language model.

The paper's point-cloud encoder is pre-trained (EPCL, on ScanNet detection) and frozen. Where no such weights are at
hand, a tower learns to see from closed questions alone: for each question of a source ("Which solid is in the room?") a
linear layer on the tower's pooled tokens chooses among the answers that the training split knows. The layers are thrown
away. One pass takes milliseconds, where the same signal through a language model takes a second.
"""

import json
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamm_llm import atomic_path, writes_alone
from lamm_model.errors import LammModelError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

MOST_ANSWERS = 64  # a question with more different answers is open, not closed
Report = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True, slots=True)
class SceneQuestion:
    """One closed question about one cloud."""

    cloud: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class TowerSettings:
    """How a tower is pre-trained: preset, passes over the scenes, scenes per step, peak learning rate, seed."""

    preset: str = "tiny"
    epochs: int = 30
    batch: int = 32
    learning_rate: float = 2e-3
    seed: int = 0


def read_scene_questions(root: Path, split: str = "train") -> list[SceneQuestion]:
    """Read the closed questions of a folder in ScanNet's exported layout with ScanQA files.

    Raises:
        LammModelError: There is no closed question.
    """
    from lamm_data import open_scanqa

    asked = [
        SceneQuestion(str(root / item.media), question.text, question.answers[0])
        for item in open_scanqa(root, split)
        for question in item.questions
        if question.answers
    ]
    answers = _answers(asked)
    closed = [entry for entry in asked if 2 <= len(answers[entry.question]) <= MOST_ANSWERS]
    if not closed:
        raise LammModelError(f"Expected questions with a closed set of answers in {root}, found none.")
    return closed


def _answers(questions: Sequence[SceneQuestion]) -> dict[str, set[str]]:
    """Return the answers that each question has."""
    answers: dict[str, set[str]] = defaultdict(set)
    for entry in questions:
        answers[entry.question].add(entry.answer)
    return answers


def pretrain_tower(
    questions: Sequence[SceneQuestion],
    output: Path,
    settings: TowerSettings,
    report: Report = lambda step, steps, log: None,
) -> dict[str, Any]:
    """Train a tower on questions and write it, with its configuration, to ``output`` (beside it, then renamed).

    Returns:
        Numbers of scenes, questions and steps, the last loss, and the share of right answers in the last pass.
    """
    import torch

    from lamm_model.processing.point_cloud_processing import LammPointCloudProcessor
    from lamm_model.towers.configuration_point_cloud import cloud_layout, cloud_preset, cloud_tower
    from lamm_model.training.processes import processes as distributed

    torch.manual_seed(settings.seed)
    device = distributed.device()
    tower = cloud_tower(cloud_preset(settings.preset)).train()
    task = _Questions(questions, tower.config.feature_size)
    tower.to(device)
    task.to(device)
    processor = LammPointCloudProcessor(**cloud_layout(tower.config))
    clouds = processor(task.clouds)["point_clouds"]
    steps = settings.epochs * -(-len(task.clouds) // settings.batch)
    parameters = [*tower.parameters(), *task.heads.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, total_steps=steps)
    generator = torch.Generator().manual_seed(settings.seed)
    record: dict[str, Any] = {"scenes": len(task.clouds), "questions": len(questions), "steps": steps}
    done = 0
    for _ in range(settings.epochs):
        right = asked = 0
        order = torch.randperm(len(task.clouds), generator=generator)
        for batch in torch.split(order, settings.batch):
            loss, hits, count = task.loss(tower, clouds[batch].to(device), batch)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            schedule.step()
            right, asked, done = right + hits, asked + count, done + 1
            report(done, steps, {"loss": loss.item()})
        record |= {"loss": loss.item(), "accuracy": right / max(asked, 1)}
    with atomic_path(output) as beside:
        tower.eval().save_pretrained(beside)
    return record


class _Questions:
    """A linear layer per question, and the answers of every scene as class numbers."""

    def __init__(self, questions: Sequence[SceneQuestion], features: int) -> None:
        import torch

        from lamm_model.model.answer_loss import IGNORED

        answers = _answers(questions)
        self.names = sorted(answers)
        numbers = {name: {text: i for i, text in enumerate(sorted(answers[name]))} for name in self.names}
        self.clouds = list(dict.fromkeys(entry.cloud for entry in questions))
        numbered = {cloud: i for i, cloud in enumerate(self.clouds)}
        self.heads = torch.nn.ModuleList(torch.nn.Linear(features, len(numbers[name])) for name in self.names)
        self.targets = torch.full((len(self.clouds), len(self.names)), IGNORED)
        for entry in questions:
            row, column = numbered[entry.cloud], self.names.index(entry.question)
            self.targets[row, column] = numbers[entry.question][entry.answer]

    def to(self, device: "torch.device") -> None:
        """Move layers and answers to a device."""
        self.heads.to(device)
        self.targets = self.targets.to(device)

    def loss(
        self, tower: "PreTrainedModel", clouds: "torch.Tensor", rows: "torch.Tensor"
    ) -> "tuple[torch.Tensor, int, int]":
        """Return the summed loss over the questions, how many were right, and how many were asked."""
        import torch

        pooled = tower(clouds).last_hidden_state.amax(dim=1)
        total, right, asked = pooled.new_zeros(()), 0, 0
        for column, head in enumerate(self.heads):
            wanted = self.targets[rows, column]
            known = wanted >= 0
            if known.any():
                logits = head(pooled[known])
                total = total + torch.nn.functional.cross_entropy(logits, wanted[known])
                right += int((logits.argmax(-1) == wanted[known]).sum())
                asked += int(known.sum())
        return total, right, asked


def _presets(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    from importlib.resources import files

    # The towers' own module imports torch, which takes longer than a shell should wait.
    presets = json.loads((files("lamm_model") / "towers" / "point_cloud_presets.json").read_text("utf-8"))
    return [name for name in presets if name.startswith(begun)]


@click.command("pretrain-tower")
@click.option("--root", type=click.Path(path_type=Path), required=True, help="Folder of clouds and ScanQA files.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Folder of the tower.")
@click.option("--preset", default="tiny", show_default=True, shell_complete=_presets, help="Size of the tower.")
@click.option("--epochs", type=click.IntRange(min=1), default=30, show_default=True, help="Passes over the scenes.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of weights and order.")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
@writes_alone("output")
def pretrain_tower_command(root: Path, output: Path, preset: str, epochs: int, seed: int, as_json: bool) -> None:
    """Pre-train a point-cloud tower on closed questions about scenes.

    Reads the training split of ROOT (ScanNet's exported layout with ScanQA files, as `lamm data sample` writes it).
    Give the folder of the tower as `model.point_cloud_tower` to `lamm model finetune`. A folder that is there is left
    alone.
    """
    if output.exists():
        click.echo(f"{output} is there already; nothing was done.", err=as_json)
        return

    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    import transformers
    from rich.console import Console
    from rich.progress import Progress

    transformers.utils.logging.disable_progress_bar()
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("pre-training the point-cloud tower", total=None)
        settings = TowerSettings(preset=preset, epochs=epochs, seed=seed)
        numbers = pretrain_tower(
            read_scene_questions(root),
            output,
            settings,
            lambda step, steps, log: progress.update(
                task, completed=step, total=steps, description=f"pre-training the point-cloud tower, {log['loss']:.2f}"
            ),
        )
    if as_json:
        click.echo(json.dumps(numbers))
    else:
        click.echo(
            f"{numbers['questions']} questions about {numbers['scenes']} scenes, {numbers['steps']} steps; "
            f"{numbers['accuracy']:.1%} right in the last pass. The tower is in {output}."
        )
