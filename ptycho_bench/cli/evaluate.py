"""ptycho-evaluate: score a trained network on another data set, overlap or noise."""

from typing import TYPE_CHECKING

from ptycho_bench.cli.entry import rewrite_words, run_command

if TYPE_CHECKING:
    from omegaconf import DictConfig

CONFIG = "evaluate"

USAGE = """
ptycho-evaluate CHECKPOINT scores a trained network with the same metrics and pictures as ptycho-train.

  ptycho-evaluate outputs/runs/STUDY/RUN/best.ckpt                       the data it was trained on
  ptycho-evaluate CHECKPOINT noise=ppn                                   with noise
  ptycho-evaluate CHECKPOINT data.overlap_ratio=0.5                      a new scan of the same test field
  ptycho-evaluate CHECKPOINT data=ad_ltem region=all data_root=FOLDER    another object, every patch
  ptycho-evaluate CHECKPOINT data=file data.file_path=scan.h5            a scan in a file
  ptycho-evaluate CHECKPOINT predictor=training_mean                     scores the mean of the training part instead
  ptycho-evaluate CHECKPOINT -m data=ltem,ad_ltem                        one after the other

Choices, each as group=default with its options; without a choice, that of the training run is used:
"""


def task(cfg: "DictConfig") -> float | None:
    """Score the checkpoint; return the PSNR of the stitched phase, or None if another process is working on it."""
    from hydra.core.hydra_config import HydraConfig

    from ptycho_bench.config.evaluation import evaluation_spec
    from ptycho_bench.runs.evaluate import evaluate

    return evaluate(evaluation_spec(cfg, list(HydraConfig.get().overrides.task)))


def with_checkpoint(words: list[str]) -> list[str]:
    """Call `config.evaluation.with_checkpoint`, which imports torch to read the checkpoint, after a first check."""
    from ptycho_bench.config.precheck import check_before_checkpoint

    check_before_checkpoint(words)
    from ptycho_bench.config.evaluation import with_checkpoint

    return with_checkpoint(words)


def main() -> None:
    """Run the command."""
    rewrite_words(with_checkpoint, CONFIG)
    run_command(task, CONFIG, USAGE)


if __name__ == "__main__":
    main()
