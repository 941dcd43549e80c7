"""Spheres: where they are drawn, which is in front, and where their surface is."""

import numpy as np
import pytest
import torch

from bridge.spheres import sphere_image
from configs.errors import InputError
from render.cameras import intrinsics, look_at

WIDTH, HEIGHT = 60, 40
K = intrinsics(WIDTH, HEIGHT, 40.0)


def _draw(x, radii, eye=(0.0, 0.0, 3.0)):
    x = torch.tensor(x, dtype=torch.float64)
    return sphere_image(x, torch.as_tensor(radii, dtype=torch.float64), look_at(eye), K, WIDTH, HEIGHT)


def test_against_rays_in_the_middle_of_the_image():
    """A lone small sphere on the axis: the disk is nearly its outline, so rays meet it where the picture says."""
    seen = _draw([[0.0, 0.0, 0.0]], [1.0], eye=(0.0, 0.0, 30.0))
    K_inverse = np.linalg.inv(K)
    for row, column in ((19, 29), (20, 30)):
        ray = K_inverse @ [column + 0.5, row + 0.5, 1.0]
        a, b, c = ray @ ray, -2 * ray[2] * 30.0, 900.0 - 1.0
        depth = (-b - np.sqrt(b * b - 4 * a * c)) / (2 * a) * ray[2]
        assert float(seen.depth[row, column]) == pytest.approx(depth, abs=2e-2)


def test_the_nearer_is_seen_and_the_rest_is_empty():
    seen = _draw([[0, 0, -0.5], [0, 0, 0.5], [0.9, 0, 0]], [0.5, 0.2, 0.1])
    assert int(seen.index[20, 30]) == 1
    assert float(seen.depth[20, 30]) == pytest.approx(3 - 0.5 - 0.2, abs=0.01)
    assert set(seen.index.unique().tolist()) == {-1, 0, 1, 2}
    assert ((seen.index < 0) == (seen.depth == 0)).all()
    there = seen.index >= 0
    torch.testing.assert_close(seen.normal[there].norm(dim=1), torch.ones(int(there.sum()), dtype=torch.float64))
    np.testing.assert_allclose(seen.normal[20, 30].numpy(), [0, 0, 1], atol=0.2)
    columns = torch.argwhere(seen.index == 2)[:, 1].double() + 0.5
    assert float(columns.mean()) == pytest.approx(30 + K[0, 0] * 0.9 / 3, abs=0.5)


def test_equally_near_spheres_show_the_first():
    torch.testing.assert_close(_draw([[0, 0, 0], [0, 0, 0]], [0.3, 0.3]).index.max(), torch.tensor(0))


def test_behind_the_camera_not_finite_or_none_are_not_drawn():
    seen = _draw([[0, 0, 5], [float("nan"), 0, 0]], [0.3, 0.3])
    assert int(seen.index.max()) == -1
    assert int(_draw(np.zeros((0, 3)), []).index.max()) == -1


def test_spheres_smaller_than_a_pixel_are_seen():
    assert int((_draw([[0.1, 0.1, 0.0]], [1e-6]).index == 0).sum()) >= 1


@pytest.mark.parametrize(
    "backend", [pytest.param(name, marks=pytest.mark.runtime(name, "float32")) for name in ("cpu", "vulkan")]
)
def test_every_sphere_is_whole(backend):
    """More than a block of threads, and a block with few."""
    n, side, size = 130, 12, 240
    k = torch.arange(n)
    x = torch.stack([-0.9 + 0.16 * (k % side), -0.9 + 0.16 * (k // side), torch.zeros(n)], dim=1)
    seen = sphere_image(x, torch.full((n,), 0.06), look_at((0.0, 0.0, 3.0)), intrinsics(size, size, 40.0), size, size)
    assert int(seen.index[0, 0]) == -1
    pixels = torch.bincount(seen.index[seen.index >= 0], minlength=n)
    disk = np.pi * (0.06 * intrinsics(size, size, 40.0)[0, 0] / 3) ** 2
    assert (pixels - disk).abs().max() < 0.15 * disk


def test_shapes_are_checked():
    with pytest.raises(InputError, match="sphere_image: radii has shape"):
        _draw([[0, 0, 0]], [0.1, 0.2])
