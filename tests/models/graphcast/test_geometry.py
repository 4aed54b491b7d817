import math

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from harness.models.graphcast import geometry as module
from harness.models.graphcast.connectivity import containing_faces, grid_to_mesh, mesh_to_grid, multi_mesh
from harness.models.graphcast.features import angles, edge_features, local_frames, node_features, positions
from harness.models.graphcast.geometry import build, geometry
from harness.models.graphcast.icosphere import hierarchy, icosahedron, longest_edge, longest_edge_after
from harness.models.graphcast.memory import thirds_are_alike

GRIDS = {
    "poles, north first": (np.linspace(90, -90, 19), np.arange(36) * 10.0),
    "poles, south first": (np.linspace(-90, 90, 19), np.arange(36) * 10.0),
    "no poles": ((np.arange(16) + 0.5) * 11.25 - 90, np.arange(32) * 11.25),
    "last row dropped": (90 - np.arange(18) * 10.0, np.arange(36) * 10.0 - 180),
    "one region": (np.linspace(35, 60, 11), np.linspace(-20, 20, 17)),
}
EVERY_GRID = pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)

PAPER_GRID = np.linspace(-90, 90, 721), np.arange(1440) * 0.25
PAPER_EDGES = 1_618_746
"""Grid-to-mesh edges in the paper, found with positions in float32."""


def points_of(grid):
    latitude, longitude = grid
    return positions(np.repeat(latitude, len(longitude)), np.tile(longitude, len(latitude)))


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture(scope="module")
def paper():
    return build(*PAPER_GRID, refinement=6, radius_fraction=0.6)


def test_the_paper_preset_has_the_published_numbers_of_nodes_and_edges(paper):
    assert len(paper.mesh_nodes) == 40_962
    assert len(paper.mesh.senders) == 327_660
    assert len(paper.mesh_to_grid.senders) == 3_114_720
    assert len(paper.grid_nodes) == 721 * 1440


def test_the_published_number_of_grid_to_mesh_edges_lies_within_the_rounding_of_float32(paper):
    mesh, points = hierarchy(6)[-1], points_of(PAPER_GRID)
    radius = 0.6 * longest_edge(mesh)
    rounding = 2 * np.finfo(np.float32).eps / radius
    fewer, more = (grid_to_mesh(points, mesh.vertices, radius * (1 + sign * rounding)).shape[1] for sign in (-1, 1))
    assert fewer <= PAPER_EDGES <= more
    assert fewer <= len(paper.grid_to_mesh.senders) <= more
    assert abs(len(paper.grid_to_mesh.senders) / PAPER_EDGES - 1) < 1e-4


@pytest.mark.parametrize("refinement", range(5))
def test_the_longest_edge_of_one_face_is_that_of_the_mesh(refinement):
    assert longest_edge_after(refinement) == pytest.approx(longest_edge(hierarchy(refinement)[-1]), rel=1e-14)


def test_refinement_four_has_the_published_numbers_of_nodes_and_edges():
    meshes = hierarchy(4)
    assert len(meshes[-1].vertices) == 2_562
    assert multi_mesh(meshes).shape == (2, 20_460)


@pytest.mark.parametrize("refinement", range(5))
def test_meshes_are_triangulations_of_the_sphere(refinement):
    vertices, faces = hierarchy(refinement)[-1]
    edges = {frozenset(pair) for face in faces.tolist() for pair in zip(face, face[1:] + face[:1], strict=True)}
    assert len(vertices) - len(edges) + len(faces) == 2
    assert len(faces) == 20 * 4**refinement
    np.testing.assert_allclose(np.linalg.norm(vertices, axis=1), 1, atol=1e-15)
    a, b, c = (vertices[corner] for corner in faces.T)
    numerators = np.einsum("ij,ij->i", a, np.cross(b, c))
    denominators = 1 + sum(np.einsum("ij,ij->i", p, q) for p, q in ((a, b), (b, c), (c, a)))
    assert (numerators > 0).all()
    assert (2 * np.arctan2(numerators, denominators)).sum() == pytest.approx(4 * np.pi)


def test_the_icosahedron_is_regular_with_a_face_up_that_longitude_zero_halves():
    vertices, faces = icosahedron()
    sides = np.linalg.norm(vertices[faces] - np.roll(vertices[faces], 1, axis=1), axis=2)
    np.testing.assert_allclose(sides, 1 / math.sin(2 * math.pi / 5), rtol=1e-12)
    top = vertices[faces[vertices[faces][..., 2].min(axis=1).argmax()]]
    np.testing.assert_allclose(np.ptp(top[:, 2]), 0, atol=1e-12)
    np.testing.assert_allclose(top[:, 1].sum(), 0, atol=1e-12)
    assert np.isclose(top[:, 1], 0).sum() == 1


def test_every_edge_of_the_multi_mesh_has_its_reverse_and_occurs_once():
    senders, receivers = multi_mesh(hierarchy(3))
    edges = set(zip(senders.tolist(), receivers.tolist(), strict=True))
    assert len(edges) == len(senders)
    assert edges == {(b, a) for a, b in edges}


def test_the_multi_mesh_keeps_the_edges_of_every_refinement():
    meshes = hierarchy(2)
    edges = set(map(tuple, multi_mesh(meshes).T.tolist()))
    for mesh in meshes:
        distance = cdist(mesh.vertices, mesh.vertices)
        near = (distance > 0) & (distance < 1.01 * longest_edge(mesh))
        assert set(map(tuple, np.argwhere(near).tolist())) <= edges
        assert near.sum() == 6 * len(mesh.vertices) - 12


@EVERY_GRID
@pytest.mark.parametrize("refinement", [0, 2, 3])
def test_every_grid_point_lies_in_the_triangle_that_it_receives_from(grid, refinement):
    meshes, points = hierarchy(refinement), points_of(grid)
    senders, receivers = mesh_to_grid(meshes, points)
    assert np.array_equal(receivers, np.repeat(np.arange(len(points)), 3))
    faces = {frozenset(face) for face in meshes[-1].faces.tolist()}
    corners = senders.reshape(-1, 3)
    assert {frozenset(triple) for triple in corners.tolist()} <= faces
    a, b, c = (meshes[-1].vertices[corner] for corner in corners.T)
    orientation = np.sign(np.einsum("ij,ij->i", a, np.cross(b, c)))
    for start, end in ((a, b), (b, c), (c, a)):
        assert (orientation * np.einsum("ij,ij->i", points, np.cross(start, end)) > -1e-8).all()


def test_the_triangle_is_found_among_all_by_brute_force():
    meshes, random = hierarchy(2), np.random.default_rng(0)
    points = random.standard_normal((500, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    corners = meshes[-1].vertices[meshes[-1].faces]
    sides = np.cross(corners, np.roll(corners, -1, axis=1))
    expected = (np.einsum("pi,fsi->pfs", points, sides) > 0).all(axis=2)
    assert (expected.sum(axis=1) == 1).all()
    assert np.array_equal(containing_faces(meshes, points), expected.argmax(axis=1))


@EVERY_GRID
def test_grid_points_send_to_all_mesh_nodes_within_the_radius_and_no_others(grid):
    mesh, points = hierarchy(2)[-1], points_of(grid)
    radius = 0.6 * longest_edge(mesh)
    expected = np.argwhere(np.sqrt(((mesh.vertices[:, None] - points) ** 2).sum(axis=2)) <= radius)
    senders, receivers = grid_to_mesh(points, mesh.vertices, radius)
    assert np.array_equal(np.stack([receivers, senders], axis=1), expected)
    assert set(senders.tolist()) == set(range(len(points)))


def test_frames_are_rotations_that_put_the_receiver_at_latitude_and_longitude_zero():
    random = np.random.default_rng(1)
    latitude, longitude = random.uniform(-90, 90, 200), random.uniform(-180, 360, 200)
    frames = local_frames(latitude, longitude)
    np.testing.assert_allclose(frames @ frames.transpose(0, 2, 1), np.broadcast_to(np.eye(3), frames.shape), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(frames), 1)
    moved = np.einsum("nij,nj->ni", frames, positions(latitude, longitude))
    np.testing.assert_allclose(moved, np.broadcast_to([1, 0, 0], moved.shape), atol=1e-12)


def test_frames_turn_about_the_axis_of_the_earth_and_then_about_the_y_axis():
    latitude, longitude = np.array([-90.0, -30, 0, 45, 90]), np.array([10.0, 200, 0, -77, 300])
    expected = Rotation.from_euler("zy", np.stack([-longitude, latitude], axis=1), degrees=True).as_matrix()
    np.testing.assert_allclose(local_frames(latitude, longitude), expected, atol=1e-15)


def test_edge_features_of_a_small_case_by_hand():
    root = math.sqrt(0.5)
    senders = np.array([0.0, 90.0, 0.0]), np.array([90.0, 0.0, 45.0])
    receivers = np.array([0.0, 45.0]), np.array([0.0, 90.0])
    edges = np.array([[0, 1, 2, 0], [0, 0, 0, 1]])
    longest = math.sqrt(2)
    expected = [
        [longest, -1, 1, 0],
        [longest, -1, 0, 1],
        [math.sqrt(2 - 2 * root), root - 1, root, 0],
        [math.sqrt(2 - 2 * root), root - 1, 0, -root],
    ]
    found = edge_features(edges, senders, receivers)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.array(expected) / longest, atol=1e-7)


def test_edges_from_mesh_to_grid_are_over_the_length_that_is_asked_for_and_the_others_over_their_longest():
    grid, length = GRIDS["poles, south first"], 0.6180338738074472
    usual, found = (build(*grid, 2, 0.6, asked) for asked in (None, length))
    chords = np.linalg.norm(
        hierarchy(2)[-1].vertices[found.mesh_to_grid.senders] - points_of(grid)[found.mesh_to_grid.receivers], axis=1
    )
    np.testing.assert_allclose(found.mesh_to_grid.features[:, 0] * length, chords, atol=1e-7)
    np.testing.assert_allclose(
        found.mesh_to_grid.features * length / chords.max(), usual.mesh_to_grid.features, atol=1e-6
    )
    assert same(found[:4], usual[:4])


def test_node_features_of_a_small_case_by_hand():
    found = node_features(np.array([30.0, -90.0]), np.array([60.0, 270.0]))
    np.testing.assert_allclose(found, [[0.5, 0.5, math.sqrt(3) / 2], [-1, 0, -1]], atol=1e-7)


def test_angles_undo_positions():
    latitude, longitude = np.array([-89.0, 0, 12, 90]), np.array([-179.0, 180, 3, 0])
    np.testing.assert_allclose(angles(positions(latitude, longitude)), [latitude, longitude], atol=1e-12)


def test_turning_the_rows_around_only_renumbers_the_grid():
    north, south = (build(*GRIDS[name], refinement=2, radius_fraction=0.6) for name in list(GRIDS)[:2])
    for name in ("grid_to_mesh", "mesh_to_grid"):
        sets = []
        for built, turned in ((north, False), (south, True)):
            graph = getattr(built, name)
            ends = np.stack([graph.senders, graph.receivers], axis=1).astype(int)
            column = 0 if name == "grid_to_mesh" else 1
            row, place = np.divmod(ends[:, column], 36)
            ends[:, column] = (18 - row if turned else row) * 36 + place
            away = np.isin(ends[:, column] // 36, range(1, 18))
            order = np.lexsort(ends[away].T)
            sets.append((ends[away][order], graph.features[away][order]))
        assert np.array_equal(sets[0][0], sets[1][0])
        np.testing.assert_allclose(sets[0][1], sets[1][1], atol=1e-6)


def test_receivers_are_in_order_and_every_graph_reaches_length_one(paper):
    for graph in (paper.grid_to_mesh, paper.mesh, paper.mesh_to_grid):
        assert (np.diff(graph.receivers) >= 0).all()
        assert graph.senders.dtype == graph.receivers.dtype == np.int32
        assert graph.features[:, 0].max() == 1
        np.testing.assert_allclose(np.linalg.norm(graph.features[:, 1:], axis=1), graph.features[:, 0], atol=1e-6)


def same(one, other):
    """Up to the last bit, in which sums of products may differ with where NumPy's arrays lie in memory."""
    return all(
        a.shape == b.shape and np.allclose(a, b, rtol=0, atol=1e-6) if isinstance(a, np.ndarray) else same(a, b)
        for a, b in zip(one, other, strict=True)
    )


def test_a_second_call_reads_what_the_first_has_built(monkeypatch):
    first = geometry(*GRIDS["no poles"], 1, 0.6)
    monkeypatch.setattr(module, "build", lambda *_: pytest.fail("built again"))
    assert same(geometry(*GRIDS["no poles"], 1, 0.6), first)


def test_every_parameter_has_a_cached_file_of_its_own(tmp_path):
    (latitude, longitude), files = GRIDS["no poles"], tmp_path / "crosscast"
    geometry(latitude, longitude, 1, 0.6)
    for other in (
        (latitude[::-1], longitude, 1, 0.6),
        (latitude, longitude + 1, 1, 0.6),
        (latitude, longitude, 2, 0.6),
        (latitude, longitude, 1, 0.6, 0.7),
    ):
        known = len(list(files.iterdir()))
        assert same(geometry(*other), build(*other))
        assert len(list(files.iterdir())) == known + 1
    geometry(latitude, longitude, 1, 0.7)
    assert len(list(files.iterdir())) == 6


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "other content"])
def test_a_damaged_file_is_built_anew(tmp_path, damage):
    arguments = (*GRIDS["no poles"], 1, 0.6)
    expected = geometry(*arguments)
    (path,) = (tmp_path / "crosscast").iterdir()
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    damaged = {"empty": b"", "cut": content[: len(content) // 2], "flipped": bytes(flipped), "other content": b"no npz"}
    path.write_bytes(damaged[damage])
    assert same(geometry(*arguments), expected)
    assert path.read_bytes() == content


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert same(geometry(*GRIDS["no poles"], 1, 0.6), build(*GRIDS["no poles"], 1, 0.6))


@EVERY_GRID
def test_edges_look_alike_in_each_third_where_columns_do(grid):
    """About a third of them are different where they are turned onto one another, but for what rounding tells apart."""
    found = build(*grid, 2, 0.6)
    alike = thirds_are_alike(grid[1])
    assert alike == (len(grid[1]) == 36)
    of_grid = 3 if alike else 1
    for graph, share in ((found.mesh, 3), (found.grid_to_mesh, of_grid), (found.mesh_to_grid, of_grid)):
        different = len(np.unique(graph.features, axis=0))
        assert different == pytest.approx(len(graph.features) / share, rel=0.2)
