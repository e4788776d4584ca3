"""PtychoNN: one encoder, two decoders, as released for PyTorch and Keras (Cherukara et al., doi:10.1063/5.0013065)."""

from typing import Literal

from torch import Tensor, nn

from ptycho_bench.models.layers import Initialisation, Upsample2, conv_relu, initialise
from ptycho_bench.physics.bounds import Depth, Width


class PtychoNN(nn.Module):
    """PtychoNN: plain convolutions without skip connections or normalisation.

    With width 32, depth 3 and one phase channel it has 1,247,074 parameters if the decoders end with 64 channels
    (PyTorch release), and 1,154,210 if they end with 32 (Keras release).

    Args:
        size_px: side of a pattern, px, taken from the data; must be divisible by 2**depth.
        in_channels: channels of the network input, taken from the input transform.
        phase_channels: channels of the phase output, taken from the phase representation.
        width: channels of the first block; each further block doubles them.
        depth: number of blocks of the encoder, each of which halves the size.
        narrowest: smallest number of channels of a decoder block.
        upsampling: `bilinear` (PyTorch release) or `nearest` (Keras release).
        initialisation: name of the weight initialisation, see `initialise`.

    Raises:
        ValueError: If the size is not divisible by 2**depth, or if width, depth or narrowest is below 1.
    """

    def __init__(
        self,
        *,
        size_px: int,
        in_channels: int,
        phase_channels: int,
        width: Width,
        depth: Depth,
        narrowest: Width,
        upsampling: Literal["bilinear", "nearest"],
        initialisation: Initialisation,
    ) -> None:
        super().__init__()
        if min(width, depth, narrowest) < 1:
            raise ValueError(f"width, depth and narrowest must be at least 1, got {width}, {depth} and {narrowest}")
        if size_px % 2**depth:
            raise ValueError(
                f"PtychoNN needs patterns whose side is divisible by {2**depth}, got {size_px} px; crop or pad"
            )
        widths = [width * 2**level for level in range(depth)]
        blocks, channels = [], in_channels
        for out in widths:
            blocks += [conv_relu(channels, out), conv_relu(out, out), nn.MaxPool2d(2)]
            channels = out
        self.encoder = nn.Sequential(*blocks)
        outs = [widths[-1], *(max(w, narrowest) for w in reversed(widths[:-1]))]
        self.amplitude = self.decoder(widths[-1], outs, upsampling, 1)
        self.phase = self.decoder(widths[-1], outs, upsampling, phase_channels)
        initialise(self, initialisation)

    @staticmethod
    def decoder(channels: int, widths: list[int], upsampling: str, out_channels: int) -> nn.Sequential:
        """Return a decoder that mirrors the encoder."""
        blocks = []
        for out in widths:
            blocks += [conv_relu(channels, out), conv_relu(out, out), Upsample2(upsampling)]
            channels = out
        return nn.Sequential(*blocks, nn.Conv2d(channels, out_channels, 3, padding=1))

    def forward(self, diffraction: Tensor) -> tuple[Tensor, Tensor]:
        code = self.encoder(diffraction)  # (B, width 2**(depth - 1), H / 2**depth, W / 2**depth)
        return self.amplitude(code), self.phase(code)  # (B, 1, H, W), (B, phase_channels, H, W), unbounded
