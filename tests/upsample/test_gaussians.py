"""Gaussians that deform with the material, and their gradients, through the torch module."""

from typing import Any

import numpy as np
import pytest
import torch

from bridge.runtime_surface import default_cfg, synthesize_runtime_surface
from bridge.surface import Surface
from bridge.upsampler import SurfaceUpsampler
from configs.errors import InputError
from configs.upsample import UpsampleConfig
from tests.directional import directional_error
from tests.reference.surface import gaussians

SPACING = 0.25
LEARNABLE = ("sigma0", "thickness", "opacity")
OUTPUTS = ("means", "covars", "normals", "opacities", "colors")


def block(n=5):
    """n³ particles of a lattice and uneven deformation gradients."""
    axis = torch.arange(n, dtype=torch.float64) * SPACING
    x = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1).reshape(-1, 3)
    noise = torch.randn(len(x), 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return x, torch.eye(3, dtype=torch.float64) + 0.2 * noise


def upsampler(**options):
    return SurfaceUpsampler(UpsampleConfig(**{"thickness": 0.3, "learnable": LEARNABLE, **options}), spacing=SPACING)


def turn():
    q, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64))
    return q * torch.linalg.det(q)


def test_the_surface_of_a_block_is_its_outer_layer():
    x, F = block()
    module = upsampler()
    surface = module.detect(x)
    outer = ((x < SPACING / 2) | (x > 3.5 * SPACING)).any(dim=1)
    assert surface.index.tolist() == outer.nonzero().flatten().tolist()
    splats = module(x, F, surface)
    m = 5**3 - 3**3
    shapes = [tuple(getattr(splats, name).shape) for name in OUTPUTS]
    assert shapes == [(m, 3), (m, 3, 3), (m, 3), (m,), (m, 3)]
    assert (splats.opacities == 0.9).all()


@pytest.mark.parametrize("thickness", [1.0, 0.3])
def test_values_are_those_of_the_twin(thickness):
    x, F = block()
    F[3] = torch.diag(torch.tensor([1.0, 1.0, -1.0]))  # inverted
    module = upsampler(thickness=thickness, sigma0=0.7)
    surface = module.detect(x)
    splats = module(x, F, surface)
    i = surface.index
    wanted = gaussians(x[i], F[i], surface.rest_normals, 0.7 * SPACING, thickness)
    for value, expected in zip((splats.means, splats.covars, splats.normals), wanted, strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-14)
    assert (splats.covars == splats.covars.transpose(1, 2)).all()
    assert (torch.linalg.eigvalsh(splats.covars) > 0).all()


def weighted_sum(splats):
    """All outputs against fixed random weights."""
    generator = torch.Generator().manual_seed(9)
    values = [getattr(splats, name) for name in ("means", "covars", "normals", "opacities")]
    return sum((v * torch.randn(v.shape, generator=generator, dtype=v.dtype)).sum() for v in values)


@pytest.mark.parametrize("name", ["x", "F", *LEARNABLE])
def test_gradients(name):
    x, F = block()
    module = upsampler()
    surface = module.detect(x)

    def function(x, F, **parameters):
        return weighted_sum(torch.func.functional_call(module, parameters, (x, F, surface)))

    inputs = {"x": x, "F": F, **{key: getattr(module, key).detach() for key in LEARNABLE}}
    assert directional_error(function, inputs, name) <= 1e-6


def test_what_is_not_at_the_surface_gets_no_gradient():
    x, F = (value.requires_grad_() for value in block())
    module = upsampler()
    surface = module.detect(x)
    weighted_sum(module(x, F, surface)).backward()
    inside = torch.ones(len(x), dtype=torch.bool)
    inside[surface.index] = False
    assert (x.grad[inside] == 0).all()
    assert (F.grad[inside] == 0).all()
    assert (x.grad[~inside] != 0).all()


def test_learnable_on_request_only():
    assert dict(SurfaceUpsampler().named_parameters()) == {}
    assert {name for name, _ in upsampler().named_parameters()} == set(LEARNABLE)
    assert set(SurfaceUpsampler().state_dict()) == set(upsampler().state_dict())


def test_rigid_motion_moves_the_gaussians():
    x, F = block()
    module, R, shift = upsampler(), turn(), torch.tensor([3.0, -2.0, 1.0], dtype=torch.float64)
    surface = module.detect(x)
    still, moved = module(x, F, surface), module(x @ R.T + shift, R @ F, surface)
    torch.testing.assert_close(moved.means, still.means @ R.T + shift)
    torch.testing.assert_close(moved.covars, R @ still.covars @ R.T)
    torch.testing.assert_close(moved.normals, still.normals @ R.T)


def test_an_affine_stretch_is_followed_exactly():
    x, _ = block()
    module = upsampler()
    A = torch.tensor([[1.5, 0.2, 0.0], [0.0, 0.8, -0.1], [0.3, 0.0, 1.1]], dtype=torch.float64)
    eye = torch.eye(3, dtype=torch.float64).expand(len(x), 3, 3)
    surface = module.detect(x)
    rest, stretched = module(x, eye, surface), module(x @ A.T, A @ eye, surface)
    torch.testing.assert_close(stretched.means, rest.means @ A.T, rtol=0, atol=1e-14)
    torch.testing.assert_close(stretched.covars, A @ rest.covars @ A.T, rtol=0, atol=1e-14)


def test_detection_in_a_turned_state_gives_the_rest_normals():
    x, _ = block()
    module, R = upsampler(), turn()
    rest, turned = module.detect(x), module.detect(x @ R.T, R.expand(len(x), 3, 3))
    assert (rest.index == turned.index).all()
    torch.testing.assert_close(turned.rest_normals, rest.rest_normals, rtol=0, atol=1e-9)


def test_a_singular_F_stays_finite():
    x, F = (value.requires_grad_() for value in block())
    flat = F.detach().clone()
    flat[0] = 0
    flat.requires_grad_()
    module = upsampler()
    splats = module(x, flat, module.detect(x))
    weighted_sum(splats).backward()
    assert all(getattr(splats, name).isfinite().all() for name in OUTPUTS)
    assert (torch.linalg.eigvalsh(splats.covars) > 0).all()
    assert x.grad.isfinite().all()
    assert flat.grad.isfinite().all()


def test_two_forwards_alive_and_a_second_backward():
    x, F = block()
    module = upsampler()
    surface = module.detect(x)
    leaves = [(scale * F).requires_grad_() for scale in (1.0, 1.3)]
    sums = [weighted_sum(module(x, leaf, surface)) for leaf in leaves]
    both = [torch.autograd.grad(s, leaf, retain_graph=True)[0] for s, leaf in zip(sums, leaves, strict=True)]
    for scale, gradient, total in zip((1.0, 1.3), both, sums, strict=True):
        leaf = (scale * F).requires_grad_()
        (alone,) = torch.autograd.grad(weighted_sum(module(x, leaf, surface)), leaf)
        assert (gradient == alone).all()
        assert total.isfinite()
    (again,) = torch.autograd.grad(sums[0], leaves[0])
    assert (again == both[0]).all()
    with pytest.raises(RuntimeError):
        torch.autograd.grad(sums[0], leaves[0])


def test_double_backward_is_refused():
    x, F = block()
    F.requires_grad_()
    module = upsampler()
    covars = module(x, F, module.detect(x)).covars
    (gradient,) = torch.autograd.grad((covars**2).sum(), F, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_one_particle():
    x, F = torch.zeros(1, 3, dtype=torch.float64), torch.eye(3, dtype=torch.float64)[None]
    splats = upsampler(thickness=1.0)(x, F)
    torch.testing.assert_close(splats.covars[0], (0.5 * SPACING) ** 2 * torch.eye(3, dtype=torch.float64))
    with pytest.raises(InputError, match="x has one particle, and no neighbour tells its spacing"):
        SurfaceUpsampler()(x, F)
    with pytest.raises(InputError, match="x has one particle"):
        synthesize_runtime_surface(x, F)
    alone: dict[str, Any] = synthesize_runtime_surface(x, F, {"spacing": SPACING})
    assert (alone["cov"] == SurfaceUpsampler(spacing=SPACING)(x, F).covars).all()


def test_errors():
    x, F = block()
    bad = x.clone()
    bad[7, 1] = float("nan")
    surface = Surface(torch.tensor([len(x)]), torch.zeros(1, 3), SPACING)
    for arguments, problem in (
        ((x[:, :2], F), r"x has shape \(125, 2\); expected \(N, 3\)"),
        ((x, F[:5]), r"F has shape \(5, 3, 3\); expected \(125, 3, 3\)"),
        ((bad, F), "x is not finite in 1 entries"),
        ((x, F / 0), "F is not finite"),
        ((x[:0], F[:0]), "x has no particles"),
        ((x, F, surface), "surface names particle 125; x has 125"),
    ):
        with pytest.raises(InputError, match=problem):
            upsampler()(*arguments)
    with pytest.raises(InputError, match="spacing is -1"):
        SurfaceUpsampler(spacing=-1.0)


def test_runtime_surface():
    x, F = (value.requires_grad_() for value in block())
    cfg = {**default_cfg(), "thickness": 0.5}
    result: dict[str, Any] = synthesize_runtime_surface(x, F, cfg)
    assert set(result) == {"points", "cov", "normals"}
    (result["points"].sum() + result["cov"].sum()).backward()
    assert all(t.grad is not None for t in (x, F, result["points"], result["cov"]))
    arrays = synthesize_runtime_surface(x.detach().numpy(), F.detach().numpy(), cfg, return_torch=False)
    np.testing.assert_array_equal(arrays["cov"], result["cov"].detach().numpy())
    for changes, differentiable in ((cfg, False), ({"differentiable": False}, True)):
        quiet: dict[str, Any] = synthesize_runtime_surface(x, F, changes, differentiable)
        assert not any(t.requires_grad for t in quiet.values())
    with pytest.raises(InputError, match="cfg has 'anisotropy_factor', 'h_mul'; expected M, sigma0"):
        synthesize_runtime_surface(x, F, {"h_mul": 1, "anisotropy_factor": 2})
    with pytest.raises(InputError, match="sigma0 is -1"):
        synthesize_runtime_surface(x, F, {"sigma0": -1})
