"""What the backward pass of a network keeps of its forward pass, counted in values from its configuration.

What a framework keeps follows from the operators: a matrix product keeps what it multiplies where the other factor is
trained, an activation function what it is given, a LayerNorm its input; additions and products with constants keep
nothing. So it is in PyTorch, whose saved tensors these counts are tested against.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import add

FLOAT32_BYTES, LOW_BYTES = 4, 2


@dataclass(frozen=True)
class Kept:
    """Values that are kept: of products of dense layers, which a lower precision makes smaller, and all others."""

    products: int = 0
    others: int = 0

    def __add__(self, other: "Kept") -> "Kept":
        return Kept(self.products + other.products, self.others + other.others)

    def bytes(self, *, low: bool) -> int:
        """In bytes, with products in 16 bits where `low`."""
        return self.products * (LOW_BYTES if low else FLOAT32_BYTES) + self.others * FLOAT32_BYTES


@dataclass(frozen=True)
class Block:
    """A part of a network: what it keeps of its inputs and inside, and the values of gradients while it runs back."""

    inputs: Kept
    inside: Kept
    working: int


@dataclass(frozen=True)
class Activations:
    """Of one network step: what is kept outside of its blocks, the blocks, and values of gradients at the loss.

    `recomputes` says that only the inputs of blocks are kept, whatever the execution: each block is computed anew.
    """

    outside: Kept
    blocks: tuple[Block, ...]
    working: int
    recomputes: bool = False

    def kept(self, *, recomputes: bool) -> Kept:
        """At the end of the forward pass."""
        found = reduce(add, (block.inputs for block in self.blocks), self.outside)
        if recomputes or self.recomputes:
            return found
        return reduce(add, (block.inside for block in self.blocks), found)

    def peak_bytes(self, *, steps: int, recomputes: bool, offloads: bool, low: bool) -> int:
        """The most that is there at once in a backward pass over a rollout of `steps`.

        Blocks run back from the last one, each when what later ones kept is gone. Where what is kept is offloaded, a
        block at a time is there.
        """
        anew = recomputes or offloads or self.recomputes
        there = 0 if offloads else steps * self.kept(recomputes=recomputes).bytes(low=low)
        found = [there + FLOAT32_BYTES * self.working]
        for block in reversed(self.blocks):
            inside = block.inside.bytes(low=low)
            found.append(there + FLOAT32_BYTES * block.working + (inside if anew else 0))
            if not offloads:
                there -= block.inputs.bytes(low=low) + (0 if anew else inside)
        return max(found)


def total(parts: Iterable[Kept]) -> Kept:
    """All of them."""
    return reduce(add, parts, Kept())


def tokens_block(rows: int, width: int, hidden: int, modes: int) -> Block:
    """The block of harness.models.layers: rows of tokens, a token MLP and a mixer of `modes` real and imaginary parts.

    Kept: the inputs of both LayerNorms and of both dense layers, and of GELU; of the mixer, the modes that go into both
    of its layers and into the soft shrinkage. While GELU runs back, its slope and what it gives stand in for one of the
    two rows of the hidden layer, and the slope of the skip waits.
    """
    inside = Kept(products=rows * (width + hidden), others=rows * (hidden + width + 4) + 3 * modes * width)
    return Block(Kept(others=rows * width), inside, rows * (hidden + width))
