"""PtychoNN: one encoder, two decoders (Cherukara et al., doi:10.1063/5.0013065), as its PyTorch release."""

from torch import Tensor, nn

from ptycho_bench.models.layers import Upsample2, conv_relu, initialise


class PtychoNN(nn.Module):
    """Plain convolutions, no skip, no normalisation; 1,247,074 parameters at width 32, depth 3, one phase channel.

    Args:
        size_px: side of a pattern; the CLI passes it. Must divide by 2**depth.
        in_channels: channels of the input transform; the CLI passes them.
        phase_channels: channels of the phase representation; the CLI passes them.
        width: channels of the first block; each block below doubles it.
        depth: halvings of the resolution.
        initialisation: glorot or framework.

    Raises:
        ValueError: a size that cannot be halved depth times, or a width or depth below 1.
    """

    def __init__(
        self, *, size_px: int, in_channels: int, phase_channels: int, width: int, depth: int, initialisation: str
    ) -> None:
        super().__init__()
        if width < 1 or depth < 1:
            raise ValueError(f"width and depth must be at least 1, got {width} and {depth}")
        if size_px % 2**depth:
            raise ValueError(f"PtychoNN needs patterns whose side divides by {2**depth}, got {size_px} px; crop or pad")
        widths = [width * 2**level for level in range(depth)]
        blocks, channels = [], in_channels
        for out in widths:
            blocks += [conv_relu(channels, out), conv_relu(out, out), nn.MaxPool2d(2)]
            channels = out
        self.encoder = nn.Sequential(*blocks)
        self.amplitude = self.decoder(widths, 1)
        self.phase = self.decoder(widths, phase_channels)
        initialise(self, initialisation)

    @staticmethod
    def decoder(widths: list[int], out_channels: int) -> nn.Sequential:
        """Mirror of the encoder; the released PyTorch decoder does not narrow below twice the first width."""
        outs = [widths[-1], *(max(w, 2 * widths[0]) for w in reversed(widths[:-1]))]
        blocks, channels = [], widths[-1]
        for out in outs:
            blocks += [conv_relu(channels, out), conv_relu(out, out), Upsample2()]
            channels = out
        return nn.Sequential(*blocks, nn.Conv2d(channels, out_channels, 3, padding=1))

    def forward(self, diffraction: Tensor) -> tuple[Tensor, Tensor]:
        code = self.encoder(diffraction)  # (B, width 2**(depth - 1), H / 2**depth, W / 2**depth)
        return self.amplitude(code), self.phase(code)  # (B, 1, H, W), (B, phase_channels, H, W), unbounded
