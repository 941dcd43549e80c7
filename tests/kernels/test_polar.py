"""The polar rotation against NumPy's singular values, and its adjoint against differences."""

import numpy as np
import pytest
import taichi as ti
import torch

from kernels.linalg import load_mat3, store_mat3
from kernels.polar import polar_rotation, polar_rotation_adjoint, svd3


@ti.kernel
def _polar(a: ti.types.ndarray(), r: ti.types.ndarray(), r_bar: ti.types.ndarray(), a_bar: ti.types.ndarray()):
    for p in range(a.shape[0]):
        m = load_mat3(a, p)
        rotation = polar_rotation(m)
        store_mat3(r, p, rotation)
        store_mat3(a_bar, p, polar_rotation_adjoint(m, rotation, load_mat3(r_bar, p)))


@ti.kernel
def _svd(a: ti.types.ndarray(), u_out: ti.types.ndarray(), sigma_out: ti.types.ndarray(), v_out: ti.types.ndarray()):
    for p in range(a.shape[0]):
        u, sigma, v = svd3(load_mat3(a, p))
        store_mat3(u_out, p, u)
        store_mat3(v_out, p, v)
        for i in ti.static(range(3)):
            sigma_out[p, i] = sigma[i]


def _rotation(a):
    """R in SO(3), the smallest singular value taking the sign."""
    u, _, vt = np.linalg.svd(a)
    u[:, :, 2] *= np.sign(np.linalg.det(u @ vt))[:, None]
    return u @ vt


def _families():
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(200, 3, 3))
    return {
        "identity": np.tile(np.eye(3), (3, 1, 1)),
        "nearly identity": np.eye(3) + 1e-8 * noise,
        "repeated values": np.tile(np.diag([1.3, 1.3, 0.7]), (3, 1, 1)),
        "moderate": np.eye(3) + 0.2 * noise,
        "any sign of the determinant": noise,
        "large": 1e4 * (np.eye(3) + 0.2 * noise),
        "flat": np.diag([1.0, 1.0, 1e-3]) @ noise,
    }


@pytest.mark.parametrize("family", _families())
def test_rotation_and_adjoint(family):
    a = torch.tensor(_families()[family])
    r, a_bar, r_bar = torch.zeros_like(a), torch.zeros_like(a), torch.randn_like(a)
    _polar(a, r, r_bar, a_bar)
    assert np.abs(r.numpy() - _rotation(a.numpy())).max() <= 1e-11
    h = 1e-6 * float(a.abs().max())
    d = torch.randn_like(a)
    difference = (_rotation((a + h * d).numpy()) - _rotation((a - h * d).numpy())) / (2 * h)
    expected = (difference * r_bar.numpy()).sum((1, 2))
    error = np.abs((a_bar * d).sum((1, 2)).numpy() - expected) / (np.abs(expected) + np.median(np.abs(expected)))
    assert np.median(error) <= 1e-7


def test_svd_reconstructs_also_singular_matrices():
    rng = np.random.default_rng(4)
    rank_one = rng.normal(size=(50, 3, 1)) * rng.normal(size=(50, 1, 3))
    a = torch.tensor(np.concatenate([rng.normal(size=(50, 3, 3)), rank_one, np.zeros((1, 3, 3))]))
    u, sigma, v = torch.zeros_like(a), torch.zeros(len(a), 3, dtype=a.dtype), torch.zeros_like(a)
    _svd(a, u, sigma, v)
    torch.testing.assert_close(u @ torch.diag_embed(sigma) @ v.mT, a, rtol=1e-12, atol=1e-12)
    for rotation in (u, v):
        torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3, dtype=a.dtype).expand_as(a))
        torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(len(a), dtype=a.dtype))
