"""Spherical harmonics against the closed forms, gsplat's reference, differences, and their own symmetries."""

import numpy as np
import pytest
import taichi as ti
import torch

from bridge.rasterization import rasterization
from bridge.spherical_harmonics import spherical_harmonics, view_colors
from configs.errors import InputError
from kernels.tape import copy_to_field
from render.harmonic_basis import basis_size
from render.spherical_harmonics import SphericalHarmonics
from render.spherical_harmonics import spherical_harmonics as evaluate_stage
from tests.directional import directional_error
from tests.reference import spherical_harmonics as reference
from tests.render.scenes import random_scene


def rotation():
    a = torch.randn(3, 3, dtype=torch.float64)
    return torch.linalg.matrix_exp(a - a.T)


def harmonic_scene(degree=2, bases=9, per_camera=False, dtype=torch.float64):
    scene = random_scene(n=25, dtype=dtype)
    shape = (2, 25, bases, 3) if per_camera else (25, bases, 3)
    scene["colors"] = 0.4 * torch.randn(shape, dtype=dtype)
    return {**scene, "sh_degree": degree}


def draw(scene):
    images, alphas, _ = rasterization(quats=None, scales=None, **scene, render_mode="RGB+D")
    return torch.cat([images, alphas], dim=-1)


def draw_twin(scene):
    """Colours by the twin; the rest is tested elsewhere."""
    given = {k: v for k, v in scene.items() if k not in ("colors", "sh_degree", "sh_rotations")}
    rotations = scene.get("sh_rotations")
    colors = reference.view_colors(scene["sh_degree"], scene["means"], scene["viewmats"], scene["colors"], rotations)
    images, alphas, _ = rasterization(quats=None, scales=None, **given, colors=colors, render_mode="RGB+D")
    return torch.cat([images, alphas], dim=-1)


def compare(scene, image_error, gradient_error):
    names = [name for name, value in scene.items() if isinstance(value, torch.Tensor)]
    ours = {k: v.detach().clone().requires_grad_() if k in names else v for k, v in scene.items()}
    twin = {k: v.detach().clone().requires_grad_() if k in names else v for k, v in scene.items()}
    result, expected = draw(ours), draw_twin(twin)
    assert (result - expected).abs().max() <= image_error
    seeds = torch.randn_like(result)
    (result * seeds).sum().backward()
    (expected * seeds).sum().backward()
    for name in names:
        difference = (ours[name].grad - twin[name].grad).norm()
        assert difference <= gradient_error * float(twin[name].grad.norm()), name


@pytest.mark.parametrize("degree", range(5))
def test_sums_and_gradients(degree):
    given = [torch.randn(4, 30, 3, dtype=torch.float64), torch.randn(4, 30, 25, 2, dtype=torch.float64)]
    ours, twin = ([tensor.clone().requires_grad_() for tensor in given] for _ in range(2))
    result, expected = spherical_harmonics(degree, *ours), reference.evaluate(degree, *twin)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-12)
    seeds = torch.randn_like(result)
    gradients = torch.autograd.grad((result * seeds).sum(), ours)
    expected_gradients = torch.autograd.grad((expected * seeds).sum(), twin, allow_unused=True)
    for gradient, wanted in zip(gradients, expected_gradients, strict=True):
        wanted = torch.zeros_like(gradient) if wanted is None else wanted
        torch.testing.assert_close(gradient, wanted, rtol=0, atol=1e-11)


def test_masks():
    dirs, coeffs = torch.randn(10, 3, dtype=torch.float64), torch.randn(10, 4, 3, dtype=torch.float64)
    coeffs.requires_grad_()
    masks = torch.arange(10) % 3 == 0
    result = spherical_harmonics(1, dirs, coeffs, masks)
    assert (result[~masks] == 0).all()
    torch.testing.assert_close(result[masks], spherical_harmonics(1, dirs, coeffs)[masks], rtol=0, atol=0)
    result.sum().backward()
    assert ((coeffs.grad != 0).any(dim=(1, 2)) == masks).all()


@pytest.mark.parametrize("per_camera", [False, True])
def test_rasterization(per_camera):
    compare(harmonic_scene(2, 16, per_camera), 1e-8, 1e-8)


def test_rotated_frames():
    scene = harmonic_scene(2)
    scene["sh_rotations"] = torch.stack([rotation() for _ in range(25)])
    compare(scene, 1e-8, 1e-8)


@pytest.mark.parametrize("name", ["means", "colors", "viewmats", "sh_rotations"])
def test_central_differences(name):
    """Colours alone, far from the cut at 0: the means move the direction, not the picture."""
    scene = harmonic_scene(4, 25)
    scene["sh_rotations"] = torch.stack([rotation() for _ in range(25)])
    radii, seeds = torch.ones(2, 25, 2, dtype=torch.int32), torch.randn(2, 25, 3, dtype=torch.float64)

    def loss(means, viewmats, colors, sh_rotations):
        plain = view_colors(4, radii, means, viewmats, colors[None], sh_rotations)
        return (plain * seeds * (plain.detach() > 1e-2)).sum()

    given = {key: scene[key] for key in ("means", "viewmats", "colors", "sh_rotations")}
    assert directional_error(loss, given, name) <= 1e-6


def test_a_turned_body_keeps_its_appearance():
    """Turning Gaussians, their frames and the cameras together changes nothing."""
    scene, turn = harmonic_scene(4, 25), rotation()
    scene["sh_rotations"] = torch.eye(3, dtype=torch.float64).expand(25, 3, 3)
    turned = dict(scene)
    turned["means"], turned["covars"] = scene["means"] @ turn.T, turn @ scene["covars"] @ turn.T
    turned["viewmats"] = scene["viewmats"].clone()
    turned["viewmats"][:, :3, :3] = scene["viewmats"][:, :3, :3] @ turn.T
    turned["sh_rotations"] = turn.expand(25, 3, 3)
    torch.testing.assert_close(draw(turned), draw(scene), rtol=0, atol=1e-10)


def test_under_a_tape_without_torch():
    stage = SphericalHarmonics(1, 3, 1, 4, 2)
    rng = np.random.default_rng(0)
    stage.radii.fill(1)
    stage.viewmats.from_numpy(np.eye(4)[None])
    stage.coeffs.from_numpy(rng.uniform(0.1, 0.5, (1, 3, 4, 2)))
    means = rng.normal(size=(3, 3))
    colors, loss = ti.field(float, (1, 3, 2), needs_grad=True), ti.field(float, (), needs_grad=True)

    @ti.kernel
    def total(colors: ti.template(), loss: ti.template()):
        for index in ti.grouped(colors):
            loss[None] += colors[index] ** 2

    def run(means):
        stage.means.from_numpy(means)
        stage.means.grad.fill(0)
        stage.colors.grad.fill(0)
        with ti.ad.Tape(loss):
            evaluate_stage(stage)
            copy_to_field(stage.colors, colors)
            total(colors, loss)
        return loss[None], stage.means.grad.to_numpy()

    direction, h = rng.normal(size=means.shape), 1e-6
    difference = (run(means + h * direction)[0] - run(means - h * direction)[0]) / (2 * h)
    assert difference == pytest.approx((run(means)[1] * direction).sum(), rel=1e-6)


@pytest.mark.runtime("cpu", "float32")
def test_float32():
    compare(harmonic_scene(3, 16, dtype=torch.float32), 2e-5, 1e-4)


@pytest.mark.runtime("vulkan", "float32")
def test_vulkan():
    compare(harmonic_scene(2, 9, dtype=torch.float32), 2e-5, 1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(sh_degree=5), "sh_degree is 5; expected a whole number from 0 to 4"),
        (dict(sh_degree=True), "sh_degree is True"),
        (dict(sh_degree=3), "needs 16 coefficients; got 9"),
        (dict(colors=torch.zeros(25, 3)), r"colors has shape \(25, 3\); expected \(25, K, D\)"),
        (dict(sh_rotations=torch.zeros(25, 4)), r"sh_rotations has shape \(25, 4\)"),
    ],
)
def test_mistakes_are_named(change, message):
    with pytest.raises(InputError, match=message):
        draw({**harmonic_scene(), **change})


def test_sizes_of_the_basis():
    assert [basis_size(degree) for degree in range(5)] == [1, 4, 9, 16, 25]
    with pytest.raises(InputError, match=r"coeffs has shape \(3, 4\)"):
        spherical_harmonics(0, torch.ones(3, 3), torch.ones(3, 4))
