"""Poses of colliders, and velocities that fit them."""

import numpy as np
import pytest

from configs.collider import BoxConfig, CylinderConfig, PlaneConfig
from configs.mpm import MPMConfig
from mpm.collider_rows import ON_SURFACE, ColliderRows
from mpm.colliders import MARGIN, POSITION, ROTATION, SPIN, VELOCITY
from mpm.trajectory import pose, rotation_matrix, rotation_vector

DT = 0.01
KEYFRAMES = [
    {"time": 0.02, "position": (0, 0, 0)},
    {"time": 0.06, "position": (0.4, 0, -0.2), "rotation": (0, 68, 0)},
    {"time": 0.1, "position": (0.4, 1, 0), "rotation": (0, 527, 0)},
]


def _rows(steps=12, time=0.0, **collider):
    config = MPMConfig(colliders=({"shape": "box", "half_size": (1, 1, 1), **collider},))
    return ColliderRows(config).rows(steps, DT, time)[:, 0]


@pytest.mark.parametrize(
    "collider",
    [
        {"keyframes": KEYFRAMES},
        {"velocity": (1, 2, -3), "angular_velocity": (3, -1, 2), "position": (0.1, 0, 0), "rotation": (20, 30, 0)},
    ],
)
def test_velocities_carry_each_pose_to_the_next(collider):
    rows = _rows(**collider)
    position, rotation = rows[:, POSITION : POSITION + 3], rows[:, ROTATION : ROTATION + 9].reshape(-1, 3, 3)
    np.testing.assert_allclose(position[1:], position[:-1] + DT * rows[:-1, VELOCITY : VELOCITY + 3], atol=1e-13)
    turned = rotation_matrix(DT * rows[:-1, SPIN : SPIN + 3]) @ rotation[:-1]
    np.testing.assert_allclose(turned, rotation[1:], atol=1e-12)


def test_constant_velocities_are_those_given():
    rows = _rows(velocity=(1, 2, -3), angular_velocity=(3, -1, 2))
    np.testing.assert_allclose(rows[:, VELOCITY : VELOCITY + 3], np.tile((1, 2, -3), (12, 1)), atol=1e-12)
    np.testing.assert_allclose(rows[:, SPIN : SPIN + 3], np.tile((3, -1, 2), (12, 1)), atol=1e-11)


def test_keyframes_hold_before_and_after():
    box = BoxConfig(shape="box", half_size=(1, 1, 1), keyframes=KEYFRAMES)
    position, rotation = pose(box, np.array([-1.0, 0.02, 0.04, 0.06, 0.08, 0.1, 5.0]))
    np.testing.assert_allclose(position[:, 0], [0, 0, 0.2, 0.4, 0.4, 0.4, 0.4], atol=1e-15)
    np.testing.assert_allclose(rotation[[0, 1]], [np.eye(3)] * 2, atol=1e-15)
    np.testing.assert_allclose(rotation[-1], rotation_matrix(np.radians([0, 527, 0])), atol=1e-15)
    spins = _rows(keyframes=KEYFRAMES)[:, SPIN + 1]
    np.testing.assert_allclose(
        spins, [0] * 2 + [np.radians(68) / 0.04] * 4 + [np.radians(459) / 0.04] * 4 + [0] * 2, atol=1e-10
    )


def test_a_later_start_is_a_shift():
    np.testing.assert_allclose(_rows(keyframes=KEYFRAMES)[5:], _rows(7, time=5 * DT, keyframes=KEYFRAMES), atol=1e-12)


def test_nothing_that_moves_is_one_row():
    assert len(_rows()) == 1
    assert not _rows()[:, VELOCITY : SPIN + 3].any()


@pytest.mark.parametrize("direction", [(0, 1, 0), (0, -2, 0), (3, 0, 0), (1, -2, 0.5)])
def test_y_becomes_normal_and_axis(direction):
    wanted = np.array(direction) / np.linalg.norm(direction)
    for collider in (
        PlaneConfig(shape="plane", normal=direction),
        CylinderConfig(shape="cylinder", radius=1, half_height=1, axis=direction),
    ):
        _, rotation = pose(collider, np.zeros(1))
        np.testing.assert_allclose(rotation[0] @ [0, 1, 0], wanted, atol=1e-15)
        np.testing.assert_allclose(rotation[0].T @ rotation[0], np.eye(3), atol=1e-15)


@pytest.mark.parametrize("vector", [(0, 0, 0), (1e-9, 0, 0), (0.3, -0.2, 1), (2, 2, 0.5)])
def test_rotation_vectors_come_back(vector):
    np.testing.assert_allclose(rotation_vector(rotation_matrix(np.array(vector, float))), vector, atol=1e-12)


@pytest.mark.parametrize(("half", "given", "margin"), [(0.02, None, 0.13), (1, None, 0), (0.02, 0.01, 0.01)])
def test_thin_bodies_are_as_thick_as_a_stencil(half, given, margin):
    box = {"shape": "box", "half_size": (1, half, 1), "margin": given}
    config = MPMConfig(grid={"spacing": 0.1}, colliders=(box,))
    assert ColliderRows(config).fixed[0, MARGIN] == pytest.approx(margin + ON_SURFACE * 0.1)
