"""PPN as in its public code, which differs from the paper (johncolddd/PPN, models/ppn.py).

The pattern is repeated in three identical channels. The first layer norm of the polar branch normalises over these
channels, so that only its bias remains and the branch does not depend on the data, as a test shows. This network is
kept to reproduce the results of the public code; `ppn` is the network of the paper's equations.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ptycho_bench.models.layers import Initialisation, initialise
from ptycho_bench.models.ppn.poca import full_precision, split_heads
from ptycho_bench.models.ppn.ppn import NORM_EPS, ConvolutionDecoder
from ptycho_bench.physics.bounds import Width

SIZE_PX, PATCH, TILED, WIDTH, HEADS, LAYERS, UNITS = 32, 8, 3, 32, 2, 2, 2048


class WideAttention(nn.Module):
    """Self-attention whose heads are each as wide as the tokens, so that the inner width is heads x width."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(WIDTH, HEADS * WIDTH) for _ in range(3))
        self.out = nn.Linear(HEADS * WIDTH, WIDTH)

    def forward(self, tokens: Tensor) -> Tensor:
        projected = (split_heads(layer(tokens), HEADS) for layer in (self.query, self.key, self.value))
        return self.out(F.scaled_dot_product_attention(*projected).transpose(1, 2).flatten(2))


class LocalBlock(nn.Module):
    """Pre-norm block whose residual connections start at the normalised values, with one dense feed-forward layer."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH, eps=NORM_EPS) for _ in range(2))
        self.attention, self.dense = WideAttention(), nn.Linear(WIDTH, WIDTH)

    def forward(self, tokens: Tensor) -> Tensor:
        first = self.norms[0](tokens)
        second = self.norms[1](self.attention(first) + first)
        return F.relu(self.dense(second)) + second


class ReleasedPoCA(nn.Module):
    """Polar attention that uses only the radius of the key, about the middle of the pattern; the centre is not learned.

    The modulation cos(theta_m - theta_n) / (1 + r_n) is a sum of two products of a query part and a key part. It is
    therefore contained in queries and keys of twice the width, and standard attention can be used.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(in_channels, WIDTH) for _ in range(3))
        self.out = nn.Linear(WIDTH, WIDTH)
        self.center_shift = nn.Parameter(torch.zeros(2))  # never changes: the public code reads it once
        axis = torch.arange(SIZE_PX) - SIZE_PX / 2
        offset = torch.cartesian_prod(axis, axis)
        distance = offset.norm(dim=1)
        radius = torch.log(distance + 1e-6) / torch.log(distance.max())  # -4.43 at the middle: its weight is -0.29
        angle = torch.atan2(offset[:, 0], offset[:, 1])
        direction = torch.stack((angle.cos(), angle.sin()), dim=1)
        self.register_buffer("direction", direction, persistent=False)
        self.register_buffer("key_weight", 1 / (1 + radius)[:, None], persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        query, key, value = (split_heads(layer(tokens), HEADS).float() for layer in (self.query, self.key, self.value))
        direction = self.direction + 0 * self.center_shift.sum()  # in the graph, but without influence on the result
        with full_precision(tokens.device):
            query, key = self.widened(query, direction), self.widened(key, direction * self.key_weight)
            scale = 1 / math.sqrt(WIDTH // HEADS)
            mixed = F.scaled_dot_product_attention(query, key, value, scale=scale)
        return self.out(mixed.transpose(1, 2).flatten(2))

    @staticmethod
    def widened(tokens: Tensor, direction: Tensor) -> Tensor:
        """Multiply tokens (B, heads, N, d) by each component of the direction (N, 2); return (B, heads, N, 2 d)."""
        return (tokens.unsqueeze(-1) * direction[:, None, :]).flatten(-2)


class PolarBlock(nn.Module):
    """LN, attention, LN, 1 x 1 convolution and ReLU, without residual connection or feed-forward layer."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.LayerNorm(in_channels, eps=NORM_EPS),
            ReleasedPoCA(in_channels),
            nn.LayerNorm(WIDTH, eps=NORM_EPS),
            nn.Linear(WIDTH, WIDTH),
            nn.ReLU(),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        return self.body(tokens)


class PPNReleased(nn.Module):
    """PPN of the public code, for patterns of 32 px; 1,602,828 parameters and 896 batch-norm statistics (6.118 MiB).

    Args:
        size_px: side of a pattern, px, taken from the data; must be 32.
        in_channels: channels of the network input, taken from the input transform; must be 1.
        phase_channels: channels of the phase output, taken from the phase representation.
        decoder_widths: channels after each upsampling.
        initialisation: name of the weight initialisation, see `initialise`.

    Raises:
        ValueError: If the size is not 32 px, or if there is more than one input channel.
    """

    def __init__(
        self,
        *,
        size_px: int,
        in_channels: int,
        phase_channels: int,
        decoder_widths: list[Width],
        initialisation: Initialisation,
    ) -> None:
        super().__init__()
        if size_px != SIZE_PX or in_channels != 1:
            raise ValueError(
                f"PPNReleased takes patterns of {SIZE_PX} px in 1 channel, got {size_px} px in {in_channels}; use ppn"
            )
        grid = SIZE_PX // PATCH
        self.embed = nn.Linear(TILED * PATCH**2, WIDTH)
        self.position = nn.Parameter(torch.empty(grid**2, WIDTH).uniform_(-0.05, 0.05))
        self.local = nn.Sequential(*(LocalBlock() for _ in range(LAYERS)), nn.LayerNorm(WIDTH, eps=NORM_EPS))
        self.head = nn.Linear(grid**2 * WIDTH, UNITS)
        self.polar = nn.Sequential(*(PolarBlock(WIDTH if k else TILED) for k in range(LAYERS)))
        channels = UNITS // grid**2
        self.lift, self.pool = nn.Conv2d(WIDTH, channels, 1), nn.AvgPool2d(PATCH)
        self.fuse = nn.Conv2d(2 * channels, decoder_widths[0], 1)
        self.amplitude = ConvolutionDecoder(grid=grid, widths=decoder_widths, out_channels=1)
        self.phase = ConvolutionDecoder(grid=grid, widths=decoder_widths, out_channels=phase_channels)
        initialise(self, initialisation)

    def local_features(self, tiled: Tensor) -> Tensor:
        """Compute the features (B, 128, 4, 4) of the local branch from (B, 3, 32, 32)."""
        patches = F.pixel_unshuffle(tiled, PATCH).flatten(2).transpose(1, 2)
        units = F.relu(self.head(self.local(self.embed(patches) + self.position).flatten(1)))
        grid = SIZE_PX // PATCH
        return units.view(-1, grid, grid, UNITS // grid**2).permute(0, 3, 1, 2)

    def polar_features(self, tiled: Tensor) -> Tensor:
        """Compute the features (B, 128, 4, 4) of the polar branch, the same for every pattern up to rounding."""
        tokens = self.polar(tiled.flatten(2).transpose(1, 2))
        features = tokens.transpose(1, 2).unflatten(2, (SIZE_PX, SIZE_PX))
        return self.pool(F.relu(self.lift(features)))

    def forward(self, diffraction: Tensor) -> tuple[Tensor, Tensor]:
        tiled = diffraction.expand(-1, TILED, -1, -1)
        fused = F.relu(self.fuse(torch.cat((self.local_features(tiled), self.polar_features(tiled)), dim=1)))
        return self.amplitude(fused), self.phase(fused)  # (B, 1, H, W), (B, phase_channels, H, W), unbounded
