"""What is tried with every language model and vision tower, and the tables of it in `docs/models.md`.

    python tests/shared/model_matrix.py --write

tries everything and writes the tables; `packages/lamm-model/tests/matrix` tries it again and compares.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partialmethod
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from model_families import LANGUAGE_MODELS, VISION_TOWERS, write_language_model, write_vision_tower
from PIL import Image
from tiny_models import tiny_parts

DOCUMENT = Path(__file__).parents[2] / "docs" / "models.md"
QUESTIONS = ("What is in the picture?", "How many lamps are there? And what else?", "Is there a box?")
ANSWERS = ("A red chair and a blue table.", "There are 3 lamps.", "Yes.")
NEW = 6  # tokens of an answer


@dataclass
class Row:
    """What one row of a table is tried with."""

    language: Path
    tower: Path
    cloud: Any  # configuration of the point tower
    media: Path  # folder with pictures and clouds
    work: Path  # empty folder

    def pair(self, **settings: Any) -> Any:
        """Build a fresh model and processor."""
        from lamm_model import build_pair

        return build_pair(self.language, self.tower, self.cloud, seed=1, **settings)

    def tuned(self, **settings: Any) -> Any:
        """Build a fresh model with adapters that matter, and its processor."""
        from lamm_model import AdapterSettings, add_adapters
        from lamm_model.model.adapter_layers import lora_layers

        model, processor = self.pair(**settings)
        add_adapters(model, AdapterSettings(rank=4, dropout=0.0))
        torch.manual_seed(5)
        for layer in lora_layers(model):
            for low_rank in layer.lora_B.values():
                torch.nn.init.normal_(low_rank.weight, std=0.2)
        return model.eval(), processor

    def asked(self, processor: Any, kinds: tuple[str, ...] = ("image",), question: int = 0) -> dict[str, Any]:
        """Return the inputs of one question about media."""
        images = [self.media / f"{n}.png" for n, kind in enumerate(kinds) if kind == "image"]
        clouds = [self.media / f"{n}.npy" for n, kind in enumerate(kinds) if kind != "image"]
        marks = "".join("<image>\n" if kind == "image" else "<pcl>\n" for kind in kinds)
        turn = {"from": "human", "value": marks + QUESTIONS[question]}
        return dict(processor([turn], images=images, point_clouds=clouds))

    def dialogues(self, processor: Any) -> list[Any]:
        """Return dialogues to learn from: three about a picture, three about a cloud, one about nothing."""
        from lamm_model.training.rows.packing import Dialogue

        found = []
        for medium in (("image", "0.png"), ("point_cloud", "0.npy"), None):
            about = () if medium is None else ((medium[0], str(self.media / medium[1])),)
            for question, answer in list(zip(QUESTIONS, ANSWERS, strict=True))[: 3 if medium else 1]:
                turns = [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
                row = processor.encode_dialogue(turns, media=[kind for kind, _ in about], name="made up")
                ends = [n for n, token in enumerate(row["input_ids"]) if token in _placeholders(processor)]
                columns = (row["input_ids"], row["labels"], row["modality_ids"])
                found.append(Dialogue("made up", about, *columns, max(ends, default=-1) + 1))
        return found


def _placeholders(processor: Any) -> set[int]:
    return {processor.image_token_id, processor.point_cloud_token_id}


def _logits(model: Any, inputs: dict[str, Any]) -> torch.Tensor:
    with torch.no_grad():
        return model(**inputs, use_cache=False).logits


def _full(inputs: dict[str, Any], ids: torch.Tensor) -> dict[str, Any]:
    """Return the inputs of a prompt with an answer behind it, to compute at once."""
    own = {name: value for name, value in inputs.items() if name in ("pixel_values", "point_clouds")}
    added = ids.shape[1] - inputs["modality_ids"].shape[1]
    modalities = torch.cat([inputs["modality_ids"], inputs["modality_ids"][:, -1:].expand(-1, added)], dim=1)
    return own | {"input_ids": ids, "modality_ids": modalities, "attention_mask": torch.ones_like(ids)}


def build(row: Row) -> str:
    """The parts are put together, and on text the logits are the language model's own."""
    from transformers import AutoModelForCausalLM

    model, _ = row.pair()
    causal = AutoModelForCausalLM.from_pretrained(row.language).eval()
    ids = torch.arange(10, 22)[None]
    torch.testing.assert_close(_logits(model, {"input_ids": ids}), _logits(causal, {"input_ids": ids}))
    return "yes"


def count(row: Row) -> str:
    """Placeholders of an image are as many as the tower's features of what its processor gives."""
    model, processor = row.pair()
    inputs = row.asked(processor)
    with torch.no_grad():
        features = model.encode_images(inputs["pixel_values"])
    placeholders = int((inputs["input_ids"] == processor.image_token_id).sum())
    assert placeholders == features.shape[1] == model.config.image_tokens == processor.image_tokens
    assert features.shape[2] == model.model.image_projector.linear.in_features
    return str(placeholders)


def save(row: Row) -> str:
    """A whole model and one with adapters are saved, and loaded exactly."""
    from lamm_model import load_model, save_model

    for made, name in ((row.pair, "whole"), (row.tuned, "tuned")):
        model, processor = made()
        save_model(model, processor, row.work / name)
        again, other = load_model(row.work / name)
        inputs = row.asked(processor, ("image", "point_cloud"))
        assert torch.equal(_logits(model, inputs), _logits(again, row.asked(other, ("image", "point_cloud"))))
    return "yes"


def greedy(row: Row) -> str:
    """Greedy answers with a cache are those of whole passes."""
    model, processor = row.tuned()
    inputs = row.asked(processor)
    ids = model.generate(**inputs, max_new_tokens=NEW, do_sample=False, eos_token_id=None)
    logits = _logits(model, _full(inputs, ids))[0]
    begin = inputs["input_ids"].shape[1]
    assert ids.shape[1] == begin + NEW
    logits[:, sorted(i for i in _placeholders(processor) if i < logits.shape[1])] = -torch.inf
    for place in range(begin, begin + NEW):
        chosen = logits[place - 1, ids[0, place]]
        assert chosen >= logits[place - 1].max() - 1e-4 * logits[place - 1].abs().clamp(max=1e6).max()
    return "yes"


def beams(row: Row) -> str:
    """The score of each of two beams about three media is that of a whole pass over it."""
    model, processor = row.tuned()
    inputs = row.asked(processor, ("image", "point_cloud", "image"))
    out = model.generate(
        **inputs, max_new_tokens=NEW, num_beams=3, num_return_sequences=2, do_sample=False, eos_token_id=None,
        output_scores=True, return_dict_in_generate=True, length_penalty=0.0,
    )  # fmt: skip
    begin = inputs["input_ids"].shape[1]
    for ids, score in zip(out.sequences, out.sequences_scores, strict=True):
        whole = _logits(model, _full(inputs, ids[None]))[0].log_softmax(-1)
        own = whole[range(begin - 1, len(ids) - 1), ids[begin:]].sum()
        torch.testing.assert_close(score, own, atol=1e-3, rtol=1e-3)
    return "yes"


def padding(row: Row) -> str:
    """Rows of unlike length and media, padded on the left, are answered as alone."""
    model, processor = row.tuned()
    turns = [[{"from": "human", "value": f"{mark}\n{QUESTIONS[n]}"}] for n, mark in enumerate(("<image>", "<pcl>"))]
    together = processor(turns, images=[row.media / "0.png"], point_clouds=[row.media / "1.npy"])
    options = {"max_new_tokens": NEW, "do_sample": False, "eos_token_id": None, "output_logits": True}
    both = model.generate(**together, **options, return_dict_in_generate=True)
    alone = [
        processor([turns[0]], images=[row.media / "0.png"]), processor([turns[1]], point_clouds=[row.media / "1.npy"])
    ]  # fmt: skip
    for number, inputs in enumerate(alone):
        own = model.generate(**inputs, **options, return_dict_in_generate=True)
        assert torch.equal(both.sequences[number, -NEW:], own.sequences[0, -NEW:])
        torch.testing.assert_close(both.logits[0][number], own.logits[0][0], atol=2e-3, rtol=1e-3)
    return "yes"


def packed(row: Row) -> str:
    """In float64 the loss of packed rows is that of the dialogues alone, in every attention that is not refused."""
    model, processor = row.tuned()
    model = model.double()
    if hasattr(model, "set_experts_implementation"):
        model.set_experts_implementation("eager")  # the fast ones know no float64
    dialogues = row.dialogues(processor)
    learnt = sum(dialogue.learnt for dialogue in dialogues)
    alone = sum(_packed_loss(model, processor, [one], "none", "eager", learnt) for one in dialogues)
    proven = {packing: _proven(model, packing) for packing in ("none", "shared_prefix", "mixed")}
    assert "eager" in proven["none"]
    for packing, forms in proven.items():
        for form in forms:
            loss = _packed_loss(model, processor, dialogues, packing, form, learnt)
            assert abs(loss - alone) < 1e-5 * alone, (packing, form, loss, alone)
    return ", ".join(proven["mixed"]) or "only `none`"


def _proven(model: Any, packing: str) -> list[str]:
    """Return the attentions that compute packed rows right; the others are refused."""
    from lamm_model.errors import LammModelError
    from lamm_model.training.step.isolation import choose_proven

    forms = []
    for form in ("segments", "sdpa", "eager"):
        with suppress(LammModelError):
            forms.append(choose_proven(model, form, torch.device("cpu"), False, packing))
    return forms


def _packed_loss(model: Any, processor: Any, dialogues: Any, packing: str, form: str, learnt: int) -> float:
    from lamm_model.training.step.attention import set_attention
    from lamm_model.training.step.isolation import isolate

    set_attention(model.model.language_model, form)
    batch = _batch(processor, dialogues, packing, form)
    batch |= {name: batch[name].double() for name in ("pixel_values", "point_clouds") if name in batch}
    with torch.no_grad():
        batch = isolate(batch, form, model.config.text_config)
        return float(model(**batch, use_cache=False, num_items_in_batch=learnt).loss)


def _batch(processor: Any, dialogues: Any, packing: str, form: str) -> dict[str, Any]:
    from lamm_model.training.rows.collation import Collator, MediaLoader
    from lamm_model.training.rows.packing import pack_rows

    kind = "segments" if form == "segments" else "mask"
    batch = Collator(processor.pad_token_id, MediaLoader(processor), kind)(pack_rows(dialogues, 400, packing))
    batch.pop("facts")
    return batch


def adapters(row: Row) -> str:
    """Each token goes through its own set; a set can be merged, for a while and for good."""
    from lamm_model.checkpoints.export import merge_adapters
    from lamm_model.model.adapters import can_merge, merged_adapters

    model, processor = row.tuned()
    inputs = row.asked(processor)
    routed = _logits(model, inputs)
    other = inputs | {"modality_ids": torch.full_like(inputs["modality_ids"], 2)}
    assert not torch.allclose(routed, _logits(model, other), atol=1e-3)
    for name, wanted in (("image", routed), ("point_cloud", _logits(model, other))):
        if can_merge(model):
            with merged_adapters(model, name):
                torch.testing.assert_close(_logits(model, inputs), wanted, atol=2e-3, rtol=2e-3)
    assert torch.equal(_logits(model, inputs), routed)
    merge_adapters(model, "image")
    torch.testing.assert_close(_logits(model, inputs), routed, atol=2e-3, rtol=2e-3)
    return "yes"


def faster(row: Row) -> str:
    """Compiled layers (traced only: the compiler behind is torch's) and recomputed ones give the same gradients."""
    from lamm_model.training.step.acceleration import compile_layers
    from lamm_model.training.step.isolation import choose_proven, isolate
    from lamm_model.training.step.recomputation import recompute

    results = []
    for change in (lambda layers: None, lambda layers: recompute(layers, 2), compile_layers):
        model, processor = row.tuned()
        packing = "mixed" if _proven(model, "mixed") else "none"
        form = choose_proven(model, "auto", torch.device("cpu"), False, packing)
        batch = isolate(_batch(processor, row.dialogues(processor), packing, form), form, model.config.text_config)
        model.train()
        for module in model.modules():
            module.p = 0.0 if isinstance(module, torch.nn.Dropout) else getattr(module, "p", None)
        with patch.object(torch.nn.Module, "compile", partialmethod(torch.nn.Module.compile, backend="eager")):
            change(model.model.language_model)
        loss = model(**batch, use_cache=False).loss
        loss.backward()
        norms = [p.grad.norm() for p in model.parameters() if p.grad is not None]
        results.append((loss.detach(), torch.stack(norms)))
        torch._dynamo.reset()
    for loss, norms in results[1:]:
        torch.testing.assert_close(loss, results[0][0], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(norms, results[0][1], atol=1e-3, rtol=1e-2)
    return "yes"


def four_bits(row: Row) -> str:
    """In 4 bits the language model answers, and its adapters learn."""
    model, processor = row.tuned(quantize="4bit")
    model.train()
    ids = row.asked(processor)
    loss = model(**ids, labels=ids["input_ids"]).loss
    loss.backward()
    assert torch.isfinite(loss)
    assert any(p.grad is not None and p.grad.any() for n, p in model.named_parameters() if ".lora_" in n)
    return "yes"


Check = Callable[[Row], str]
LANGUAGE_CHECKS: dict[str, Check] = {
    "built": build, "saved": save, "greedy": greedy, "beams": beams, "left padding": padding, "packed": packed,
    "adapters": adapters, "compiled, recomputed": faster, "4 bits": four_bits,
}  # fmt: skip
TOWER_CHECKS: dict[str, Check] = {"tokens": count, "saved": save, "greedy": greedy, "beams": beams, "packed": packed}


TABLES = {"language models": (LANGUAGE_MODELS, LANGUAGE_CHECKS), "vision towers": (VISION_TOWERS, TOWER_CHECKS)}


class Workshop:
    """Makes what the rows are tried with in a folder: media, the usual parts, and the models by name."""

    def __init__(self, work: Path) -> None:
        from lamm_model import LammPointCloudConfig

        self.work, self.media = work, work / "media"
        self.media.mkdir()
        draw = np.random.default_rng(0)
        for number in range(3):
            Image.fromarray(draw.integers(0, 255, (40, 50, 3), dtype=np.uint8)).save(self.media / f"{number}.png")
            cloud = np.concatenate([draw.normal(size=(100, 3)), draw.uniform(0, 255, (100, 3))], axis=1)
            np.save(self.media / f"{number}.npy", cloud.astype(np.float32))
        self.parts = tiny_parts(work / "parts")
        stage = {"centres": 6, "radius": 1.0, "neighbours": 8, "mlp": [16, 32]}
        sizes = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 2}
        self.cloud = LammPointCloudConfig.preset("tiny", num_points=64, stages=[stage], **sizes)

    def try_row(self, table: str, name: str) -> tuple[list[str], list[str]]:
        """Try one row; return its cells, and the reasons of what is refused."""
        from lamm_model.errors import LammModelError

        folder = self.work / re.sub(r"\W", "_", name)
        language, tower = self.parts.language, self.parts.clip
        if table == "language models":
            language = write_language_model(name, folder)
        else:
            tower = write_vision_tower(name, folder)
        cells, reasons = [], []
        for number, check in enumerate(TABLES[table][1].values()):
            work = folder / f"check{number}"
            work.mkdir()
            try:
                cells.append(check(Row(language, tower, self.cloud, self.media, work)))
            except LammModelError as refused:
                cells.append("no")
                reasons.append(f"- {name}: {refused}")
        return cells, reasons


def written(table: str) -> tuple[dict[str, list[str]], list[str]]:
    """Return a table's rows and reasons as the document has them."""
    found = re.search(_BLOCK.format(table), DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    lines = found[1].strip().splitlines() if found else []
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines if line.startswith("|")][2:]
    return {row[0]: row[1:] for row in rows}, [line for line in lines if line.startswith("- ")]


_BLOCK = r"<!-- matrix: {} -->\n(.*?)<!-- end -->"


def main() -> None:
    """Try everything and print or write the tables."""
    parser = argparse.ArgumentParser(description="Try every language model and vision tower; print the tables.")
    parser.add_argument("--write", action="store_true", help=f"Write them to {DOCUMENT.name}.")
    write = parser.parse_args().write
    text = DOCUMENT.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder))
        for table, (models, checks) in TABLES.items():
            lines, reasons = [f"| | {' | '.join(checks)} |", "|---" * (len(checks) + 1) + "|"], []
            for name in models:
                cells, refused = workshop.try_row(table, name)
                lines.append(f"| {name} | {' | '.join(cells)} |")
                reasons += refused
                print(lines[-1], *refused, sep="\n", flush=True)  # noqa: T201
            block = "\n".join([*lines, "", *reasons, ""] if reasons else [*lines, ""])
            shown = f"<!-- matrix: {table} -->\n\n{block}\n<!-- end -->"
            text = re.sub(_BLOCK.format(table), lambda _, shown=shown: shown, text, flags=re.DOTALL)
    if write:
        DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
