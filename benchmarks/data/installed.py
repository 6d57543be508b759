"""The versions that a result was measured with."""

import platform
from importlib.metadata import PackageNotFoundError, version


def versions(*names: str) -> dict[str, str]:
    """The versions of Python and of distributions, "not installed" where one is missing."""
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
