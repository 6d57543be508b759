"""Read a yes or a no."""

from lamm_metrics.extraction.result import Extraction, Status


def extract_yes_no(text: str) -> Extraction[bool]:
    """Decide whether an answer affirms (`True`) or denies (`False`).

    Args:
        text: A free-form answer.
    """
    return Extraction(None, Status.NONE)
