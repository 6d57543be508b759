"""The table ``[model]``: where the model comes from and which part of it learns."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Where the model comes from: a LAMM folder, or its parts (a folder, a hub name, or ``embedded``).

    Attributes:
        path: Folder of a LAMM model to start from. Excludes the three parts.
        language_model: Folder or hub name of any ``AutoModelForCausalLM``.
        image_tower: Folder or hub name of any vision tower ``AutoModel`` reads; empty for none.
        point_cloud_tower: Name of a point-cloud tower preset (``tiny``, ``epcl``); empty for none.
        prompt_format: How dialogues become text: ``lamm`` (the paper's ``###``), ``llama2``, or ``chat`` (the language
            model's own chat template).
        system_message: Whether the system message of the record's task type precedes the dialogue.
        train: ``adapters`` and projectors (the paper), the ``projectors`` alone (stage one of LAMM 1.5), or the
            ``full`` language model with them (its stage two).
        train_point_cloud_tower: Train the point-cloud tower too (the paper keeps a pre-trained one frozen).
        jpeg_scaling: Let the JPEG decoder halve pictures that stay larger than the image tower's input: faster loading.
        quantize: Hold the frozen language model in ``4bit`` (NF4, as QLoRA) or ``8bit``; needs bitsandbytes.
        image_resize: ``squash`` pictures to a square as the paper does, or ``letterbox`` them; coordinates in the
            dialogues then move with the picture. With ``path`` the model's own way is kept.
        point_cloud_unit: What the cloud files' coordinates are in: ``m``, ``cm``, ``mm``, ``ft`` or ``in``. With
            ``path`` the model's own is kept.
    """

    path: str = ""
    language_model: str = ""
    image_tower: str = ""
    point_cloud_tower: str = ""
    prompt_format: Literal["lamm", "llama2", "chat"] = "lamm"
    system_message: bool = True
    train: Literal["adapters", "projectors", "full"] = "adapters"
    train_point_cloud_tower: bool = False
    jpeg_scaling: bool = False
    quantize: Literal["none", "8bit", "4bit"] = "none"
    image_resize: Literal["squash", "letterbox"] = "squash"
    point_cloud_unit: Literal["m", "cm", "mm", "ft", "in"] = "m"

    def faults(self) -> list[str]:
        """Return what contradicts itself."""
        found = []
        if bool(self.path) == bool(self.language_model):
            found.append("model: give either path (a LAMM folder) or language_model with its towers")
        if not self.path and not (self.image_tower or self.point_cloud_tower):
            found.append("model: language_model needs an image_tower, a point_cloud_tower, or both")
        if self.quantize != "none" and self.train == "full":
            found.append("model: a quantised language model stays frozen; train its adapters, or set quantize = 'none'")
        return found
