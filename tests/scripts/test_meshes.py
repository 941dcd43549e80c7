"""The committed meshes: closed, outward, of the right size, and what the script builds."""

import numpy as np
import pytest
import trimesh

from configs.mesh import MESH_FOLDER, packaged_meshes
from scripts.make_meshes import build, write_obj
from scripts.shapes import SHAPES, ball
from scripts.surface_nets import surface_nets


def committed(name) -> trimesh.Trimesh:
    return trimesh.load_mesh(MESH_FOLDER / f"{name}.obj", process=False)


def test_every_shape_is_committed():
    assert packaged_meshes() == sorted(SHAPES)


@pytest.mark.parametrize("name", SHAPES)
def test_mesh_is_one_closed_outward_surface(name):
    mesh = committed(name)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume > 0
    assert mesh.body_count == 1
    assert mesh.euler_number == (0 if name in ("torus", "letter") else 2)
    assert 1000 <= len(mesh.faces) <= 3500


@pytest.mark.parametrize("name", SHAPES)
def test_mesh_is_centred_and_of_unit_size(name):
    low, high = committed(name).bounds
    assert np.allclose(low + high, 0, atol=2e-5)
    assert np.isclose((high - low).max(), 1, atol=2e-5)


@pytest.mark.parametrize("name", SHAPES)
def test_committed_mesh_is_what_the_script_builds(name, tmp_path):
    vertices, faces = build(name)
    write_obj(tmp_path / "new.obj", vertices, faces)
    new, old = trimesh.load_mesh(tmp_path / "new.obj", process=False), committed(name)
    assert np.array_equal(new.faces, old.faces)
    # One unit in the last digit written: another machine's rounding.
    assert np.abs(new.vertices - old.vertices).max() <= 1.01e-5


def test_rabbit_has_two_ears_as_thick_as_a_tenth_of_it():
    mesh = committed("rabbit")
    section = mesh.section(plane_origin=(0, 0.38, 0), plane_normal=(0, 1, 0))
    ears = section.discrete
    assert len(ears) == 2
    assert np.prod([np.sign(ear[:, 0].mean()) for ear in ears]) == -1
    for ear in ears:
        assert np.ptp(ear, axis=0)[[0, 2]].min() >= 0.1


def test_surface_nets_meet_the_surface():
    vertices, faces = surface_nets(ball((0.1, 0, 0), 1.0), (-1.03, -1.11, -1.13), (1.4, 1.4, 1.4), 0.2)
    assert np.abs(np.linalg.norm(vertices - (0.1, 0, 0), axis=1) - 1).max() <= 1e-9
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    assert mesh.is_watertight
    assert 0 < 4 / 3 * np.pi - mesh.volume < 0.1
