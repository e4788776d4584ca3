"""PPN: a local and a non-local (polar) transformer branch, fused, and two decoders (Yue et al., IEEE TCI 2025)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ptycho_bench.models.layers import Initialisation, SameConvTranspose2d, SharedBatchNorm2d, initialise
from ptycho_bench.models.ppn.poca import PoCA, split_heads
from ptycho_bench.physics.bounds import Depth, Width

NORM_EPS = 1e-6


class SelfAttention(nn.Module):
    """Standard multi-head self-attention over tokens (B, N, width); it ignores token positions."""

    def __init__(self, *, width: Width, heads: Depth, height: int, width_px: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, tokens: Tensor) -> Tensor:
        projected = (split_heads(layer(tokens), self.heads) for layer in (self.query, self.key, self.value))
        return self.out(F.scaled_dot_product_attention(*projected).transpose(1, 2).flatten(2))


def position_embedding(tokens: int, width: int) -> nn.Parameter:
    """Return a learned vector for each token, (tokens, width), drawn as Keras draws an embedding."""
    return nn.Parameter(torch.empty(tokens, width).uniform_(-0.05, 0.05))


class PreNormBlock(nn.Module):
    """Pre-norm block, X' = attention(LN X) + X and FFN(LN X') + X' (section III-B, step 4)."""

    def __init__(self, attention: nn.Module, *, width: Width, expansion: Depth) -> None:
        super().__init__()
        self.attention = attention
        self.attention_norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.ffn_norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.ffn = nn.Sequential(nn.Linear(width, expansion * width), nn.GELU(), nn.Linear(expansion * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = self.attention(self.attention_norm(tokens)) + tokens
        return self.ffn(self.ffn_norm(tokens)) + tokens


class LocalBranch(nn.Module):
    """Vision transformer over patches; maps (B, C, H, W) to (B, out_channels, H / patch, W / patch)."""

    def __init__(
        self,
        block: Callable[..., nn.Module],
        *,
        size_px: int,
        in_channels: int,
        patch: int,
        width: int,
        heads: int,
        layers: int,
        expansion: int,
        out_channels: int,
    ) -> None:
        super().__init__()
        self.side = size_px // patch
        tokens = self.side**2
        self.patch, self.out_channels = patch, out_channels
        self.embed = nn.Linear(in_channels * patch**2, width)
        self.position = position_embedding(tokens, width)
        grid = {"width": width, "heads": heads, "height": self.side, "width_px": self.side}
        self.blocks = nn.Sequential(
            *(block(SelfAttention(**grid), width=width, expansion=expansion) for _ in range(layers))
        )
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.head = nn.Linear(tokens * width, tokens * out_channels)

    def forward(self, diffraction: Tensor) -> Tensor:
        patches = F.pixel_unshuffle(diffraction, self.patch).flatten(2).transpose(1, 2)  # (B, tokens, C patch^2)
        tokens = self.embed(patches) + self.position
        units = F.relu(self.head(self.norm(self.blocks(tokens)).flatten(1)))
        return units.view(-1, self.side, self.side, self.out_channels).permute(0, 3, 1, 2)


class NonLocalBranch(nn.Module):
    """Non-local coherence branch, whose tokens are single pixels; maps (B, C, H, W) to (B, width, H, W)."""

    def __init__(
        self,
        block: Callable[..., nn.Module],
        attention: Callable[..., nn.Module],
        *,
        size_px: int,
        in_channels: int,
        width: int,
        heads: int,
        layers: int,
        expansion: int,
        positions: bool,
    ) -> None:
        super().__init__()
        self.embed = nn.Conv2d(in_channels, width, 1)
        self.position = position_embedding(size_px**2, width) if positions else None
        grid = {"width": width, "heads": heads, "height": size_px, "width_px": size_px}
        self.blocks = nn.Sequential(
            *(block(attention(**grid), width=width, expansion=expansion) for _ in range(layers))
        )
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)

    def forward(self, diffraction: Tensor) -> Tensor:
        features = self.embed(diffraction)
        tokens = features.flatten(2).transpose(1, 2)
        if self.position is not None:
            tokens = tokens + self.position
        return self.norm(self.blocks(tokens)).transpose(1, 2).reshape(features.shape)


class ConvolutionDecoder(nn.Sequential):
    """BatchNorm(ReLU(ConvTranspose)) per upsampling (Eq. 11), then one transposed convolution at full size.

    Args:
        grid: side of the fused map.
        widths: channels after each upsampling; the fused map has widths[0].
        out_channels: channels of the output.
    """

    def __init__(self, *, grid: int, widths: list[Width], out_channels: int) -> None:
        layers: list[nn.Module] = []
        for channels, out in zip([widths[0], *widths], widths, strict=False):
            norm = SharedBatchNorm2d(out, eps=1e-3, momentum=0.01)
            layers += [SameConvTranspose2d(channels, out, stride=2), nn.ReLU(inplace=True), norm]
        super().__init__(*layers, SameConvTranspose2d(widths[-1], out_channels, stride=1))


class DenseDecoder(nn.Sequential):
    """One fully connected layer from the fused map to the output, for the ablation without a convolutional decoder."""

    def __init__(self, *, grid: int, widths: list[Width], out_channels: int) -> None:
        side = grid * 2 ** len(widths)
        dense = nn.Linear(widths[0] * grid**2, out_channels * side**2)
        super().__init__(nn.Flatten(), dense, nn.Unflatten(1, (out_channels, side, side)))


class PPN(nn.Module):
    """PPN by the paper's equations; the branches are fused on the patch grid, where the decoder starts.

    It has 1,589,350 parameters at 32 px with the values of conf/model/ppn.yaml.

    Args:
        size_px: side of a pattern, px, taken from the data; must be divisible by the patch.
        in_channels: channels of the network input, taken from the input transform.
        phase_channels: channels of the phase output, taken from the phase representation.
        patch: side of a patch of the local branch, px; must be 2**len(decoder_widths).
        width: embedding width D of both branches.
        heads: attention heads of both branches.
        layers: transformer blocks of each branch.
        expansion: width of the feed-forward layers as a multiple of D.
        local_channels: channels of each patch in the local branch, which one dense layer computes from all tokens.
        block: transformer block of both branches, called with an attention.
        attention: attention of the non-local branch; None leaves the branch out.
        positions: whether the non-local branch learns a position embedding; PoCA needs none.
        decoder: decoder from the fused map to an image; one each for amplitude and phase.
        decoder_widths: channels after each upsampling.
        initialisation: name of the weight initialisation, see `initialise`.

    Raises:
        ValueError: If the size, the patch or the width is not divisible as required.
    """

    def __init__(
        self,
        *,
        size_px: int,
        in_channels: int,
        phase_channels: int,
        patch: Depth,
        width: Width,
        heads: Depth,
        layers: Depth,
        expansion: Depth,
        local_channels: Width,
        block: Callable[..., nn.Module],
        attention: Callable[..., nn.Module] | None,
        positions: bool,
        decoder: Callable[..., nn.Module],
        decoder_widths: list[Width],
        initialisation: Initialisation,
    ) -> None:
        super().__init__()
        if patch != 2 ** len(decoder_widths):
            raise ValueError(f"patch must be 2**{len(decoder_widths)}, a factor of 2 per decoder width, got {patch}")
        if size_px % patch:
            raise ValueError(f"PPN needs patterns whose side is divisible by {patch}, got {size_px} px; crop or pad")
        if width % heads:
            raise ValueError(f"heads must divide the width {width}, got {heads}")
        branch = {
            "size_px": size_px,
            "in_channels": in_channels,
            "width": width,
            "heads": heads,
            "layers": layers,
            "expansion": expansion,
        }
        self.local = LocalBranch(block, **branch, patch=patch, out_channels=local_channels)
        self.polar = NonLocalBranch(block, attention, **branch, positions=positions) if attention else None
        self.pool = nn.AvgPool2d(patch)
        fused_channels = local_channels + (width if attention else 0)
        self.fuse = nn.Conv2d(fused_channels, decoder_widths[0], 1)
        shape = {"grid": size_px // patch, "widths": decoder_widths}
        self.amplitude = decoder(**shape, out_channels=1)
        self.phase = decoder(**shape, out_channels=phase_channels)
        initialise(self, initialisation)

    def forward(self, diffraction: Tensor) -> tuple[Tensor, Tensor]:
        features = self.local(diffraction)  # (B, C, H / patch, W / patch)
        if self.polar:
            features = torch.cat((features, self.pool(self.polar(diffraction))), dim=1)
        fused = self.fuse(features)  # Eq. 10, at the patch grid
        return self.amplitude(fused), self.phase(fused)  # (B, 1, H, W), (B, phase_channels, H, W), unbounded

    def diagnostics(self) -> dict[str, float]:
        """Return the learned centres (Eq. 5) in pixels, which are logged every epoch."""
        attentions = [block.attention for block in self.polar.blocks] if self.polar else []
        return {
            f"center_{axis}_px_block{k}": value
            for k, attention in enumerate(attentions)
            if isinstance(attention, PoCA)
            for axis, value in zip("yx", attention.center_px.tolist(), strict=True)
        }
