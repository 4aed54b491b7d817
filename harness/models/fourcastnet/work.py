"""The operations of FourCastNet's dense layers."""

import math

from harness.models.domain import Domain
from harness.models.fourcastnet.config import Network
from harness.models.work import dense


def forward_flops(network: Network, domain: Domain, *, training: bool) -> int:
    """Of one sample and step: patches, the token MLPs of all blocks and the head."""
    tokens, width = math.prod(network.token_grid(domain.grid)), network.embed_dim
    patch = domain.outputs * network.patch_size**2
    block = dense(tokens, width, network.mlp_dim) + dense(tokens, network.mlp_dim, width)
    return dense(tokens, patch, width) + network.depth * block + dense(tokens, width, patch)
