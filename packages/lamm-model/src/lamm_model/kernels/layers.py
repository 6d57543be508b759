"""Set abstraction: ball groups through two shared layers and a maximum, without the grouped tensor."""

import torch
from torch import Tensor

from lamm_model.kernels.checks import KernelInputError, check_alike, check_floating, check_index
from lamm_model.kernels.ops import pool_groups

Layer = tuple[Tensor, Tensor | None]


def fold_norm(layer: Layer, norm: torch.nn.BatchNorm1d | torch.nn.BatchNorm2d) -> Layer:
    """Fold a batch normalisation that uses its running statistics into the linear layer before it.

    Args:
        layer: Weight `[H, C]` and bias `[H]` or None.
        norm: The normalisation of the H outputs, in eval mode.

    Returns:
        Weight and bias of the one linear layer that does both, in float32 (or float64): round them where the layer is
        used, not before. Differentiable.

    Raises:
        KernelInputError: The normalisation uses the statistics of its batch: there is nothing fixed to fold.
    """
    if norm.training or norm.running_mean is None or norm.running_var is None:
        raise KernelInputError(
            "Expected a batch normalisation in eval mode with running statistics, got one that uses its batch's. "
            "Call .eval() first, or group and normalise in separate steps."
        )
    weight, bias = layer
    wide = torch.promote_types(weight.dtype, torch.float32)
    mean = norm.running_mean.to(wide)
    scale = (norm.running_var.to(wide) + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight
    shift = -mean * scale if bias is None else (bias - mean) * scale
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
        attains it. Values that are not finite are not looked for: not a number stays one in its groups.

    Raises:
        KernelInputError: Shapes, dtypes or devices do not fit, or an index is out of range.
        UsageError: An implementation that cannot run here.
    """
    checked = check_index(index, 3, points)
    layers = first, second
    if not 0 < radius < float("inf"):
        raise KernelInputError(f"Expected a finite radius above 0, got {radius}. 1 leaves the offsets as they are.")
    _check_groups(points, centres, checked, features, counts)
    _check_layers(points, 0 if features is None else features.shape[2], layers, absolute)
    with torch.autocast(points.device.type, enabled=False):  # it would round what the subtraction then cancels
        lifted, offsets = _lift(points, centres, first, features, radius, absolute)
    known = torch.full(checked.shape[:2], checked.shape[2], device=index.device) if counts is None else counts.long()
    shift = second[0].new_zeros(second[0].shape[0]) if second[1] is None else second[1].to(second[0].dtype)
    name = implementation or "auto"
    pooled: Tensor = pool_groups(lifted, offsets, checked, known, second[0], shift, name, validate)
    return pooled.relu()


def _lift(
    points: Tensor, centres: Tensor, first: Layer, features: Tensor | None, radius: float, absolute: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The first layer of every point `[B, N, H]` and what each centre subtracts `[B, M, H]`, at least in float32."""
    weight, bias = first
    wide = torch.promote_types(weight.dtype, torch.float32)
    inputs = points.to(wide) / radius
    if features is not None:
        inputs = torch.cat([inputs, features.to(wide)], -1)
    lifted = torch.nn.functional.linear(inputs, weight.to(wide), None if bias is None else bias.to(wide))
    offsets = torch.nn.functional.linear(centres.to(wide) / radius, weight[:, :3].to(wide))
    if absolute is not None:
        offsets = offsets - torch.nn.functional.linear(centres.to(wide), absolute.to(wide))
    return lifted, offsets


def _check_groups(
    points: Tensor, centres: Tensor, index: Tensor, features: Tensor | None, counts: Tensor | None
) -> None:
    batch, size = points.shape[:2]
    groups, slots = index.shape[1:]
    if slots == 0:
        raise KernelInputError("Expected groups of at least one member, got an index with none. Ask for k >= 1.")
    wanted = {
        "points": (points, (batch, size, 3)),
        "centres": (centres, (batch, groups, 3)),
        "features": (features, (batch, size, -1)),
        "counts": (counts, (batch, groups)),
    }
    for name, (tensor, shape) in wanted.items():
        if tensor is None:
            continue
        found = tuple(tensor.shape)
        if len(found) != len(shape) or any(want not in (-1, got) for want, got in zip(shape, found, strict=True)):
            raise KernelInputError(
                f"Expected {name} of shape {list(shape)}, got {list(found)}. Points and features need a row for each "
                "point, centres and counts one for each group of the index."
            )
        check_alike(name, tensor, points)
        if name == "counts":
            if tensor.is_floating_point() or tensor.dtype == torch.bool:
                raise KernelInputError(f"Expected counts of integers, got {tensor.dtype}. Convert with .long().")
        else:
            check_floating(name, tensor)


def _check_layers(points: Tensor, channels: int, layers: tuple[Layer, Layer], absolute: Tensor | None) -> None:
    (weight, bias), (weight2, bias2) = layers
    hidden, outputs = weight.shape[0], weight2.shape[0]
    wanted = [(weight, (hidden, 3 + channels)), (bias, (hidden,)), (weight2, (outputs, hidden)), (bias2, (outputs,))]
    for tensor, shape in [*wanted, (absolute, (hidden, 3))]:
        if tensor is None:
            continue
        if tuple(tensor.shape) != shape or not tensor.is_floating_point() or tensor.device != points.device:
            raise KernelInputError(
                f"Expected layers that fit 3 + C = {3 + channels} inputs on {points.device}, "
                f"got {list(tensor.shape)} of {tensor.dtype} on {tensor.device} where {list(shape)} belongs. "
                "The first takes offset and features, the second the first's outputs."
            )
