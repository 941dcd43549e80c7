"""Regularisers of a rollout: zero where their names say, larger elsewhere, gradients of their values."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from bridge.physics_losses import (
    control_magnitude,
    control_smoothness,
    elastic_energy,
    limited,
    relaxed,
    unevenness,
    volume_loss,
)


def _deformations(n: int = 6, size: float = 0.3) -> torch.Tensor:
    return torch.eye(3).double() + size * torch.randn(n, 3, 3, generator=torch.Generator().manual_seed(0)).double() / 3


def _rotations() -> torch.Tensor:
    a = torch.randn(6, 3, 3, generator=torch.Generator().manual_seed(1)).double()
    return torch.linalg.matrix_exp(a - a.mT)


def test_volume():
    F = _deformations()
    kept = F / torch.linalg.det(F).pow(1 / 3)[:, None, None]
    assert float(volume_loss(kept)) == pytest.approx(0, abs=1e-20)
    for factor in (0.9, 1.1):
        assert float(volume_loss(factor * kept)) == pytest.approx((3 * math.log(factor)) ** 2)
    assert gradcheck(volume_loss, F.requires_grad_())


def test_elastic_energy():
    R = _rotations()
    assert float(elastic_energy(R, 2.0, 3.0)) == pytest.approx(0, abs=1e-12)
    stretch = torch.diag(torch.tensor([1.1, 1.0, 0.9])).double()
    energy = 3.0 * 0.02 + 1.0 * (0.99 - 1) ** 2
    assert float(elastic_energy(R @ stretch, 2.0, 3.0)) == pytest.approx(energy)
    assert gradcheck(lambda F: elastic_energy(F, 2.0, 3.0), _deformations().requires_grad_())
    degenerate = (R @ torch.diag(torch.tensor([1.2, 1.2, 1.2])).double()).requires_grad_()
    assert gradcheck(lambda F: elastic_energy(F, 2.0, 3.0), degenerate)


def test_relaxed():
    R, stretch = _rotations(), torch.diag(torch.tensor([1.4, 1.0, 0.8])).double()
    F = R @ stretch
    torch.testing.assert_close(relaxed(F, 0.0), F)
    torch.testing.assert_close(relaxed(F, 1.0), R)
    torch.testing.assert_close(relaxed(F, 0.5), R @ torch.diag(torch.tensor([1.2, 1.0, 0.9])).double())


def test_limited():
    R, crushed = _rotations(), torch.diag(torch.tensor([5.0, 1.0, 1e-3])).double()
    torch.testing.assert_close(limited(R @ crushed, 4.0), R @ torch.diag(torch.tensor([4.0, 1.0, 0.25])).double())
    mild = R @ torch.diag(torch.tensor([3.9, 1.0, 0.26])).double()
    assert torch.equal(limited(mild, 4.0), mild)


def test_controls():
    controls = torch.ones(3, 2, 3, 3).double() * torch.tensor([0.1, 0.1, 0.4])[:, None, None, None]
    assert float(control_magnitude(controls)) == pytest.approx((0.01 + 0.01 + 0.16) / 3)
    assert float(control_smoothness(controls)) == pytest.approx(0.09 / 2)
    assert float(control_smoothness(controls[:1])) == 0
    assert float(control_magnitude(0 * controls)) == float(control_smoothness(0 * controls + 5)) == 0


def test_unevenness():
    x, v = torch.rand(2, 5, 3).double()
    assert float(unevenness([x + t * v for t in range(4)])) == pytest.approx(0, abs=1e-20)
    bent = [x, x + v, x + v]
    assert float(unevenness(bent)) == pytest.approx(float(v.square().sum(dim=1).mean()))
    assert float(unevenness(bent[:2])) == 0
