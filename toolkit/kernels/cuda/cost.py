"""What a card can do at most: bytes of text a second from its clock, its multiprocessors, k and n.

    bytes a second  =  multiprocessors * lanes a clock * clock / lane instructions a byte

``bound`` counts only what no MinHash can do without, a multiply-add and a minimum a permutation; ``expected``
all instructions of the kernel, as counted in its machine code (``machine_code``; a test counts again).
Two readings of the hardware: all integer instructions share one pipe of 64 lanes a clock, or multiply-adds
and the rest have one each and the 128 lanes that are issued a clock are the limit. Only a card can say which.
"""

from __future__ import annotations

from dataclasses import dataclass

from toolkit.kernels.cuda.sketch import MOST_OWN, RUN

PIPE, ISSUED = 64, 128  # lanes a clock of a multiprocessor
SLIDE, WARM = 38.0, 6.9  # instructions of a lane: an item of its run, an item of the warm-up
LOAD = 0.25 + 0.4 / 4  # of a warp a hash: the hash, and the loop around 16 of them
ROUND, LOOK = 27.0, 7.0  # rounds-1: one more mixing and a slot's place; loads and branches of the look at it
THREE_OPERANDS = ("sm_90", "sm_100", "sm_103")  # a minimum of three operands is one instruction


@dataclass(frozen=True)
class Card:
    """What the model needs to know of a card."""

    name: str
    multiprocessors: int
    hertz: float
    architecture: str


H100 = Card("H100 SXM", 132, 1.755e9, "sm_90")


@dataclass(frozen=True)
class Bounds:
    """Bytes of text a second: the arithmetic alone, and the whole kernel; one pipe for all, or two."""

    bound_one_pipe: float
    bound_two_pipes: float
    expected_one_pipe: float
    expected_two_pipes: float


def minhash_bounds(card: Card, k: int, n: int, three_operands: bool | None = None) -> Bounds:
    """Bounds of affine-1 over byte:n on long texts.

    ``bound_one_pipe`` is that of one multiply-add and one minimum of two operands a permutation, on any
    card; ``three_operands`` says whether the rest may count half a minimum (by default, the card's).
    """
    three = card.architecture in THREE_OPERANDS if three_operands is None else three_operands
    rounds = -(-k // (32 * MOST_OWN))
    lanes = 32 * rounds * -(-k // (32 * rounds))  # permutations, the unused ones of the last lanes too
    minima = lanes / 2 if three else lanes
    hashing = rounds * (SLIDE + WARM * n / RUN)
    clocks = card.multiprocessors * card.hertz
    return Bounds(
        clocks * PIPE / (2 * k),
        clocks * PIPE / k,
        clocks * PIPE / (lanes + minima + hashing),
        clocks * min(ISSUED / (lanes + minima + hashing + 32 * rounds * LOAD), PIPE / (lanes + hashing / 2)),
    )


def rounds_bounds(card: Card, n: int) -> Bounds:
    """Bounds of round 0 of rounds-1 over byte:n on long texts: whatever k is, up to 1024."""
    least, all_of_it = 2 * 16.0 + 8, SLIDE + WARM * n / RUN + ROUND  # two mixings and the polynomial; all
    clocks = card.multiprocessors * card.hertz
    rates = (PIPE / least, ISSUED / least, PIPE / all_of_it, ISSUED / (all_of_it + LOOK))
    return Bounds(*(clocks * rate for rate in rates))


def model(card: Card = H100, n: int = 24, slots: tuple[int, ...] = (64, 126, 128, 256, 512, 1024)) -> str:
    """Return the model as a table for people: GB of text a second."""
    lines = [
        f"{card.name}: {card.multiprocessors} multiprocessors, {card.hertz / 1e9:.3f} GHz, "
        f"{card.architecture}; byte:{n}, GB of text a second",
        f"{'':14}{'bound, one pipe':>18}{'two pipes':>12}{'expected, one pipe':>21}{'two pipes':>12}",
    ]
    rows = [(f"affine-1 {k}", minhash_bounds(card, k, n)) for k in slots]
    for name, b in [*rows, ("rounds-1", rounds_bounds(card, n))]:
        lines.append(
            f"{name:14}{b.bound_one_pipe / 1e9:18.1f}{b.bound_two_pipes / 1e9:12.1f}"
            f"{b.expected_one_pipe / 1e9:21.1f}{b.expected_two_pipes / 1e9:12.1f}"
        )
    return "\n".join(lines)
