"""TransUNet with two output images: residual encoder, transformer, two decoders (Chen et al., arXiv:2102.04306).

A small version of the original segmentation network: the root convolution keeps the size, each residual stage halves
it, the transformer works at H / 8, and two decoders share the encoder and its skip connections.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ptycho_bench.models.layers import ChannelNorm, Initialisation, ReducedAttention, SharedBatchNorm2d, initialise
from ptycho_bench.physics.bounds import Depth, Dropout, Width

NORM_EPS = 1e-6


class StandardisedConv2d(nn.Conv2d):
    """Convolution without bias whose weights are standardised to mean 0 and variance 1 per output channel."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, stride: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        variance, mean = torch.var_mean(self.weight, dim=(1, 2, 3), keepdim=True, correction=0)
        weight = (self.weight - mean) * (variance + 1e-5).rsqrt()
        return F.conv2d(features, weight, None, self.stride, self.padding)


def group_norm(channels: int) -> nn.GroupNorm:
    """Return a group norm with at most 32 groups, each of at least two channels."""
    return nn.GroupNorm(min(32, channels // 2), channels, eps=NORM_EPS)


class Bottleneck(nn.Module):
    """Residual block of 1 x 1, 3 x 3 and 1 x 1 convolutions; the middle one has a quarter of the output channels."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int) -> None:
        super().__init__()
        middle = out_channels // 4
        self.body = nn.Sequential(
            StandardisedConv2d(in_channels, middle, 1),
            group_norm(middle),
            nn.ReLU(),
            StandardisedConv2d(middle, middle, 3, stride=stride),
            group_norm(middle),
            nn.ReLU(),
            StandardisedConv2d(middle, out_channels, 1),
            group_norm(out_channels),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or in_channels != out_channels:
            project = StandardisedConv2d(in_channels, out_channels, 1, stride=stride)
            self.shortcut = nn.Sequential(project, group_norm(out_channels))

    def forward(self, features: Tensor) -> Tensor:
        return F.relu(self.body(features) + self.shortcut(features))


class TransformerBlock(nn.Module):
    """Pre-norm attention followed by a pre-norm MLP, over the pixels of (B, C, H, W)."""

    def __init__(self, *, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.attend = nn.Sequential(
            ChannelNorm(width, eps=NORM_EPS), ReducedAttention(width=width, heads=heads, reduce=nn.Identity())
        )
        self.mlp = nn.Sequential(
            ChannelNorm(width, eps=NORM_EPS),
            nn.Conv2d(width, hidden, 1),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Conv2d(hidden, width, 1),
            nn.Dropout(dropout),
        )

    def forward(self, features: Tensor) -> Tensor:
        features = features + self.attend(features)
        return features + self.mlp(features)


def conv_norm(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return a 3 x 3 convolution without bias, batch norm and ReLU."""
    convolution = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
    return nn.Sequential(convolution, SharedBatchNorm2d(out_channels), nn.ReLU())


class Decoder(nn.Module):
    """Bilinear upsamplings, each concatenated with the skip connection of its size and followed by two convolutions."""

    def __init__(self, code: int, head: int, widths: list[int], skips: list[int], out_channels: int) -> None:
        super().__init__()
        self.head = conv_norm(code, head)
        inputs = (above + skip for above, skip in zip([head, *widths], skips, strict=False))
        self.blocks = nn.ModuleList(
            nn.Sequential(conv_norm(inside, out), conv_norm(out, out))
            for inside, out in zip(inputs, widths, strict=True)
        )
        self.out = nn.Conv2d(widths[-1], out_channels, 3, padding=1)

    def forward(self, code: Tensor, skips: list[Tensor]) -> Tensor:
        features = self.head(code)
        for block, skip in zip(self.blocks, skips, strict=True):
            features = F.interpolate(features, skip.shape[-2:], mode="bilinear", align_corners=True)
            features = block(torch.cat((features, skip), dim=1))
        return self.out(features)


class TransUNet(nn.Module):
    """TransUNet; 6,080,674 parameters at 32 px with the widths of conf/model/transunet.yaml.

    Args:
        size_px: side of a pattern, px, taken from the data; must be divisible by 8.
        in_channels: channels of the network input, taken from the input transform.
        phase_channels: channels of the phase output, taken from the phase representation.
        width: channels of the root convolution; the two residual stages have twice and four times as many.
        token_width: channels of the transformer.
        heads: number of attention heads.
        hidden: channels inside the feed-forward layers.
        layers: number of transformer blocks.
        head_width: channels after the first convolution of a decoder.
        decoder_widths: channels after each of the three upsamplings.
        dropout: dropout probability in the transformer.
        initialisation: name of the weight initialisation, see `initialise`.

    Raises:
        ValueError: If the size is not divisible by 8.
    """

    def __init__(
        self,
        *,
        size_px: int,
        in_channels: int,
        phase_channels: int,
        width: Width,
        token_width: Width,
        heads: Depth,
        hidden: Width,
        layers: Depth,
        head_width: Width,
        decoder_widths: list[Width],
        dropout: Dropout,
        initialisation: Initialisation,
    ) -> None:
        super().__init__()
        if size_px % 8:
            raise ValueError(f"TransUNet needs patterns whose side is divisible by 8, got {size_px} px; crop or pad")
        root = nn.Sequential(StandardisedConv2d(in_channels, width, 7), group_norm(width), nn.ReLU())
        halvings = (self.stage(width, 2 * width), self.stage(2 * width, 4 * width))
        self.encoder = nn.ModuleList([root, *halvings])
        self.embed = nn.Conv2d(4 * width, token_width, 2, stride=2)
        self.position = nn.Parameter(torch.zeros(token_width, size_px // 8, size_px // 8))
        block = {"width": token_width, "heads": heads, "hidden": hidden, "dropout": dropout}
        self.transform = nn.Sequential(
            nn.Dropout(dropout),
            *(TransformerBlock(**block) for _ in range(layers)),
            ChannelNorm(token_width, eps=NORM_EPS),
        )
        skips = [4 * width, 2 * width, width]
        self.amplitude = Decoder(token_width, head_width, decoder_widths, skips, 1)
        self.phase = Decoder(token_width, head_width, decoder_widths, skips, phase_channels)
        initialise(self, initialisation)

    @staticmethod
    def stage(in_channels: int, out_channels: int) -> nn.Sequential:
        """Return two bottlenecks, the first of which halves the size."""
        return nn.Sequential(
            Bottleneck(in_channels, out_channels, stride=2), Bottleneck(out_channels, out_channels, stride=1)
        )

    def forward(self, diffraction: Tensor) -> tuple[Tensor, Tensor]:
        features, skips = diffraction, []
        for stage in self.encoder:
            features = stage(features)
            skips.insert(0, features)  # deepest first
        code = self.transform(self.embed(features) + self.position)  # (B, token_width, H / 8, W / 8)
        return self.amplitude(code, skips), self.phase(code, skips)  # (B, 1, H, W), (B, phase_channels, H, W)
