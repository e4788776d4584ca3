"""ptycho-profile: measure parameters, operations, memory and time of a network on this machine."""

from pathlib import Path
from typing import TYPE_CHECKING

from ptycho_bench.cli.entry import run_command

if TYPE_CHECKING:
    from omegaconf import DictConfig

CONFIG = "profile"

USAGE = """
ptycho-profile measures the cost of a network on this machine and records it for the cost tables of ptycho-report.

  ptycho-profile model=ppn                                 parameters, GFLOPs, memory, milliseconds by batch size
  ptycho-profile model=circular input=dual_gain phase=circular size_px=64 device=cuda
  ptycho-profile -m model=ptychonn,ptynet,dpi,ptychoformer,ppn      for PPN Fig. 10

Choices, each as group=default with its options:
"""


def task(cfg: "DictConfig") -> None:
    """Measure the network; print and record the result."""
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    from ptycho_bench.config.description import describe
    from ptycho_bench.config.device import device_named
    from ptycho_bench.config.network import PARTS
    from ptycho_bench.runs.profile import ProfileSpec, profile

    spec = ProfileSpec(
        parts={part: describe(cfg[part]) for part in PARTS},
        choices=dict(HydraConfig.get().runtime.choices),
        size_px=cfg.size_px,
        batch_sizes=list(cfg.batch_sizes),
        repeats=cfg.repeats,
        device=device_named(cfg.device),
        threads=cfg.threads,
        outputs_dir=Path(cfg.outputs_dir),
        text=OmegaConf.to_yaml(cfg, resolve=True),
    )
    found = profile(spec)
    if found is None:
        return
    measured, folder = found
    size, work = measured["parameters_mib"], measured["gflops"]
    print(f"{measured['key']}: {measured['parameters']:,} parameters, {size:.2f} MiB, {work:.3f} GFLOPs")
    for row in measured["batches"]:
        print(
            f"  batch {row['batch_size']:4d}: {row['milliseconds']:8.2f} ms ({row['milliseconds_low']:.2f} to "
            f"{row['milliseconds_high']:.2f}), {row['patterns_per_second']:8.0f} patterns/s; training step "
            f"{row['step_milliseconds']:8.2f} ms; peak memory {megabytes(row['peak_memory_mb'])}"
        )
    print(f"-> {folder}", flush=True)


def megabytes(peak: float | None) -> str:
    """Return a peak of memory as text."""
    return "below an earlier one of this process" if peak is None else f"{peak:.0f} MB"


def main() -> None:
    """Run the command."""
    run_command(task, CONFIG, USAGE)


if __name__ == "__main__":
    main()
