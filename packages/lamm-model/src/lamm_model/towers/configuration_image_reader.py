"""Configuration of the image reader: a vision tower, and what its pictures are read in."""

from __future__ import annotations

from typing import Any, ClassVar

from transformers import AutoConfig, PretrainedConfig

from lamm_model.errors import UsageError

HEADS = 4


class ImageReaderConfig(PretrainedConfig):  # type: ignore[misc]
    """Configuration of `ImageReaderModel`.

    Attributes:
        tower_config: Configuration of the vision tower below it (or its dictionary with `model_type`).
        layers: Which of the tower's maps are read, beside the picture itself: of an EfficientNet-Lite its levels, of
            any other tower its hidden states. An earlier one has finer detail, a later one more meaning.
        grid: Cells per side of the grid that the maps are brought to.
        channels: Of a cell of that grid, over all maps.
        slots: Entries that one picture is read into.
        tokens: Tokens that they are told in, at most six an entry.
        entries: Size of the book of entries.
        entry_size: Width of an entry: that of the language model's embeddings.
        reader_size: Width of the reader.
        glance: Channels of a cell that all slots see at once.
        in_embedding_space: Tokens are the language model's own embeddings; the projector is the identity.
        silent_tokens: Tokens of zeros say nothing and take no place in a prompt.
    """

    model_type = "lamm_image_reader"
    sub_configs: ClassVar[dict[str, Any]] = {"tower_config": AutoConfig}
    in_embedding_space = True
    silent_tokens = True
    patch_size = None

    tower_config: Any = None
    layers: Any = (-1,)
    grid: int = 14
    channels: int = 48
    slots: int = 32
    tokens: int = 64
    entries: int = 128
    entry_size: int = 576
    reader_size: int = 128
    glance: int = 16

    def __post_init__(self, **kwargs: Any) -> None:
        """Build the tower's configuration and check the sizes."""
        if isinstance(self.tower_config, dict):
            settings = dict(self.tower_config)
            self.tower_config = AutoConfig.for_model(settings.pop("model_type", ""), **settings)
        self.layers = [int(layer) for layer in self.layers]
        super().__post_init__(**kwargs)
        if (
            min(self.grid, self.slots, self.tokens, self.entries, self.entry_size, self.glance) < 1
            or self.reader_size % HEADS
        ):
            raise UsageError(
                f"Expected an image reader of positive sizes, its width a multiple of {HEADS}, got grid {self.grid}, "
                f"{self.slots} slots, {self.entries} entries of {self.entry_size}, width {self.reader_size}."
            )

    @property
    def hidden_size(self) -> int:
        """Channels of one token."""
        return self.entry_size
