"""Read a count or measure."""

from lamm_metrics.extraction.result import Extraction, Status


def extract_number(text: str) -> Extraction[float]:
    """Find the one number that an answer states.

    Args:
        text: A free-form answer.

    Returns:
        The number; the middle of a range ("2-3" is 2.5); 0 for "no apples"; `ambiguous` where several numbers stand side by
        side and nothing says which one is the answer.
    """
    return Extraction(None, Status.NONE)
