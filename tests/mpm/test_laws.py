"""Constitutive laws: stress against energy, symmetry, objectivity, closed forms."""

import pytest
import taichi as ti
import torch

from kernels.linalg import load_mat3, store_mat3
from mpm.laws import LAWS
from mpm.laws.kinematics import kinematic_tensor

LAM, MU = 30.0, 20.0
VALUES = {
    "lam": LAM,
    "mu": MU,
    "yield_stress": 4.0,
    "hardening": 3.0,
    "friction_angle": 35.0,
    "cohesion": 0.5,
    "volume_correction": 1.0,
    "consistency": 2.0,
    "exponent": 0.6,
    "bulk_modulus": 50.0,
    "gamma": 7.0,
    "dynamic_viscosity": 0.3,
}


def _evaluate(law_name, f):
    """Energy [N] and Kirchhoff stress [N, 3, 3] of the law's own Taichi functions."""
    law = LAWS[law_name]
    kinematics, values = law.kinematics, [VALUES[name] for name in law.parameters]

    @ti.kernel
    def evaluate(f: ti.types.ndarray(), energy: ti.types.ndarray(), tau: ti.types.ndarray()):
        for p in range(f.shape[0]):
            a = load_mat3(f, p)
            k = kinematic_tensor(kinematics, a)
            parameters = ti.Vector(values)
            energy[p] = law.energy(a, k, parameters)
            store_mat3(tau, p, law.kirchhoff_stress(a, k, 0.0 * a, parameters))

    energy, tau = torch.zeros(len(f), dtype=f.dtype), torch.zeros_like(f)
    evaluate(f.contiguous(), energy, tau)
    return energy, tau


def _random_f(n=50):
    return torch.eye(3, dtype=torch.float64) + 0.3 * torch.randn(n, 3, 3, dtype=torch.float64).clamp(-1, 1)


@pytest.mark.parametrize("law", LAWS)
def test_stress_is_the_energys_gradient(law):
    """τ = (∂Ψ/∂F) Fᵀ by central differences."""
    f = _random_f()
    tau = _evaluate(law, f)[1]
    h = 1e-6
    pk1 = torch.zeros_like(f)
    for i in range(3):
        for j in range(3):
            d = torch.zeros(3, 3, dtype=torch.float64)
            d[i, j] = h
            pk1[:, i, j] = (_evaluate(law, f + d)[0] - _evaluate(law, f - d)[0]) / (2 * h)
    error = (tau - pk1 @ f.mT).norm(dim=(1, 2)) / tau.norm(dim=(1, 2))
    assert float(error.max()) <= 1e-7


@pytest.mark.parametrize("law", LAWS)
def test_stress_is_symmetric_and_objective(law):
    f = _random_f()
    tau = _evaluate(law, f)[1]
    torch.testing.assert_close(tau, tau.mT, rtol=1e-11, atol=1e-10)
    q = torch.linalg.matrix_exp(torch.tensor([[0.0, -1, 0.4], [1, 0, 0.7], [-0.4, -0.7, 0]], dtype=torch.float64))
    torch.testing.assert_close(_evaluate(law, q @ f)[1], q @ tau @ q.T, rtol=1e-10, atol=1e-9)


def test_uniaxial_strain_closed_forms():
    stretch = torch.tensor([0.7, 0.9, 1.0, 1.2, 1.5], dtype=torch.float64)
    f = torch.eye(3, dtype=torch.float64).repeat(5, 1, 1)
    f[:, 0, 0] = stretch
    corotated = _evaluate("fixed_corotated", f)[1]
    expected = 2 * MU * (stretch - 1) * stretch + LAM * (stretch - 1) * stretch
    torch.testing.assert_close(corotated[:, 0, 0], expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(corotated[:, 1, 1], LAM * (stretch - 1) * stretch, rtol=1e-10, atol=1e-10)
    neo_hookean = _evaluate("neo_hookean", f)[1]
    torch.testing.assert_close(
        neo_hookean[:, 0, 0], MU * (stretch**2 - 1) + LAM * torch.log(stretch), rtol=1e-10, atol=1e-10
    )
    hencky = _evaluate("hencky", f)[1]
    torch.testing.assert_close(hencky[:, 0, 0], (2 * MU + LAM) * torch.log(stretch), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(hencky[:, 1, 1], LAM * torch.log(stretch), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(neo_hookean[:, 1, 1], LAM * torch.log(stretch), rtol=1e-10, atol=1e-10)
