"""What nodes and edges know of their place on the sphere, as in google-deepmind/graphcast model_utils.py.

Angles are in degrees.
"""

import numpy as np
from numpy.typing import NDArray

from harness.models.graphcast.icosphere import Indices, Positions

Angles = NDArray[np.float64]


def positions(latitude: Angles, longitude: Angles) -> Positions:
    """Points (N, 3) on the unit sphere; x points to longitude 0, z to the north pole."""
    lat, lon = np.radians(latitude), np.radians(longitude)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def angles(points: Positions) -> tuple[Angles, Angles]:
    """Latitude and longitude of points (N, 3)."""
    x, y, z = points.T
    return np.degrees(np.arctan2(z, np.hypot(x, y))), np.degrees(np.arctan2(y, x))


def node_features(latitude: Angles, longitude: Angles) -> NDArray[np.float32]:
    """sin(latitude), cos(longitude), sin(longitude): (N, 3)."""
    lat, lon = np.radians(latitude), np.radians(longitude)
    return np.stack([np.sin(lat), np.cos(lon), np.sin(lon)], axis=1).astype(np.float32)


def local_frames(latitude: Angles, longitude: Angles) -> NDArray[np.float64]:
    """Rotations (N, 3, 3) that turn each point to longitude 0 and then to latitude 0, at (1, 0, 0).

    Their rows are the directions up, east and north at the point.
    """
    lat, lon = np.radians(latitude), np.radians(longitude)
    up = positions(latitude, longitude)
    east = np.stack([-np.sin(lon), np.cos(lon), np.zeros_like(lon)], axis=-1)
    north = np.stack([-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)], axis=-1)
    return np.stack([up, east, north], axis=1)


def edge_features(
    edges: Indices,
    senders: tuple[Angles, Angles],
    receivers: tuple[Angles, Angles],
    unit_length: float | None = None,
) -> NDArray[np.float32]:
    """Length and the sender's position relative to the receiver in the receiver's frame: (E, 4).

    All are over `unit_length` on the unit sphere, without it over the longest edge. `senders` and `receivers` are the
    latitudes and longitudes of the nodes that the rows of `edges` (2, E) index.
    """
    relative = positions(*senders)[edges[0]] - positions(*receivers)[edges[1]]
    relative = np.einsum("eij,ej->ei", local_frames(*receivers)[edges[1]], relative)
    length = np.linalg.norm(relative, axis=1, keepdims=True)
    return (np.concatenate([length, relative], axis=1) / (unit_length or length.max())).astype(np.float32)
