"""The device that a command computes on."""


def device_named(name: str) -> str:
    """Return the device that `auto`, `cpu` or `cuda` stands for.

    Raises:
        ValueError: If the name is none of these, or there is no CUDA device.
    """
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device must be auto, cpu or cuda, got {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device=cuda needs a CUDA device, found 0; use device=cpu")
    return "cuda" if name != "cpu" and torch.cuda.is_available() else "cpu"
