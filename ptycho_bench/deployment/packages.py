"""Optional packages that only ONNX files need."""

import importlib.util


def require_packages(*names: str) -> None:
    """Raise ValueError with the command that installs them if packages are missing."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            f"ONNX files need packages that are not installed: {', '.join(missing)}; pip install {' '.join(missing)}"
        )
