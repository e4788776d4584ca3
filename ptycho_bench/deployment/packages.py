"""Packages that only the files for other runtimes need."""

import importlib.util


def require_packages(*names: str) -> None:
    """Raise ValueError, with the command that installs them, where packages are missing."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            f"{' and '.join(missing)} not installed, which ONNX files need; pip install {' '.join(missing)}"
        )
