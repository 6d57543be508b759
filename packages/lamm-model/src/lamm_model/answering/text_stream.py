"""The tokens of an answer as pieces of text, while they come."""

from __future__ import annotations

from collections.abc import Callable


class TextStream:
    """Gives out only what later tokens cannot change: whole characters, nothing of a stop string, no space at the ends.

    All pieces together are the answer as `LammProcessor.answer_text` returns it. Where the whole answer is to be
    changed at its end (`finish`, for coordinates), it comes as one piece.

    Attributes:
        text: The answer so far.
    """

    def __init__(
        self, decode: Callable[[list[int]], str], stops: list[str], finish: Callable[[str], str] | None = None
    ) -> None:
        self._decode = decode
        self._stops = stops
        self._finish = finish
        self._ids: list[int] = []
        self.text = ""

    def add(self, token: int | None, last: bool = False) -> str:
        """Add a token and return the text that has become certain by it.

        Args:
            token: The new token, or None for none.
            last: Whether the answer is complete: what was held back comes out.

        Returns:
            The next piece, often empty.
        """
        if token is not None:
            self._ids.append(token)
        whole = self._decode(self._ids)
        cut = min((at for stop in self._stops if (at := whole.find(stop)) >= 0), default=-1)
        if cut >= 0:
            sure = whole[:cut].strip()
        elif last:
            sure = whole.strip()
        else:
            sure = whole[: len(whole) - _held_back(whole, self._stops)].strip()
        if self._finish is not None:
            sure = self._finish(sure) if last else ""
        piece = sure[len(self.text) :]
        self.text += piece
        return piece


def _held_back(text: str, stops: list[str]) -> int:
    r"""Count the characters at the end that may yet become part of a stop string, or are not whole yet.

    >>> _held_back("yes\n##", ["\n###"])
    3
    """
    if text.endswith("\ufffd"):  # a character may be spread over several tokens
        return len(text) - len(text.rstrip("\ufffd"))
    lengths = (length for stop in stops for length in range(1, len(stop)) if text.endswith(stop[:length]))
    return max(lengths, default=0)
