"""Meshes become particles: interior of closed and open meshes, placement, files, errors."""

import numpy as np
import pytest
import trimesh

from configs.errors import InputError
from configs.mesh import MeshConfig
from mpm.mesh import load_mesh
from mpm.particles import fill_mesh, mesh_centroid, mesh_volume
from mpm.placement import place_mesh
from tests.reference.signed_distance import distance, winding_number

SPHERE = trimesh.creation.icosphere(subdivisions=2)
TORUS = trimesh.creation.torus(1.0, 0.4, major_sections=24, minor_sections=12)
BOX = trimesh.creation.box((2.0, 2.0, 2.0))


def turned(mesh, seed=3):
    return mesh.vertices @ trimesh.transformations.random_rotation_matrix(np.random.default_rng(seed).random(3))[:3, :3]


def lattice(vertices, pitch):
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    axes = [low[a] + pitch * np.arange(int(np.ceil((high[a] - low[a]) / pitch)) + 1) for a in range(3)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def open_sphere():
    return SPHERE.vertices, SPHERE.faces[SPHERE.triangles_center[:, 2] < 0.6]


def soup():
    vertices, faces = open_sphere()
    corners = vertices[faces].reshape(-1, 3) + np.random.default_rng(0).normal(size=(3 * len(faces), 3)) * 1e-4
    return corners, np.arange(len(corners)).reshape(-1, 3)


MESHES = {
    "sphere": (turned(SPHERE), SPHERE.faces),
    "torus": (turned(TORUS), TORUS.faces),
    "inside out": (turned(SPHERE), SPHERE.faces[:, ::-1]),
    "open": open_sphere(),
    "soup": soup(),
    "two overlapping": (np.concatenate([SPHERE.vertices, SPHERE.vertices + 0.7]),
                        np.concatenate([SPHERE.faces, SPHERE.faces + len(SPHERE.vertices)])),
    "hollow": (np.concatenate([SPHERE.vertices, 0.5 * SPHERE.vertices]),
               np.concatenate([SPHERE.faces, SPHERE.faces[:, ::-1] + len(SPHERE.vertices)])),
}  # fmt: skip


@pytest.mark.parametrize("name", MESHES)
def test_the_points_are_those_of_non_positive_signed_distance(name):
    vertices, faces = MESHES[name]
    nodes = lattice(vertices, 0.21)
    wanted = nodes[(np.abs(winding_number(vertices, faces, nodes)) >= 0.5) | (distance(vertices, faces, nodes) < 1e-7)]
    np.testing.assert_allclose(fill_mesh(vertices, faces, 0.21), wanted, rtol=0, atol=1e-12)


def test_points_on_the_surface_are_inside():
    # every lattice plane of an axis-aligned box, its faces included: all ties of the rays at once
    assert len(fill_mesh(BOX.vertices, BOX.faces, 0.5)) == 5**3


def test_an_open_lid_in_a_lattice_plane_keeps_the_inner_points():
    without_top = BOX.faces[BOX.triangles_center[:, 2] < 0.9]
    points = fill_mesh(BOX.vertices, without_top, 0.5)
    inner = np.abs(points).max(axis=1) < 0.9
    assert inner.sum() == 3**3
    assert (np.abs(points) <= 1.0).all()


def test_particles_are_sorted_by_x_then_y_then_z_and_fill_the_volume():
    pitch = 0.05
    points = fill_mesh(TORUS.vertices, TORUS.faces, pitch)
    keys = np.round(points / pitch).astype(int)
    assert (np.lexsort(keys.T[::-1]) == np.arange(len(points))).all()
    assert len(points) * pitch**3 == pytest.approx(TORUS.volume, rel=0.02)


def test_jitter_is_seeded_and_bounded():
    still, moved, again, other = (
        fill_mesh(SPHERE.vertices, SPHERE.faces, 0.2, jitter, seed)
        for jitter, seed in ((0, 0), (0.5, 7), (0.5, 7), (0.5, 8))
    )
    assert (moved == again).all()
    assert (moved != other).any()
    assert 0.04 < np.abs(moved - still).max() <= 0.05


def test_volume_of_watertight_and_open_meshes():
    assert mesh_volume(BOX.vertices, BOX.faces) == pytest.approx(8.0, rel=1e-12)
    assert mesh_volume(turned(BOX), BOX.faces[:, ::-1]) == pytest.approx(8.0, rel=1e-12)
    vertices, faces = open_sphere()
    inside = np.abs(winding_number(vertices, faces, cells := lattice(vertices, 0.04) + 0.02)) >= 0.5
    assert mesh_volume(vertices, faces) == pytest.approx(inside.sum() * 0.04**3, rel=0.01), len(cells)


def test_placement(tmp_path):
    path = tmp_path / "box.obj"
    BOX.export(path)
    vertices = BOX.vertices * (1, 2, 3) + (10, 0, 0)

    def placed(**options):
        return place_mesh(vertices, BOX.faces, MeshConfig(mesh=str(path), **options), source)

    source = BOX.vertices * (6 / 8) ** (1 / 3) + (0, 3, 0), BOX.faces

    np.testing.assert_allclose(placed(), vertices, atol=1e-12)
    np.testing.assert_allclose(placed(scale=2.0), (vertices - (10, 0, 0)) * 2 + (10, 0, 0), atol=1e-12)
    np.testing.assert_allclose(placed(extent=3.0, center=(1, 1, 1)), (vertices - (10, 0, 0)) / 2 + 1, atol=1e-12)
    assert mesh_volume(placed(volume=5.0), BOX.faces) == pytest.approx(5.0)
    assert mesh_volume(placed(volume="source"), BOX.faces) == pytest.approx(6.0)
    np.testing.assert_allclose(placed(centroid=(1, 1, 1)), vertices - (9, -1, -1), atol=1e-12)
    np.testing.assert_allclose(placed(centroid="source"), vertices - (10, -3, 0), atol=1e-12)
    with pytest.raises(InputError, match="centroid is 'source', but there is no source mesh"):
        place_mesh(vertices, BOX.faces, MeshConfig(mesh=str(path), centroid="source"))


def test_centroid_of_watertight_and_open_meshes():
    cone = trimesh.creation.cone(radius=1, height=4)  # its centre of mass at a quarter of its height
    for faces in (cone.faces, cone.faces[:, ::-1]):
        np.testing.assert_allclose(mesh_centroid(cone.vertices + 5, faces), (5, 5, 6), atol=1e-9)
    without_bottom = cone.faces[cone.triangles_center[:, 2] > 1e-6]
    np.testing.assert_allclose(mesh_centroid(cone.vertices, without_bottom), (0, 0, 1), atol=0.1)


@pytest.mark.parametrize("suffix", ["obj", "ply", "stl", "off", "glb"])
def test_files(tmp_path, suffix):
    path = tmp_path / f"mesh.{suffix}"
    SPHERE.export(path)
    vertices, faces = load_mesh(path)
    assert faces.shape == (len(SPHERE.faces), 3)
    assert len(fill_mesh(vertices, faces, 0.21)) == len(fill_mesh(SPHERE.vertices, SPHERE.faces, 0.21))


def test_the_meshes_of_a_scene_are_joined(tmp_path):
    path = tmp_path / "scene.glb"
    far = BOX.copy().apply_translation((5, 0, 0))
    trimesh.Scene({"one": BOX, "two": far}).export(path)
    vertices, faces = load_mesh(path)
    assert mesh_volume(vertices, faces) == pytest.approx(16.0)


def test_file_errors(tmp_path):
    empty, points, damaged, foreign = (tmp_path / name for name in ("a.obj", "b.obj", "c.stl", "d.txt"))
    empty.write_text("")
    points.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\n")
    damaged.write_bytes(b"\x00\x01 nothing")
    foreign.write_text("hello")
    bad_number = tmp_path / "e.obj"
    bad_number.write_text("v 0 0 0\nv nan 0 0\nv 0 1 0\nf 1 2 3\n")
    for path, problem in (
        (tmp_path / "none.obj", "no such file"),
        (tmp_path, "is a folder"),
        (empty, "a.obj"),
        (points, "b.obj"),
        (damaged, "c.stl"),
        (foreign, "format .txt is not known"),
        (bad_number, "not finite"),
    ):
        with pytest.raises(InputError, match=problem) as error:
            load_mesh(path)
        assert "\n" not in str(error.value)


def test_errors():
    good = SPHERE.vertices, SPHERE.faces
    sheet = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]), np.array([[0, 1, 2], [0, 2, 3]])
    bad = SPHERE.vertices.copy()
    bad[5] = np.nan
    for arguments, problem in (
        ((good[0], np.zeros((0, 3), int), 0.1), "no triangles"),
        ((bad, good[1], 0.1), "1 vertices are not finite, first vertex 5"),
        ((good[0][:, :2], good[1], 0.1), r"vertices have shape .*expected \(V, 3\)"),
        ((good[0], good[1] + 1, 0.1), "faces name vertices 1 to"),
        ((*good, 0.0), "pitch is 0"),
        ((*good, -1.0), "pitch is -1"),
        ((*good, float("nan")), "pitch is nan"),
        ((*good, 1e-6), "lattice points in the bounding box"),
        ((*good, 3.0), "no point of a lattice of pitch 3"),
        ((*sheet, 0.1), "lies inside the mesh"),
        ((*good, 0.2, 2.0), "jitter is 2"),
    ):
        with pytest.raises(InputError, match=problem):
            fill_mesh(*arguments)
    with pytest.raises(InputError, match="encloses no volume"):
        mesh_volume(*sheet)
