"""Parameters of a network, described and drawn without any framework."""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Weights = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Parameter:
    """One parameter: its name, the same in every framework, its shape and its initial distribution.

    `scale` is the standard deviation of `normal`, the half width of `uniform` and the value of `constant`;
    `truncated_normal` is `normal` cut at two of its standard deviations, which leaves 0.88 of one.
    """

    name: str
    shape: tuple[int, ...]
    distribution: Literal["normal", "truncated_normal", "uniform", "constant"]
    scale: float

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)


def count(parameters: Sequence[Parameter]) -> int:
    """Number of trainable values."""
    return sum(parameter.size for parameter in parameters)


def numbered(names: Iterable[str], prefix: str) -> int:
    """How many numbers follow a prefix: 2 for `blocks.` where there are blocks.0.norm and blocks.1.norm."""
    return len({name[len(prefix) :].partition(".")[0] for name in names if name.startswith(prefix)})


def draw(parameters: Sequence[Parameter], seed: int) -> "dict[str, NDArray[np.float32]]":
    """Initial weights by name.

    Every parameter has a random stream of its own, keyed by the seed and its name, so that the draw depends on
    neither the order nor the framework.
    """
    import numpy as np
    from scipy.special import ndtr, ndtri

    weights = {}
    for parameter in parameters:
        key = int.from_bytes(hashlib.sha256(parameter.name.encode()).digest()[:8], "little")
        random = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, key])))
        if parameter.distribution == "normal":
            values = parameter.scale * random.standard_normal(parameter.shape, dtype=np.float32)
        elif parameter.distribution == "truncated_normal":
            values = parameter.scale * ndtri(ndtr(-2) + (ndtr(2) - ndtr(-2)) * random.random(parameter.shape))
        elif parameter.distribution == "uniform":
            values = parameter.scale * (2 * random.random(parameter.shape, dtype=np.float32) - 1)
        else:
            values = np.full(parameter.shape, parameter.scale)
        weights[parameter.name] = values.astype(np.float32)
    return weights


def fingerprint(weights: "Weights") -> str:
    """SHA-256 (hex) over names, shapes and values, in the order of the names."""
    import numpy as np

    digest = hashlib.sha256()
    for name in sorted(weights):
        values = np.ascontiguousarray(weights[name], dtype="<f4")
        digest.update(f"{name}{values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()
