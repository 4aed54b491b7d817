"""The operations of AI-GOMS's dense layers."""

from harness.models.aigoms.config import Network, input_spec
from harness.models.domain import Domain
from harness.models.work import dense


def forward_flops(network: Network, domain: Domain, *, training: bool) -> int:
    """Of one sample and step: patches, the token MLPs of encoder and decoder, what lies between them and the head.

    In training the encoder is taken to see as few tokens as the masking ever leaves it.
    """
    grid, width, decoder = domain.grid, network.embed_dim, network.decoder_embed_dim
    tokens = network.tokens(grid)
    seen = network.sequence_lengths(grid)[-1] if training else tokens
    patch = network.patch_size**2
    return (
        dense(tokens, domain.inputs(input_spec(network)) * patch, width)
        + network.depth * 2 * dense(seen, width, network.hidden(width))
        + dense(seen, width, decoder)
        + network.decoder_depth * 2 * dense(tokens, decoder, network.hidden(decoder))
        + dense(tokens, decoder, domain.outputs * patch)
    )
