"""An image tower that reads: it says what a picture shows in the language model's own embeddings.

A frozen vision tower's maps, fine and coarse, and the picture itself are brought to one grid of cells. Learned queries,
one for each slot, look at the cells, and each chooses an entry of a book: a word ("heart"), a phrase ("left knee"), or
a number ("0.42", a share of the picture's side). What goes on to the language model are the entries' embeddings, one
after another: a picture arrives as a short text, which the language model knows how to read.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModel, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from lamm_model.towers.configuration_image_reader import HEADS, ImageReaderConfig
from lamm_model.towers.efficientnet_lite import EfficientNetLiteModel

FEATURE_LIMIT = 6.0  # deviations at which standardised features are cut
PIXELS = 4  # a cell has PIXELS x PIXELS mean colours
WHOLE = 256  # values in which all cells together are seen
PIECES = 6  # most tokens of an entry


def picture_maps(tower: nn.Module, pixel_values: Tensor, layers: list[int], grid: int) -> Tensor:
    """Run a vision tower and bring what it makes of pictures to one grid.

    Args:
        tower: An EfficientNet-Lite, or any vision tower with hidden states: maps, or square patch grids with class and
            register tokens first.
        pixel_values: `[n, 3, H, W]`, normalised for it.
        layers: As `ImageReaderConfig.layers`.
        grid: Cells per side.

    Returns:
        `[n, channels, grid, grid]`: mean colours, then the layers in order. Of a map that is a multiple as fine every
        value stays; others are averaged, or repeated.
    """
    if isinstance(tower, EfficientNetLiteModel):
        states = tower.feature_maps(pixel_values, max(layers))
    else:
        states = tower(pixel_values=pixel_values, output_hidden_states=True).hidden_states
    colours = F.adaptive_avg_pool2d(pixel_values, grid * PIXELS)
    return torch.cat([_on_grid(state, grid) for state in (colours, *(_as_map(states[at]) for at in layers))], dim=1)


def _as_map(state: Tensor) -> Tensor:
    """Lay tokens `[n, T, C]` out as `[n, C, side, side]`, without those that precede the patches."""
    if state.ndim == 4:
        return state
    side = int(state.shape[1] ** 0.5)
    return state[:, state.shape[1] - side * side :].transpose(1, 2).reshape(len(state), -1, side, side)


def _on_grid(state: Tensor, grid: int) -> Tensor:
    times, rest = divmod(state.shape[-1], grid)
    if times >= 1 and not rest:
        return F.pixel_unshuffle(state, times)
    return F.interpolate(state, (grid, grid), mode="nearest") if times < 1 else F.adaptive_avg_pool2d(state, grid)


class _Mixing(nn.Module):
    """Let each cell see its neighbours (5 x 5, depthwise), then itself."""

    def __init__(self, width: int, grid: int) -> None:
        super().__init__()
        self.grid = grid
        self.neighbours = nn.Conv2d(width, width, 5, padding=2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, cells: Tensor) -> Tensor:
        """Map `[n, grid * grid, width]` to the same."""
        count, _, width = cells.shape
        seen = self.neighbours(cells.transpose(1, 2).reshape(count, width, self.grid, self.grid))
        mixed: Tensor = cells + self.mlp(self.norm(seen.flatten(2).transpose(1, 2)))
        return mixed


class _Looking(nn.Module):
    """Let slots see each other, then the cells, then themselves."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.own = nn.Linear(width, 3 * width)
        self.own_out = nn.Linear(width, width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, slots: Tensor, cells: Tensor) -> Tensor:
        """Map slots `[n, S, width]`, which look at cells `[n, T, width]`, to slots."""
        query, key, value = self.own(self.norms[0](slots)).chunk(3, -1)
        slots = slots + self.own_out(_attend(query, key, value))
        key, value = self.key_value(cells).chunk(2, -1)
        slots = slots + self.out(_attend(self.query(self.norms[1](slots)), key, value))
        looked: Tensor = slots + self.mlp(self.norms[2](slots))
        return looked


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attend with several heads: `[n, S, width]` to `[n, T, width]`."""
    asked, keys, values = (part.view(*part.shape[:2], HEADS, -1).transpose(1, 2) for part in (query, key, value))
    return F.scaled_dot_product_attention(asked, keys, values).transpose(1, 2).flatten(2)


class Reader(nn.Module):
    """What is trained of an image reader: from cells to a choice of entries, slot by slot."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: ImageReaderConfig) -> None:
        super().__init__()
        width, count, channels = config.reader_size, config.grid**2, config.channels
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("deviation", torch.ones(channels))
        self.inward = nn.Linear(channels, width)
        self.position = nn.Parameter(torch.zeros(count, width))
        self.mixing = _Mixing(width, config.grid)
        self.norm = nn.LayerNorm(width)
        self.queries = nn.Parameter(torch.zeros(config.slots, width))
        self.glance = nn.Linear(width, config.glance)
        self.whole = nn.Sequential(nn.Linear(config.glance * count, WHOLE), nn.GELU())
        self.placing = nn.Linear(WHOLE, config.slots * width)
        self.looking = nn.ModuleList(_Looking(width) for _ in range(2))
        self.last_norm = nn.LayerNorm(width)
        self.choice = nn.Linear(width, config.entries)

    def forward(self, maps: Tensor, kept: Tensor | None = None) -> Tensor:
        """Score the entries of each slot.

        Args:
            maps: `[n, channels, grid, grid]`.
            kept: `[n, WHOLE]`, what the values that all cells give are multiplied by in training (drawn outside, as
                threads that draw by themselves do so in no order).

        Returns:
            `[n, slots, entries]`.
        """
        cells = (maps.to(self.mean.dtype).flatten(2).transpose(1, 2) - self.mean) / self.deviation
        cells = self.inward(cells.clamp(-FEATURE_LIMIT, FEATURE_LIMIT)) + self.position
        cells = self.norm(self.mixing(cells))
        seen = self.whole(self.glance(cells).flatten(1))
        first = self.placing(seen if kept is None else seen * kept)
        slots = self.queries + first.view(-1, *self.queries.shape)
        for layer in self.looking:
            slots = layer(slots, cells)
        scores: Tensor = self.choice(self.last_norm(slots))
        return scores


class ImageReaderModel(PreTrainedModel):  # type: ignore[misc]
    """A vision tower and a reader on it; trained by `lamm model pretrain-reader`, used as any image tower.

    Input is what the vision tower takes. Output is `[n, tokens, entry_size]`, each token a piece of an entry.
    """

    config_class = ImageReaderConfig
    base_model_prefix = "reader"
    main_input_name = "pixel_values"
    input_modalities = ("image",)
    config: ImageReaderConfig
    book: Tensor

    def __init__(self, config: ImageReaderConfig) -> None:
        super().__init__(config)
        self.tower = AutoModel.from_config(config.tower_config)
        self.reader = Reader(config)
        self.register_buffer("book", torch.zeros(config.entries, PIECES, config.entry_size))
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Conv2d | nn.LayerNorm):
            module.reset_parameters()
        if isinstance(module, Reader):
            module.mean.zero_()
            module.deviation.fill_(1.0)
            nn.init.normal_(module.position, std=0.5)
            nn.init.normal_(module.queries, std=0.5)
        if module is self:
            self.book.zero_()

    def forward(self, pixel_values: Tensor, **kwargs: Any) -> BaseModelOutput:
        """Read pictures.

        Args:
            pixel_values: `[n, 3, H, W]`, normalised for the vision tower.
            **kwargs: Ignored; accepted because every vision tower is called with them.

        Returns:
            Output whose `last_hidden_state` is `[n, tokens, entry_size]`.
        """
        maps = picture_maps(self.tower, pixel_values, self.config.layers, self.config.grid)
        return BaseModelOutput(last_hidden_state=self.speak(self.reader(maps).argmax(-1)))

    def speak(self, chosen: Tensor) -> Tensor:
        """Turn the chosen entries, `[n, slots]`, into their pieces, then blanks: `[n, tokens, entry_size]`."""
        pieces = self.book[chosen].flatten(1, 2)
        blank = (pieces == 0).all(dim=-1)
        order = blank.to(torch.uint8).argsort(dim=1, stable=True)[:, : self.config.tokens]
        return pieces.gather(1, order[..., None].expand(-1, -1, pieces.shape[2]))
