"""ptycho-profile: parameters, operations, memory and time of a network, on the machine at hand."""

from pathlib import Path
from typing import TYPE_CHECKING

from ptycho_bench.cli.entry import run_command

if TYPE_CHECKING:
    from omegaconf import DictConfig

CONFIG = "profile"

USAGE = """
ptycho-profile measures what a network costs, and leaves it for ptycho-report's tables of cost.

  ptycho-profile model=ppn                                 parameters, GFLOPs, memory, milliseconds by batch size
  ptycho-profile model=circular size_px=64 device=cuda     with its own input, phase and amplitude
  ptycho-profile -m model=ptychonn,ptynet,dpi,ptychoformer,ppn input=log1p phase=scaled     for PPN Fig. 10

Choices, as group=default and what else there is:
"""


def task(cfg: "DictConfig") -> None:
    """Measure, print, record."""
    import dataclasses

    import torch
    from hydra.core.hydra_config import HydraConfig

    from ptycho_bench.benchmark.collect import MIB_PER_PARAMETER, profile_key
    from ptycho_bench.cli.evaluate import device_named
    from ptycho_bench.config.build import build, build_model, build_network, check_forward, plain
    from ptycho_bench.config.identity import sha256
    from ptycho_bench.network.scaling import NEUTRAL
    from ptycho_bench.records.environment import environment
    from ptycho_bench.records.run_folder import write_json
    from ptycho_bench.runs.profile import gflops, profile

    choices = dict(HydraConfig.get().runtime.choices)
    device = device_named(cfg.device)
    if cfg.threads is not None:
        torch.set_num_threads(cfg.threads)
    parts = {part: plain(cfg[part]) for part in ("model", "input", "amplitude", "phase")}
    blank = dataclasses.replace(NEUTRAL, log1p_mean=torch.zeros(cfg.size_px, cfg.size_px))
    description = {**parts, "size_px": cfg.size_px, "scaling": vars(blank)}
    check_forward(description)
    channels = build(description["input"], scaling=NEUTRAL).in_channels
    with torch.device("meta"):
        work = gflops(build_model(description), channels, cfg.size_px)
    network = build_network(description, build_model(description)).to(device)
    count = sum(p.numel() for p in network.parameters())
    rows = profile(network, size_px=cfg.size_px, batch_sizes=list(cfg.batch_sizes), device=device, repeats=cfg.repeats)
    found = {
        "key": profile_key({"choices": choices, "data": {"pattern_px": cfg.size_px}}, device),
        "device": device,
        "parameters": count,
        "parameters_mib": count * MIB_PER_PARAMETER,
        "gflops": work,
        "milliseconds": rows[0]["milliseconds"],
        "batches": rows,
        "environment": environment(),
    }
    print(f"{found['key']}: {count:,} parameters, {found['parameters_mib']:.2f} MiB, {work:.3f} GFLOPs")
    for row in rows:
        print(
            f"  batch {row['batch_size']:4d}: {row['milliseconds']:8.2f} ms ({row['milliseconds_low']:.2f} to "
            f"{row['milliseconds_high']:.2f}), {row['patterns_per_second']:8.0f} patterns/s; training step "
            f"{row['step_milliseconds']:8.2f} ms; peak memory {megabytes(row['peak_memory_mb'])}"
        )
    name = f"{found['key']}-{sha256([parts, cfg.size_px])[:10]}"
    path = Path(cfg.outputs_dir) / "profiles" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, found)
    print(f"-> {path}", flush=True)


def megabytes(peak: float | None) -> str:
    """A peak of memory in words."""
    return "below an earlier one of this process" if peak is None else f"{peak:.0f} MB"


def main() -> None:
    """Entry point."""
    run_command(task, CONFIG, USAGE)


if __name__ == "__main__":
    main()
