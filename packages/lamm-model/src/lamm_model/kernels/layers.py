"""Set abstraction: ball groups through two shared layers and a maximum, without the grouped tensor."""

import torch
from torch import Tensor

from lamm_model.kernels.checks import KernelInputError, check_alike, check_index
from lamm_model.kernels.pooling import pool_groups

Layer = tuple[Tensor, Tensor | None]


def fold_norm(layer: Layer, norm: torch.nn.BatchNorm1d | torch.nn.BatchNorm2d) -> Layer:
    """Fold a batch normalisation that uses its running statistics into the linear layer before it.

    Args:
        layer: Weight `[H, C]` and bias `[H]` or None.
        norm: The normalisation of the H outputs, in eval mode.

    Returns:
        Weight and bias of the one linear layer that does both. Differentiable.

    Raises:
        KernelInputError: The normalisation uses the statistics of its batch: there is nothing fixed to fold.
    """
    if norm.training or norm.running_mean is None or norm.running_var is None:
        raise KernelInputError(
            "Expected a batch normalisation in eval mode with running statistics, got one that uses its batch's. "
            "Call .eval() first, or group and normalise in separate steps."
        )
    weight, bias = layer
    scale = (norm.running_var + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight
    shift = -norm.running_mean * scale if bias is None else (bias - norm.running_mean) * scale
    if norm.bias is not None:
        shift = shift + norm.bias
    return weight * scale[:, None], shift


def set_abstraction(
    points: Tensor,
    centres: Tensor,
    index: Tensor,
    first: Layer,
    second: Layer,
    features: Tensor | None = None,
    radius: float = 1.0,
    counts: Tensor | None = None,
    absolute: Tensor | None = None,
    implementation: str | None = None,
    validate: bool = True,
) -> Tensor:
    """Encode each group: `relu(max over k of second(relu(first([(points[j] - centre) / radius, features[j]]))))`.

    The first layer is linear, so it is applied once a point and once a centre and the two results are subtracted; this
    happens in float32 (or float64), because it cancels. The maximum ignores repeated members, so padding is skipped.
    Normalisations belong folded into the layers, see `fold_norm`.

    Args:
        points: `[B, N, 3]`.
        centres: `[B, M, 3]`.
        index: int64 or int32 `[B, M, k]`, usually from `ball_query`.
        first: Weight `[H, 3 + C]` and bias `[H]` or None.
        second: Weight `[O, H]` and bias `[O]` or None. Its dtype is the dtype of the matrix product and of the result.
        features: `[B, N, C]` or None (C = 0).
        radius: Divides the offsets from the centre; 1 leaves them as they are.
        counts: `[B, M]`, the slots of each centre that are no padding (`ball_query(..., return_counts=True)`). Slots
            from there on must repeat the first. Default: none is known to be padding.
        absolute: Weight `[H, 3]` of further columns of the first layer, which see the centre's own position (not
            divided by the radius), or None.
        implementation: "triton", "numba" or "reference"; default: the best that can run.
        validate: Check the index on a GPU too, which waits for the device; on the CPU it always is.

    Returns:
        `[B, M, O]`. Differentiable in every floating input; the gradient of a maximum goes to the first slot that
        attains it.

    Raises:
        KernelInputError: Shapes, dtypes or devices do not fit, or an index is out of range.
        UsageError: An implementation that cannot run here.
    """
    checked = check_index(index, 3, points)
    if checked.shape[2] == 0:
        raise KernelInputError("Expected groups of at least one member, got an index with none. Ask for k >= 1.")
    inputs = points / radius
    if features is not None:
        check_alike("features", features, points)
        inputs = torch.cat([inputs, features.to(points.dtype)], -1)
    check_alike("centres", centres, points)
    weight, bias = first
    if weight.shape[1] != inputs.shape[2] or second[0].shape[1] != weight.shape[0]:
        raise KernelInputError(
            f"Expected layers that fit 3 + C = {inputs.shape[2]} inputs, got {list(weight.shape)} then "
            f"{list(second[0].shape)}. The first takes offset and features, the second the first's outputs."
        )
    wide = torch.promote_types(weight.dtype, torch.float32)
    lifted = torch.nn.functional.linear(inputs.to(wide), weight.to(wide), None if bias is None else bias.to(wide))
    offsets = torch.nn.functional.linear((centres / radius).to(wide), weight[:, :3].to(wide))
    if absolute is not None:
        offsets = offsets - torch.nn.functional.linear(centres.to(wide), absolute.to(wide))
    known = torch.full(checked.shape[:2], checked.shape[2], device=index.device) if counts is None else counts.long()
    shift = second[0].new_zeros(second[0].shape[0]) if second[1] is None else second[1]
    name = implementation or "auto"
    pooled: Tensor = pool_groups(lifted, offsets, checked, known, second[0], shift, name, validate)
    return pooled.relu()
