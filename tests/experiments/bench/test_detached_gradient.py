"""The experiment on detached pieces: with the surface fixed its derivative is the gradient; pieces are told apart."""

import numpy as np
import pytest
import torch

from bridge.upsampler import SurfaceUpsampler
from configs.upsample import UpsampleConfig
from experiments.bench import detached_gradient
from experiments.bench.detached_gradient import STAGES, along, ball, derivatives, displacement, picture, relaid


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(detached_gradient, "SPACING", 0.5)
    monkeypatch.setattr(detached_gradient, "SIZE", 32)
    module = SurfaceUpsampler(UpsampleConfig(M=500, thickness=0.3, sigma0=0.7), spacing=0.5)
    generator = torch.Generator().manual_seed(0)
    return module, ball(), [displacement(generator) for _ in range(2)]


def test_the_derivative_with_the_surface_fixed_is_the_gradient(small):
    module, x, fields = small
    rest = module.detect(x)
    eye = torch.eye(3).double().repeat(len(x), 1, 1)
    target = module(x * torch.tensor([1.0, 1.2, 1.0]).double(), eye, rest)
    target = picture(target.means, target.covars).detach()
    y, F = x.clone().requires_grad_(), eye.clone().requires_grad_()
    splats = module(y, F, rest)
    gradients = torch.autograd.grad(((picture(splats.means, splats.covars) - target) ** 2).mean(), (y, F))
    found = derivatives(module, x, fields, carry=True, step=1e-6)
    for row, field in zip(found, fields, strict=True):
        ends = [along(x, field, sign, True) for sign in (0.5, -0.5)]  # linear in the step
        wanted = sum(float((g * (a - b)).sum()) for g, a, b in zip(gradients, *ends, strict=True))
        assert row[0] == pytest.approx(wanted, rel=1e-4)
    assert (np.abs(np.diff(found, axis=1)) > 0).all()


def test_a_rigid_shift_lays_nothing_out_anew_but_in_other_places(small):
    """Every stage but the equalisation, which goes on, and the last gives the same Gaussians at particles at rest."""
    module, x, _ = small
    rest, eye = module.detect(x), torch.eye(3).double().repeat(len(x), 1, 1)
    means = module(x, eye, rest).means
    for stage in STAGES[:3] + STAGES[4:]:
        again = relaid(module, x + 1.0, eye, rest, stage)
        assert (module(x + 1.0, eye, again).means - means - 1.0).abs().max() < 2e-3 * 0.5
