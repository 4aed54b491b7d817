"""A network whose weights take more memory than its activations: GraphCast, less deep, on a coarse grid."""

from harness.models import graphcast
from harness.scenario import catalogue
from harness.scenario.execution import Execution, World
from tests.models.domains import make_domain

KINDS = ("sharded", "sharded_optimiser", "data")
GRID, CHANNELS = (16, 32), 227


def large():
    """Package, hyperparameters but for refinement and message steps, and the published channels on a coarse grid."""
    published = graphcast.Network.model_validate(catalogue.preset("graphcast", "paper").preset.network)
    network = published.model_copy(update={"mesh_refinement": 1, "message_steps": 6})
    forcings, statics = tuple(f"f{number}" for number in range(5)), ("s0", "s1")
    return graphcast, network, make_domain(GRID, CHANNELS, forcings=forcings, statics=statics)


def execution(kind):
    """Two ranks of a kind; blocks computed anew, so that weights are most of what a step takes."""
    return Execution.model_validate(
        {"world": World(devices=2, parallel=kind).model_dump(), "recompute": {"unit": "blocks"}}
    )
