"""Train an image reader on the annotations of pictures, before it is joined to a language model.

The vision tower below it stays as it is, so its maps are computed once. A pass over the pictures takes seconds, where
the same signal through a language model takes minutes: afterwards the language model need not learn to see, only to
answer from what it reads.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from lamm_llm import atomic_path, writes_alone
from lamm_model.training.processes import processes as distributed
from lamm_model.training.tower_pretraining.pretraining import Report, shown_progress

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from lamm_model.processing.image_processing_lamm import LammImageProcessor
    from lamm_model.towers.image_reader import ImageReaderModel, Reader
    from lamm_model.training.tower_pretraining.transcripts import Transcript

NEAR = 1.5  # percent by which a number may miss its target and still be taught as almost right
BLANK_WEIGHT = 0.05  # of an empty slot's loss
TOWER_BATCH = 32
PART = 8  # pictures of a step that are computed together, whatever the number of threads: sums stay the same
DROPOUT = 0.1


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """How a reader is trained: steps, pictures in each, peak learning rate, most slots, seed; and what it reads.

    ``layers`` and ``grid`` are those of `ImageReaderConfig`.
    """

    steps: int = 600
    batch: int = 32
    learning_rate: float = 2e-3
    slots: int = 64
    layers: tuple[int, ...] = (3, 5)
    grid: int = 14
    seed: int = 0


def pretrain_reader(
    transcripts: "Sequence[Transcript]",
    image_tower: str,
    language_model: str,
    output: Path,
    settings: ReaderSettings,
    report: Report = lambda step, steps, log: None,
) -> dict[str, Any]:
    """Train a reader on transcripts and write it, with the tower below it, to ``output`` (beside it, then renamed).

    Returns:
        Numbers of pictures, slots, entries and steps, the last loss, and of the last tenth of the steps the share of
        words that were right and the mean error of numbers (percent).
    """
    import torch
    from transformers import AutoModel

    from lamm_model.model.saving import pretrained
    from lamm_model.processing.image_processing_lamm import LammImageProcessor
    from lamm_model.training.tower_pretraining.transcripts import book_of

    torch.manual_seed(settings.seed)
    processor = LammImageProcessor.for_tower(image_tower)
    book = book_of(transcripts)
    device = distributed.device()
    tower = pretrained(AutoModel, image_tower).to(device).eval()
    threads = torch.get_num_threads()
    abreast = threads if device.type == "cpu" else 1
    torch.set_num_threads(1)  # those that share a product wait for whatever else the machine does
    try:
        maps = _picture_maps([one.image for one in transcripts], tower, processor, settings, abreast, report)
        model = _start(transcripts, book, tower, language_model, maps, settings).to(device)
        targets = _targets(transcripts, book, model.config.slots).to(device)
        record: dict[str, Any] = {
            "pictures": len(transcripts),
            "slots": model.config.slots,
            "entries": len(book),
            "steps": settings.steps,
        }
        record |= _train(model.reader, maps, targets, settings, abreast, report)
    finally:
        torch.set_num_threads(threads)
    with atomic_path(output) as beside:
        model.eval().save_pretrained(beside)
        processor.save_pretrained(beside)
    return record


def _picture_maps(
    paths: "Sequence[Path]",
    tower: "PreTrainedModel",
    processor: "LammImageProcessor",
    settings: ReaderSettings,
    abreast: int,
    report: Report,
) -> "Tensor":
    """Compute a vision tower's maps of pictures (16 bits a value), ``abreast`` batches at a time."""
    import torch

    from lamm_model.model.parameter_parts import twin_of
    from lamm_model.towers.image_reader import picture_maps

    free = [twin_of(tower) for _ in range(abreast)]

    @torch.no_grad()
    def maps_of(batch: "Sequence[Path]") -> "Tensor":
        twin = free.pop()
        pixels = processor(batch)["pixel_values"].to(twin.device)
        maps = picture_maps(twin, pixels, list(settings.layers), settings.grid).half()
        free.append(twin)
        return maps

    batches = [paths[start : start + TOWER_BATCH] for start in range(0, len(paths), TOWER_BATCH)]
    done: list[Tensor] = []
    with ThreadPoolExecutor(abreast, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for maps in pool.map(maps_of, batches):
            done.append(maps)
            report(0, settings.steps, {"pictures": float(len(done) * TOWER_BATCH)})
    return torch.cat(done)


def _start(
    transcripts: "Sequence[Transcript]",
    book: Sequence[str],
    tower: "PreTrainedModel",
    language_model: str,
    maps: "Tensor",
    settings: ReaderSettings,
) -> "ImageReaderModel":
    """Build an untrained reader on a tower for the entries of a book."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from lamm_model.model.saving import pretrained
    from lamm_model.towers.configuration_image_reader import ImageReaderConfig
    from lamm_model.towers.image_reader import ImageReaderModel
    from lamm_model.training.tower_pretraining.transcripts import embed_book

    tokenizer = pretrained(AutoTokenizer, language_model)
    table = pretrained(AutoModelForCausalLM, language_model).get_input_embeddings().weight.detach()
    embedded = embed_book(book, tokenizer, table)
    slots = min(settings.slots, max(len(one.entries) for one in transcripts))
    pieces = dict(zip(book, (embedded != 0).any(dim=-1).sum(dim=-1).tolist(), strict=True))
    config = ImageReaderConfig(
        tower_config=tower.config,
        layers=settings.layers,
        grid=settings.grid,
        channels=maps.shape[1],
        slots=slots,
        tokens=max(sum(pieces[entry] for entry in one.entries[:slots]) for one in transcripts),
        entries=len(book),
        entry_size=embedded.shape[2],
    )
    model = ImageReaderModel(config)
    model.tower = tower
    model.book.copy_(embedded)
    model.reader.mean.copy_(maps.mean(dim=(0, 2, 3), dtype=torch.float32))
    square = torch.stack([part.float().square().mean(dim=(0, 2, 3)) for part in torch.split(maps, TOWER_BATCH)]).mean(
        dim=0
    )
    model.reader.deviation.copy_((square - model.reader.mean.square()).clamp(min=1e-6).sqrt())
    return model


def _targets(transcripts: "Sequence[Transcript]", book: Sequence[str], slots: int) -> "Tensor":
    """Number the entries of every picture, `[pictures, slots]`, blank (0) where it has no more."""
    import torch

    numbered = {entry: number for number, entry in enumerate(book)}
    targets = torch.zeros(len(transcripts), slots, dtype=torch.long)
    for row, one in zip(targets, transcripts, strict=True):
        entries = [numbered[entry] for entry in one.entries[:slots]]
        row[: len(entries)] = torch.tensor(entries)
    return targets


def _train(
    reader: "Reader", maps: "Tensor", targets: "Tensor", settings: ReaderSettings, abreast: int, report: Report
) -> dict[str, float]:
    """Train a reader on the maps of all pictures; return the last loss and how the last tenth of the steps went."""
    import torch

    from lamm_model.towers.image_reader import WHOLE
    from lamm_model.training.step.acceleration import SideBySide
    from lamm_model.training.tower_pretraining.transcripts import NUMBERS

    soft = _soft_targets(reader.choice.out_features).to(maps.device)
    optimiser = torch.optim.AdamW(reader.parameters(), lr=settings.learning_rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=settings.steps, pct_start=0.1
    )
    generator = torch.Generator().manual_seed(settings.seed)
    order, seen = torch.empty(0, dtype=torch.long), []
    reader.train()

    def loss_of(reader: "Reader", part: "_Part") -> "Tensor":
        scores = reader(part.maps, part.kept)
        losses = -(soft[part.wanted] * scores.log_softmax(-1)).sum(-1) * part.weights
        if part.watched:
            chosen = scores.argmax(-1)
            number, word = (part.wanted > 0) & (part.wanted <= len(NUMBERS)), part.wanted > len(NUMBERS)
            right, apart = (chosen == part.wanted)[word].float(), (chosen - part.wanted)[number].abs().float()
            seen.append((right, apart))
        total: Tensor = losses.sum()
        return total

    twins = [reader] * min(abreast, -(-settings.batch // PART))  # a pass leaves no state in it
    with closing(SideBySide(reader.parameters(), twins, loss_of)) as pool:
        for step in range(1, settings.steps + 1):
            if len(order) < settings.batch:
                order = torch.cat([order, torch.randperm(len(maps), generator=generator)])
            rows, order = order[: settings.batch].to(maps.device), order[settings.batch :]
            wanted = targets[rows]
            weights = torch.where(wanted > 0, 1.0, BLANK_WEIGHT)
            by_picture = weights / weights.sum(1, keepdim=True) / len(rows)  # so that short transcripts count too
            weights = (weights / weights.sum() + by_picture) / 2
            kept = torch.empty(len(rows), WHOLE).bernoulli_(1 - DROPOUT, generator=generator) / (1 - DROPOUT)
            watched = step > settings.steps * 0.9
            optimiser.zero_grad()
            pool.begin(
                _Part(maps[rows[at]], wanted[at], weights[at], kept[at].to(maps.device), watched)
                for at in torch.split(torch.arange(len(rows)), PART)
            )
            loss = sum(pool.finish().item() for _ in range(len(pool.begun)))
            torch.nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            report(step, settings.steps, {"loss": loss})
    right, apart = (torch.cat(part) for part in zip(*seen, strict=True))
    return {
        "loss": loss,
        "words": right.mean().item() if len(right) else 1.0,
        "numbers": apart.mean().item() if len(apart) else 0.0,
    }


class _Part(NamedTuple):
    """A part of a step's pictures: maps, wanted entries, the weights of their losses, the dropout, is it watched."""

    maps: "Tensor"
    wanted: "Tensor"
    weights: "Tensor"
    kept: "Tensor"
    watched: bool


def _soft_targets(entries: int) -> "Tensor":
    """Return what each entry is taught as, `[entries, entries]`: itself; a number also as its neighbours."""
    import torch

    from lamm_model.training.tower_pretraining.transcripts import NUMBERS

    soft = torch.eye(entries)
    values = torch.arange(len(NUMBERS))
    near = torch.exp(-0.5 * ((values[:, None] - values) / NEAR).square())
    soft[1 : len(NUMBERS) + 1, 1 : len(NUMBERS) + 1] = near / near.sum(dim=1, keepdim=True)
    return soft


@click.command("pretrain-reader")
@click.option("--source", required=True, help="Source of annotated pictures (`lamm data sources`).")
@click.option("--root", type=click.Path(path_type=Path), required=True, help="Its folder.")
@click.option("--split", default="", help="Its split; that for training when left out.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Folder of the reader.")
@click.option("--image-tower", default="embedded", show_default=True, help="Vision tower: folder, hub name, embedded.")
@click.option("--language-model", default="embedded", show_default=True, help="Whose embeddings it speaks; likewise.")
@click.option("--layers", default="3,5", show_default=True, help="Maps of the tower that are read.")
@click.option("--steps", type=click.IntRange(min=1), default=600, show_default=True, help="Steps of 32 pictures.")
@click.option("--slots", type=click.IntRange(min=1), default=64, show_default=True, help="Most tokens of a picture.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of weights and order.")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
@writes_alone("output")
def pretrain_reader_command(
    source: str,
    root: Path,
    split: str,
    output: Path,
    image_tower: str,
    language_model: str,
    layers: str,
    steps: int,
    slots: int,
    seed: int,
    as_json: bool,
) -> None:
    """Pre-train an image reader on the annotations of a source's pictures.

    The reader says what a picture shows in the embeddings of the language model that it is made for. Give its folder as
    `model.image_tower` to `lamm model finetune`. A folder that is there is left alone.
    """
    if output.exists():
        click.echo(f"{output} is there already; nothing was done.", err=as_json)
        return

    try:
        chosen = tuple(int(layer) for layer in layers.split(","))
    except ValueError as fault:
        raise click.BadParameter(f"Expected whole numbers with commas between, got {layers!r}.") from fault
    distributed.reuse_memory()
    with shown_progress("computing the image tower's maps", "training the image reader") as report:
        from transformers import AutoTokenizer

        from lamm_model.building.building import resolve_base
        from lamm_model.model.saving import pretrained
        from lamm_model.training.tower_pretraining.transcripts import read_transcripts

        parts = resolve_base({"language_model": language_model, "image_tower": image_tower})
        numbers = pretrain_reader(
            read_transcripts(source, root, pretrained(AutoTokenizer, str(parts["language_model"])), split),
            str(parts["image_tower"]),
            str(parts["language_model"]),
            output,
            ReaderSettings(steps=steps, slots=slots, layers=chosen, seed=seed),
            report,
        )
    if as_json:
        import json

        click.echo(json.dumps(numbers))
    else:
        click.echo(
            f"{numbers['pictures']} pictures read into {numbers['slots']} tokens out of {numbers['entries']} entries, "
            f"{numbers['steps']} steps; in the last ones {numbers['words']:.1%} of the words right, numbers "
            f"{numbers['numbers']:.1f} % of a side apart. The reader is in {output}."
        )
