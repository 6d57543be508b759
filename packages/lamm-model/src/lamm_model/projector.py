"""The projector: from a tower's feature space into the language model's embedding space."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class LammProjector(nn.Module):
    """Maps tower features `[n, T, C]` into the language model's embedding space `[n, T, D]`.

    One linear layer per modality as in LAMM (arXiv 2306.06687, section 5.1), or two with GELU between (`mlp`).
    """

    def __init__(self, in_features: int, out_features: int, kind: str, norm: bool) -> None:
        super().__init__()
        self.norm = norm
        self.linear = nn.Linear(in_features, out_features)
        self.second = nn.Linear(out_features, out_features) if kind == "mlp" else None

    def forward(self, features: Tensor) -> Tensor:
        """Project `[n, T, C]` to `[n, T, D]`."""
        x: Tensor = features.to(self.linear.weight.dtype)
        if self.norm:
            x = F.layer_norm(x, x.shape[-1:])
        x = self.linear(x)
        if self.second is not None:
            x = self.second(F.gelu(x))
        return x
