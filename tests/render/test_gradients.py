"""The adjoints against central differences in float64, where no threshold of the model is near."""

import pytest
import torch

from bridge.projection import covariances
from bridge.rasterization import rasterization
from tests.directional import directional_error
from tests.reference.rasterize import rasterize
from tests.render.scenes import TENSORS, random_scene


def smooth_seeds(scene, antialiased, camera_model="pinhole"):
    """Random weights [C, H, W, D + 2], zero where a small step could cross a threshold."""
    margins = []
    for c in range(len(scene["viewmats"])):
        args = [scene[name] for name in ("means", "covars", "opacities", "colors")]
        camera = scene["viewmats"][c], scene["Ks"][c]
        sizes = scene["width"], scene["height"], scene["backgrounds"][c]
        margins.append(rasterize(*args, *camera, *sizes, antialiased=antialiased, camera_model=camera_model).margin)
    safe = torch.stack(margins) > 2e-3
    assert safe.double().mean() > 0.5
    return torch.randn(*safe.shape, scene["colors"].shape[-1] + 2, dtype=torch.float64) * safe[..., None]


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("mode", ["classic", "antialiased"])
def test_rasterization(name, mode):
    scene = random_scene(n=30)
    scene["means"][:6] *= torch.tensor([2.5, 2.5, 1.0], dtype=torch.float64)  # some in the guard band
    seeds = smooth_seeds(scene, mode == "antialiased")

    def loss(**changed):
        images, alphas, _ = rasterization(
            quats=None, scales=None, **{**scene, **changed}, rasterize_mode=mode, render_mode="RGB+ED"
        )
        return (torch.cat([images, alphas], dim=-1) * seeds).sum()

    assert directional_error(loss, {name: scene[name]}, name) <= 1e-6


@pytest.mark.parametrize("name", ["means", "covars", "viewmats", "Ks"])
@pytest.mark.parametrize("camera_model", ["ortho", "fisheye"])
def test_camera_models(camera_model, name):
    scene = random_scene(n=30)
    scene["Ks"][:, :2, :2] *= 0.4
    seeds = smooth_seeds(scene, True, camera_model)
    options = {"rasterize_mode": "antialiased", "render_mode": "RGB+ED", "camera_model": camera_model}

    def loss(**changed):
        images, alphas, _ = rasterization(quats=None, scales=None, **{**scene, **changed}, **options)
        return (torch.cat([images, alphas], dim=-1) * seeds).sum()

    assert directional_error(loss, {name: scene[name]}, name) <= 1e-6


@pytest.mark.parametrize("name", ["quats", "scales"])
def test_covariances(name):
    torch.manual_seed(7)  # other numbers than the directions': along q itself the derivative is 0
    given = {"quats": torch.randn(20, 4, dtype=torch.float64), "scales": torch.rand(20, 3, dtype=torch.float64)}
    seeds = torch.randn(20, 3, 3, dtype=torch.float64)
    assert directional_error(lambda quats, scales: (covariances(quats, scales) * seeds).sum(), given, name) <= 1e-6
