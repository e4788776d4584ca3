"""Networks of PPN's draft, compared with its equations in NumPy."""

import math

import numpy as np
import torch
from torch import nn

from ptycho_bench.models.ppn.ppn_draft import AdditivePolarAttention, DraftBlock, draft_weights


def softmax(logits):
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def test_the_weights_are_the_sum_of_equations_10_and_11():
    height, width = 6, 8
    weights = draft_weights(height, width).view(height, width)
    for j in range(1, height + 1):
        for i in range(1, width + 1):
            radius = math.hypot(i - width / 2, j - height / 2) / math.hypot(width / 2, height / 2)
            angle = math.atan2(j - height / 2, i - width / 2) / math.pi
            assert abs(weights[j - 1, i - 1].item() - (radius + angle)) < 1e-6
    assert weights[height // 2 - 1, width // 2 - 1] == 0


def test_the_attention_is_equations_7_to_9():
    torch.manual_seed(0)
    attention = AdditivePolarAttention(width=6, heads=2, height=4, width_px=4).double()
    tokens = torch.randn(3, 16, 6, dtype=torch.float64)
    query, key, value = (
        layer(tokens).detach().numpy().reshape(3, 16, 2, 3).swapaxes(1, 2)
        for layer in (attention.query, attention.key, attention.value)
    )
    logits = query @ key.swapaxes(2, 3) / math.sqrt(3)
    weights = draft_weights(4, 4).double().numpy()
    mixed = (softmax(logits * weights) @ value).swapaxes(1, 2).reshape(3, 16, 6)
    expected = attention.out(torch.from_numpy(mixed))
    torch.testing.assert_close(attention(tokens), expected, atol=1e-6, rtol=1e-6)


def test_the_second_residual_connection_of_the_block_starts_at_the_tokens():
    torch.manual_seed(0)
    block = DraftBlock(nn.Linear(4, 4), width=4, expansion=2)
    tokens = torch.randn(2, 5, 4)
    inner = tokens + block.attention(block.attention_norm(tokens))
    torch.testing.assert_close(block(tokens), tokens + block.ffn(block.ffn_norm(inner)))
    block.ffn[-1].weight.data.zero_()
    block.ffn[-1].bias.data.zero_()
    assert torch.equal(block(tokens), tokens)
