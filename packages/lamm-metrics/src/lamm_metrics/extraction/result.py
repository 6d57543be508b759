"""What every extractor returns: a value and how far it can be trusted."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class Status(StrEnum):
    """How reading one answer ended.

    Attributes:
        OK: The answer states exactly one readable value.
        AMBIGUOUS: It states several values that exclude each other and nothing says which one is meant.
        REFUSED: It declines to answer ("I cannot see the image").
        NONE: It states no value of the wanted kind.
        MALFORMED: It states a value that breaks the form asked for (a box of five numbers, a coordinate that is no
            number).
    """

    OK = "ok"
    AMBIGUOUS = "ambiguous"
    REFUSED = "refused"
    NONE = "none"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Extraction(Generic[T]):
    """The reading of one answer.

    Attributes:
        value: What was read. Extractors of single values leave it `None` unless the status is `ok`. Extractors of lists
            always give a list: under `malformed` it holds the items that could be read, otherwise it may be empty.
        status: How the reading ended.
        detail: One short sentence for a person who asks why; empty when there is nothing to add.
    """

    value: T | None
    status: Status
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether the status is `ok`."""
        return self.status is Status.OK
