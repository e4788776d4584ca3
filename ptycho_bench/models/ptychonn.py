"""PtychoNN: one encoder, two decoders (Cherukara et al., doi:10.1063/5.0013065), as its PyTorch and Keras releases."""

from torch import Tensor, nn

from ptycho_bench.models.layers import Upsample2, conv_relu, initialise


class PtychoNN(nn.Module):
    """Plain convolutions, no skip, no normalisation.

    At width 32, depth 3 and one phase channel 1,247,074 parameters with decoders that end 64 wide (PyTorch), 1,154,210
    with 32 (Keras).

    Args:
        size_px: side of a pattern; the CLI passes it. Must divide by 2**depth.
        in_channels: channels of the input transform; the CLI passes them.
        phase_channels: channels of the phase representation; the CLI passes them.
        width: channels of the first block; each block below doubles it.
        depth: halvings of the resolution.
        narrowest: the decoders narrow down to this width.
        upsampling: bilinear (PyTorch) or nearest (Keras).
        initialisation: glorot or framework.

    Raises:
        ValueError: a size that cannot be halved depth times, or a width or depth below 1.
    """

    def __init__(
        self,
        *,
        size_px: int,
        in_channels: int,
        phase_channels: int,
        width: int,
        depth: int,
        narrowest: int,
        upsampling: str,
        initialisation: str,
    ) -> None:
        super().__init__()
        if min(width, depth, narrowest) < 1:
            raise ValueError(f"width, depth and narrowest must be at least 1, got {width}, {depth} and {narrowest}")
        if size_px % 2**depth:
            raise ValueError(f"PtychoNN needs patterns whose side divides by {2**depth}, got {size_px} px; crop or pad")
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
        """Mirror of the encoder."""
        blocks = []
        for out in widths:
            blocks += [conv_relu(channels, out), conv_relu(out, out), Upsample2(upsampling)]
            channels = out
        return nn.Sequential(*blocks, nn.Conv2d(channels, out_channels, 3, padding=1))

    def forward(self, diffraction: Tensor) -> tuple[Tensor, Tensor]:
        code = self.encoder(diffraction)  # (B, width 2**(depth - 1), H / 2**depth, W / 2**depth)
        return self.amplitude(code), self.phase(code)  # (B, 1, H, W), (B, phase_channels, H, W), unbounded
