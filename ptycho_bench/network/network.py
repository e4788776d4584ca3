"""A complete network: input transform, model, amplitude and phase representations, and scaling."""

import torch
from torch import Tensor, nn

from ptycho_bench.network.amplitude import AmplitudeRepresentation
from ptycho_bench.network.inputs import InputTransform
from ptycho_bench.network.neighbours import neighbourhoods
from ptycho_bench.network.phase import PhaseRepresentation
from ptycho_bench.network.sample import Prediction, Target
from ptycho_bench.network.scaling import Scaling


class PtychoNetwork(nn.Module):
    """Maps diffraction intensity to amplitude and phase.

    Args:
        model: maps its input (B, C, H, W) to unbounded amplitude (B, 1, H, W) and phase channels (B, C', H, W).
        input_transform: maps intensity to the model's input.
        amplitude: amplitude representation.
        phase: phase representation.
        scaling: value ranges of the training part.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        input_transform: InputTransform,
        amplitude: AmplitudeRepresentation,
        phase: PhaseRepresentation,
        scaling: Scaling,
    ) -> None:
        super().__init__()
        self.model = model
        self.input_transform = input_transform
        self.amplitude = amplitude
        self.phase = phase
        self.scaling = scaling

    @property
    def neighbours(self) -> int:
        """Number of scan points on each side that the network sees in addition to the pattern itself."""
        return self.input_transform.neighbours

    @property
    def circular(self) -> bool:
        """Whether phases are averaged as unit vectors."""
        return self.phase.circular

    @property
    def device(self) -> torch.device:
        """Device of the weights and of the predictions."""
        return next(self.parameters()).device

    def predictions(self, network_input: Tensor) -> Prediction:
        """Predict from transformed input (B, C, H, W), in the form that a loss compares."""
        return self.activate(*self.model(network_input))

    def activate(self, amplitude: Tensor, phase: Tensor) -> Prediction:
        """Bound a model's outputs (B, 1, H, W) and (B, C, H, W)."""
        bounded = self.phase.bound(phase.float())
        return Prediction(
            amplitude=self.amplitude.bound(amplitude.float()),
            phase=self.phase.project(bounded),
            unprojected=bounded,
            decode=self.decode,
        )

    def decode(self, amplitude: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
        """Convert bounded outputs to physical amplitude and phase (radians), each (B, H, W)."""
        return self.amplitude.decode(amplitude), self.phase.decode(phase)

    def target(self, amplitude: Tensor, phase: Tensor, intensity: Tensor | None) -> Target:
        """Encode physical amplitude and phase as a training target.

        Args:
            amplitude: (B, H, W).
            phase: (B, H, W), radians.
            intensity: (B, H, W), measured photons, for a loss that compares with them; or None.
        """
        return Target(self.amplitude.encode(amplitude), self.phase.encode(phase), intensity)

    def forward(self, intensity: Tensor) -> tuple[Tensor, Tensor]:
        """Predict physical amplitude and phase (radians), each (B, H, W).

        Args:
            intensity: (B, K, H, W), photons: the pattern alone (K = 1) or its neighbourhood.
        """
        seen = self.input_transform(intensity.flatten(0, 1)).unflatten(0, intensity.shape[:2])
        prediction = self.predictions(seen.flatten(1, 2))
        return self.decode(prediction.amplitude, prediction.phase)

    @torch.inference_mode()
    def predict(self, intensity: Tensor, *, batch_size: int, neighbours: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Predict the patches behind measured patterns, in evaluation mode and batch by batch.

        Args:
            intensity: (N, H, W), photons.
            batch_size: number of patterns in a batch.
            neighbours: int64 (n, K), for each patch the indices of the patterns that the network sees (see
                `network.neighbours`); None predicts one patch per pattern, for a network that sees single patterns.

        Returns:
            Amplitude and phase (radians), each (n, H, W), on the network's device.

        Raises:
            ValueError: If the network sees neighbours and `neighbours` is None.
        """
        batches = neighbourhoods(intensity, neighbours, self.input_transform.patterns, batch_size)
        was_training = self.training
        self.eval()
        parts = [self(batch.to(self.device)) for batch in batches]
        self.train(was_training)
        amplitude, phase = (torch.cat(part) for part in zip(*parts, strict=True))
        return amplitude, phase
