"""The same Gaussians and gradients in float32 on every backend, and under Taichi's own tape."""

import numpy as np
import pytest
import taichi as ti
import torch

from bridge.upsampler import SurfaceUpsampler
from configs.upsample import UpsampleConfig
from kernels.tape import copy_to_field
from tests.reference.surface import gaussians
from tests.upsample.devices import float32_devices
from tests.upsample.test_gaussians import SPACING, block
from upsample.gaussians import Gaussians, deform_gaussians


@float32_devices
def test_float32_agrees_with_the_twin(device):
    x, F = (value.float().to(device).requires_grad_() for value in block())
    module = SurfaceUpsampler(UpsampleConfig(thickness=0.3), spacing=SPACING).to(device)
    surface = module.detect(x)
    outer = ((x < SPACING / 2) | (x > 3.5 * SPACING)).any(dim=1)
    assert surface.index.tolist() == outer.nonzero().flatten().tolist()
    splats = module(x, F, surface)
    i = surface.index
    wanted = gaussians(x[i], F[i], surface.rest_normals, 0.5 * SPACING, 0.3)
    weights = [torch.randn(v.shape, generator=torch.Generator().manual_seed(3)).to(device) for v in wanted]

    def gradients(values):
        total = sum((v * w).sum() for v, w in zip(values, weights, strict=True))
        return torch.autograd.grad(total, (x, F))

    values = (splats.means, splats.covars, splats.normals)
    for value, expected in zip((*values, *gradients(values)), (*wanted, *gradients(wanted)), strict=True):
        assert (value - expected).norm() <= 1e-5 * expected.norm()


def test_under_a_tape_as_in_torch():
    x, F = (value.requires_grad_() for value in block())
    module = SurfaceUpsampler(UpsampleConfig(thickness=0.3), spacing=SPACING)
    surface = module.detect(x)
    covars = module(x, F, surface).covars
    (covars**2).sum().backward()

    m = len(surface.index)
    g = Gaussians(len(x), m)
    sigma, thickness = (module.sigma0 * SPACING).expand(m), module.thickness.expand(m)
    values = (x, F, surface.rest_normals, sigma, thickness, surface.index.int())
    for array, value in zip((g.x, g.F, g.rest_normals, g.sigma, g.thickness, g.index), values, strict=True):
        array.from_numpy(value.detach().numpy().astype(array.to_numpy().dtype))
    field = ti.field(ti.f64, shape=(m, 3, 3), needs_grad=True)
    loss = ti.field(ti.f64, shape=(), needs_grad=True)

    @ti.kernel
    def square():
        for i in ti.grouped(field):
            loss[None] += field[i] * field[i]

    with ti.ad.Tape(loss):
        deform_gaussians(g)
        copy_to_field(g.covars, field)
        square()
    assert loss[None] == pytest.approx((covars**2).sum().item())
    np.testing.assert_allclose(g.F.grad.to_numpy(), F.grad.numpy(), rtol=1e-12, atol=1e-18)
    assert (x.grad == 0).all()
    assert (g.x.grad.to_numpy() == 0).all()
