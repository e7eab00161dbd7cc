"""A language model of one attention layer in NumPy, float64: forward only, to compare losses exactly.

Learned positions, so that a position that was not reset shows; dense attention under a mask of who may
look at whom, so that a look across a boundary shows.
"""

import numpy as np

WIDTH, HEADS, PLACES = 16, 2, 256


def parameters(vocabulary, seed=0):
    rng = np.random.default_rng(seed)
    square = (WIDTH, WIDTH)
    shapes = {"token": (vocabulary, WIDTH), "place": (PLACES, WIDTH), "q": square, "k": square, "v": square}
    return {name: rng.normal(size=shape) * 0.5 for name, shape in shapes.items()}


def log_softmax(x):
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def forward(p, ids, positions, may_look):
    """Log-probabilities of the next token, [tokens, vocabulary]; ``may_look``: bool [tokens, tokens]."""
    x = p["token"][ids] + p["place"][positions]
    q, k, v = (
        (x @ p[name]).reshape(len(ids), HEADS, -1).swapaxes(0, 1) for name in ("q", "k", "v")
    )  # [heads, tokens, width of a head]
    scores = np.where(may_look, q @ k.swapaxes(1, 2) / np.sqrt(q.shape[-1]), -np.inf)
    mixed = np.exp(log_softmax(scores)) @ v
    return log_softmax((x + mixed.swapaxes(0, 1).reshape(x.shape)) @ p["token"].T)


def losses(p, ids, positions, labels, may_look):
    """Loss of every output that has a target, in order: the output at t answers for labels[t + 1]."""
    logp, targets = forward(p, ids, positions, may_look)[:-1], labels[1:]
    at = np.flatnonzero(targets != -100)
    return -logp[at, targets[at]]
