"""Laws of physics that the transfers and the step must keep."""

import pytest
import torch

from bridge.diffmpm import DiffMPM
from tests.mpm.scenes import make_cloud, make_config

KERNELS = ("quadratic", "cubic")


def _angular_momentum(x, v, C, mass, config):
    """Σ m (x × v) plus the affine part, whose inertia is h²/4 (quadratic) or h²/3 (cubic)."""
    inertia = config.grid.spacing**2 / (4 if config.kernel == "quadratic" else 3)
    skew_part = torch.stack([C[:, 2, 1] - C[:, 1, 2], C[:, 0, 2] - C[:, 2, 0], C[:, 1, 0] - C[:, 0, 1]], dim=1)
    return (mass[:, None] * (torch.linalg.cross(x, v) + inertia * skew_part)).sum(0)


def _mass(n):
    return 0.05 + 0.1 * torch.rand(n, dtype=torch.float64)


@pytest.mark.parametrize("kernel", KERNELS)
def test_momentum_and_angular_momentum(kernel):
    """Free particles with internal stress: both momenta survive each step."""
    config = make_config(kernel=kernel)
    cloud, mass = make_cloud(), _mass(12)
    sim = DiffMPM(config)
    before = _angular_momentum(cloud["x"], cloud["v"], cloud["C"], mass, config)
    for _ in range(5):
        state = sim(**cloud, steps=1, mass=mass)
        torch.testing.assert_close(
            (mass[:, None] * state.v).sum(0), (mass[:, None] * cloud["v"]).sum(0), rtol=1e-12, atol=1e-13
        )
        # after G2P the particle sits at x, where its velocity was gathered; advection by v does not change x × v
        after = _angular_momentum(cloud["x"], state.v, state.C, mass, config)
        torch.testing.assert_close(after, before, rtol=1e-12, atol=1e-13)
        before = _angular_momentum(state.x, state.v, state.C, mass, config)
        torch.testing.assert_close(before, after, rtol=1e-12, atol=1e-13)
        cloud = {key: getattr(state, key) for key in cloud}


@pytest.mark.parametrize("kernel", KERNELS)
def test_affine_field_is_reproduced(kernel):
    """v = A x + b comes back with C = A."""
    config = make_config(kernel=kernel, dt=1e-3)
    cloud = make_cloud(40)
    gradient = torch.randn(3, 3, dtype=torch.float64)
    velocity = cloud["x"] @ gradient.T + torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64)
    sim = DiffMPM(config, lam=0.0, mu=0.0)
    state = sim(cloud["x"], velocity, gradient.expand(40, 3, 3), steps=1, mass=_mass(40))
    torch.testing.assert_close(state.v, velocity, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(state.C, gradient.expand(40, 3, 3), rtol=1e-11, atol=1e-11)


def test_free_fall_is_exact():
    """Symplectic Euler in closed form: x_n = x_0 + n dt v_0 + g dt² n (n + 1) / 2."""
    config = make_config(gravity=(0.0, -9.8, 0.0))
    x = make_cloud()["x"]
    v = torch.tensor([0.2, 1.0, -0.1], dtype=torch.float64).expand_as(x)
    n, g = 8, torch.tensor([0.0, -9.8, 0.0], dtype=torch.float64)
    state = DiffMPM(config)(x, v, steps=n)
    torch.testing.assert_close(
        state.x, x + n * config.dt * v + g * config.dt**2 * n * (n + 1) / 2, rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("law", ["fixed_corotated", "neo_hookean"])
def test_rigid_rotation_has_no_stress(law):
    """F = R is at rest: nothing moves."""
    config = make_config(material={"law": law, "youngs_modulus": 1e5, "poissons_ratio": 0.3})
    x = make_cloud()["x"]
    rotation = torch.linalg.matrix_exp(
        torch.tensor([[0.0, -1, 0.4], [1, 0, 0.7], [-0.4, -0.7, 0]], dtype=torch.float64)
    )
    state = DiffMPM(config)(x, F=rotation.expand(12, 3, 3), steps=3)
    assert float(state.v.abs().max()) <= 1e-9
    torch.testing.assert_close(state.F, rotation.expand(12, 3, 3), rtol=1e-9, atol=1e-9)
