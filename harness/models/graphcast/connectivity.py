"""Which grid points and mesh vertices are joined. All positions are on the unit sphere."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from harness.models.graphcast.icosphere import Indices, Mesh, Positions, directed_edges

ROUNDING = 1e-9
"""Points closer to an edge than this lie on it, and belong to the first face that has it."""


def multi_mesh(meshes: Sequence[Mesh]) -> Indices:
    """Senders and receivers (2, E): the edges of all refinements in both directions, ordered by receiver, sender."""
    return ordered(np.concatenate([directed_edges(mesh) for mesh in meshes], axis=1))


def grid_to_mesh(grid: Positions, vertices: Positions, radius: float) -> Indices:
    """Senders (grid points) and receivers (vertices) at most `radius` apart along a straight line, by receiver."""
    near = cKDTree(grid).query_ball_point(vertices, radius, return_sorted=True)
    receivers = np.repeat(np.arange(len(vertices)), [len(points) for points in near])
    senders = np.concatenate([np.asarray(points, dtype=np.int64) for points in near])
    return np.stack([senders, receivers])


def mesh_to_grid(meshes: Sequence[Mesh], grid: Positions) -> Indices:
    """Senders (vertices) and receivers (grid points): the corners of the face of the finest mesh around each point."""
    corners = meshes[-1].faces[containing_faces(meshes, grid)]
    return ordered(np.stack([corners.ravel(), np.repeat(np.arange(len(grid)), 3)]))


def containing_faces(meshes: Sequence[Mesh], points: Positions) -> Indices:
    """The face of the finest mesh (N,) that the ray from the centre to each point crosses.

    Midpoints of edges stay on their great circle when moved out to the sphere, so that the face lies within the one
    that contains the point a refinement earlier.
    """
    found = np.zeros(len(points), dtype=np.int64)
    for refinement, mesh in enumerate(meshes):
        inverses = np.linalg.inv(mesh.vertices[mesh.faces].transpose(0, 2, 1))
        children = np.arange(4) if refinement else np.arange(len(mesh.faces))
        candidates = 4 * found[:, None] + children
        inside = np.stack([margin(inverses[face], points) for face in candidates.T], axis=1)
        found = np.take_along_axis(candidates, best(inside)[:, None], axis=1)[:, 0]
    return found


def margin(inverses: NDArray[np.float64], points: Positions) -> NDArray[np.float64]:
    """The smallest share (N,) of a corner in the point, as a sum of corners; below 0 outside the face."""
    shares: NDArray[np.float64] = np.einsum("nij,nj->ni", inverses, points).min(axis=1)
    return shares


def best(margins: NDArray[np.float64]) -> Indices:
    """The first column (N,) among those that are as good as the best."""
    found: Indices = (margins >= margins.max(axis=1, keepdims=True) - ROUNDING).argmax(axis=1)
    return found


def ordered(edges: Indices) -> Indices:
    """Edges (2, E) by receiver, then sender."""
    senders, receivers = edges
    return edges[:, np.lexsort((senders, receivers))]
