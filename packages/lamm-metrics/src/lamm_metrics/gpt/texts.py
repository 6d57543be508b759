"""Text that can be sent: JSON may hold halves of surrogate pairs, which UTF-8 cannot."""


def sendable(text: str) -> str:
    r"""The text with joined surrogate pairs, and U+FFFD in place of single halves.

    >>> sendable("a\ud83d\ude00\ud800") == "a\U0001f600\ufffd"
    True
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
