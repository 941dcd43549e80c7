"""Eigenvectors, exponential and logarithmic strain against SciPy, their adjoints against differences."""

import numpy as np
import pytest
import taichi as ti
import torch
from scipy.linalg import expm, logm

from kernels.linalg import load_mat3, store_mat3
from kernels.symmetric import eig_sym3, exp_sym3, exp_sym3_adjoint, log_strain, log_strain_adjoint


@ti.kernel
def _exp(a: ti.types.ndarray(), e: ti.types.ndarray(), e_bar: ti.types.ndarray(), a_bar: ti.types.ndarray()):
    for p in range(a.shape[0]):
        m = load_mat3(a, p)
        store_mat3(e, p, exp_sym3(m))
        store_mat3(a_bar, p, exp_sym3_adjoint(m, load_mat3(e_bar, p)))


@ti.kernel
def _log(f: ti.types.ndarray(), e: ti.types.ndarray(), e_bar: ti.types.ndarray(), f_bar: ti.types.ndarray()):
    for p in range(f.shape[0]):
        m = load_mat3(f, p)
        store_mat3(e, p, log_strain(m))
        store_mat3(f_bar, p, log_strain_adjoint(m, load_mat3(e_bar, p)))


@ti.kernel
def _eig(a: ti.types.ndarray(), values: ti.types.ndarray(), vectors: ti.types.ndarray()):
    for p in range(a.shape[0]):
        d, q = eig_sym3(load_mat3(a, p))
        store_mat3(vectors, p, q)
        for i in ti.static(range(3)):
            values[p, i] = d[i]


def _noise(n=40):
    return np.random.default_rng(2).normal(size=(n, 3, 3))


def _symmetric():
    noise = _noise() + _noise().transpose(0, 2, 1)
    return {
        "any": noise,
        "zero": np.zeros((2, 3, 3)),
        "equal": np.tile(np.diag([0.4, 0.4, -0.2]), (2, 1, 1)),
        "nearly equal": 0.3 * np.eye(3) + 1e-9 * noise,
        "on the edge of the series": np.diag([0.2, 0.2 + 0.06, 0.0]) + 1e-3 * noise,
    }


def _deformations():
    return {
        "moderate": np.eye(3) + 0.25 * np.clip(_noise(), -1, 1),
        "identity": np.tile(np.eye(3), (2, 1, 1)),
        "equal": np.tile(np.diag([1.3, 1.3, 0.7]), (2, 1, 1)),
        "nearly identity": np.eye(3) + 1e-9 * _noise(),
        "strongly compressed": np.diag([0.05, 0.6, 1.0]) @ (np.eye(3) + 0.1 * np.clip(_noise(), -1, 1)),
    }


def _check(kernel, reference, inputs, symmetric):
    a = torch.tensor(inputs)
    value, bar, a_bar = torch.zeros_like(a), torch.randn_like(a), torch.zeros_like(a)
    kernel(a, value, bar, a_bar)
    expected = np.stack([reference(m) for m in inputs])
    np.testing.assert_allclose(value.numpy(), expected, rtol=1e-11, atol=1e-11)
    d = np.random.default_rng(5).normal(size=inputs.shape)
    d = d + d.transpose(0, 2, 1) if symmetric else d
    h = 1e-5 * min(1.0, np.abs(np.linalg.eigvalsh(inputs @ inputs.transpose(0, 2, 1))).min() ** 0.5 + symmetric)
    along = [np.stack([reference(m) for m in inputs + t * h * d]) for t in (-2, -1, 1, 2)]
    difference = (8 * (along[2] - along[1]) - (along[3] - along[0])) / (12 * h)
    numeric = (difference * bar.numpy()).sum((1, 2))
    exact = (a_bar.numpy() * d).sum((1, 2))
    assert np.abs(numeric - exact).max() <= 1e-6 * np.abs(exact).max()


@pytest.mark.parametrize("family", _symmetric())
def test_exponential(family):
    _check(_exp, expm, _symmetric()[family], symmetric=True)


@pytest.mark.parametrize("family", _deformations())
def test_logarithmic_strain(family):
    _check(_log, lambda f: np.real(logm(f @ f.T)) / 2, _deformations()[family], symmetric=False)


@pytest.mark.parametrize("family", _symmetric())
def test_eigenvectors(family):
    a = torch.tensor(_symmetric()[family])
    values, q = torch.zeros(len(a), 3, dtype=a.dtype), torch.zeros_like(a)
    _eig(a, values, q)
    torch.testing.assert_close(q @ torch.diag_embed(values) @ q.mT, a, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(torch.linalg.det(q), torch.ones(len(a), dtype=a.dtype))


def test_an_inverted_matrix_gives_nan():
    a = torch.diag(torch.tensor([-1.0, 1.0, 2.0], dtype=torch.float64))[None]
    strain = torch.zeros_like(a)
    _log(a, strain, torch.zeros_like(a), torch.zeros_like(a))
    assert bool(torch.isnan(strain).any())
