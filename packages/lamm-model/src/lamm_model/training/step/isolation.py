"""Dialogues of one row must not see each other: turn a layout into what the model's attention wants, and prove it.

transformers isolates packed rows on its own only while no mask is given, positions restart, and no cache is in use;
otherwise it mixes the dialogues of a row without a word (measured: logits off by 0.4), and a mask that is given takes
the place of the model's own: its sliding window or chunks would be gone. Here the model never gets to guess: every
packed batch carries four-dimensional masks or the boundaries of its segments, a batch without either is refused, and
`prove_isolation` tries it on the very model that is trained, whatever its layers are.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers.masking_utils import create_masks_for_generate

from lamm_model.errors import LammModelError
from lamm_model.training.rows.collation import lay_out, visible
from lamm_model.training.rows.packing import Dialogue, Group, Row, pack_rows
from lamm_model.training.step.attention import candidates, set_attention

SHARED, FIRST, SECOND, THIRD = 4, 13, 11, 9  # tokens of the proof: a shared prefix, and three dialogues
NARROW = 5  # windows and chunks of the proof: shorter than its dialogues, so that they matter
LEAK_8BIT = 1e-1  # LLM.int8 chooses its 16-bit columns by all tokens at hand: neighbours move its rounding
LEAK = 1e-2  # of the hidden states' scale: far above bfloat16's rounding, far below what a leak does
# What half of the tokens may differ by from the model's own computation of each dialogue alone. The median: near ties
# of a mixture of experts flip on rounding, a wrong pattern moves nearly every token.
APART = {torch.float64: 1e-6, torch.float32: 1e-3}
APART_16BIT, APART_8BIT = 5e-2, 2e-1
_WINDOWS = ("sliding_window", "attention_chunk_size", "window_size")
_FAULTS = (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError)  # of a mask in a form unknown


def isolate(batch: dict[str, Any], attention: str, config: Any) -> dict[str, Any]:
    """Give a batch the mask that its attention needs, in place of its layout's numbers.

    Args:
        batch: What `lay_out` returned, and more.
        attention: ``segments``, ``sdpa`` or ``eager``.
        config: The language model's configuration, which says what a token sees of its own dialogue.

    Returns:
        The same batch with ``attention_mask``: ``[R, S]`` where every row is one dialogue, and the model makes its own
        of it; else bool or additive ``[R, 1, S, S]``, by layer type where the model has several; with segments a mere
        stand-in that keeps transformers from making one.

    Raises:
        LammModelError: Rows hold several dialogues and nothing says which.
    """
    group, part = batch.pop("group", None), batch.pop("part", None)
    if attention == "segments" and "cu_seq_lens_q" in batch:
        batch["attention_mask"] = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=batch["input_ids"].device)
        return batch
    if group is not None and part is not None and attention != "segments":
        alone = bool(((group <= 0) & (part <= 1)).all())
        batch["attention_mask"] = (group >= 0).long() if alone else _packed(batch, group, part, attention, config)
        return batch
    mask, positions = batch.get("attention_mask"), batch.get("position_ids")
    if mask is None or mask.dim() != 4:
        starts = 0 if positions is None else int((positions[:, 1:] <= positions[:, :-1]).sum())
        if starts:
            raise LammModelError(
                f"Expected packed rows to say which tokens belong together, got {starts} restarts of the positions and "
                f"no {'segments' if attention == 'segments' else 'mask'}: dialogues would see their neighbours. "
                f"Lay rows out in the form for {attention} attention."
            )
    return batch


def _packed(
    batch: dict[str, Any], group: Tensor, part: Tensor, attention: str, config: Any
) -> Tensor | dict[str, Tensor]:
    """Return who sees whom: of one's own dialogue what the model shows it, by position, and nothing of the others."""
    own, positions = visible(group, part), batch["position_ids"]

    def mask(pattern: Tensor | None) -> Tensor:
        seen = own
        if pattern is not None:
            seen = own & pattern[positions[:, :, None], positions[:, None, :]][:, None]
        if attention != "eager":
            return seen
        # Eager attention adds its mask to the scores; the others take who sees whom.
        return torch.zeros(seen.shape, device=seen.device).masked_fill_(~seen, torch.finfo(torch.float32).min)

    patterns = patterns_alone(config, positions.shape[1], positions.device)
    return {kind: mask(one) for kind, one in patterns.items()} if isinstance(patterns, dict) else mask(patterns)


def patterns_alone(config: Any, length: int, device: torch.device) -> Tensor | dict[str, Tensor] | None:
    """Return what a token sees in a row of its own, by transformers' mask functions and a model's configuration.

    Args:
        config: Of the language model: its windows, chunks and types of layers.
        length: Tokens ``P`` of the row.
        device: Where the patterns are wanted.

    Returns:
        Bool ``[P, P]``, queries by keys, or one for each type of layer; None where transformers leaves it to the model.
    """
    adding = copy.copy(config)
    adding._attn_implementation = "eager"  # whose mask is always made, and never left out
    row = torch.empty(1, length, 1, device=device)
    made = create_masks_for_generate(adding, row, None, None)
    if isinstance(made, dict):
        return {kind: mask[0, 0] == 0 for kind, mask in made.items() if mask is not None}
    return None if made is None else made[0, 0] == 0


def choose_proven(model: nn.Module, wanted: str, device: torch.device, half: bool, packing: str) -> str:
    """Set the language model to the first attention that computes packed rows as the model computes dialogues alone.

    Args:
        model: A `LammForConditionalGeneration` where it will train.
        wanted: ``auto``, or the only one to try.
        device: Where it trains.
        half: Whether it computes in 16 bits.
        packing: As for `pack_rows`.

    Returns:
        What was chosen.

    Raises:
        LammModelError: None does.
    """
    language_model: Any = model.model.language_model  # type: ignore[union-attr]
    tried = candidates(wanted, language_model, device, half)
    for last, attention in zip([False] * (len(tried) - 1) + [True], tried, strict=True):
        try:
            set_attention(language_model, attention)
            prove_isolation(model, attention, packing)
        except LammModelError:
            if last:
                raise
        else:
            return attention
    raise AssertionError("no attention was tried")


def prove_isolation(model: nn.Module, attention: str, packing: str = "mixed") -> float:
    """Pack made-up dialogues, compare each with the model's own computation of it alone, and look for neighbours.

    Windows and chunks are narrowed meanwhile, so that short dialogues prove the whole pattern.

    Args:
        model: A `LammForConditionalGeneration`.
        attention: What the language model is set to.
        packing: As for `pack_rows`.

    Returns:
        The largest change of other dialogues' hidden states when the first is changed, over their largest value: 0
        where arithmetic does not depend on the neighbour at all.

    Raises:
        LammModelError: A dialogue saw another, or computed something else than alone.
    """
    training = model.training
    _judge_mode(model)
    devices = [parameter.device for parameter in model.parameters() if parameter.is_cuda][:1]
    try:
        with torch.no_grad(), torch.random.fork_rng(devices), _narrowed(model.model.language_model):  # type: ignore[union-attr]
            before, after = (_together(model, attention, packing, start) for start in (0, 7))
            alone = _alone(model, attention)
    except _FAULTS as fault:
        kind = model.config.text_config.model_type  # type: ignore[union-attr]
        raise LammModelError(
            f"Expected {attention} attention to compute rows of {kind} with data.packing = {packing!r}, got "
            f"{' '.join(str(fault).split())[:200]}. {_way_out(packing)}"
        ) from fault
    finally:
        model.train(training)
    eight = any(type(module).__name__ == "Linear8bitLt" for module in model.modules())
    scale = max(float(hidden.abs().max()) for hidden in before)
    leak = max(float((before[n] - after[n]).abs().max()) for n in (1, 2)) / max(scale, 1e-9)
    if leak > (LEAK_8BIT if eight else LEAK):
        raise LammModelError(
            f"Expected dialogues in one row not to see each other, but changing one moved another's hidden states by "
            f"{leak:.1%}. This language model mixes tokens along the row in a way that {attention} attention does not "
            f"control. {_way_out(packing)}"
        )
    _compare(before, alone, model, attention, packing, APART_8BIT if eight else None)
    return leak


def _way_out(packing: str) -> str:
    if packing == "none":
        return "Set compute.attention = 'eager', or take another language model."
    return "Set data.packing = 'none'."


def _judge_mode(model: nn.Module) -> None:
    """Draw nothing at random, but leave quantised layers as they train: some repack their weights for inference."""
    model.eval()
    for module in model.modules():
        if type(module).__module__.startswith("bitsandbytes"):
            module.train()


@contextmanager
def _narrowed(language_model: Any) -> Iterator[None]:
    """Narrow all windows and chunks for a while."""
    held = [
        (owner, name, value)
        for owner in [language_model.config, *language_model.modules()]
        for name in _WINDOWS
        if isinstance(value := getattr(owner, name, None), int) and not isinstance(value, bool) and value > NARROW
    ]
    try:
        for owner, name, _ in held:
            setattr(owner, name, NARROW)
        yield
    finally:
        for owner, name, value in held:
            setattr(owner, name, value)


def _made_up(model: Any, begin: int) -> list[Dialogue]:
    """Return three dialogues, the first two with one prefix; the first goes on with token number ``begin``."""
    config = model.config
    media = (config.image_token_id, config.point_cloud_token_id)
    words = [token for token in range(70) if token not in media]
    prefix = words[60 : 60 + SHARED]
    texts = (
        prefix + words[begin : begin + FIRST - SHARED],
        prefix + words[20 : 20 + SECOND - SHARED],
        words[30 : 30 + THIRD],
    )
    names = (SHARED, SHARED, 0)
    return [Dialogue("", (), text, text, [0] * len(text), shared) for text, shared in zip(texts, names, strict=True)]


def _together(model: Any, attention: str, packing: str, begin: int) -> list[Tensor]:
    """Return the hidden states ``[tokens, D]`` of each made-up dialogue's own part, computed in packed rows."""
    dialogues = _made_up(model, begin)
    groups = [Group(dialogues[:2]), Group(dialogues[2:])]
    rows = {"none": pack_rows(dialogues, 0, "none"), "shared_prefix": [Row([each]) for each in groups]}
    chosen = rows.get(packing, [Row(groups)])
    laid = lay_out(chosen, 0, "segments" if attention == "segments" else "mask")
    device = next(model.parameters()).device
    batch = {name: value.to(device) if isinstance(value, Tensor) else value for name, value in laid.items()}
    batch.pop("labels")
    joined = len(batch["input_ids"]) == 1  # type: ignore[arg-type]
    batch = isolate(batch, attention, model.config.text_config)
    hidden: Tensor = model.model(**batch, use_cache=False).last_hidden_state
    found, start, number = [], 0, 0
    for row in chosen:
        if not joined:
            start, number = 0, number + 1
        for group in row.groups:
            for place, dialogue in enumerate(group.dialogues):
                size = len(dialogue.input_ids) - (dialogue.prefix if place else 0)
                found.append(hidden[max(0, number - 1), start : start + size].float())
                start += size
    return found


def _alone(model: Any, attention: str) -> list[Tensor]:
    """Return the hidden states ``[tokens, D]`` of each made-up dialogue, by the model's own plain attention."""
    language_model, device = model.model.language_model, next(model.parameters()).device
    set_attention(language_model, "eager")
    try:
        return [
            model.model(input_ids=torch.tensor([dialogue.input_ids], device=device), use_cache=False)
            .last_hidden_state[0]
            .float()
            for dialogue in _made_up(model, 0)
        ]
    finally:
        set_attention(language_model, attention)


def _compare(
    packed: list[Tensor], alone: list[Tensor], model: nn.Module, attention: str, packing: str, most: float | None
) -> None:
    dtype = next(parameter.dtype for parameter in model.parameters() if parameter.is_floating_point())
    most = most or APART.get(dtype, APART_16BIT)
    for ours, own in zip(packed, alone, strict=True):
        own = own[-len(ours) :]
        apart = float(((ours - own).norm(dim=-1) / own.norm(dim=-1).clamp(min=1e-9)).quantile(0.5))
        if not apart <= most:
            raise LammModelError(
                f"Expected a packed dialogue to compute what it computes alone, but half of its hidden states differ "
                f"by more than {apart:.1%}: {attention} attention with data.packing = {packing!r} is not that of "
                f"{model.config.text_config.model_type}. {_way_out(packing)}"  # type: ignore[union-attr]
            )
