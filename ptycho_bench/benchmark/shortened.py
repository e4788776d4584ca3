"""Where a benchmark's plan, logs and report lie; a shortened variant has its own place."""

from pathlib import Path

PLAN = "plan.json"


def plan_folder(outputs_dir: str | Path, name: str, epochs: int | None) -> Path:
    """Folder of a benchmark, or of its shortened variant."""
    return Path(outputs_dir) / "benchmarks" / variant(name, epochs)


def variant(name: str, epochs: int | None) -> str:
    """Name of a full or shortened variant.

    >>> variant("ppn_table2", 3)
    'ppn_table2-3-epochs'
    """
    return name if epochs is None else f"{name}-{epochs}-epochs"
