"""Read the words that an answer says stand in the image."""

from lamm_metrics.extraction.result import Extraction, Status


def extract_words(text: str) -> Extraction[list[str]]:
    """List the words or phrases that an answer recognised in an image, split at whitespace, case kept.

    Args:
        text: A free-form answer.
    """
    return Extraction([], Status.NONE)
