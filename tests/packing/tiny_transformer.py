"""A decoder of two layers in PyTorch, float64: rotary and learned positions, attention under a mask."""

import torch
from torch import nn

WIDTH, HEADS, PLACES = 16, 2, 256


def rotated(x, positions):
    """Turn each pair of a head's channels by an angle that grows with the position (RoPE)."""
    half = x.shape[-1] // 2
    angle = positions[:, None] * 100.0 ** (-torch.arange(half, dtype=x.dtype) / half)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], -1)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.before, self.qkv = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        wide = 4 * WIDTH
        self.mlp = nn.Sequential(
            nn.LayerNorm(WIDTH), nn.Linear(WIDTH, wide), nn.GELU(), nn.Linear(wide, WIDTH)
        )

    def forward(self, x, positions, may_look):
        parts = self.qkv(self.before(x)).split(WIDTH, -1)
        q, k, v = (part.view(len(x), HEADS, -1).transpose(0, 1) for part in parts)
        scores = rotated(q, positions) @ rotated(k, positions).transpose(1, 2) / q.shape[-1] ** 0.5
        mixed = scores.masked_fill(~may_look, -torch.inf).softmax(-1) @ v
        x = x + self.out(mixed.transpose(0, 1).reshape(len(x), WIDTH))
        return x + self.mlp(x)


class Decoder(nn.Module):
    """Logits [tokens, vocabulary] of one row; ``learned``: positions have vectors of their own too."""

    def __init__(self, vocabulary, learned=True):
        super().__init__()
        self.token, self.place = nn.Embedding(vocabulary, WIDTH), nn.Embedding(PLACES, WIDTH)
        self.layers = nn.ModuleList([Layer(), Layer()])
        self.head, self.learned = nn.Linear(WIDTH, vocabulary), learned
        self.double()

    def forward(self, ids, positions, may_look):
        x = self.token(ids)
        if self.learned:
            x = x + self.place(positions)
        for layer in self.layers:
            x = layer(x, positions, may_look)
        return self.head(x)


def losses(model, ids, positions, labels, may_look):
    """Loss of every output that has a target, in order: the output at t answers for labels[t + 1]."""
    logits, targets = model(ids, positions, may_look)[:-1], labels[1:]
    every = nn.functional.cross_entropy(logits, targets, ignore_index=-100, reduction="none")
    return every[targets != -100]
