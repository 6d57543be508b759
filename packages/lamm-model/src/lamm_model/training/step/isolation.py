"""Dialogues of one row must not see each other: turn a layout into what the model's attention wants, and prove it.

transformers isolates packed rows on its own only while no mask is given, positions restart, and no cache is in use;
otherwise it mixes the dialogues of a row without a word (measured: logits off by 0.4). Here the model never gets to
guess: every packed batch carries a four-dimensional mask or the boundaries of its segments, a batch without either is
refused, and `prove_isolation` tries it on the very model that is trained, whatever its layers are.
"""

from typing import Any

import torch
from torch import Tensor, nn

from lamm_model.errors import LammModelError
from lamm_model.training.rows.collation import lay_out, visible
from lamm_model.training.rows.packing import Dialogue, Group, Row

FIRST, SECOND = 13, 9  # tokens of the two dialogues of the proof
LEAK_8BIT = 1e-1  # LLM.int8 chooses its 16-bit columns by all tokens at hand: neighbours move its rounding
LEAK = 1e-2  # of the hidden states' scale: far above bfloat16's rounding, far below what a leak does


def isolate(batch: dict[str, Any], attention: str) -> dict[str, Any]:
    """Give a batch the mask that its attention needs, in place of its layout's numbers.

    Args:
        batch: What `lay_out` returned, and more.
        attention: ``segments``, ``sdpa`` or ``eager``.

    Returns:
        The same batch with ``attention_mask``: bool or additive ``[R, 1, S, S]``; with segments a mere stand-in that
        keeps transformers from making one.

    Raises:
        LammModelError: Rows hold several dialogues and nothing says which.
    """
    group, part = batch.pop("group", None), batch.pop("part", None)
    bounded = "cu_seq_lens_q" in batch
    if attention == "segments" and bounded:
        batch["attention_mask"] = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=batch["input_ids"].device)
        return batch
    if group is not None and part is not None and attention != "segments":
        seen = visible(group, part)
        if attention == "eager":  # adds its mask to the scores; the others take who sees whom
            seen = torch.zeros(seen.shape, device=seen.device).masked_fill_(~seen, torch.finfo(torch.float32).min)
        batch["attention_mask"] = seen
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


def prove_isolation(model: nn.Module, attention: str) -> float:
    """Put two dialogues in one row, change the first, and look whether the second notices.

    Args:
        model: A `LammForConditionalGeneration`; run in training mode without gradients.
        attention: What the language model is set to.

    Returns:
        The largest change of the second dialogue's hidden states over their largest value: 0 where arithmetic does not
        depend on the neighbour at all.

    Raises:
        LammModelError: The second one saw the first.
    """
    training = model.training
    model.train()  # as it will be; some quantised layers repack their weights for inference otherwise
    devices = [parameter.device for parameter in model.parameters() if parameter.is_cuda][:1]
    try:
        with torch.no_grad(), torch.random.fork_rng(devices):
            before, after = (_hidden(model, attention, start) for start in (0, 7))
    finally:
        model.train(training)
    change, scale = (before - after)[:, FIRST:].abs().max(), before.abs().max()
    leak = float(change / scale.clamp(min=1e-9))
    in_8_bits = any(type(module).__name__ == "Linear8bitLt" for module in model.modules())
    if leak > (LEAK_8BIT if in_8_bits else LEAK):
        raise LammModelError(
            f"Expected dialogues in one row not to see each other, but changing one moved another's hidden states by "
            f"{leak:.1%}. This language model mixes tokens along the row in a way that {attention} attention does not "
            "control. Set data.packing = 'none' and training.batch_rows = 1."
        )
    return leak


def _hidden(model: nn.Module, attention: str, begin: int) -> Tensor:
    """Return the hidden states of a row of two made-up dialogues, the first beginning with token number ``begin``."""
    config: Any = model.config
    media = (config.image_token_id, config.point_cloud_token_id)
    words = [token for token in range(60) if token not in media]
    texts = words[begin : begin + FIRST], words[30 : 30 + SECOND]
    row = Row([Group([Dialogue("", (), text, text, [0] * len(text), 0)]) for text in texts])
    laid = lay_out([row], 0, "segments" if attention == "segments" else "mask")
    device = next(model.parameters()).device
    batch = {name: value.to(device) if isinstance(value, Tensor) else value for name, value in laid.items()}
    batch.pop("labels")
    torch.manual_seed(0)  # dropout draws the same for both
    body: Any = model.model
    hidden: Tensor = body(**isolate(batch, attention), use_cache=False).last_hidden_state
    return hidden.float()
