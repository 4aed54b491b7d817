"""The nodes of a launch that several made together."""

from pydantic import Field

from harness.frozen import Frozen
from harness.results.devices import Load
from harness.results.environment import Environment
from harness.results.phases import Energy


class Node(Frozen):
    """One node of several. The environment of the record is that of the first, its energy that of all.

    Its load is that of the first, with the foreign work of the node that had most. Load and energy are None of a node
    that was lost, or never answered.
    """

    node: int = Field(description="number of the node, 0 for the first; rank r runs on the node r // ranks of a node")
    environment: Environment | None
    differences: tuple[str, ...] = Field(
        default=(), description="in what the node is unlike the first, beyond which nothing differs that is recorded"
    )
    load: Load | None = None
    energy: Energy | None = Field(default=None, description="of this node alone, by its own clock")
