"""The stages one by one: together they are rasterization, and each names its mistakes."""

from dataclasses import replace

import pytest
import torch

import bridge
from configs.errors import InputError
from tests.render.scenes import random_scene

SETTINGS = bridge.ProjectionSettings(37, 29)


def stages(scene):
    """The arguments of each stage by its name."""
    quats, scales = torch.ones(20, 4, dtype=torch.float64), torch.ones(20, 3, dtype=torch.float64)
    names = ("means", "covars", "opacities", "viewmats", "Ks")
    projected = bridge.project_gaussians(*(scene[name] for name in names), SETTINGS)
    radii, means2d, depths = projected[:3]
    coeffs = torch.randn(1, 20, 4, 3, dtype=torch.float64)
    colors = scene["colors"][None]
    return {
        "covariances": (quats, scales),
        "project_gaussians": (*(scene[name] for name in names), SETTINGS),
        "view_colors": (1, radii, scene["means"], scene["viewmats"], coeffs),
        "bin_gaussians": (means2d, radii, depths, 37, 29),
        "composite_gaussians": (*projected, colors, scene["backgrounds"], 37, 29),
        "gaussian_normals": (scene["means"], scene["viewmats"], quats, scales),
    }


def test_together_they_are_rasterization():
    scene = random_scene(n=20)
    drawn = bridge.composite_gaussians(*stages(scene)["composite_gaussians"])
    images, alphas, _ = bridge.rasterization(quats=None, scales=None, **scene)
    assert torch.equal(drawn.colors, images)
    assert torch.equal(drawn.alphas[..., None], alphas)


CASES = [
    *((stage, place) for stage, count in (("covariances", 2), ("project_gaussians", 5)) for place in range(count)),
    *(("view_colors", place) for place in range(1, 4)),
    *(("bin_gaussians", place) for place in range(3)),
    *(("composite_gaussians", place) for place in range(7)),
    *(("gaussian_normals", place) for place in range(4)),
]


@pytest.mark.parametrize(("stage", "place"), CASES)
def test_a_tensor_of_another_shape_is_named(stage, place):
    arguments = list(stages(random_scene(n=20))[stage])
    arguments[place] = arguments[place][..., :1]
    with pytest.raises(InputError, match=rf"{stage}: \w+ has shape .*; expected"):
        getattr(bridge, stage)(*arguments)


def test_other_mistakes_are_named():
    given = stages(random_scene(n=20))
    with pytest.raises(InputError, match="camera_model is 'mirror'; expected pinhole, ortho, fisheye"):
        bridge.project_gaussians(*given["project_gaussians"][:5], replace(SETTINGS, camera_model="mirror"))
    with pytest.raises(InputError, match="degree is 2, which needs 9 coefficients; got 4"):
        bridge.view_colors(2, *given["view_colors"][1:])
    with pytest.raises(InputError, match="quats is a NoneType"):
        bridge.gaussian_normals(*given["gaussian_normals"][:2])
