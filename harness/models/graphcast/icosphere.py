"""The icosahedron, refined again and again, on the unit sphere.

A face points up and the meridian of longitude 0 halves it, as in google-deepmind/graphcast icosahedral_mesh.py.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

GOLDEN = (1 + np.sqrt(5)) / 2

Positions = NDArray[np.float64]
Indices = NDArray[np.int64]


class Mesh(NamedTuple):
    """Vertices (N, 3) on the unit sphere and faces (F, 3), counter-clockwise as seen from outside."""

    vertices: Positions
    faces: Indices


def hierarchy(refinement: int) -> list[Mesh]:
    """The icosahedron and its refinements, coarse to fine.

    Every mesh begins with the vertices of the one before; faces 4 k to 4 k + 3 lie within its face k.
    """
    meshes = [icosahedron()]
    for _ in range(refinement):
        meshes.append(refine(meshes[-1]))
    return meshes


def icosahedron() -> Mesh:
    """12 vertices at the cyclic permutations of (0, +-1, +-golden ratio), tilted about the y axis, and 20 faces."""
    from scipy.spatial import ConvexHull

    corners = np.array([[0, a, b * GOLDEN] for a in (1, -1) for b in (1, -1)]) / np.hypot(1, GOLDEN)
    vertices = np.concatenate([np.roll(corners, shift, axis=1) for shift in range(3)])
    tilt = np.pi / 2 - np.arcsin(GOLDEN / np.sqrt(3))
    cosine, sine = np.cos(tilt), np.sin(tilt)
    vertices = vertices @ np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    faces = ConvexHull(vertices).simplices.astype(np.int64)
    inward = np.linalg.det(vertices[faces]) < 0
    faces[inward] = faces[inward][:, ::-1]
    return Mesh(vertices, faces[np.lexsort(faces.T[::-1])])


def refine(mesh: Mesh) -> Mesh:
    """Every face split into four at the midpoints of its edges, which are moved out to the sphere.

    Three children keep a corner each; the last is the middle.
    """
    a, b, c = mesh.faces.T
    sides = np.sort(np.stack([[a, b], [b, c], [c, a]], axis=-1).transpose(1, 2, 0).reshape(-1, 2), axis=1)
    edges, midpoint_of_side = np.unique(sides, axis=0, return_inverse=True)
    midpoints = mesh.vertices[edges].sum(axis=1)
    midpoints /= np.linalg.norm(midpoints, axis=1, keepdims=True)
    ab, bc, ca = len(mesh.vertices) + midpoint_of_side.reshape(-1, 3).T
    children = [[a, ab, ca], [ab, b, bc], [ca, bc, c], [ab, bc, ca]]
    return Mesh(np.concatenate([mesh.vertices, midpoints]), np.array(children).transpose(2, 0, 1).reshape(-1, 3))


def directed_edges(mesh: Mesh) -> Indices:
    """Senders and receivers (2, E): every edge in both directions, one of them from each of its two faces."""
    return np.stack([mesh.faces.ravel(), np.roll(mesh.faces, -1, axis=1).ravel()])


def longest_edge(mesh: Mesh) -> float:
    """The longest straight line between neighbours."""
    senders, receivers = directed_edges(mesh)
    return float(np.linalg.norm(mesh.vertices[senders] - mesh.vertices[receivers], axis=1).max())


@cache
def longest_edge_after(refinement: int) -> float:
    """The longest straight line between neighbours of `hierarchy(refinement)[-1]`, of one face: all 20 are alike."""
    corners = np.array([[0, 1, GOLDEN], [0, -1, GOLDEN], [GOLDEN, 0, 1]]) / np.hypot(1, GOLDEN)
    mesh = Mesh(corners, np.array([[0, 1, 2]]))
    for _ in range(refinement):
        mesh = refine(mesh)
    return longest_edge(mesh)
