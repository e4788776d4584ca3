"""ptycho-export: write a trained network as one ONNX file."""

from pathlib import Path
from typing import TYPE_CHECKING

from ptycho_bench.cli.entry import rewrite_words, run_command
from ptycho_bench.config.overrides import checkpoint_to_override

if TYPE_CHECKING:
    from omegaconf import DictConfig

CONFIG = "export"

USAGE = """
ptycho-export CHECKPOINT writes a trained network as one ONNX file: photons in, amplitude and phase (radians) out.

  ptycho-export outputs/runs/STUDY/RUN/best.ckpt            best.onnx beside it, for any number of patterns at once
  ptycho-export CHECKPOINT batch=8 out=beamline.onnx        for eight at once
  ptycho-export CHECKPOINT scan=NAME                        trained with scaling=own: with the ranges of that scan

The file is kept only if ONNX Runtime computes the same as PyTorch. ptycho-reconstruct accepts it in place of a
checkpoint. An existing file is replaced only with overwrite=true. Values: batch, out, overwrite, scan; see
conf/export.yaml.
"""


def task(cfg: "DictConfig") -> None:
    """Export the checkpoint, check the file, and print what it contains."""
    from ptycho_bench.config.build import check_type
    from ptycho_bench.runs.export import export

    check_type("batch", cfg.batch, int | None)
    made = export(
        str(cfg.checkpoint), out=None if cfg.out is None else Path(cfg.out), batch=cfg.batch,
        scan=None if cfg.scan is None else str(cfg.scan), overwrite=cfg.overwrite,
    )  # fmt: skip
    batch = "batch" if cfg.batch is None else cfg.batch
    print(
        f"{made.run}: diffraction ({batch}, {made.patterns}, {made.side_px}, {made.side_px}), photons, to obj_patches "
        f"({batch}, 2, {made.side_px}, {made.side_px}), amplitude and phase (rad)"
    )
    print(f"  ONNX Runtime differs from PyTorch by at most {made.difference:.1e} of the output's range")
    print(f"-> {made.path} ({made.path.stat().st_size / 2**20:.2f} MiB)")


def main() -> None:
    """Run the command."""
    rewrite_words(checkpoint_to_override, CONFIG)
    run_command(task, CONFIG, USAGE)


if __name__ == "__main__":
    main()
