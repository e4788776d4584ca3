"""Re-estimate the batch-norm statistics of the best checkpoint of a run."""

from pathlib import Path

from ptycho_bench.config.checkpoint import WEIGHTS, read_checkpoint, restore_network
from ptycho_bench.runs.prepare import TrainingRun
from ptycho_bench.training.batch_norm import reestimate_batch_norm
from ptycho_bench.training.checkpoints import TRAINING_STATE, AtomicCheckpointIO


def reestimate_checkpoint(path: Path, run: TrainingRun) -> bool:
    """Replace the running statistics in a checkpoint by averages over the training part.

    The result depends on the weights and the data alone, so a second call changes nothing. The state of the training is
    removed from the file, because a training that continued from it would have other statistics.

    Args:
        path: the checkpoint, which is rewritten atomically.
        run: the run after training.

    Returns:
        Whether the network has batch normalisation; if not, the file stays as it is.

    Raises:
        OSError: If the file cannot be written.
    """
    checkpoint = read_checkpoint(path)
    network = restore_network(checkpoint).to(run.trainer.strategy.root_device)
    inputs = (batch.network_input for batch in run.data.one_training_pass())
    if not reestimate_batch_norm(network.model, inputs):
        return False
    weights, buffers = checkpoint["state_dict"], dict(network.named_buffers(prefix=WEIGHTS.rstrip(".")))
    weights.update({name: buffers[name].cpu() for name in buffers.keys() & weights.keys()})
    weights_only = {key: value for key, value in checkpoint.items() if key not in TRAINING_STATE}
    AtomicCheckpointIO().save_checkpoint(weights_only, path)
    return True
