"""Dialogues about pictures, clouds and nothing, and a float64 model that learns them exactly."""

import pytest
import torch

from lamm_model import AdapterSettings, add_adapters
from lamm_model.training.rows.packing import Dialogue

QUESTIONS = [
    ("What is in the picture?", "A red chair."),
    ("How many lamps are there?", "There are 3 lamps, and a blue table."),
    ("Is there a box?", "Yes."),
]


@pytest.fixture
def tuned(pair, monkeypatch):
    """A float64 model with adapters whose B matrices are not zero, so that routing matters."""
    from transformers.models.llama.modeling_llama import LlamaRMSNorm

    def norm(self, x):
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)

    monkeypatch.setattr(LlamaRMSNorm, "forward", norm)  # transformers' own rounds to float32 on the way
    model, processor = pair
    add_adapters(model, AdapterSettings(rank=4, alpha=4, dropout=0.0))
    torch.manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3)
    return model.double().train(), processor


@pytest.fixture
def dialogues_about(media):
    """Build three dialogues about each of the given kinds; ``text`` is about nothing."""

    def build(processor, kinds=("image", "image", "point_cloud")):
        found = []
        for number, kind in enumerate(kinds):
            path = str(media / f"{number % 3}.{'npy' if kind == 'point_cloud' else 'png'}")
            about = () if kind == "text" else ((kind, path),)
            for question, answer in QUESTIONS:
                turns = [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
                row = processor.encode_dialogue(turns, media=[k for k, _ in about], name=f"{number}")
                placeholders = {processor.image_token_id, processor.point_cloud_token_id}
                last = max((n for n, token in enumerate(row["input_ids"]) if token in placeholders), default=-1)
                columns = (row["input_ids"], row["labels"], row["modality_ids"])
                found.append(Dialogue(f"{number}", about, *columns, last + 1))
        return found

    return build
