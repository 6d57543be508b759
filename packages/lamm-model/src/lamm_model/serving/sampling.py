"""Which token comes next: the likeliest, a drawn one, or one that a JSON schema allows; and how likely it was."""

from __future__ import annotations

import copy
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lamm_model.processing.processing_lamm import LammProcessor
from lamm_model.serving.messages import ChatRequest, RequestError


@dataclass(frozen=True)
class TokenScore:
    """How likely a token was.

    Attributes:
        token: Its id.
        logprob: Natural logarithm of its probability, before temperature, `top_p` and schema.
        others: The likeliest tokens with theirs, as many as were asked for.
    """

    token: int
    logprob: float
    others: tuple[tuple[int, float], ...]


class Sampler:
    """Chooses the tokens of one answer as its request asks.

    Args:
        request: Temperature, `top_p` and so on.
        seed: Of the drawing.
        matcher: What a JSON schema allows; None where anything may come.
        device: Where logits lie.
    """

    def __init__(self, request: ChatRequest, seed: int, matcher: Any, device: torch.device) -> None:
        self._request = request
        self._matcher = matcher
        self._generator = torch.Generator(device).manual_seed(seed) if request.temperature > 0 else None

    def choose(self, logits: Tensor, likeliest: int) -> tuple[int, TokenScore | None]:
        """Return the next token id and, where the request asks for it, how likely it was.

        Args:
            logits: `[V]`.
            likeliest: Where they are highest.
        """
        allowed = logits if self._matcher is None else logits.masked_fill(~self._allowed(logits), -torch.inf)
        if self._generator is not None:
            token = int(draw(allowed, self._request.temperature, self._request.top_p, self._generator))
        else:
            token = likeliest if self._matcher is None else int(allowed.argmax())
        if self._matcher is not None:
            self._matcher.consume_token(token)
        return token, self._score(logits, token) if self._request.logprobs else None

    @property
    def complete(self) -> bool:
        """Whether nothing may follow what was chosen."""
        return self._matcher is not None and bool(self._matcher.is_stopped())

    def _allowed(self, logits: Tensor) -> Tensor:
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        known = np.unpackbits(bits, bitorder="little")[: len(logits)].astype(bool)
        allowed = np.zeros(len(logits), dtype=bool)
        allowed[: len(known)] = known
        return torch.from_numpy(allowed).to(logits.device)

    def _score(self, logits: Tensor, token: int) -> TokenScore:
        scores = logits.float().log_softmax(dim=-1)
        best = scores.topk(min(self._request.top_logprobs, len(scores)))
        others = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return TokenScore(token, float(scores[token]), tuple(others))


def draw(logits: Tensor, temperature: float, top_p: float, generator: torch.Generator) -> Tensor:
    """Draw a token id, a scalar.

    Args:
        logits: `[V]`.
        temperature: Above 0, however little; higher is flatter.
        top_p: The likeliest tokens that together reach this probability are drawn from; at least one.
        generator: Source of randomness.
    """
    below = logits.double() - logits.max()  # the likeliest stays 0 whatever it is divided by
    shares, order = (below / temperature).softmax(dim=-1).sort(descending=True)
    before = shares.cumsum(dim=-1) - shares
    shares = shares.masked_fill((before >= top_p) & (before > 0), 0.0)
    return order[torch.multinomial(shares, 1, generator=generator)[0]]


class Schemas:
    """Makes matchers of JSON schemas over a processor's vocabulary, which is read when it is first needed."""

    def __init__(self, processor: LammProcessor) -> None:
        self._processor = processor
        self._lock = threading.Lock()
        self._vocabulary: Any = None

    def matcher(self, schema: dict[str, Any]) -> Any:
        """Return what a schema allows, token by token.

        Raises:
            RequestError: llguidance is not installed, or the schema is none that it knows.
        """
        try:
            from llguidance import LLMatcher
            from llguidance.hf import from_tokenizer
        except ModuleNotFoundError as fault:
            raise RequestError(
                "Expected llguidance for response_format, got none. Install 'lamm-model[serve]' on the server."
            ) from fault
        with self._lock:
            if self._vocabulary is None:
                tokenizer = copy.deepcopy(self._processor.tokenizer)
                self._vocabulary = from_tokenizer(tokenizer, eos_token=sorted(self._processor.end_token_ids))
        grammar = LLMatcher.grammar_from_json_schema(schema, overrides={"whitespace_flexible": False})
        matcher = LLMatcher(self._vocabulary, grammar, log_level=0)
        if matcher.is_error():
            raise RequestError(f"Expected a JSON schema in response_format, got one with {matcher.get_error()!r}.")
        return matcher
