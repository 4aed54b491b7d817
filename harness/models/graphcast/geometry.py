"""The three graphs of GraphCast for a grid and a mesh, built once and kept in the user's cache folder."""

import hashlib
import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.cache import Arrays, keep, recall
from harness.models.graphcast.connectivity import grid_to_mesh, mesh_to_grid, multi_mesh
from harness.models.graphcast.features import Angles, angles, edge_features, node_features, positions
from harness.models.graphcast.icosphere import Indices, hierarchy, longest_edge

VERSION = 1
"""Part of the name of a cached file; raise it when the geometry changes."""


class Graph(NamedTuple):
    """Edges in the order of their receivers: senders (E,), receivers (E,) and features (E, 4)."""

    senders: NDArray[np.int32]
    receivers: NDArray[np.int32]
    features: NDArray[np.float32]


class Geometry(NamedTuple):
    """Features of the grid points (N, 3), row by row, and of the mesh nodes (M, 3), and the graphs between them."""

    grid_nodes: NDArray[np.float32]
    mesh_nodes: NDArray[np.float32]
    grid_to_mesh: Graph
    mesh: Graph
    mesh_to_grid: Graph

    def pieces(self, count: int) -> "list[Geometry]":
        """The same for `count` ranges of grid points of about equal length, each with the edges from and to them.

        The mesh is whole in each. Edges stay in the order of their receivers.
        """
        if count == 1:
            return [self]
        bounds = np.arange(count + 1) * len(self.grid_nodes) // count
        return [self._piece(first, last) for first, last in itertools.pairwise(bounds.tolist())]

    def _piece(self, first: int, last: int) -> "Geometry":
        sent, received = self.grid_to_mesh, self.mesh_to_grid
        sends = (sent.senders >= first) & (sent.senders < last)
        receives = slice(*np.searchsorted(received.receivers, (first, last)))
        return Geometry(
            self.grid_nodes[first:last],
            self.mesh_nodes,
            Graph(sent.senders[sends] - np.int32(first), sent.receivers[sends], sent.features[sends]),
            self.mesh,
            Graph(
                received.senders[receives], received.receivers[receives] - np.int32(first), received.features[receives]
            ),
        )


_GRAPHS = ("grid_to_mesh", "mesh", "mesh_to_grid")
_FIELDS = ("grid_nodes", "mesh_nodes", *(f"{graph}.{field}" for graph in _GRAPHS for field in Graph._fields))


def geometry(
    latitude: Angles,
    longitude: Angles,
    refinement: int,
    radius_fraction: float,
    mesh_to_grid_length: float | None = None,
) -> Geometry:
    """The graphs of a grid given by the latitude of its rows and the longitude of its columns, in degrees.

    Features of the edges from mesh to grid are lengths over `mesh_to_grid_length`, without it over the longest of them.
    A cached file that is damaged is built anew; where none can be written, the graphs are built every time.
    """
    scale = "" if mesh_to_grid_length is None else f" {mesh_to_grid_length!r}"
    key = hashlib.sha256(f"{VERSION} {refinement} {radius_fraction!r} {len(latitude)}{scale}".encode())
    key.update(np.concatenate([latitude, longitude]).astype("<f8").tobytes())
    name = f"graphcast-{key.hexdigest()[:32]}"
    kept = recall(name, _FIELDS)
    if kept is not None:
        return _from_arrays(kept)
    built = build(latitude, longitude, refinement, radius_fraction, mesh_to_grid_length)
    keep(name, _arrays(built))
    return built


def build(
    latitude: Angles,
    longitude: Angles,
    refinement: int,
    radius_fraction: float,
    mesh_to_grid_length: float | None = None,
) -> Geometry:
    """The graphs, computed."""
    meshes = hierarchy(refinement)
    vertices = meshes[-1].vertices
    grid, mesh = (np.repeat(latitude, len(longitude)), np.tile(longitude, len(latitude))), angles(vertices)
    points = positions(*grid)

    def graph(
        edges: Indices,
        senders: tuple[Angles, Angles],
        receivers: tuple[Angles, Angles],
        unit_length: float | None = None,
    ) -> Graph:
        ends = edges.astype(np.int32)
        return Graph(ends[0], ends[1], edge_features(edges, senders, receivers, unit_length))

    return Geometry(
        node_features(*grid),
        node_features(*mesh),
        graph(grid_to_mesh(points, vertices, radius_fraction * longest_edge(meshes[-1])), grid, mesh),
        graph(multi_mesh(meshes), mesh, mesh),
        graph(mesh_to_grid(meshes, points), mesh, grid, mesh_to_grid_length),
    )


def _arrays(built: Geometry) -> Arrays:
    """The arrays named by `_FIELDS`."""
    graphs = {name: getattr(built, name)._asdict() for name in _GRAPHS}
    edges = {f"{name}.{field}": array for name, graph in graphs.items() for field, array in graph.items()}
    return {"grid_nodes": built.grid_nodes, "mesh_nodes": built.mesh_nodes, **edges}


def _from_arrays(arrays: Arrays) -> Geometry:
    """The inverse of `_arrays`."""
    graphs = {name: Graph(*(arrays[f"{name}.{field}"] for field in Graph._fields)) for name in _GRAPHS}
    return Geometry(arrays["grid_nodes"], arrays["mesh_nodes"], **graphs)
