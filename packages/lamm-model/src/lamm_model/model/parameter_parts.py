"""Which part of a model a parameter belongs to, by its name."""


def part_of(name: str) -> str:
    """Return which part of the model a parameter belongs to: `adapter`, `projector`, `tower` or `language`."""
    if "_projector." in name:
        return "projector"
    if "_tower." in name:
        return "tower"
    return "adapter" if ".lora_" in name else "language"


def modality_of(name: str) -> str:
    """Return which modality a parameter serves: `point_cloud`, `image` or, for all, nothing."""
    return "point_cloud" if "point_cloud" in name else "image" if "image" in name else ""
