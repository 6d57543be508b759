"""Configuration of a point-cloud tower that tells the objects it finds."""

from __future__ import annotations

from typing import Any, ClassVar

from transformers import AutoConfig, PretrainedConfig

from lamm_model.errors import UsageError

NUMBERS = 6  # of a box: centre and size
COMMA, POINT, END, PLUS, MINUS, FIRST_PLUS, FIRST_MINUS = range(7)
PIECES = (",", ".", "];", " ", " -", " [", " [-")
"""What stands between the digits of boxes, by the names above."""
_OF_TOWER = (
    "num_points", "use_color", "use_height", "use_normal", "color_range", "missing_color", "centre", "scale", "stretch",
    "grid_size", "in_channels", "weights_licence", "weights_source",
)  # fmt: skip


class ObjectTowerConfig(PretrainedConfig):  # type: ignore[misc]
    """Configuration of `ObjectTower`: a point-cloud tower, and how the objects that its tokens find are told.

    Attributes:
        tower: Configuration of that tower.
        labels: Class names that an object may have.
        words: Words that descriptions say about some objects, such as colours.
        objects: Most objects of a cloud.
        decimals: Of the metres that boxes are told in, as the answers write them.
        whole_digits: Digits before the decimal point; longer lengths are told as the longest.
        scene_tokens: Whether the tower's own tokens stand before the objects'.
        threshold: Sureness from which on an object is told.
        look_points: Most points inside a box that its object is named by.
        look_size: Width of the layers that vote and name.
        silent_tokens: Tokens of zeros say nothing and take no place in a prompt.
    """

    model_type = "lamm_objects"
    sub_configs: ClassVar[dict[str, Any]] = {"tower": AutoConfig}
    silent_tokens = True

    tower: Any = None
    labels: Any = ()
    words: Any = ()
    objects: int = 6
    decimals: int = 1
    whole_digits: int = 1
    scene_tokens: bool = False
    threshold: float = 0.5
    look_points: int = 64
    look_size: int = 128
    initializer_range: float = 0.02

    def __post_init__(self, **kwargs: Any) -> None:
        """Build the tower's configuration and check the choices."""
        if isinstance(self.tower, dict):
            fields = dict(self.tower)
            self.tower = AutoConfig.for_model(fields.pop("model_type"), **fields)
        super().__post_init__(**kwargs)
        if self.tower is None:
            return
        frame = (getattr(self.tower, "centre", "none"), getattr(self.tower, "scale", "none"))
        if frame != ("none", "none"):
            raise UsageError(
                f"Expected a tower in the frame of the clouds' files, in which boxes are told, got centre and scale "
                f"{' and '.join(frame)}. Set both to none in its configuration."
            )
        if min(self.objects, self.whole_digits, self.look_points) < 1 or self.decimals < 0:
            raise UsageError(
                f"Expected objects, whole_digits and look_points of at least 1 and decimals of at least 0, got "
                f"{self.objects}, {self.whole_digits}, {self.look_points} and {self.decimals}."
            )

    def __getattr__(self, name: str) -> Any:
        """Take what the processor asks for from the tower's configuration."""
        if name in _OF_TOWER and self.__dict__.get("tower") is not None:
            return getattr(self.tower, name)
        raise AttributeError(name)

    @property
    def channel_words(self) -> list[str]:
        """What each channel of an object's tokens says, in order, with the space before it."""
        said = [f" {word}" for word in (*self.words, *self.labels)]
        return [*said, *map(str, range(10)), *PIECES, *(str(number + 1) for number in range(self.objects))]

    @property
    def fields(self) -> int:
        """Tokens of one object: `1 red cone [-0.6, 0.4, 0.7, 1.2, 1.2, 1.4];` as most tokenizers cut it."""
        number = 1 + self.whole_digits + bool(self.decimals) + self.decimals
        return 3 + NUMBERS * number + (NUMBERS - 1) + 1

    @property
    def num_tokens(self) -> int:
        """Tokens of a cloud."""
        return self.objects * self.fields + (int(self.tower.num_tokens) if self.scene_tokens else 0)

    @property
    def feature_size(self) -> int:
        """Channels of one token as the projector sees it: the scene's, then those of the objects."""
        return len(self.channel_words) + (int(self.tower.feature_size) if self.scene_tokens else 0)
