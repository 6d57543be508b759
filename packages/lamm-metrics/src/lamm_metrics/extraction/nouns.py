"""Read the noun phrases of an answer."""

from lamm_metrics.extraction.result import Extraction, Status


def extract_noun_phrases(text: str) -> Extraction[list[str]]:
    """List the noun phrases of an answer in order, lower-cased, head noun last.

    Args:
        text: A free-form answer.
    """
    return Extraction([], Status.NONE)
