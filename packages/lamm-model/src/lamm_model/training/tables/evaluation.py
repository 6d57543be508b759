"""The table ``[evaluation]``: how a run is judged while it trains."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """What is measured every few steps, and what follows from it.

    Attributes:
        records: Held-out instruction record files; their loss is logged as ``eval_loss``.
        benchmark: A benchmark file that the model answers, to be scored by ``command``.
        command: Program and arguments; ``{benchmark}`` and ``{predictions}`` stand for the files. The last line of its
            output must be a number, logged as ``eval_score``.
        higher_is_better: Of the score.
        every: Steps between evaluations; the last step is always evaluated.
        patience: Evaluations without a better value (of the score where there is one, else of the loss) after which
            the run ends; 0 goes on to the last step. With it, the model that is kept is the best one.
    """

    records: tuple[str, ...] = ()
    benchmark: str = ""
    command: tuple[str, ...] = ()
    higher_is_better: bool = True
    every: int = 100
    patience: int = 0

    def faults(self) -> list[str]:
        """Return what contradicts itself."""
        found = []
        if bool(self.benchmark) != bool(self.command):
            found.append("evaluation: expected benchmark and command together: one is answered, the other scores it")
        if self.command and not any("{predictions}" in part for part in self.command):
            found.append("evaluation.command: expected {predictions} in it, where the file of answers goes")
        if self.every < 1:
            found.append("evaluation.every: expected at least 1, found 0")
        if self.patience and not (self.records or self.benchmark):
            found.append("evaluation.patience: expected records or a benchmark to judge by")
        return found

    @property
    def wanted(self) -> bool:
        """Return whether anything is measured."""
        return bool(self.records or self.benchmark)
