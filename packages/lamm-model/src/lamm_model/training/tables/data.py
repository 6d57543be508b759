"""The table ``[data]``: what the model is tuned on, and how it is laid out."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class DataSettings:
    """What the model is tuned on.

    Attributes:
        records: Instruction record files (JSON Lines or the published JSON list).
        shares: How often an epoch shows each file's records, one number a file: 0.25 a quarter of them, 2.0 each twice;
            empty: all once. The choice is seeded by record id, so it does not depend on the order of the records.
        media_root: Folder that the records' media paths are relative to; empty: the folder of each record file.
        packing: ``mixed`` fills rows of ``row_tokens`` with dialogues about unlike media, those about one medium
            sharing it; ``shared_prefix`` puts dialogues about one image or cloud in a row of their own; ``none`` gives
            each dialogue a row. Rows of like length share a batch. All three give the same loss.
        feature_cache: Folder that `lamm model cache-features` filled: the frozen towers are then not computed.
        cloud_variants: Samplings of each cloud that epochs take in turn.
        row_tokens: Most tokens in one row; a longer dialogue is rejected by id.
    """

    records: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()
    media_root: str = ""
    packing: Literal["mixed", "shared_prefix", "none"] = "shared_prefix"
    row_tokens: int = 1024
    feature_cache: str = ""
    cloud_variants: int = 1

    def faults(self) -> list[str]:
        """Return what contradicts itself."""
        found = []
        if not self.records:
            found.append("data.records: expected at least one file of instruction records")
        if self.shares and (len(self.shares) != len(self.records) or not all(share > 0 for share in self.shares)):
            found.append("data.shares: expected one number above 0 for each of data.records")
        found += [
            f"data.{name}: expected at least 1, found 0"
            for name in ("row_tokens", "cloud_variants")
            if getattr(self, name) < 1
        ]
        return found
