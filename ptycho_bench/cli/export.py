"""ptycho-export: a trained network as one ONNX file, for whatever runs those."""

from pathlib import Path
from typing import TYPE_CHECKING

from ptycho_bench.cli.entry import rewrite_words, run_command
from ptycho_bench.config.overrides import checkpoint_to_override

if TYPE_CHECKING:
    from collections.abc import Mapping

    from omegaconf import DictConfig

CONFIG = "export"

USAGE = """
ptycho-export CHECKPOINT writes a trained network as one ONNX file: photons in, amplitude and phase (radians) out.

  ptycho-export outputs/runs/STUDY/RUN/best.ckpt            best.onnx beside it, for any number of patterns at once
  ptycho-export CHECKPOINT batch=8 out=beamline.onnx        for eight at once
  ptycho-export CHECKPOINT scan=NAME                        of several scans with scaling=own: in that one's ranges

The file is run by ONNX Runtime and compared with PyTorch before it gets its name. ptycho-reconstruct takes it in place
of a checkpoint. Values: batch, out, scan; see conf/export.yaml.
"""


def task(cfg: "DictConfig") -> None:
    """Export the checkpoint, check the file, say what it is."""
    from ptycho_bench.config.build import check_type, read_checkpoint, restore_network
    from ptycho_bench.deployment.export import export_network
    from ptycho_bench.deployment.metadata import metadata_of

    check_type("batch", cfg.batch, int | None)
    checkpoint = read_checkpoint(cfg.checkpoint)
    description = checkpoint["ptycho_bench"]
    path = Path(cfg.checkpoint).with_suffix(".onnx") if cfg.out is None else Path(cfg.out)
    if path.suffix != ".onnx":
        raise ValueError(f"out must end in .onnx, by which ptycho-reconstruct knows it, got {path}")
    own = None if cfg.scan is None else scan_named(description, str(cfg.scan))
    network = restore_network(checkpoint, own)
    metadata = metadata_of(description, neighbours=network.neighbours, circular=network.circular, scaling_of=own)
    path.parent.mkdir(parents=True, exist_ok=True)
    side, patterns = description["size_px"], network.input_transform.patterns
    difference = export_network(network, path, size_px=side, batch=cfg.batch, metadata=metadata)
    batch = "batch" if cfg.batch is None else cfg.batch
    print(
        f"{description['run']}: diffraction ({batch}, {patterns}, {side}, {side}), photons, to obj_patches "
        f"({batch}, 2, {side}, {side}), amplitude and phase (rad)"
    )
    print(f"  ONNX Runtime against PyTorch: {difference:.1e} of the output's range at most")
    print(f"-> {path} ({path.stat().st_size / 2**20:.2f} MiB)")


def scan_named(description: "Mapping", word: str) -> str:
    """Content hash of one of the scans a network was trained on, by its name or the hash's beginning.

    Raises:
        ValueError: the network has one scaling, or the word fits none or several of its scans.
    """
    if "own_scaling" not in description:
        raise ValueError(f"scan={word} chooses a scan's own scaling, but this network has one for all; leave it out")
    tested = description["test"]
    fitting = [one for one in tested if one["name"] == word] or [
        one for one in tested if one["content_hash"].startswith(word)
    ]
    if len(fitting) != 1:
        there = ", ".join(f"{one['name']} ({one['content_hash'][:10]})" for one in tested)
        raise ValueError(f"scan={word} fits {len(fitting)} of the {len(tested)} scans of training; there are {there}")
    return fitting[0]["content_hash"]


def main() -> None:
    """Entry point."""
    rewrite_words(checkpoint_to_override, CONFIG)
    run_command(task, CONFIG, USAGE)


if __name__ == "__main__":
    main()
