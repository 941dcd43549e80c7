"""Forms of the covariance, and limits on it."""

import math

import pytest
import torch

from bridge.surface import Surface
from bridge.upsampler import SurfaceUpsampler
from configs.errors import InputError
from configs.upsample import UpsampleConfig
from tests.directional import directional_error
from tests.upsample.test_gaussians import LEARNABLE, SPACING, block, turn, weighted_sum

LIMITS = {"max_anisotropy": 2.0, "max_growth": 1.05}


def setting(**options):
    x, F = block()
    module = SurfaceUpsampler(UpsampleConfig(**{"thickness": 0.3, "learnable": LEARNABLE, **options}), SPACING)
    return x, F, module, module.detect(x)


def logarithms(covars):
    return torch.linalg.eigvalsh(covars).log()


def limited(covars, sigma, thickness, anisotropy, growth):
    """The twin: through torch's eigenvectors."""
    values, axes = torch.linalg.eigh(covars)
    logs = values.log()
    mean = logs.mean(dim=1, keepdim=True)
    rest = math.log(sigma**2 * thickness ** (2 / 3))
    size = rest + (mean - rest).clamp(-2 * math.log(growth), 2 * math.log(growth))
    a = (2 * math.log(anisotropy) / (logs[:, 2:] - logs[:, :1])).clamp(max=1)
    return axes @ torch.diag_embed((size + a * (logs - mean)).exp()) @ axes.transpose(1, 2)


def test_the_surface_form_keeps_its_thickness_along_the_normal():
    x, F, module, surface = setting(covariance="surface")
    splats, n0 = module(x, F, surface), surface.rest_normals
    n, F = splats.normals[..., None], F[surface.index]
    s = (0.5 * SPACING) ** 2
    disc = F @ (torch.eye(3) - n0[:, :, None] * n0[:, None]) @ F.transpose(1, 2)
    torch.testing.assert_close(splats.covars, s * (disc + 0.09 * n @ n.transpose(1, 2)), rtol=1e-11, atol=1e-15)
    torch.testing.assert_close(splats.covars @ n, 0.09 * s * n, rtol=1e-9, atol=1e-15)


def test_the_stretch_form_is_that_of_the_polar_decomposition():
    x, F, module, surface = setting(covariance="stretch")
    u, stretches, _ = torch.linalg.svd(F[surface.index])
    wanted = (0.5 * SPACING) ** 2 * u @ torch.diag_embed(stretches**2) @ u.transpose(1, 2)
    torch.testing.assert_close(module(x, F, surface).covars, wanted, rtol=1e-11, atol=1e-15)


def test_limits_hold_and_leave_alone_what_is_within():
    x, F, module, surface = setting(**LIMITS)
    free = setting()[2](x, F, surface).covars
    covars = module(x, F, surface).covars
    torch.testing.assert_close(covars, limited(free, 0.5 * SPACING, 0.3, 2.0, 1.05), rtol=1e-9, atol=1e-15)
    logs = logarithms(covars)
    assert (logs[:, 2] - logs[:, 0]).max() <= 2 * torch.tensor(2.0).log() + 1e-9
    wide = setting(max_anisotropy=1e3, max_growth=1e3)[2]
    assert (wide(x, F, surface).covars == free).all()


@pytest.mark.runtime("cpu", "float32")
@pytest.mark.parametrize("covariance", ["deformed", "surface", "stretch"])
@pytest.mark.parametrize("thickness", [1.0, 1e-4, 1e-12])
def test_covariances_are_positive_definite(covariance, thickness):
    """Where float32 does not hold the square of the thickness beside 1, and F is singular, inverted or far from 1."""
    x, F, module, surface = setting(M=3000, covariance=covariance, thickness=thickness)
    generator = torch.Generator().manual_seed(4)
    columns = 10 ** (4 * torch.rand(len(x), 1, 3, generator=generator) - 3)
    for strained in (F.float(), torch.randn(F.shape, generator=generator) * columns, 0 * F.float()):
        covars = module(x.float(), strained, surface).covars.double()
        assert (torch.linalg.eigvalsh(covars) > 0).all()


def test_limits_make_a_flat_covariance_positive_definite():
    x, F, module, surface = setting(max_anisotropy=10.0, max_growth=2.0)
    F[surface.index[0]] = torch.diag(torch.tensor([1.0, 1.0, 0.0]).double())
    F[surface.index[1]] = 0
    values = torch.linalg.eigvalsh(module(x, F, surface).covars)
    assert (values[:, 0] > 0).all()
    assert (values[:, 2] / values[:, 0]).max() < 101


@pytest.mark.parametrize("options", [{"covariance": "surface"}, {"covariance": "stretch"}, LIMITS])
@pytest.mark.parametrize("name", ["x", "F", "sigma0", "thickness"])
def test_gradients(options, name):
    x, F, module, surface = setting(**options)

    def function(x, F, **parameters):
        return weighted_sum(torch.func.functional_call(module, parameters, (x, F, surface)))

    if name == "thickness" and "covariance" in options and options["covariance"] == "stretch":
        splats = module(x, F, surface)
        assert torch.autograd.grad(splats.covars.sum(), module.thickness, allow_unused=True) == (None,)
        return
    inputs = {"x": x, "F": F, **{key: getattr(module, key).detach() for key in LEARNABLE}}
    assert directional_error(function, inputs, name) <= 1e-6


def test_gradients_at_equal_eigenvalues():
    x, _, module, surface = setting(max_growth=1.1)
    F = torch.diag(torch.tensor([1.3, 1.3, 1.3]).double()).repeat(len(x), 1, 1)

    def function(F):
        return weighted_sum(module(x, F, surface))

    assert directional_error(function, {"F": F}, "F") <= 1e-6


def test_a_rigid_motion_turns_every_form():
    for options in ({"covariance": "surface"}, {"covariance": "stretch"}, LIMITS):
        x, F, module, surface = setting(**options)
        R = turn()
        still, moved = module(x, F, surface).covars, module(x @ R.T, R @ F, surface).covars
        torch.testing.assert_close(moved, R @ still @ R.T, rtol=1e-9, atol=1e-14)


def test_covariances_alone():
    for count in (None, 300):
        x, F, module, surface = setting(M=count, **LIMITS)
        F.requires_grad_()
        alone, all_of_it = module.covariances(F, surface), module(x, F, surface).covars
        torch.testing.assert_close(alone, all_of_it, rtol=1e-12, atol=1e-16)
        gradients = [torch.autograd.grad((c**2).sum(), F)[0] for c in (alone, all_of_it)]
        torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-20)


def test_learnable_colours():
    x, F, module, surface = setting(M=300, learnable=("colors",))
    splats = module(x, F, surface)
    assert [name for name, _ in module.named_parameters()] == ["colors"]
    weights = torch.rand(300, 3, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
    (splats.colors * weights).sum().backward()
    assert (module.colors.grad == weights).all()
    with pytest.raises(InputError, match="surface has 300 children; the module has 200 colours"):
        SurfaceUpsampler(UpsampleConfig(M=200, learnable=("colors",)), SPACING)(x, F, surface)
    with pytest.raises(ValueError, match="learnable colors need M"):
        UpsampleConfig(learnable=("colors",))


def test_a_graph_smooths_F_and_keeps_what_is_uniform():
    ed = {"enabled": True, "num_nodes": 20, "node_knn": 4, "point_knn_nodes": 4}
    for count in (None, 300):
        x, F, module, surface = setting(M=count, ed=ed)
        A = turn() + 0.1
        torch.testing.assert_close(surface.graph.smooth(A.expand(len(x), 3, 3)), A.expand(count or 98, 3, 3))
        rough, smooth = (F - torch.eye(3)).norm(), (surface.graph.smooth(F) - torch.eye(3)).norm()
        assert smooth / (count or 98) ** 0.5 < 0.5 * rough / len(x) ** 0.5

        def function(F, x=x, module=module, surface=surface):
            return weighted_sum(module(x, F, surface))

        assert directional_error(function, {"F": F}, "F") <= 1e-6
        again = Surface.from_state_dict(surface.state_dict())
        assert (module(x, F, again).covars == module(x, F, surface).covars).all()


def test_a_graph_is_the_least_squares_fit():
    x, F, _, surface = setting(M=300, ed={"enabled": True, "num_nodes": 20, "lambda_lap": 0.0})
    g = surface.graph
    W = torch.zeros(len(x), 20, dtype=x.dtype).scatter(1, g.particle_nodes, g.particle_weights)
    fit = torch.linalg.lstsq(W, F.reshape(len(x), 9)).solution
    children = torch.zeros(300, 20, dtype=x.dtype).scatter(1, g.child_nodes, g.child_weights)
    torch.testing.assert_close(g.smooth(F).reshape(300, 9), children @ fit, rtol=0, atol=1e-5)
