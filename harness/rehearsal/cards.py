"""The cards that stand in for chips."""

from collections.abc import Mapping
from typing import NamedTuple


class Card(NamedTuple):
    """A card as its vendor's software tells of it: its name, memory, power at rest and busy, and compute capability."""

    name: str
    memory_gib: float
    rest_w: float
    busy_w: float
    capability: str = ""


CARDS: Mapping[str, Card] = {
    "ascend910b": Card("Ascend910B3", 64, 92.5, 124.5),
    "dcu-z100l": Card("Z100L", 32, 38.0, 190.0),
    "a100": Card("NVIDIA A100-SXM4-80GB", 80, 62.0, 310.0, "8.0"),
    "h100": Card("NVIDIA H100 80GB HBM3", 79.6, 70.0, 520.0, "9.0"),
    "h200": Card("NVIDIA H200", 141, 110.0, 540.0, "9.0"),
    "rtx3090": Card("NVIDIA GeForce RTX 3090", 24, 28.0, 290.0, "8.6"),
}
"""By chip. What is not told in recorded outputs is invented."""
