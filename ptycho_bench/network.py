"""A network with all it needs to read a detector: input transform, model, phase representation, scaling."""

from typing import Protocol

import torch
from torch import Tensor, nn

from ptycho_bench.data.sample import Heads
from ptycho_bench.data.scaling import Scaling


class PhaseRepresentation(Protocol):
    """What a class of `ptycho_bench.phase` offers; see there."""

    channels: int
    data_range: float
    circular: bool

    def encode(self, phase: Tensor) -> Tensor: ...
    def activate(self, raw: Tensor) -> Tensor: ...
    def decode(self, channels: Tensor) -> Tensor: ...


class PtychoNetwork(nn.Module):
    """Diffraction intensity to amplitude and phase.

    Args:
        model: (B, C, H, W) input to unbounded amplitude (B, 1, H, W) and phase channels (B, C, H, W).
        input_transform: intensity to the model's input.
        phase: phase representation.
        scaling: the training part's ranges.
    """

    def __init__(
        self, *, model: nn.Module, input_transform: nn.Module, phase: PhaseRepresentation, scaling: Scaling
    ) -> None:
        super().__init__()
        self.model = model
        self.input_transform = input_transform
        self.phase = phase
        self.scaling = scaling

    def heads(self, network_input: Tensor) -> Heads:
        """Transformed input (B, C, H, W) to amplitude in (0, 1) and bounded phase channels: what a loss compares."""
        amplitude, phase = self.model(network_input)
        return Heads(torch.sigmoid(amplitude.float()), self.phase.activate(phase.float()))

    def target(self, amplitude: Tensor, phase: Tensor) -> Heads:
        """Physical amplitude and phase (B, H, W), radians, as heads to be predicted."""
        return Heads(self.scaling.scale_amplitude(amplitude).unsqueeze(1), self.phase.encode(phase))

    def forward(self, intensity: Tensor) -> tuple[Tensor, Tensor]:
        """Intensity (B, H, W), photons, to physical amplitude and phase (B, H, W), radians."""
        heads = self.heads(self.input_transform(intensity))
        return self.scaling.unscale_amplitude(heads.amplitude.squeeze(1)), self.phase.decode(heads.phase)

    @torch.inference_mode()
    def predict(self, intensity: Tensor, *, batch_size: int) -> tuple[Tensor, Tensor]:
        """`forward` in evaluation mode, batch by batch on the network's device; results on the CPU."""
        was_training = self.training
        self.eval()
        device = next(self.parameters()).device
        parts = [self(part.to(device)) for part in intensity.split(batch_size)]
        self.train(was_training)
        return torch.cat([a.cpu() for a, _ in parts]), torch.cat([p.cpu() for _, p in parts])
