"""Attention within segments: every dialogue of a row sees its shared prefix and itself, and nothing else is computed.

Registered with transformers as ``lamm_segments``. On a GPU torch's own variable-length kernel
(`torch.nn.attention.varlen`, torch 2.10 or newer) does it in 16 bits; elsewhere one small product per segment does. A
call without boundaries (generation, evaluation) is ordinary scaled-dot-product attention.

Shapes: ``T`` tokens of all rows, ``H`` heads, ``G`` key heads, ``D`` per head.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from lamm_model.errors import LammModelError, UsageError

SEGMENTS = "lamm_segments"
WIDEST_HEAD, HEAD_STEP = 256, 8  # what the kernel takes: multiples of 8 values a head, 256 at most
_UNKNOWN = ("position_bias",)  # what some models' attention adds and this one does not
_DROPOUTS = ("attention_dropout", "attn_pdrop")


def register() -> None:
    """Make the implementation known to transformers; more than once does no harm."""
    AttentionInterface.register(SEGMENTS, segment_attention)
    AttentionMaskInterface.register(SEGMENTS, sdpa_mask)


def _find_kernel() -> tuple[Any, bool, bool]:
    """Return torch's variable-length attention (None before torch 2.10) and which of its options this torch knows."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None, False, False
    known = inspect.signature(varlen_attn).parameters
    return varlen_attn, "window_size" in known, "enable_gqa" in known


_KERNEL, _WINDOWED, _GROUPED = _find_kernel()


def kernel_runs(device: torch.device) -> bool:
    """Return whether the variable-length kernel runs on a device (an NVIDIA GPU of the Ampere generation or newer)."""
    if device.type != "cuda" or _KERNEL is None:
        return False
    return torch.version.hip is not None or torch.cuda.get_device_capability(device) >= (8, 0)


def kernel_takes(head_sizes: set[int]) -> bool:
    """Return whether the kernel takes heads of these sizes (of queries, keys and values): one size, not any."""
    return len(head_sizes) == 1 and all(size % HEAD_STEP == 0 and size <= WIDEST_HEAD for size in head_sizes)


def _head_sizes(config: Any) -> set[int]:
    """Return the sizes of a model's heads, as far as its configuration tells; nothing for a model without any."""
    sizes: set[Any] = {getattr(config, name, None) for name in ("qk_head_dim", "v_head_dim", "head_dim")} - {None, 0}
    heads = getattr(config, "num_attention_heads", 0)
    return sizes or ({config.hidden_size // heads} if heads else set())


def candidates(wanted: str, language_model: Any, device: torch.device, half: bool) -> list[str]:
    """Return the implementations for training to try, the best first.

    Args:
        wanted: ``auto``, or the only one.
        language_model: A transformers model without its head.
        device: Where it trains.
        half: Whether it computes in 16 bits.

    Returns:
        Of ``segments``, ``sdpa`` and ``eager``.

    Raises:
        UsageError: Segments are wanted of a model whose attention needs more than they offer.
    """
    config = language_model.config
    dropout = any(getattr(config, name, 0.0) for name in _DROPOUTS)
    if wanted == "segments" and dropout:
        raise UsageError(
            f"Expected a language model without attention dropout for compute.attention = 'segments', "
            f"got {config.model_type} with it. Choose 'sdpa' or 'eager'."
        )
    if wanted != "auto":
        return [wanted]
    by_kernel = half and kernel_runs(device) and kernel_takes(_head_sizes(config)) and not _softcap(config)
    tried = [] if dropout or not (device.type == "cpu" or by_kernel) else ["segments"]
    return [*tried, *(["sdpa"] if getattr(language_model, "_supports_sdpa", True) else []), "eager"]


def set_attention(language_model: Any, attention: str) -> None:
    """Set a language model to ``segments``, ``sdpa`` or ``eager``.

    Raises:
        LammModelError: transformers has no such attention for it.
    """
    register()
    try:
        language_model.set_attn_implementation(SEGMENTS if attention == "segments" else attention)
    except ValueError as fault:
        raise LammModelError(
            f"Expected {attention} attention for {language_model.config.model_type}, got "
            f"{' '.join(str(fault).split())[:120]}. Set compute.attention = 'auto'."
        ) from fault


def choose_attention(wanted: str, language_model: nn.Module, device: torch.device, half: bool) -> str:
    """Set a language model to the first of its `candidates`, unproven, and return it."""
    chosen = candidates(wanted, language_model, device, half)[0]
    set_attention(language_model, chosen)
    return chosen


def _softcap(config: Any) -> float:
    return getattr(config, "attn_logit_softcapping", None) or 0.0


def segment_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    cu_seq_lens_q: Tensor | None = None,
    cu_seq_lens_k: Tensor | None = None,
    max_length_q: int | None = None,
    max_length_k: int | None = None,
    key_index: Tensor | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attend within segments; the signature is the one of transformers' attention functions.

    Args:
        module: The attention layer.
        query: ``[1, H, T, D]``.
        key: ``[1, G, T, D]``.
        value: ``[1, G, T, D]``.
        attention_mask: Used only where there are no boundaries.
        scaling: Of the scores; ``D ** -0.5`` when None.
        dropout: Used only where there are no boundaries.
        cu_seq_lens_q: ``[segments + 1]`` int32, where each segment's queries begin.
        cu_seq_lens_k: The same for its keys.
        max_length_q: At least the longest segment's queries.
        max_length_k: At least its keys.
        key_index: ``[keys]``, the tokens that are the keys of each segment, in order; None where they are its queries'.
        sliding_window: Keys a query sees at most, itself included; None for all.
        softcap: What scores are bent below; None for none.
        s_aux: ``[H]``, the score of each head's sink, which takes weight and gives nothing; None for none.
        **kwargs: Passed on where there are no boundaries.

    Returns:
        ``[1, T, H, D]`` and None.

    Raises:
        UsageError: The model's attention has parts that are not computed here.
    """
    if cu_seq_lens_q is None or cu_seq_lens_k is None:
        options = {"scaling": scaling, "dropout": dropout, "sliding_window": sliding_window, **kwargs}
        if softcap is None and s_aux is None:
            plain: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
            return plain
        return _whole_rows(query, key, value, attention_mask, _Scores(scaling, sliding_window, softcap, s_aux)), None
    if dropout or any(kwargs.get(name) is not None for name in _UNKNOWN):
        raise UsageError("Expected attention without dropout and biases in packed rows, got one. Choose 'sdpa'.")
    scores = _Scores(scaling, sliding_window, softcap, s_aux)
    if key_index is not None:
        key, value = key[:, :, key_index], value[:, :, key_index]
    half = _half_type(query)
    sizes = {query.shape[-1], value.shape[-1]}
    kernel = softcap is None and s_aux is None and kernel_takes(sizes)
    if half is not None and kernel_runs(query.device) and kernel:
        lengths = (max_length_q or query.shape[2], max_length_k or key.shape[2])
        window = -1 if sliding_window is None else sliding_window - 1
        query, key, value = query.to(half), key.to(half), value.to(half)
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        out = _by_kernel(query, key, value, cu_seq_lens_q, cu_seq_lens_k, lengths, scale, window)
        return out[None], None
    return _one_by_one(query, key, value, cu_seq_lens_q, cu_seq_lens_k, scores), None


def _half_type(query: Tensor) -> torch.dtype | None:
    """Return the 16-bit type the pass computes in, or None."""
    kind = query.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else query.dtype
    return dtype if dtype in (torch.bfloat16, torch.float16) else None


def _by_kernel(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    starts_q: Tensor,
    starts_k: Tensor,
    lengths: tuple[int, int],
    scale: float,
    window: int,
) -> Tensor:
    copies = query.shape[1] // key.shape[1]
    options: dict[str, Any] = {"window_size": (window, 0)} if _WINDOWED else {"is_causal": True}
    if copies > 1 and _GROUPED:
        options["enable_gqa"] = True
    elif copies > 1:
        key, value = repeat_kv(key, copies), repeat_kv(value, copies)
    # Where a segment has more keys than queries, the kernel's causal mask is aligned with its end, as is wanted here.
    flat = (x[0].transpose(0, 1) for x in (query, key, value))
    out: Tensor = _KERNEL(*flat, starts_q, starts_k, *lengths, scale=scale, **options)
    return out


def _one_by_one(
    query: Tensor, key: Tensor, value: Tensor, starts_q: Tensor, starts_k: Tensor, scores: _Scores
) -> Tensor:
    copies = query.shape[1] // key.shape[1]
    if copies > 1:
        key, value = repeat_kv(key, copies), repeat_kv(value, copies)
    sizes = [starts.diff().tolist() for starts in (starts_q, starts_k, starts_k)]
    split = (torch.split(x[0], each, dim=1) for x, each in zip((query, key, value), sizes, strict=True))
    pieces = zip(*split, strict=True)
    return torch.cat([scores.attend(q, k, v) for q, k, v in pieces], dim=1).transpose(0, 1)[None]


def keep_out_of_graphs() -> None:
    """Let compiled layers call the products one by one as they are: their number and sizes change with every batch."""
    global _one_by_one
    _one_by_one = torch.compiler.disable(_one_by_one)  # type: ignore[no-untyped-call]


def _whole_rows(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scores: _Scores) -> Tensor:
    """Attend in rows ``[B, H, S, D]`` that a mask describes; ``[B, S, H, D]``."""
    copies = query.shape[1] // key.shape[1]
    if copies > 1:
        key, value = repeat_kv(key, copies), repeat_kv(value, copies)
    return scores.attend(query, key, value, None if mask is None else ~mask).transpose(1, 2)


@dataclass(frozen=True, slots=True)
class _Scores:
    """How queries and keys become weights.

    Plain products: on rows of a few hundred tokens torch's fused attention is slower on a CPU, its backward pass most.
    """

    scale: float | None
    window: int | None
    softcap: float | None
    sinks: Tensor | None  # [H]

    def attend(self, query: Tensor, key: Tensor, value: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Return ``[..., H, q, D]`` of ``[..., H, q, D]`` and ``[..., H, k, D]``; the last tokens coincide."""
        scores = query @ key.transpose(-1, -2) * (query.shape[-1] ** -0.5 if self.scale is None else self.scale)
        if self.softcap is not None:
            scores = self.softcap * torch.tanh(scores / self.softcap)
        if hidden is None:
            hidden = self._later(scores.shape[-2], scores.shape[-1], scores.device)
        scores = scores.masked_fill(hidden, torch.finfo(scores.dtype).min)
        wide = torch.promote_types(scores.dtype, torch.float32)
        if self.sinks is None:
            return scores.softmax(-1, dtype=wide).to(value.dtype) @ value
        sinks = self.sinks.reshape(-1, 1, 1).expand(*scores.shape[:-1], 1)
        weights = torch.cat([scores, sinks.to(scores.dtype)], dim=-1).softmax(-1, dtype=wide)
        return weights[..., :-1].to(value.dtype) @ value

    def _later(self, asked: int, offered: int, device: torch.device) -> Tensor:
        hidden = torch.ones(asked, offered, dtype=torch.bool, device=device).triu(offered - asked + 1)
        if self.window is not None:
            hidden |= torch.ones_like(hidden).tril(offered - asked - self.window)
        return hidden
