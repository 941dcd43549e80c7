"""Gradients of rollouts against central differences along random directions, float64."""

import pytest
import torch

from bridge.diffmpm import DiffMPM
from tests.directional import directional_error
from tests.mpm.scenes import make_cloud, make_config

INPUTS = ("x", "v", "C", "F", "dF", "lam", "mu", "gravity", "mass", "volume")
NEO_HOOKEAN = {"law": "neo_hookean", "youngs_modulus": 40.0, "poissons_ratio": 0.3}


def _objective(config, steps, record_every=None):
    def objective(x, v, C, F, dF, lam, mu, gravity, mass, volume):
        sim = DiffMPM(config, lam=lam, mu=mu)
        state = sim(
            x, v, C, F, dF=dF, steps=steps, gravity=gravity, mass=mass, volume=volume, record_every=record_every
        )
        total = x.new_zeros(())
        for weight, frame in enumerate(state.frames or [state], start=1):
            for value in (frame.x, frame.v, frame.C, frame.F, frame.F_total):
                seed = torch.sin(torch.arange(value.numel(), dtype=value.dtype)).reshape(value.shape)
                total = total + weight * (seed * value).sum() + 0.5 * (value**2).sum()
        return total

    return objective


def _inputs(**changes):
    cloud = make_cloud()
    n = len(cloud["x"])
    inputs = {
        **cloud,
        "dF": 0.1 * torch.randn(2, n, 3, 3, dtype=torch.float64),
        "lam": torch.tensor(20.0, dtype=torch.float64),
        "mu": 10 + 10 * torch.rand(n, dtype=torch.float64),
        "gravity": torch.tensor([0.3, -9.8, 0.7], dtype=torch.float64),
        "mass": 0.05 + 0.1 * torch.rand(n, dtype=torch.float64),
        "volume": 0.02 + 0.02 * torch.rand(n, dtype=torch.float64),
    }
    return {**inputs, **changes}


@pytest.mark.parametrize("name", INPUTS)
def test_every_input(name):
    config = make_config(f_smoothing=0.3, j_min=0.9, bulk_viscosity=0.4, drag=0.7, boundary="slip")
    assert directional_error(_objective(config, 6, record_every=3), _inputs(), name) <= 1e-6


@pytest.mark.parametrize("name", ["x", "F", "dF", "lam", "mu"])
def test_neo_hookean_cubic(name):
    config = make_config(kernel="cubic", material=NEO_HOOKEAN)
    assert directional_error(_objective(config, 6), _inputs(), name) <= 1e-6


@pytest.mark.parametrize("law", ["fixed_corotated", "hencky"])
@pytest.mark.parametrize("name", ["x", "F", "dF", "lam", "mu"])
def test_at_rest(name, law):
    """F = I and equal singular values, where formulas with their differences fail; dF = 0 on top."""
    n = 12
    rest = torch.eye(3, dtype=torch.float64).expand(n, 3, 3).contiguous()
    inputs = _inputs(F=rest, dF=torch.zeros(2, n, 3, 3, dtype=torch.float64))
    config = make_config(material={**NEO_HOOKEAN, "law": law})
    assert directional_error(_objective(config, 2), inputs, name) <= 1e-6


@pytest.mark.parametrize("name", ["x", "F"])
@pytest.mark.parametrize("law", ["fixed_corotated", "hencky"])
def test_repeated_singular_values(name, law):
    n = 12
    stretched = torch.diag(torch.tensor([1.2, 1.0, 1.0], dtype=torch.float64)).expand(n, 3, 3).contiguous()
    still = torch.zeros(n, 3, 3, dtype=torch.float64)
    inputs = _inputs(F=stretched, C=still, dF=torch.zeros(2, n, 3, 3, dtype=torch.float64))
    config = make_config(material={**NEO_HOOKEAN, "law": law})
    assert directional_error(_objective(config, 2), inputs, name) <= 1e-6


LAWS = {
    "fixed_corotated": {},
    "neo_hookean": {},
    "hencky": {},
    "von_mises": {"yield_stress": 8.0, "hardening": 3.0},
    "herschel_bulkley": {"yield_stress": 8.0, "consistency": 1.0, "exponent": 0.5},
    "drucker_prager": {"cohesion": 30.0},
}


def _from(F, law, name, step=1e-6):
    """Error of the gradient of two steps from this deformation, without controls."""
    n = 12
    still = torch.zeros(n, 3, 3, dtype=torch.float64)
    inputs = _inputs(F=F.expand(n, 3, 3).contiguous(), C=still, dF=torch.zeros(2, n, 3, 3, dtype=torch.float64))
    config = make_config(material={**NEO_HOOKEAN, "law": law, **LAWS[law]})
    return directional_error(_objective(config, 2), inputs, name, step=step)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("noise", [1e-8, 1e-6, 1e-4])
def test_nearly_equal_singular_values(law, noise):
    """Where adjoints through singular vectors lose all their digits."""
    F = torch.eye(3, dtype=torch.float64) + noise * torch.randn(12, 3, 3, dtype=torch.float64)
    assert _from(F, law, "F") <= 1e-6


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("stretch", [(0.1, 1.0, 1.0), (0.5, 0.5, 0.4), (2.0, 1.0, 1.0)])
def test_under_compression_and_tension(law, stretch):
    """det F down to 0.1, two singular values equal, through plastic flow where the law has it."""
    assert _from(torch.diag(torch.tensor(stretch, dtype=torch.float64)), law, "F") <= 1e-6


@pytest.mark.parametrize(("name", "side"), [("F", 0.999), ("F", 1.001), ("mu", 1.001)])
def test_at_the_onset_of_yield(name, side):
    """A thousandth below and above the yield surface: a step that stays on its side."""
    strain = (
        side * (2 / 3) ** 0.5 * 8.0 / (2 * 40.0 / 2.6) * torch.tensor([1.0, -1.0, 0.0], dtype=torch.float64) / 2**0.5
    )
    n = 12
    still = torch.zeros(n, 3, dtype=torch.float64)
    F = torch.diag(torch.exp(strain)).expand(n, 3, 3).contiguous()
    config = make_config(material={**NEO_HOOKEAN, "law": "von_mises", **LAWS["von_mises"]}, dt=1e-6)
    mu = torch.tensor(40 / 2.6, dtype=torch.float64)
    zero = torch.zeros(n, 3, 3, dtype=torch.float64)
    inputs = _inputs(F=F, v=still, C=zero, dF=torch.zeros(2, n, 3, 3, dtype=torch.float64), mu=mu)
    state = DiffMPM(config, lam=inputs["lam"], mu=mu)(inputs["x"], F=F, steps=2)
    assert bool((state.internal > 0).any()) == (side > 1)
    assert directional_error(_objective(config, 2), inputs, name, step=1e-7) <= 1e-6


def test_many_steps():
    config = make_config(boundary="sticky", dt=0.004)
    assert directional_error(_objective(config, 200), _inputs(), "dF", directions=1) <= 1e-6
