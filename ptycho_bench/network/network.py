"""A network with all it needs to read a detector: input transform, model, representations, scaling."""

import torch
from torch import Tensor, nn

from ptycho_bench.network.amplitude import AmplitudeRepresentation
from ptycho_bench.network.inputs import InputTransform
from ptycho_bench.network.neighbours import neighbourhoods
from ptycho_bench.network.phase import PhaseRepresentation
from ptycho_bench.network.sample import Prediction, Target
from ptycho_bench.network.scaling import Scaling


class PtychoNetwork(nn.Module):
    """Diffraction intensity to amplitude and phase.

    Args:
        model: (B, C, H, W) input to unbounded amplitude (B, 1, H, W) and phase channels (B, C, H, W).
        input_transform: intensity to the model's input.
        amplitude: amplitude representation.
        phase: phase representation.
        scaling: the training part's ranges.
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
        """Scan points on each side that are seen beside the pattern itself."""
        return self.input_transform.neighbours

    @property
    def circular(self) -> bool:
        """Whether phases are averaged as unit vectors."""
        return self.phase.circular

    @property
    def device(self) -> torch.device:
        """Where its weights lie, and what it predicts."""
        return next(self.parameters()).device

    def predictions(self, network_input: Tensor) -> Prediction:
        """Transformed input (B, C, H, W) to what a loss compares."""
        return self.activate(*self.model(network_input))

    def activate(self, amplitude: Tensor, phase: Tensor) -> Prediction:
        """A model's unbounded outputs (B, 1, H, W) and (B, C, H, W), bounded."""
        bounded = self.phase.bound(phase.float())
        return Prediction(
            amplitude=self.amplitude.bound(amplitude.float()),
            phase=self.phase.project(bounded),
            unprojected=bounded,
            decode=self.decode,
        )

    def decode(self, amplitude: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
        """Bounded outputs to physical amplitude and phase (B, H, W), radians."""
        return self.amplitude.decode(amplitude), self.phase.decode(phase)

    def target(self, amplitude: Tensor, phase: Tensor, intensity: Tensor | None) -> Target:
        """Physical amplitude and phase (B, H, W), radians, as what is to be predicted; with the measured photons."""
        return Target(self.amplitude.encode(amplitude), self.phase.encode(phase), intensity)

    def forward(self, intensity: Tensor) -> tuple[Tensor, Tensor]:
        """Measured patterns (B, K, H, W), photons, K = 1 or a neighbourhood, to physical patches (B, H, W), radians."""
        seen = self.input_transform(intensity.flatten(0, 1)).unflatten(0, intensity.shape[:2])
        prediction = self.predictions(seen.flatten(1, 2))
        return self.decode(prediction.amplitude, prediction.phase)

    @torch.inference_mode()
    def predict(self, intensity: Tensor, *, batch_size: int, neighbours: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Patches behind measured patterns, in evaluation mode, batch by batch on the network's device.

        Args:
            intensity: (N, H, W), photons.
            batch_size: patterns at once.
            neighbours: int64 (n, K), for each patch the patterns the network sees (see `network.neighbours`); None: a
                patch for every pattern, for a network that sees one.

        Returns:
            Amplitude and phase (radians), each (n, H, W), on the network's device.

        Raises:
            ValueError: a network that sees neighbours, and none are named.
        """
        batches = neighbourhoods(intensity, neighbours, self.input_transform.patterns, batch_size)
        was_training = self.training
        self.eval()
        parts = [self(batch.to(self.device)) for batch in batches]
        self.train(was_training)
        amplitude, phase = (torch.cat(part) for part in zip(*parts, strict=True))
        return amplitude, phase
