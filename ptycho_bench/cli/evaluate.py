"""ptycho-evaluate: score a trained network on another data set, overlap or noise."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ptycho_bench.cli.entry import asks_for_help, report, run_command
from ptycho_bench.cli.errors import FULL_ERROR

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
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    from ptycho_bench.cli.build import build, plain, read_checkpoint, restore_network
    from ptycho_bench.cli.datasets import data_record, load_scan, pattern_px
    from ptycho_bench.cli.identity import SCHEMA, file_hash, sha256
    from ptycho_bench.report.environment import environment
    from ptycho_bench.report.record import RunFolder
    from ptycho_bench.report.score import score_network

    checkpoint = read_checkpoint(cfg.checkpoint)
    description = checkpoint["ptycho_bench"]
    take_over(cfg, description["config"], list(HydraConfig.get().overrides.task))
    network = restore_network(checkpoint)
    if pattern_px(cfg) != description["size_px"]:
        raise ValueError(
            f"data.{cfg.data.name} has patterns of {pattern_px(cfg)} px, the network was trained on "
            f"{description['size_px']} px; crop them or choose another checkpoint"
        )
    protocol = build(cfg.metrics)
    protocol.check(description["size_px"])
    device = device_named(cfg.device)
    scan = load_scan(cfg, say=True)
    points = points_of(scan, cfg.region, description["test"])
    what = sha256([file_hash(cfg.checkpoint), scan.content_hash, cfg.region, plain(cfg.metrics)])[:10]
    folder = RunFolder(Path(cfg.outputs_dir) / "evaluations" / description["run"] / f"{cfg.data.name}-{what}")
    machine = environment()
    folder.clear()
    folder.open(OmegaConf.to_yaml(cfg, resolve=True), machine)
    try:
        results = score_network(
            network.to(device), scan, points, protocol=protocol, batch_size=cfg.batch_size, folder=folder.path,
            title=f"{description['run']} on {cfg.data.name}, {cfg.region}", pictures=cfg.pictures, rows=None,
        )  # fmt: skip
    except Exception as error:
        folder.fail(error)
        raise
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


def device_named(name: str) -> str:
    """Device for `auto`, `cpu` or `cuda`.

    Raises:
        ValueError: another name, or cuda where there is none.
    """
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device must be auto, cpu or cuda, got {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device=cuda needs a CUDA device, found 0; use device=cpu")
    return "cuda" if name != "cpu" and torch.cuda.is_available() else "cpu"


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


def points_of(scan: "PtychoScan", region: str, test: dict) -> "np.ndarray":
    """Indices of the scan points to score.

    Args:
        scan: the scan.
        region: `test`: in the data of training the points the run was tested on, in another scan of the field the
            patches that lie within the object rectangle those cover; `all`: every point.
        test: what the checkpoint says of the run's test points.

    Raises:
        ValueError: an unknown region, or no patch inside the tested rectangle.
    """
    import numpy as np

    if region == "all":
        return np.arange(len(scan))
    if region != "test":
        raise ValueError(f"region must be test or all, got {region!r}")
    if scan.content_hash == test["content_hash"]:
        return np.array(test["points"])
    top, bottom, left, right = test["region_px"]
    y, x = scan.positions_px.T
    inside = (y >= top) & (y + scan.patch_px <= bottom) & (x >= left) & (x + scan.patch_px <= right)
    if not inside.any():
        raise ValueError(
            f"no patch of this scan lies in the tested rectangle, rows {top:g}..{bottom:g} px, columns "
            f"{left:g}..{right:g} px; use region=all"
        )
    return np.flatnonzero(inside)


def main() -> None:
    """Entry point: the word that ends in .ckpt is the checkpoint; its run's choices come before the user's."""
    words = sys.argv[1:]
    path = next((word for word in words if word.endswith(".ckpt") and not word.startswith("checkpoint=")), None)
    if path is not None and not asks_for_help():
        words.remove(path)
        try:
            words = choices_of_run(path, words) + words
        except ValueError as error:
            report(error, os.environ.get(FULL_ERROR) == "1", CONFIG)
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
