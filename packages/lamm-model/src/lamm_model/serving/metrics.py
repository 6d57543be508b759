"""What a server counts, in Prometheus' text format."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)  # seconds


class Histogram:
    """Counts durations by upper bounds, in seconds."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self._total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self._total += seconds

    def lines(self, name: str) -> Iterator[str]:
        """Yield it under a name."""
        yield f"# TYPE {name} histogram"
        below = 0
        for bound, count in zip((*BOUNDS, "+Inf"), self._counts, strict=True):
            below += count
            yield f'{name}_bucket{{le="{bound}"}} {below}'
        yield f"{name}_sum {self._total}"
        yield f"{name}_count {below}"


class Metrics:
    """What was asked and answered.

    Attributes:
        requests: Number of HTTP requests by status.
        answers: Number of answers by how they ended.
        tokens: Number of tokens read (`prompt`) and written (`completion`).
        waited: From a request to its place in the batch.
        first: From a request to its first token.
        whole: From a request to its last token.
    """

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()
        self.waited, self.first, self.whole = Histogram(), Histogram(), Histogram()

    def add(self, finish: str, prompt_tokens: int, answer_tokens: int, seconds: float) -> None:
        """Count a step of an answer that is `answer_tokens` long by now; `finish` says how it ended, if it did."""
        self.tokens["completion"] += 1
        if answer_tokens <= 1:
            self.first.observe(seconds)
        if finish:
            self.answers[finish] += 1
            self.tokens["prompt"] += prompt_tokens
            self.whole.observe(seconds)

    def text(self, waiting: int, running: int) -> str:
        """Write all of it, and how many answers wait and are being written now."""
        lines = []
        counters = (("requests", "status", self.requests), ("answers", "finish", self.answers))
        for name, label, counter in (*counters, ("tokens", "kind", self.tokens)):
            lines.append(f"# TYPE lamm_{name}_total counter")
            lines += [f'lamm_{name}_total{{{label}="{key}"}} {counter[key]}' for key in sorted(counter)]
        for name, value in (("waiting", waiting), ("running", running)):
            lines += [f"# TYPE lamm_{name} gauge", f"lamm_{name} {value}"]
        for name, histogram in (("queue", self.waited), ("first_token", self.first), ("answer", self.whole)):
            lines += histogram.lines(f"lamm_{name}_seconds")
        return "\n".join([*lines, ""])
