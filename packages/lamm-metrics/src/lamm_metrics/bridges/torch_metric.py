"""A metric of ours as one of torchmetrics, for training loops that log those."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from lamm_metrics.bridges.posed import flat
from lamm_metrics.metrics.base import Metric
from lamm_metrics.records.predictions import Prediction


def torch_metric(metric: Metric[Any], **sampling: Any) -> Any:
    """Wrap an empty metric as a `torchmetrics.Metric`, whose processes hand each other what they read.

    `update(records, answers)` takes benchmark records and the texts that answer them; `compute()` returns a dictionary
    of tensors: each score, its interval as `NAME/low` and `NAME/high`, and `unread`.

    Args:
        metric: What `make_metric` made.
        sampling: `seed`, `draws` and `confidence` of the intervals.
    """
    import torch
    from torchmetrics import Metric as TorchMetric

    class Wrapped(TorchMetric):  # type: ignore[misc]
        """Reads records and answers; the numbers are those of the wrapped metric."""

        full_state_update = True
        read: list[tuple[Mapping[str, Any], str]]

        def __init__(self) -> None:
            super().__init__()
            self.add_state("read", default=[], dist_reduce_fx=None)

        def update(self, records: Iterable[Mapping[str, Any]], answers: Iterable[str]) -> None:
            self.read += zip(records, answers, strict=True)

        def compute(self) -> dict[str, Any]:
            own, seen = deepcopy(metric), dict[str, Any]()
            for record, text in self.read:
                # Samplers of several processes repeat records, so that each has as many.
                if seen.get(key := str(record["id"])) != (record, text):
                    own.update(record, Prediction(key, text))
                seen[key] = (record, text)
            return {
                name: torch.tensor(value, dtype=torch.float64) for name, value in flat(own.compute(**sampling)).items()
            }

        def _sync_dist(self, dist_sync_fn: Any = None, process_group: Any = None) -> None:
            parts: list[Any] = [None] * torch.distributed.get_world_size(process_group)
            torch.distributed.all_gather_object(parts, self.read, group=process_group)
            self.read = [one for part in parts for one in part]

    return Wrapped()
