"""Losses on Gaussians: each is least where its name says, and its gradient is that of its value."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from bridge.surface_losses import (
    covariance_alignment_loss,
    covariance_size_loss,
    edge_alignment_loss,
    edge_tangents,
    nearest,
    nearest_neighbours,
    normal_smoothness_loss,
)


def _disc_image(size: int = 64, radius: float = 20.0) -> torch.Tensor:
    v, u = torch.meshgrid(*[torch.arange(size).double() + 0.5 - size / 2] * 2, indexing="ij")
    return (u**2 + v**2 < radius**2).double()[None]


def _around_the_rim(turn: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Ellipses on the disc's edge, their long axes at an angle to it: centres [1, N, 2], conics [1, N, 3]."""
    angle = torch.arange(24).double() * (2 * math.pi / 24) + 0.1
    centers = 32 + 20 * torch.stack([angle.cos(), angle.sin()], dim=1)
    axis = angle + math.pi / 2 + turn
    t, n = torch.stack([axis.cos(), axis.sin()], 1), torch.stack([-axis.sin(), axis.cos()], 1)
    inverse = torch.einsum("ni,nj->nij", t, t) / 4.0 + torch.einsum("ni,nj->nij", n, n) / 0.25
    return centers[None], torch.stack([inverse[:, 0, 0], inverse[:, 0, 1], inverse[:, 1, 1]], dim=1)[None]


def test_edge_alignment_is_least_along_the_edge():
    edges = edge_tangents(_disc_image())
    at = {turn: float(edge_alignment_loss(*_around_the_rim(turn), edges)) for turn in (-0.6, -0.2, 0, 0.2, 0.6)}
    assert min(at, key=at.get) == 0
    assert at[0] == pytest.approx(0.25 / 4.25, abs=0.01)
    assert float(edge_alignment_loss(*_around_the_rim(math.pi / 2), edges)) == pytest.approx(4 / 4.25, abs=0.01)
    centers, conics = _around_the_rim(0.3)
    assert float(edge_alignment_loss(centers, conics * 0, edges)) == 0  # none is seen
    assert gradcheck(lambda c: edge_alignment_loss(centers, c, edges), conics.clone().requires_grad_())


def test_covariance_alignment_is_least_for_discs_in_the_surface():
    generator = torch.Generator().manual_seed(0)
    normals = torch.nn.functional.normalize(torch.randn(500, 3, generator=generator).double(), dim=1)
    means = 1.05 * normals[:40]  # the target is the unit sphere
    flat = torch.eye(3).double() - 0.99 * normals[:40, :, None] * normals[:40, None, :]
    ball = torch.eye(3).double().expand(40, 3, 3)
    needle = 2 * ball - flat
    losses = [float(covariance_alignment_loss(means, c, normals, normals)) for c in (flat, ball, needle)]
    assert losses == pytest.approx([0.01 / 2.01, 1 / 3, 1.99 / 3.99])
    covars = flat[:5].clone().requires_grad_()
    assert gradcheck(lambda c: covariance_alignment_loss(means[:5], c, normals, normals), covars)


def test_covariance_size_is_zero_for_the_ball_alone():
    ball = 0.04 * torch.eye(3).double().expand(3, 3, 3)
    assert float(covariance_size_loss(ball, 0.2)) == pytest.approx(0, abs=1e-12)
    stretched = ball * torch.tensor([1.5, 1.0, 1.0])[:, None]
    for other in (1.3 * ball, 0.7 * ball, stretched):
        assert float(covariance_size_loss(other, 0.2)) > 0.01
    assert gradcheck(lambda c: covariance_size_loss(c, 0.2), stretched.clone().requires_grad_())


def test_normal_smoothness_is_zero_for_a_plane():
    x = torch.rand(30, 3, generator=torch.Generator().manual_seed(1)).double()
    neighbours = nearest_neighbours(x, 4)
    up = torch.tensor([0.0, 0.0, 1.0]).double().expand(30, 3)
    assert float(normal_smoothness_loss(up, neighbours)) == 0
    rough = torch.nn.functional.normalize(up + 0.2 * x, dim=1)
    assert float(normal_smoothness_loss(rough, neighbours)) > 1e-4
    assert gradcheck(lambda n: normal_smoothness_loss(n, neighbours), rough.clone().requires_grad_())


def test_nearest():
    x = torch.rand(40, 3, generator=torch.Generator().manual_seed(2))
    distance = torch.cdist(x, x) + 9 * torch.eye(40)
    assert (nearest_neighbours(x, 3) == distance.argsort(dim=1)[:, :3]).all()
    assert (nearest(x, x.flip(0)) == torch.arange(39, -1, -1)).all()
