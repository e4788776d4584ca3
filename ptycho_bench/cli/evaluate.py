"""ptycho-evaluate: score a trained network on another data set, overlap or noise."""

from pathlib import Path
from typing import TYPE_CHECKING

from ptycho_bench.cli.entry import rewrite_words, run_command
from ptycho_bench.config.overrides import quoted, scans_to_overrides

if TYPE_CHECKING:
    from omegaconf import DictConfig

CONFIG = "evaluate"
INHERITABLE = ("data", "noise", "metrics")

USAGE = """
ptycho-evaluate CHECKPOINT scores a trained network with the functions and pictures of ptycho-train.

  ptycho-evaluate outputs/runs/STUDY/RUN/best.ckpt                       the data it was trained on
  ptycho-evaluate CHECKPOINT noise=ppn                                   with noise
  ptycho-evaluate CHECKPOINT data.overlap_ratio=0.5                      a new scan of the same test field
  ptycho-evaluate CHECKPOINT data=ad_ltem region=all data_root=FOLDER    another object, every patch
  ptycho-evaluate CHECKPOINT data=ltem                                   one of several it was trained on
  ptycho-evaluate CHECKPOINT -m data=ltem,ad_ltem                        one after the other

Choices, as group=default (the run's own, unless named) and what else there is:
"""


def task(cfg: "DictConfig") -> float | None:
    """Score the checkpoint; returns the stitched PSNR of the phase, or None where another process is at it."""
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    from ptycho_bench.config.build import build, plain, read_checkpoint, restore_network
    from ptycho_bench.config.datasets import data_record, load_scan, pattern_px
    from ptycho_bench.config.identity import SCHEMA, file_hash, sha256
    from ptycho_bench.config.scans import only_scan
    from ptycho_bench.data.store import stream_scan
    from ptycho_bench.records.environment import environment
    from ptycho_bench.records.lock import claimed
    from ptycho_bench.records.run_folder import RunFolder
    from ptycho_bench.runs.region import points_of
    from ptycho_bench.runs.score import score_network

    checkpoint = read_checkpoint(cfg.checkpoint)
    description = checkpoint["ptycho_bench"]
    take_over(cfg, description["config"], list(HydraConfig.get().overrides.task))
    choice = only_scan(cfg)
    side = pattern_px(choice.cfg)
    if side != description["size_px"]:
        raise ValueError(
            f"{choice.words} has patterns of {side} px, the network was trained on {description['size_px']} px; crop "
            "them or choose another checkpoint"
        )
    protocol = build(cfg.metrics)
    protocol.check(description["size_px"])
    device = device_named(cfg.device)
    scan = load_scan(choice.cfg, say=True, read=stream_scan)
    region = cfg.region if isinstance(cfg.region, str) else list(cfg.region)
    points = points_of(scan, region, description["test"], choice.name)
    network = restore_network(checkpoint, scan.content_hash)
    what = sha256([file_hash(cfg.checkpoint), scan.content_hash, region, plain(cfg.metrics)])[:10]
    named = Path(cfg.outputs_dir) / "evaluations" / description["run"] / f"{choice.name}-{what}"
    folder = RunFolder(named if cfg.folder is None else Path(cfg.folder))
    with claimed(folder.path) as owner:
        if owner is not None:
            print(f"skip: {folder.path} is being written by {owner}")
            return None
        machine = environment()
        folder.clear()
        folder.open(OmegaConf.to_yaml(cfg, resolve=True), machine)
        try:
            results = score_network(
                network.to(device), scan, points, protocol=protocol, batch_size=cfg.batch_size, folder=folder.path,
                title=f"{description['run']} on {choice.name}, {cfg.region}", pictures=cfg.pictures, rows=None,
            )  # fmt: skip
        except Exception as error:
            folder.fail(error)
            raise
        folder.finish(
            {
                "schema": SCHEMA,
                "run": description["run"],
                "checkpoint": str(cfg.checkpoint),
                "region": region,
                "data": data_record(choice.name, scan),
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


def main() -> None:
    """Entry point."""
    rewrite_words(with_checkpoint, CONFIG)
    run_command(task, CONFIG, USAGE)


def with_checkpoint(words: list[str]) -> list[str]:
    """The command line: the word that ends in .ckpt is the checkpoint; its run's choices come before the user's."""
    words = scans_to_overrides(words)
    path = next((word for word in words if word.endswith(".ckpt") and not word.startswith("checkpoint=")), None)
    if path is None:
        return words
    flags = [word for word in words if word in ("-m", "--multirun")]  # argparse takes none among the overrides
    words = [word for word in words if word not in (path, *flags)]
    return flags + choices_of_run(path, words) + words


def choices_of_run(path: str, words: list[str]) -> list[str]:
    """Overrides that name the checkpoint and the groups to inherit from its run: those the user chose no file of.

    Raises:
        ValueError: no checkpoint, or one of a run on several scans, and none of them is named.
    """
    from ptycho_bench.config.build import read_checkpoint

    description = read_checkpoint(path)["ptycho_bench"]
    choices, tested = description["choices"], description["test"]
    chosen = {word.partition("=")[0] for word in words}
    if isinstance(tested, list) and "data" not in chosen:
        raise ValueError(
            f"{path} was trained on {len(tested)} scans and 1 is scored at a time; add one of: "
            + ", ".join(one["words"] for one in tested)
        )
    inherit = [group for group in INHERITABLE if group not in chosen]
    return [f"checkpoint={quoted(path)}", f"inherit=[{','.join(inherit)}]", *(f"{g}={choices[g]}" for g in inherit)]


if __name__ == "__main__":
    main()
