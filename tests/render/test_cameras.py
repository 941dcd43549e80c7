"""Cameras: frames, spacing, intrinsics."""

import numpy as np
import pytest

from configs.cameras import CamerasConfig
from configs.errors import InputError
from render.cameras import fibonacci_sphere, from_config, intrinsics, look_at, orbit


def eyes(viewmats):
    return np.stack([-view[:3, :3].T @ view[:3, 3] for view in viewmats])


def test_look_at_centres_the_target_with_up_pointing_up():
    view = look_at((1, 2, 5), target=(0.5, 0, 1), up=(0, 1, 0))
    rotation = view[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-14)
    assert np.linalg.det(rotation) == pytest.approx(1)
    target = rotation @ (0.5, 0, 1) + view[:3, 3]
    np.testing.assert_allclose(target, [0, 0, np.sqrt(0.25 + 4 + 16)], atol=1e-14)
    assert (rotation @ (0, 1, 0))[1] < 0  # y points down in the image
    np.testing.assert_allclose(eyes([view])[0], [1, 2, 5], atol=1e-14)


@pytest.mark.parametrize("up", [(0, 1, 0), (0, 0, 1)])
def test_orbit_is_a_circle_around_up(up):
    centre = np.array([1.0, 2.0, 3.0])
    offsets = eyes(orbit(6, radius=2.0, elevation=30, target=centre, up=up)) - centre
    np.testing.assert_allclose(offsets @ up, 1.0)
    np.testing.assert_allclose(np.linalg.norm(offsets, axis=1), 2.0)
    steps = np.roll(offsets, -1, axis=0) - offsets
    np.testing.assert_allclose(np.linalg.norm(steps, axis=1), np.sqrt(3.0))
    assert np.cross(offsets[0], offsets[1]) @ up > 0


def test_orbit_starts_at_z():
    np.testing.assert_allclose(eyes(orbit(1, radius=2.0, elevation=0))[0], [0, 0, 2], atol=1e-14)


def test_fibonacci_sphere_is_even():
    directions = eyes(fibonacci_sphere(200, radius=1.0))
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1.0)
    np.testing.assert_allclose(directions.T @ directions / 200, np.eye(3) / 3, atol=0.01)


def test_intrinsics_see_the_field_of_view():
    k = intrinsics(200, 100, fov=60)
    top = k @ (0, -np.tan(np.deg2rad(30)), 1)
    np.testing.assert_allclose(top, [100, 0, 1], atol=1e-12)


def test_all_cameras_of_a_configuration():
    config = CamerasConfig(orbit={"count": 3}, fibonacci={"count": 2}, views=({"eye": (0, 0, 3), "fov": 90},))
    viewmats, Ks = from_config(config, 64, 32)
    assert viewmats.shape == (6, 4, 4)
    assert Ks.shape == (6, 3, 3)
    assert Ks[5, 0, 0] == pytest.approx(16)
    np.testing.assert_allclose(viewmats[5], look_at((0, 0, 3)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: look_at((1, 1, 1), (1, 1, 1)), "eye and target"),
        (lambda: look_at((0, 2, 0)), "along the view"),
        (lambda: orbit(0, 1.0), "at least 1"),
        (lambda: orbit(3, 0.0), "a length"),
        (lambda: intrinsics(10, 10, 180), "between 0 and 180"),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
