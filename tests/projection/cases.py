"""Small networks of the three models, whose work is counted."""

from harness.models import aigoms, fourcastnet, graphcast
from harness.models.graphcast import work as graphcast_work
from harness.models.graphcast.geometry import geometry
from harness.scenario.schema import Stage, TrainingConfig
from tests.models.domains import make_domain

CASES = {
    "fourcastnet": (
        fourcastnet,
        fourcastnet.Network(patch_size=4, embed_dim=64, depth=2),
        make_domain((16, 32), 3),
    ),
    "graphcast": (
        graphcast,
        graphcast.Network(mesh_refinement=1, latent_size=32, message_steps=5, hidden_layers=2),
        make_domain((8, 16), 3, forcings=("f",), statics=("s",)),
    ),
    "aigoms": (
        aigoms,
        aigoms.Network(patch_size=4, embed_dim=64, depth=2, decoder_embed_dim=32, decoder_depth=1),
        make_domain((16, 32), 4, forcings=("f",)),
    ),
}


def training(rollout_steps=1, batch_size=2, **changes):
    stage = Stage(name="train", epochs=1, learning_rate=1e-3, rollout_steps=rollout_steps)
    return TrainingConfig(batch_size=batch_size, stages=(stage,), **changes)


def with_edges_of_the_graph(monkeypatch, network, domain):
    """Let the work of GraphCast count the edges of the graph itself in the place of their mean number."""
    whole = geometry(domain.latitude, domain.longitude, *network.graphs)
    counts = tuple(len(graph.senders) for graph in (whole.grid_to_mesh, whole.mesh, whole.mesh_to_grid))
    monkeypatch.setattr(graphcast_work, "edge_counts", lambda *_: counts)
