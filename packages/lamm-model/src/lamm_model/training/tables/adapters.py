"""The table ``[adapters]``: how LoRA is applied."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AdapterSettings:
    """The LoRA adapter set of each modality (paper, Sec. 5.1: rank 32, alpha 32, dropout 0.1 on q, k, v, o).

    A model from ``model.path`` that has adapters already goes on with them as they are; this table then says nothing.
    """

    rank: int = 32
    alpha: float = 32.0
    dropout: float = 0.1
    target_modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")

    def faults(self) -> list[str]:
        """Return what is out of range."""
        found = []
        if self.rank < 1:
            found.append("adapters.rank: expected at least 1, found 0")
        if self.dropout >= 1:
            found.append(f"adapters.dropout: expected less than 1, found {self.dropout}")
        if not self.target_modules:
            found.append("adapters.target_modules: expected at least one layer name")
        return found
