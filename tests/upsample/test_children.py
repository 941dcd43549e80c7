"""M Gaussians on the surface: their layout, how they move with the particles, and their gradients."""

import io
from typing import Any

import numpy as np
import pytest
import taichi as ti
import torch
import trimesh
from scipy.spatial import cKDTree

from bridge.runtime_surface import default_cfg, synthesize_runtime_surface
from bridge.surface import Surface
from bridge.upsampler import SurfaceUpsampler
from configs.errors import InputError
from configs.load import load_config
from configs.upsample import UpsampleConfig
from kernels.tape import copy_to_field, link
from mpm.particles import fill_mesh
from tests.directional import directional_error
from tests.reference.surface import gaussians, interpolated
from tests.upsample.devices import float32_devices
from tests.upsample.test_gaussians import LEARNABLE, OUTPUTS, SPACING, block, turn, weighted_sum
from upsample.gaussians import Gaussians, deform_gaussians
from upsample.interpolation import Interpolation, interpolate

M = 400
STRETCH = torch.tensor([[1.5, 0.2, 0.0], [0.0, 0.8, -0.1], [0.3, 0.0, 1.1]], dtype=torch.float64)


def upsampler(**options):
    config = UpsampleConfig(**{"M": M, "thickness": 0.3, "learnable": LEARNABLE, **options})
    return SurfaceUpsampler(config, spacing=SPACING)


def eyes(x):
    return torch.eye(3, dtype=x.dtype, device=x.device).expand(len(x), 3, 3)


def ball(radius=2.0):
    sphere = trimesh.creation.icosphere(subdivisions=4, radius=radius)
    return sphere, torch.from_numpy(fill_mesh(sphere.vertices, sphere.faces, SPACING))


def expected(x, F, module, surface):
    """Means, covariances and normals by the twins."""
    c = surface.children
    child_x, child_F = interpolated(x, F, c.neighbours, c.weights, c.offsets)
    sigma = (module.sigma0.detach() * c.sizes)[:, None, None]
    return gaussians(child_x, child_F, c.rest_normals, sigma, module.thickness.detach())


def test_values_are_those_of_the_twin():
    x, F = block()
    module = upsampler(sigma0=0.7)
    surface = module.detect(x)
    splats = module(x, F, surface)
    shapes = [tuple(getattr(splats, name).shape) for name in OUTPUTS]
    assert shapes == [(M, 3), (M, 3, 3), (M, 3), (M,), (M, 3)]
    values = (splats.means, splats.covars, splats.normals)
    for value, wanted in zip(values, expected(x, F, module, surface), strict=True):
        torch.testing.assert_close(value, wanted, rtol=1e-11, atol=1e-13)
    assert (torch.linalg.eigvalsh(splats.covars) > 0).all()


@pytest.mark.parametrize("name", ["x", "F", *LEARNABLE])
def test_gradients(name):
    x, F = block()
    module = upsampler()
    surface = module.detect(x)

    def function(x, F, **parameters):
        return weighted_sum(torch.func.functional_call(module, parameters, (x, F, surface)))

    inputs = {"x": x, "F": F, **{key: getattr(module, key).detach() for key in LEARNABLE}}
    # the sum is far larger than its change with the thickness: at shorter steps rounding is all that is seen
    assert directional_error(function, inputs, name, step=1e-4) <= 1e-6


def test_gradients_are_those_of_the_twin():
    x, F = (value.requires_grad_() for value in block())
    module = upsampler()
    surface = module.detect(x)
    splats = module(x, F, surface)
    values, wanted = (splats.means, splats.covars, splats.normals), expected(x, F, module, surface)
    weights = [torch.randn(v.shape, generator=torch.Generator().manual_seed(3), dtype=v.dtype) for v in wanted]

    def gradients(outputs):
        return torch.autograd.grad(sum((v * w).sum() for v, w in zip(outputs, weights, strict=True)), (x, F))

    for mine, reference in zip(gradients(values), gradients(wanted), strict=True):
        assert (mine - reference).norm() <= 1e-11 * reference.norm()


@pytest.mark.parametrize("motion", ["rigid", "stretch"])
def test_an_affine_motion_is_followed_exactly(motion):
    x, _ = block()
    module, A, shift = upsampler(), turn() if motion == "rigid" else STRETCH, torch.tensor([3.0, -2.0, 1.0]).double()
    surface = module.detect(x)
    rest, moved = module(x, eyes(x), surface), module(x @ A.T + shift, A @ eyes(x), surface)
    torch.testing.assert_close(moved.means, rest.means @ A.T + shift, rtol=0, atol=1e-13)
    torch.testing.assert_close(moved.covars, A @ rest.covars @ A.T, rtol=0, atol=1e-14)
    normals = torch.nn.functional.normalize(rest.normals @ torch.linalg.inv(A), dim=1)
    torch.testing.assert_close(moved.normals, normals, rtol=0, atol=1e-12)


def test_detection_in_a_moved_state_lays_the_same_shape_out():
    _, x = ball()
    module, R = upsampler(), turn()
    still, turned = module(x, eyes(x)), module(x @ R.T, R @ eyes(x))
    nearest = cKDTree(turned.means.detach() @ R).query(still.means.detach())[0]
    assert nearest.max() < 2 * SPACING
    radius = turned.means.detach().norm(dim=1)
    assert (radius - 2).abs().mean() <= 0.35 * SPACING
    assert ((turned.normals * turned.means).sum(dim=1).detach() > 0.8 * radius).all()


@pytest.mark.parametrize("m", [3000, 20_000])
def test_the_layout_covers_a_sphere_evenly(m):
    sphere, x = ball()
    splats = upsampler(M=m)(x, eyes(x))
    points = splats.means.detach().numpy()
    assert len(points) == m
    tree = cKDTree(points)
    nearest = tree.query(points, k=2)[0][:, 1]
    samples = trimesh.sample.sample_surface(sphere, 50_000, seed=0)[0]
    assert np.abs(np.linalg.norm(points, axis=1) - 2).mean() <= 0.35 * SPACING
    assert tree.query(samples)[0].max() <= 1.5 * SPACING
    assert nearest.std() <= 0.2 * nearest.mean()
    outwards = (splats.normals.detach().numpy() * points).sum(axis=1) / np.linalg.norm(points, axis=1)
    assert outwards.min() > 0.8


def test_sizes_add_up_to_the_area():
    sphere, x = ball()
    for A in (torch.eye(3, dtype=torch.float64), 1.5 * torch.eye(3, dtype=torch.float64)):
        sizes = upsampler(M=3000).detect(x @ A.T, A.expand(len(x), 3, 3)).children.sizes
        assert (sizes**2).sum() == pytest.approx(sphere.area, rel=0.05)


def test_a_stretched_region_gets_more_children():
    _, x = ball()
    A = torch.diag(torch.tensor([3.0, 1.0, 1.0], dtype=torch.float64))
    module = upsampler(M=3000)
    surface = module.detect(x @ A.T, A.expand(len(x), 3, 3))
    points = module(x @ A.T, A.expand(len(x), 3, 3), surface).means.detach()
    # at rest the sides, which were stretched, hold more than the caps, which were not
    rest = points @ torch.linalg.inv(A).T
    side = (rest[:, 0].abs() < 1).float().mean()
    assert side > 0.55  # half of a sphere's area lies there


def test_fewer_children_than_surface_particles():
    _, x = ball()
    for m in (1, 10):
        splats = upsampler(M=m)(x, eyes(x))
        assert splats.means.shape == (m, 3)
        assert splats.covars.isfinite().all()


def test_layouts_repeat_and_leave_global_random_numbers_alone():
    x, _ = block()
    np.random.seed(5)  # noqa: NPY002 - the global generator is what must not move
    torch.manual_seed(5)
    before = np.random.random(), torch.rand(1)  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    first, second, other = (upsampler(seed=seed).detect(x).state_dict() for seed in (3, 3, 4))
    assert (np.random.random(), torch.rand(1)) == before  # noqa: NPY002
    assert all((first[name] == second[name]).all() for name in first)
    assert (first["children.offsets"] != other["children.offsets"]).any()


@pytest.mark.parametrize("m", [None, M])
def test_a_surface_can_be_saved(m):
    x, F = block()
    module, file = upsampler(M=m), io.BytesIO()
    surface = module.detect(x)
    torch.save(surface.state_dict(), file)
    file.seek(0)
    again = Surface.from_state_dict(torch.load(file, weights_only=True))
    assert again.spacing == surface.spacing
    assert (module(x, F, again).covars == module(x, F, surface).covars).all()


def test_errors():
    x, F = block()
    F[5] = -F[5]
    with pytest.raises(InputError, match="there are 12 particles; expected at least k_F, 16"):
        upsampler().detect(x[:12])
    with pytest.raises(InputError, match=r"det F is .* at particle 5; expected > 0"):
        upsampler().detect(x, F)
    with pytest.raises(InputError, match="surface names particle 124; x has 100"):
        upsampler()(x[:100], F[:100], upsampler().detect(x))
    for m in (0, -3, 1.5):
        with pytest.raises(InputError, match="M is"):
            synthesize_runtime_surface(x, F, {"M": m})
    with pytest.raises(InputError, match="M = 100000000 Gaussians need an array of 4800000000 numbers"):
        upsampler(M=10**8).detect(x)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bridge.memory.available_bytes", lambda: 2**30)
        with pytest.raises(InputError, match=r"M = 1000000 Gaussians need about 4\.77 GiB of memory.*: lower M or k_F"):
            upsampler(M=10**6).detect(x)
    config = load_config("sphere_to_rabbit", ["upsample.M=5000"])
    assert config.upsample.M == 5000


def test_particles_in_one_place_and_one_particle():
    one = torch.zeros(1, 3, dtype=torch.float64)
    with pytest.raises(InputError, match="there are 1 particles; expected at least k_F, 16, or no M"):
        upsampler().detect(one)
    together = one.repeat(40, 1)
    for m in (None, M):
        with pytest.raises(InputError, match="x has all 40 particles in one place; expected distinct positions"):
            upsampler(M=m).detect(together)
    pairs = torch.cat([block()[0], block()[0]])  # two in each place are no harm
    splats = upsampler()(pairs, eyes(pairs))
    assert (torch.linalg.eigvalsh(splats.covars) > 0).all()


def test_runtime_surface():
    x, F = (value.requires_grad_() for value in block())
    with torch.no_grad():
        F.copy_(eyes(x))
    cfg = default_cfg()
    cfg["M"] = 777
    result: dict[str, Any] = synthesize_runtime_surface(x, F, cfg)
    assert result["points"].shape == (777, 3)
    (result["points"].sum() + result["cov"].sum()).backward()
    assert all(t.grad is not None and t.grad.isfinite().all() for t in (x, F, result["points"], result["cov"]))


@float32_devices
def test_float32_agrees_with_the_twin(device):
    x, F = (value.float().to(device).requires_grad_() for value in block())
    module = upsampler().to(device)
    surface = module.detect(x)
    splats = module(x, F, surface)
    wanted = expected(x, F, module, surface)
    weights = [torch.randn(v.shape, generator=torch.Generator().manual_seed(3)).to(device) for v in wanted]

    def gradients(values):
        return torch.autograd.grad(sum((v * w).sum() for v, w in zip(values, weights, strict=True)), (x, F))

    values = (splats.means, splats.covars, splats.normals)
    for value, reference in zip((*values, *gradients(values)), (*wanted, *gradients(wanted)), strict=True):
        assert (value - reference).norm() <= 1e-5 * reference.norm()


def test_under_a_tape_as_in_torch():
    x, F = (value.requires_grad_() for value in block())
    module = upsampler()
    surface = module.detect(x)
    splats = module(x, F, surface)
    (splats.covars**2).sum().backward()

    children = surface.children
    c, g = Interpolation(len(x), M, children.weights.shape[1]), Gaussians(M, M)
    pairs = ((c.neighbours, children.neighbours.int()), (c.weights, children.weights), (c.offsets, children.offsets))
    sigma, thickness = module.sigma0 * children.sizes, module.thickness.expand(M)
    rest = ((g.rest_normals, children.rest_normals), (g.sigma, sigma), (g.thickness, thickness))
    for array, value in (*pairs, *rest, (c.x, x), (c.F, F), (g.index, torch.arange(M, dtype=torch.int32))):
        array.from_numpy(value.detach().numpy())
    field = ti.field(ti.f64, shape=(M, 3, 3), needs_grad=True)
    loss = ti.field(ti.f64, shape=(), needs_grad=True)

    @ti.kernel
    def square():
        for i in ti.grouped(field):
            loss[None] += field[i] * field[i]

    with ti.ad.Tape(loss):
        interpolate(c)
        link(c.child_x, g.x)
        link(c.child_F, g.F)
        deform_gaussians(g)
        copy_to_field(g.covars, field)
        square()
    np.testing.assert_allclose(c.F.grad.to_numpy(), F.grad.numpy(), rtol=1e-9, atol=1e-15)
