"""A point-cloud tower that finds objects and tells each in words and digits, which a language model has read before."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModel, PreTrainedModel

from lamm_model.towers.configuration_objects import (
    COMMA,
    END,
    FIRST_PLUS,
    MINUS,
    PIECES,
    PLUS,
    POINT,
    ObjectTowerConfig,
)
from lamm_model.towers.tokens import PointCloudTokens

_SAME = 0.15  # votes whose boxes overlap more are about one object
_BOX_WEIGHT = 10.0  # of the loss of centres and sizes, which are fractions of a metre
_HEARD = 0.3  # sureness from which on a vote shapes the box that a surer one began


class Votes(NamedTuple):
    """What each token says about the object that it lies on."""

    sureness: Tensor  # [n, T], logits that it lies on one
    boxes: Tensor  # [n, T, 6]: centre and size, in the unit of the tower's input


class Objects(NamedTuple):
    """The objects of each cloud, the largest first."""

    boxes: Tensor  # [n, O, 6]: centre and size, in the unit of the tower's input
    present: Tensor  # [n, O] bool


class Truth(NamedTuple):
    """The objects of each cloud; where a cloud has fewer, the label is -1."""

    boxes: Tensor  # [n, O, 6]: centre and size, in the unit of the tower's input
    labels: Tensor  # [n, O]
    words: Tensor  # [n, O, W] of 0 and 1
    described: Tensor  # [n, O] bool

    def of(self, rows: Tensor, device: torch.device) -> Truth:
        """Return the objects of some of the clouds."""
        return Truth(*(part[rows].to(device) for part in self))

    def owners(self, positions: Tensor) -> Tensor:
        """Return which object each position `[n, T, 3]` lies in (the one it is deepest in), -1 for none: `[n, T]`."""
        inward = (positions[:, :, None] - self.boxes[:, None, :, :3]).abs() / self.boxes[:, None, :, 3:].clamp(min=1e-3)
        depth = inward.amax(dim=-1).masked_fill(self.labels[:, None] < 0, torch.inf)
        nearest, owner = depth.min(dim=-1)
        return torch.where(nearest <= 0.6, owner, -1)

    def shaken(self, generator: torch.Generator) -> Tensor:
        """Return the boxes, moved by up to a twentieth and resized by up to a tenth, as a vote may be."""
        noise = torch.rand(self.boxes.shape, generator=generator).to(self.boxes.device) * 2 - 1
        size = self.boxes[..., 3:] * (1 + 0.1 * noise[..., 3:])
        return torch.cat([self.boxes[..., :3] + 0.05 * size * noise[..., :3], size], dim=-1)


class ObjectTower(PreTrainedModel):  # type: ignore[misc]
    """Wraps a point-cloud tower: its tokens vote for boxes, and the points in a box say what stands there.

    Each token votes as in VoteNet and FCOS: whether it lies on an object, that object's centre (from where the token
    is) and size. Votes for one box are averaged. The points within a box, in its own frame, then choose among the class
    names and words (as a frustum PointNet does). An object leaves as `fields` tokens, whose channels are words and
    digits: a projector that starts from the language model's embeddings of these says them in its own language.
    """

    config_class = ObjectTowerConfig
    base_model_prefix = "objects"
    main_input_name = "point_clouds"
    config: ObjectTowerConfig

    def __init__(self, config: ObjectTowerConfig) -> None:
        super().__init__(config)
        self.tower = AutoModel.from_config(config.tower)
        width = config.look_size
        self.vote = nn.Sequential(nn.Linear(config.tower.feature_size, width), nn.GELU(), nn.Linear(width, 7))
        self.look = nn.Sequential(
            nn.Linear(3 + config.in_channels, width // 2), nn.GELU(), nn.Linear(width // 2, width)
        )
        self.name = nn.Sequential(
            nn.LayerNorm(width), nn.GELU(), nn.Linear(width, len(config.labels) + len(config.words))
        )
        self.post_init()

    def forward(self, point_clouds: Tensor, **kwargs: Any) -> PointCloudTokens:
        """Encode clouds `[n, N, in_channels]`: `num_tokens` tokens a cloud, and where they are."""
        seen = self.tower(point_clouds)
        found = self.gather_votes(self.votes(seen))
        names = self.names(point_clouds, found.boxes)
        tokens = self.tell(found, names)
        places = found.boxes[..., :3].repeat_interleave(self.config.fields, dim=1)
        if self.config.scene_tokens:
            own = tokens.shape[-1]
            scene = F.pad(seen.last_hidden_state, (0, own)).to(tokens.dtype)
            tokens = torch.cat([scene, F.pad(tokens, (scene.shape[-1] - own, 0))], dim=1)
            places = torch.cat([seen.positions, places], dim=1)
        return PointCloudTokens(last_hidden_state=tokens, positions=places)

    def votes(self, seen: PointCloudTokens) -> Votes:
        """Let tokens vote."""
        said = self.vote(seen.last_hidden_state).float()
        return Votes(
            said[..., 0], torch.cat([seen.positions + said[..., 1:4], said[..., 4:].clamp(-5, 5).exp()], dim=-1)
        )

    @torch.no_grad()
    def gather_votes(self, votes: Votes) -> Objects:
        """Average the votes for one box, from the surest on."""
        sureness, boxes = votes.sureness.sigmoid(), votes.boxes
        same = overlap(boxes[:, :, None], boxes[:, None]) > _SAME
        left, found, present = sureness.clone(), [], []
        rows = torch.arange(len(boxes), device=boxes.device)
        for _ in range(self.config.objects):
            best, index = left.max(dim=1)
            near = same[rows, index] & (sureness >= _HEARD) & (left > 0)
            near[rows, index] = True
            weights = sureness * near
            found.append((weights[..., None] * boxes).sum(dim=1) / weights.sum(dim=1)[:, None])
            present.append(best >= self.config.threshold)
            left = left.masked_fill(near, 0.0)
        stacked, there = torch.stack(found, dim=1), torch.stack(present, dim=1)
        order = (stacked[..., 3:].prod(dim=-1) * there).argsort(dim=1, descending=True, stable=True)
        return Objects(stacked.gather(1, order[..., None].expand_as(stacked)), there.gather(1, order))

    def names(self, point_clouds: Tensor, boxes: Tensor) -> Tensor:
        """Name what is in boxes.

        Args:
            point_clouds: `[n, N, in_channels]`.
            boxes: `[n, O, 6]`.

        Returns:
            Logits `[n, O, labels + words]`.
        """
        half = boxes[:, :, None, 3:].clamp(min=1e-3) * 0.55
        offsets = point_clouds[:, None, :, :3] - boxes[:, :, None, :3]
        inside = (offsets.abs() <= half).all(dim=-1)
        count = min(self.config.look_points, inside.shape[-1])
        order = torch.arange(inside.shape[-1], device=boxes.device)
        first, index = torch.where(inside, -order, -inside.shape[-1]).topk(count)
        points = point_clouds[:, None].expand(-1, boxes.shape[1], -1, -1)
        points = points.gather(2, index[..., None].expand(-1, -1, -1, points.shape[-1]))
        place = (points[..., :3] - boxes[:, :, None, :3]) / half
        seen = torch.cat([place, points[..., 3:], boxes[:, :, None, 3:].expand_as(place)], dim=-1)
        present = (first > -inside.shape[-1])[..., None]
        dtype = next(self.look.parameters()).dtype
        looked = self.look(seen.masked_fill(~present, 0.0).to(dtype)).masked_fill(~present, -30.0).amax(dim=2)
        logits: Tensor = self.name(looked)
        return logits

    def tell(self, found: Objects, names: Tensor) -> Tensor:
        """Write objects as tokens, `1 red cone [-0.6, 0.4, ...];`, all zeros where there is none.

        Args:
            found: What was found.
            names: Logits `[n, O, labels + words]`.

        Returns:
            `[n, O * fields, channels]`: at a word and a class name the shares of each, else one channel of a token.
        """
        config = self.config
        labels, words = len(config.labels), len(config.words)
        number = torch.arange(found.present.shape[1], device=names.device) + words + labels + 10 + len(PIECES)
        blank = torch.full((*found.present.shape, 1), -1, device=names.device)
        spelt = self._spell(found.boxes, words + labels)
        channels = torch.cat([number.expand_as(found.present)[..., None], blank, blank, spelt], dim=-1)
        size = len(config.channel_words)
        table = F.one_hot(channels.clamp(min=0), size).float() * (channels >= 0)[..., None]
        table[:, :, 1, :words] = (2 * names[..., labels:].float().sigmoid() - 1).clamp(min=0)
        table[:, :, 2, words : words + labels] = names[..., :labels].float().softmax(dim=-1)
        return (table * found.present[..., None, None]).flatten(1, 2).to(names.dtype)

    def _spell(self, boxes: Tensor, digit: int) -> Tensor:
        """Choose the channels of boxes' text, `[n, O, fields - 3]`, of which `digit` means 0; -1 where none."""
        config, piece = self.config, digit + 10
        unit = 10**config.decimals
        places = config.whole_digits + config.decimals
        values = (boxes / float(getattr(config.tower, "stretch", 1.0)) * unit).round().long()
        scales = 10 ** torch.arange(places - 1, -1, -1, device=boxes.device)
        lengths = values.abs().clamp(max=10**places - 1)[..., None]
        digits = (digit + lengths // scales % 10).masked_fill((lengths < scales) & (scales > unit), -1)
        signs = torch.where(values < 0, piece + MINUS, piece + PLUS)
        signs[..., 0] += FIRST_PLUS - PLUS
        point, comma, end = (torch.full_like(signs[..., :1], piece + which) for which in (POINT, COMMA, END))
        parts = []
        for k in range(boxes.shape[-1]):
            whole, rest = digits[..., k, : config.whole_digits], digits[..., k, config.whole_digits :]
            parts += [
                *([comma] if k else []),
                signs[..., k : k + 1],
                whole,
                *([point, rest] if config.decimals else []),
            ]
        return torch.cat([*parts, end], dim=-1)

    def loss(self, point_clouds: Tensor, truth: Truth, generator: torch.Generator) -> tuple[Tensor, int, int]:
        """Return the loss over clouds, how many objects were named rightly in their own boxes, and of how many.

        Args:
            point_clouds: `[n, N, in_channels]`.
            truth: Their objects.
            generator: Source of the boxes' shaking.
        """
        seen = self.tower(point_clouds)
        votes, owner = self.votes(seen), truth.owners(seen.positions)
        on = owner >= 0
        wanted = truth.boxes.gather(1, owner.clamp(min=0)[..., None].expand(-1, -1, 6))[on]
        voted = votes.boxes[on]
        loss = F.binary_cross_entropy_with_logits(votes.sureness, on.float())
        if on.any():
            centres = F.smooth_l1_loss(voted[:, :3], wanted[:, :3], beta=0.1)
            loss = loss + _BOX_WEIGHT * (centres + F.smooth_l1_loss(voted[:, 3:].log(), wanted[:, 3:].log(), beta=0.1))
        there = truth.labels >= 0
        if not there.any():
            return loss, 0, 0
        names, labels = self.names(point_clouds, truth.shaken(generator))[there].float(), len(self.config.labels)
        loss = loss + F.cross_entropy(names[:, :labels], truth.labels[there])
        told = truth.described[there]
        if self.config.words and told.any():
            heard = F.binary_cross_entropy_with_logits(names[told, labels:], truth.words[there][told])
            loss = loss + len(self.config.words) ** 0.5 * heard
        right = int((names[:, :labels].argmax(dim=-1) == truth.labels[there]).sum())
        return loss, right, int(there.sum())


def overlap(a: Tensor, b: Tensor) -> Tensor:
    """Return the intersection over union of boxes `[..., 6]` along the axes: `[...]`."""
    low = torch.maximum(a[..., :3] - a[..., 3:] / 2, b[..., :3] - b[..., 3:] / 2)
    high = torch.minimum(a[..., :3] + a[..., 3:] / 2, b[..., :3] + b[..., 3:] / 2)
    shared = (high - low).clamp(min=0).prod(dim=-1)
    return shared / (a[..., 3:].prod(dim=-1) + b[..., 3:].prod(dim=-1) - shared).clamp(min=1e-9)
