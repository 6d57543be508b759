"""Pre-train a point-cloud tower on scenes, before it is joined to a language model.

The paper's point-cloud encoder is pre-trained (EPCL, on ScanNet detection) and frozen. Where no such weights are at
hand, a tower learns to see from annotations alone. From closed questions: for each question of a source ("Which solid
is in the room?") a linear layer on the tower's pooled tokens chooses among the answers that the training split knows;
the layers are thrown away. From boxes: the tower's tokens vote for the objects' boxes, and the points in a box name
what stands there; these layers stay, and give the tower tokens that tell each object. One pass takes milliseconds,
where the same signal through a language model takes a second.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamm_llm import atomic_path, writes_alone
from lamm_model.training.processes import processes as distributed

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from lamm_model.training.tower_pretraining.objects import Scene
    from lamm_model.training.tower_pretraining.questions import SceneQuestion

Report = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True, slots=True)
class TowerSettings:
    """How a tower is pre-trained.

    Attributes:
        preset: Of the tower.
        epochs: Passes over the scenes.
        batch: Scenes per step.
        learning_rate: Peak rate.
        seed: Of weights and order.
        objects: Most objects of a cloud that the tower tells; 0 learns questions in place of boxes.
        metre_decimals: Decimals that it tells boxes with.
        scene_tokens: Keep the tower's own tokens before the objects'.
    """

    preset: str = "tiny"
    epochs: int = 30
    batch: int = 32
    learning_rate: float = 3e-3
    seed: int = 0
    objects: int = 0
    metre_decimals: int = 1
    scene_tokens: bool = False


def pretrain_tower(
    examples: "Sequence[SceneQuestion] | Sequence[Scene]",
    output: Path,
    settings: TowerSettings,
    report: Report = lambda step, steps, log: None,
) -> dict[str, Any]:
    """Train a tower and write it, with its configuration, to ``output`` (beside it, then renamed).

    Args:
        examples: Closed questions; with ``settings.objects``, scenes with their boxes.
        output: Folder of the tower.
        settings: How.
        report: Told step, steps and loss.

    Returns:
        Numbers of scenes, examples and steps, the last loss, and the share of right answers (of objects named rightly)
        in the last pass.
    """
    import torch

    from lamm_model.processing.point_cloud_processing import LammPointCloudProcessor
    from lamm_model.towers.configuration_point_cloud import cloud_layout, cloud_preset

    torch.manual_seed(settings.seed)
    device = distributed.device()
    task = (_Boxes if settings.objects else _Questions)(examples, cloud_preset(settings.preset), settings)  # type: ignore[arg-type]
    tower, modules = task.tower.train(), torch.nn.ModuleList([task.tower, task.heads]).to(device)
    processor = LammPointCloudProcessor(**cloud_layout(tower.config))
    clouds = processor(task.clouds)["point_clouds"]
    steps = settings.epochs * -(-len(task.clouds) // settings.batch)
    parameters = list(modules.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, total_steps=steps)
    generator = torch.Generator().manual_seed(settings.seed)
    record: dict[str, Any] = {"scenes": len(task.clouds), task.kind: task.count, "steps": steps}
    done = 0
    for _ in range(settings.epochs):
        right = asked = 0
        order = torch.randperm(len(task.clouds), generator=generator)
        for batch in torch.split(order, settings.batch):
            loss, hits, count = task.loss(clouds[batch].to(device), batch, generator)
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
    """Learn from closed questions."""

    kind = "questions"

    def __init__(self, questions: "Sequence[SceneQuestion]", config: Any, settings: TowerSettings) -> None:
        from lamm_model.towers.configuration_point_cloud import cloud_tower
        from lamm_model.training.tower_pretraining.questions import Questions

        self.tower: PreTrainedModel = cloud_tower(config)
        self.heads = Questions(questions, config.feature_size)
        self.clouds, self.count = self.heads.clouds, len(questions)

    def loss(
        self, clouds: "torch.Tensor", rows: "torch.Tensor", generator: "torch.Generator"
    ) -> "tuple[torch.Tensor, int, int]":
        """Return the loss over some scenes, how many answers were right, and of how many."""
        return self.heads.loss(self.tower(clouds).last_hidden_state, rows)


class _Boxes:
    """Learn from boxes, class names and descriptions."""

    kind = "objects"

    def __init__(self, scenes: "Sequence[Scene]", config: Any, settings: TowerSettings) -> None:
        import torch

        from lamm_model.towers.configuration_objects import ObjectTowerConfig
        from lamm_model.towers.objects import ObjectTower
        from lamm_model.training.tower_pretraining.objects import as_truth, telling_words

        labels = sorted({one.label for scene in scenes for one in scene.objects})
        words = telling_words(scenes)
        self.config = ObjectTowerConfig(
            tower=config,
            labels=labels,
            words=words,
            objects=settings.objects,
            decimals=settings.metre_decimals,
            scene_tokens=settings.scene_tokens,
        )
        self.tower = ObjectTower(self.config)
        self.heads = torch.nn.ModuleList()  # none is thrown away
        self.truth = as_truth(scenes, labels, words)
        self.clouds, self.count = [scene.cloud for scene in scenes], sum(len(scene.objects) for scene in scenes)

    def loss(
        self, clouds: "torch.Tensor", rows: "torch.Tensor", generator: "torch.Generator"
    ) -> "tuple[torch.Tensor, int, int]":
        """Return the loss over some scenes, how many objects were named rightly, and of how many."""
        from lamm_model.training.tower_pretraining.objects import turned

        truth = self.truth.of(rows, clouds.device)
        normals = 3 + 3 * bool(self.config.use_color) if getattr(self.config, "use_normal", False) else 0
        clouds, boxes = turned(clouds, truth.boxes, generator, normals)
        return self.tower.loss(clouds, truth._replace(boxes=boxes), generator)


@contextmanager
def shown_progress(first: str, training: str) -> Iterator[Report]:
    """Show one bar on stderr; what it stands for before the first step, and then, with the loss. Yields its report."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # read by the import of the hub's client
    import transformers
    from rich.console import Console
    from rich.progress import Progress

    transformers.utils.logging.disable_progress_bar()
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(first, total=None)

        def report(step: int, steps: int, log: dict[str, float]) -> None:
            if "loss" in log:
                progress.update(task, completed=step, total=steps, description=f"{training}, {log['loss']:.2f}")

        yield report


def _presets(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    from importlib.resources import files

    # The towers' own module imports torch, which takes longer than a shell should wait.
    presets = json.loads((files("lamm_model") / "towers" / "point_cloud_presets.json").read_text("utf-8"))
    return [name for name in presets if name.startswith(begun)]


@click.command("pretrain-tower")
@click.option("--root", type=click.Path(path_type=Path), required=True, help="Folder of clouds and annotations.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Folder of the tower.")
@click.option("--preset", default="tiny", show_default=True, shell_complete=_presets, help="Size of the tower.")
@click.option("--objects", type=click.IntRange(min=0), default=0, help="Most objects of a cloud to tell; 0: questions.")
@click.option("--metre-decimals", type=click.IntRange(0, 3), default=1, help="Of boxes, with --objects.")
@click.option("--scene-tokens", is_flag=True, help="With --objects, keep the tower's own tokens before the objects'.")
@click.option("--epochs", type=click.IntRange(min=1), default=30, show_default=True, help="Passes over the scenes.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of weights and order.")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
@writes_alone("output")
def pretrain_tower_command(root: Path, output: Path, as_json: bool, **chosen: Any) -> None:
    """Pre-train a point-cloud tower on closed questions about scenes, or on the objects in them.

    Reads the training split of ROOT (ScanNet's exported layout, as `lamm data sample` writes it): ScanQA's questions,
    or with --objects the boxes, and ScanRefer's descriptions where there are any. Give the folder of the tower as
    `model.point_cloud_tower` to `lamm model finetune`. A folder that is there is left alone.
    """
    if output.exists():
        click.echo(f"{output} is there already; nothing was done.", err=as_json)
        return

    settings = TowerSettings(**chosen)
    distributed.reuse_memory()
    with shown_progress("pre-training the point-cloud tower", "pre-training the point-cloud tower") as report:
        from lamm_model.training.tower_pretraining.objects import read_scene_objects
        from lamm_model.training.tower_pretraining.questions import read_scene_questions

        read = read_scene_objects if settings.objects else read_scene_questions
        numbers = pretrain_tower(read(root), output, settings, report)
    if as_json:
        click.echo(json.dumps(numbers))
        return
    kind = "objects" if settings.objects else "questions"
    click.echo(
        f"{numbers[kind]} {kind} in {numbers['scenes']} scenes, {numbers['steps']} steps; "
        f"{numbers['accuracy']:.1%} right in the last pass. The tower is in {output}."
    )
