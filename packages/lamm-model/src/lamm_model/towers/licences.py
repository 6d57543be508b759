"""Licences of published weights: said whenever a tower with such weights is made."""

from __future__ import annotations

import functools
import logging
from typing import Any

_LOG = logging.getLogger("lamm_model")


def tell_licence(config: Any) -> None:
    """Say under which licence a tower's weights are, once a run; a configuration without a licence says nothing."""
    if config.weights_licence:
        _tell(str(config.weights_source), str(config.weights_licence))


@functools.cache
def _tell(source: str, licence: str) -> None:
    bound = is_non_commercial(licence)
    _LOG.log(
        logging.WARNING if bound else logging.INFO,
        "The weights of the point-cloud tower (%s) are under %s%s.",
        source,
        licence,
        ": neither they nor a model with them may be used commercially" if bound else "",
    )


def is_non_commercial(licence: str) -> bool:
    """Tell whether a licence, by its name on the Hub, forbids commercial use."""
    return "-nc" in licence.lower()
