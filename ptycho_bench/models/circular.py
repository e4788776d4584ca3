"""CPR's network: an encoder per gain, a skip from the raw pattern, a decoder per output channel (Liu et al. 2026)."""

import torch
from torch import Tensor, nn

from ptycho_bench.models.layers import Initialisation, Upsample2, conv_relu, initialise
from ptycho_bench.physics.bounds import Depth, Width


class CircularNet(nn.Module):
    """CPR's network; 2,117,187 parameters with two gains and a circular phase.

    The projection to the unit circle is part of the phase representation, not of the network.

    Args:
        size_px: side of a pattern, px, taken from the data; must be divisible by 8.
        in_channels: channels of the network input, taken from the input transform: one per gain, each with its own
            encoder, and the raw pattern for the skip; with one gain also a single channel that serves as both.
        phase_channels: channels of the phase output, taken from the phase representation; each has its own decoder.
        gains: number of gains of the input transform.
        widths: channels after each of the three convolutions of an encoder.
        skip_widths: channels of the two skip convolutions; [] for no skip.
        decoder_widths: channels of the three decoder blocks.
        fusion_layers: number of 1 x 1 convolutions that fuse the encoders, with a ReLU between them.
        initialisation: name of the weight initialisation, see `initialise`.

    Raises:
        ValueError: If the size is not divisible by 8, if the number of channels or widths is wrong, or if there is no
            fusion layer.
    """

    def __init__(
        self,
        *,
        size_px: int,
        in_channels: int,
        phase_channels: int,
        gains: Depth,
        widths: list[Width],
        skip_widths: list[Width],
        decoder_widths: list[Width],
        fusion_layers: Depth,
        initialisation: Initialisation,
    ) -> None:
        super().__init__()
        if size_px % 8:
            raise ValueError(f"CircularNet needs patterns whose side is divisible by 8, got {size_px} px; crop or pad")
        for name, given, count in (("widths", widths, 3), ("decoder_widths", decoder_widths, 3)):
            if len(given) != count:
                raise ValueError(f"model.{name} must be {count} numbers, got {given}")
        if len(skip_widths) not in (0, 2):
            raise ValueError(f"model.skip_widths must be 2 numbers, or [] for no skip, got {skip_widths}")
        if fusion_layers < 1:
            raise ValueError(f"fusion_layers must be at least 1, got {fusion_layers}")
        if in_channels != gains + 1 and (in_channels, gains) != (1, 1):
            raise ValueError(
                f"CircularNet with gains={gains} needs {gains + 1} input channels, the gains and the raw pattern, got "
                f"{in_channels}; preset=cpr is the published network, model=circular_single_gain takes 1 channel"
            )
        self.gains = gains
        self.encoders = nn.ModuleList(self.encoder(widths) for _ in range(self.gains))
        fusion: list[nn.Module] = [nn.Conv2d(self.gains * widths[-1], widths[-1], 1, bias=False)]
        for _ in range(fusion_layers - 1):
            fusion += [nn.ReLU(), nn.Conv2d(widths[-1], widths[-1], 1, bias=False)]
        self.fuse = nn.Sequential(*fusion)
        self.skip = self.skip_path(skip_widths)
        self.decoders = nn.ModuleList(
            Decoder(widths[-1], skip_widths[-1] if skip_widths else 0, decoder_widths)
            for _ in range(1 + phase_channels)
        )
        initialise(self, initialisation)

    @staticmethod
    def encoder(widths: list[int]) -> nn.Sequential:
        """Return 5 x 5 convolutions that each halve the size, each followed by a ReLU."""
        layers: list[nn.Module] = []
        for inside, outside in zip([1, *widths], widths, strict=False):
            layers += [nn.Conv2d(inside, outside, 5, stride=2, padding=2), nn.ReLU()]
        return nn.Sequential(*layers)

    @staticmethod
    def skip_path(widths: list[int]) -> nn.Sequential | None:
        """Return two 3 x 3 convolutions, with a ReLU between them, that reduce the raw pattern to H / 4."""
        if not widths:
            return None
        first, second = widths
        return nn.Sequential(
            nn.Conv2d(1, first, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(first, second, 3, stride=2, padding=1)
        )

    def forward(self, diffraction: Tensor) -> tuple[Tensor, Tensor]:
        gains = diffraction[:, : self.gains].split(1, dim=1)
        codes = [encoder(gain) for encoder, gain in zip(self.encoders, gains, strict=True)]
        code = self.fuse(torch.cat(codes, dim=1))  # (B, 128, H / 8, W / 8)
        skip = self.skip(diffraction[:, -1:]) if self.skip else None  # (B, 64, H / 4, W / 4)
        amplitude, *phase = (decoder(code, skip) for decoder in self.decoders)
        return amplitude, torch.cat(phase, dim=1)  # (B, 1, H, W), (B, phase_channels, H, W), unbounded


class Decoder(nn.Module):
    """Three blocks of two convolutions and a bilinear upsampling; the skip is concatenated before the second block."""

    def __init__(self, channels: int, skip_channels: int, widths: list[int]) -> None:
        super().__init__()
        inputs = (channels, widths[0] + skip_channels, widths[1])
        self.blocks = nn.ModuleList(
            nn.Sequential(conv_relu(inside, out), conv_relu(out, out), Upsample2())
            for inside, out in zip(inputs, widths, strict=True)
        )
        self.out = nn.Conv2d(widths[-1], 1, 3, padding=1)

    def forward(self, code: Tensor, skip: Tensor | None) -> Tensor:
        features = self.blocks[0](code)
        if skip is not None:
            features = torch.cat((features, skip), dim=1)
        return self.out(self.blocks[2](self.blocks[1](features)))
