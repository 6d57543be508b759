"""How likely the model finds each option of a closed question: for calibration and perplexity protocols."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lamm_model.answering.prompt_state import PrefixMemory, PromptRow, PromptState, prefill
from lamm_model.model.modeling_lamm import LammForConditionalGeneration


@torch.inference_mode()
def option_log_likelihoods(
    model: LammForConditionalGeneration,
    row: PromptRow,
    options: list[list[int]],
    pad: int,
    memory: PrefixMemory | None = None,
) -> list[float]:
    """Score the options of one prompt, which is read once.

    Args:
        model: In evaluation mode.
        row: The prompt.
        options: Token ids of each option, written as the answer would be; none empty.
        pad: Filling token id; always masked.
        memory: As for `prefill`.

    Returns:
        Mean log-likelihood per token of each option, natural logarithm. The mean, not the sum, so that long options
        are not at a disadvantage (ChEF's PPL protocol, arXiv 2311.02692).
    """
    state = prefill(model, [row], pad, memory)
    first = state.logits.float().log_softmax(dim=-1)[0]
    width = max(len(option) for option in options)
    totals = torch.stack([first[option[0]] for option in options])
    if width > 1:
        totals = totals + _later_tokens(model, state, options, pad, width)
    lengths = torch.tensor([len(option) for option in options], device=totals.device)
    return [float(value) for value in totals / lengths]


def _later_tokens(
    model: LammForConditionalGeneration, state: PromptState, options: list[list[int]], pad: int, width: int
) -> Tensor:
    """Sum the log-likelihoods of every option's second and further tokens: `[n_options]`."""
    device = state.mask.device
    state.select(torch.zeros(len(options), dtype=torch.long, device=device))
    ids = torch.full((len(options), width), pad, device=device)
    present = torch.zeros_like(ids)
    for number, option in enumerate(options):
        ids[number, : len(option)] = torch.tensor(option, device=device)
        present[number, : len(option)] = 1
    steps = torch.arange(width - 1, device=device)
    outputs = model(
        input_ids=ids[:, :-1],
        attention_mask=torch.cat([state.mask, present[:, :-1]], dim=1),
        position_ids=state.position.unsqueeze(1) + steps,
        modality_ids=state.modality.unsqueeze(1).expand(-1, width - 1),
        past_key_values=state.cache,
        use_cache=True,
    )
    scores: Tensor = outputs.logits.float().log_softmax(dim=-1).gather(-1, ids[:, 1:].unsqueeze(-1)).squeeze(-1)
    return (scores * present[:, 1:]).sum(dim=1)


def probabilities(log_likelihoods: list[float]) -> list[float]:
    """Normalise log-likelihoods to probabilities that sum to one.

    >>> [round(p, 3) for p in probabilities([-1.0, -1.0, -2.0])]
    [0.422, 0.422, 0.155]
    """
    top = max(log_likelihoods)
    weights = [math.exp(value - top) for value in log_likelihoods]
    return [weight / sum(weights) for weight in weights]
