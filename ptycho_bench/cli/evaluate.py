"""ptycho-evaluate: score a trained network on another data set, overlap or noise."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ptycho_bench.cli.entry import report, run_command

if TYPE_CHECKING:
    import numpy as np
    from omegaconf import DictConfig

    from ptycho_bench.data.sample import PtychoScan

CONFIG = "evaluate"
INHERITABLE = ("data", "noise", "metrics")

USAGE = """
ptycho-evaluate CHECKPOINT scores a trained network with the functions and pictures of ptycho-train.

  ptycho-evaluate outputs/runs/STUDY/RUN/best.ckpt                       the data it was trained on
  ptycho-evaluate CHECKPOINT noise=ppn                                   with noise
  ptycho-evaluate CHECKPOINT data.overlap_ratio=0.5                      a new scan of the same test field
  ptycho-evaluate CHECKPOINT data=ad_ltem region=all data_root=FOLDER    another object, every patch

Choices, as group=default (the run's own, unless named) and what else there is:
"""


def task(cfg: "DictConfig") -> float:
    """Score the checkpoint; returns the stitched PSNR of the phase."""
    import torch
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    from ptycho_bench.cli.build import build, load_network, plain, read_checkpoint
    from ptycho_bench.cli.datasets import data_record, load_scan, pattern_px
    from ptycho_bench.cli.identity import SCHEMA, data_hash, sha256
    from ptycho_bench.cli.score import score_network
    from ptycho_bench.report.environment import environment
    from ptycho_bench.report.record import RunFolder

    description = read_checkpoint(cfg.checkpoint)["ptycho_bench"]
    take_over(cfg, description["config"], list(HydraConfig.get().overrides.task))
    network = load_network(cfg.checkpoint)
    if pattern_px(cfg) != description["size_px"]:
        raise ValueError(
            f"data.{cfg.data.name} has patterns of {pattern_px(cfg)} px, the network was trained on "
            f"{description['size_px']} px; crop them or choose another checkpoint"
        )
    protocol = build(cfg.metrics)
    scan = load_scan(cfg, say=True)
    points = points_of(scan, cfg.region, description["test_region_px"])
    what = sha256([data_hash(cfg), cfg.region, plain(cfg.metrics)])[:10]
    folder = RunFolder(Path(cfg.outputs_dir) / "evaluations" / description["run"] / f"{cfg.data.name}-{what}")
    folder.clear()
    machine = environment()
    folder.open(OmegaConf.to_yaml(cfg, resolve=True), machine)
    has_cuda = torch.cuda.is_available()
    device = ("cuda" if has_cuda else "cpu") if cfg.device == "auto" else cfg.device
    results = score_network(
        network.to(device), scan, points, protocol=protocol, batch_size=cfg.batch_size, folder=folder.path,
        title=f"{description['run']} on {cfg.data.name}, {cfg.region}", pictures=cfg.pictures, rows=None,
    )  # fmt: skip
    folder.finish(
        {
            "schema": SCHEMA,
            "run": description["run"],
            "checkpoint": str(cfg.checkpoint),
            "region": cfg.region,
            "data": data_record(cfg, scan),
            "environment": machine,
            **results,
        }
    )
    return results["metrics"]["stitched"]["phase_psnr_db"]


def take_over(cfg: "DictConfig", trained: dict, overrides: list[str]) -> None:
    """Set the groups of `cfg.inherit` to those of training, except values the command line names."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    parsed = OverridesParser.create().parse_overrides(overrides)
    for group in cfg.inherit:
        cfg[group] = OmegaConf.create(trained[group])
        for override in parsed:
            if override.key_or_group.startswith(f"{group}."):
                OmegaConf.update(cfg, override.key_or_group, override.value())


def points_of(scan: "PtychoScan", region: str, test_region_px: list[float]) -> "np.ndarray":
    """Indices of the scan points to score.

    Raises:
        ValueError: an unknown region, or no patch inside the tested rectangle.
    """
    import numpy as np

    if region == "all":
        return np.arange(len(scan))
    if region != "test":
        raise ValueError(f"region must be test or all, got {region!r}")
    top, bottom, left, right = test_region_px
    y, x = scan.positions_px.T
    slack = scan.info.jitter_px
    inside = (y >= top - slack) & (y + scan.patch_px <= bottom + slack)
    inside &= (x >= left - slack) & (x + scan.patch_px <= right + slack)
    points = np.flatnonzero(inside)
    if not len(points):
        raise ValueError(
            f"no patch of this scan lies in the tested rectangle, rows {top:g}..{bottom:g} px, columns "
            f"{left:g}..{right:g} px; use region=all"
        )
    return points


def main() -> None:
    """Entry point: the first word without `=` is the checkpoint; its run's choices come before the user's."""
    words = sys.argv[1:]
    path = next((word for word in words if not word.startswith("-") and "=" not in word), None)
    if path is not None:
        words.remove(path)
        try:
            words = choices_of_run(path, words) + words
        except ValueError as error:
            report(error, False, CONFIG)
            sys.exit(1)
    sys.argv[1:] = words
    run_command(task, CONFIG, USAGE)


def choices_of_run(path: str, words: list[str]) -> list[str]:
    """Overrides that name the checkpoint and the groups to inherit from its run: those the user chose no file of."""
    from ptycho_bench.cli.build import read_checkpoint

    choices = read_checkpoint(path)["ptycho_bench"]["choices"]
    chosen = {word.partition("=")[0] for word in words}
    inherit = [group for group in INHERITABLE if group not in chosen]
    quoted = path.replace("'", "\\'")
    return [f"checkpoint='{quoted}'", f"inherit=[{','.join(inherit)}]", *(f"{g}={choices[g]}" for g in inherit)]


if __name__ == "__main__":
    main()
