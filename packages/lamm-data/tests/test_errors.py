"""What an extra that cannot be imported lacks: itself, or a library of the system."""

import importlib

import pytest

from lamm_data.errors import LammDataError, import_extra


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (ModuleNotFoundError("No module named 'open3d'"), r"pip install 'lamm-data\[3d\]'"),
        (OSError("libX11.so.6: cannot open shared object file"), "libx11-6"),
        (ImportError("libGL.so.1: cannot open shared object file"), "libgl1"),
    ],
)
def test_what_is_missing_is_named(monkeypatch, error, advice):
    def fail(name):
        raise error

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(LammDataError, match=advice) as caught:
        import_extra("open3d", "meshes", "3d")
    assert str(error) in str(caught.value)
    assert ("pip install" in str(caught.value)) == isinstance(error, ModuleNotFoundError)
