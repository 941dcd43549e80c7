"""Blender's and COLMAP's cameras see what ours see."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from configs.errors import InputError
from render.camera_conventions import (
    blender_from_viewmats,
    colmap_from_viewmats,
    intrinsics_from_angle,
    intrinsics_from_colmap,
    viewmats_from_blender,
    viewmats_from_colmap,
)
from render.cameras import fibonacci_sphere, look_at


def test_blender_looks_along_minus_z_with_y_up():
    """Blender's identity stands at the origin and looks along -z, y up: our look_at says the same."""
    np.testing.assert_allclose(viewmats_from_blender(np.eye(4)), look_at((0, 0, 0), (0, 0, -1), (0, 1, 0)), atol=1e-15)
    viewmats = fibonacci_sphere(7, 2.0)
    transforms = blender_from_viewmats(viewmats)
    np.testing.assert_allclose(-transforms[:, :3, 2] * 2.0, -transforms[:, :3, 3], atol=1e-12)
    np.testing.assert_allclose(viewmats_from_blender(transforms), viewmats, atol=1e-12)


def test_angle_of_blender():
    k = intrinsics_from_angle(200, 100, 2 * np.arctan(0.5))
    np.testing.assert_allclose(k @ (0.5, 0, 1), [200, 50, 1])


def test_colmap_quaternions_are_those_of_scipy():
    viewmats = fibonacci_sphere(9, 2.0)
    q, t = colmap_from_viewmats(viewmats)
    expected = Rotation.from_matrix(viewmats[:, :3, :3]).as_quat()[:, [3, 0, 1, 2]]
    np.testing.assert_allclose(np.abs((q * expected).sum(axis=1)), 1.0)
    assert (q[:, 0] >= 0).all()
    np.testing.assert_allclose(viewmats_from_colmap(3.0 * q, t), viewmats, atol=1e-12)
    np.testing.assert_allclose(viewmats_from_colmap(q[0], t[0]), viewmats[0], atol=1e-12)


def test_colmap_intrinsics():
    np.testing.assert_array_equal(
        intrinsics_from_colmap("SIMPLE_PINHOLE", [50, 32, 24]), [[50, 0, 32], [0, 50, 24], [0, 0, 1]]
    )
    np.testing.assert_array_equal(intrinsics_from_colmap("PINHOLE", [50, 40, 32, 24])[1], [0, 40, 24])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: viewmats_from_blender(np.eye(3)), r"shape \(3, 3\)"),
        (lambda: viewmats_from_blender(np.zeros((4, 4))), "singular"),
        (lambda: viewmats_from_colmap(np.zeros(4), np.zeros(3)), "length 0"),
        (lambda: viewmats_from_colmap(np.ones(4), np.zeros(2)), "expected"),
        (lambda: intrinsics_from_colmap("OPENCV", [1] * 8), "undistort"),
        (lambda: intrinsics_from_colmap("PINHOLE", [1]), "4 parameters; got 1"),
        (lambda: intrinsics_from_angle(10, 10, 60.0), "radians"),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
