"""CUDA's kernels with a block of threads a tile, against those with a thread a pixel."""

import numpy as np
import pytest
import torch

from render.compositing import Compositing, composite, composite_grad
from render.projection import Projection, ProjectionSettings, project
from tests.render.scenes import random_scene
from tests.render.test_twin import special

pytestmark = pytest.mark.runtime("cuda", "float32")

INPUTS = ("splats", "colors", "backgrounds")


def evaluate(scene, threads, depth):
    """Every output and gradient by name, for random gradients of the outputs."""
    rng = np.random.default_rng(0)
    (cameras, channels), n = scene["backgrounds"].shape, len(scene["means"])
    size = scene["width"], scene["height"]
    projection = Projection(cameras, n, ProjectionSettings(*size))
    for name in ("means", "covars", "opacities", "viewmats", "Ks"):
        getattr(projection, name).from_numpy(scene[name].float().numpy())
    stage = Compositing(cameras, n, channels, *size, projection=projection, threads=threads, absgrad=True, depth=depth)
    stage.colors.from_numpy(scene["colors"].float().numpy())
    stage.backgrounds.from_numpy(scene["backgrounds"].float().numpy())
    project(projection)
    composite(stage)
    outputs = {name: getattr(stage, name) for name in ("image", "alphas")}
    for array in outputs.values():
        array.grad.from_numpy(rng.normal(size=array.shape).astype(np.float32))
    composite_grad(stage)
    gradients = {f"{name}.grad": getattr(stage, name).grad for name in INPUTS}
    arrays = {**outputs, "pixels": stage.pixels, "absgrad": stage.means2d_abs, **gradients}
    return {name: array.to_numpy() for name, array in arrays.items()}


def compare(scene, depth="accumulated"):
    block, pixel = evaluate(scene, "block", depth), evaluate(scene, "pixel", depth)
    assert np.abs(pixel["image"]).max() > 0
    for name, expected in pixel.items():
        if name.endswith("grad"):
            error = np.linalg.norm((block[name] - expected).ravel().astype(np.float64))
            assert error <= 1e-4 * np.linalg.norm(expected.ravel().astype(np.float64)) + 1e-30, name
        else:
            np.testing.assert_allclose(block[name], expected, rtol=0, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("channels", [1, 3, 4, 8])
def test_channels_and_cameras(channels):
    compare(random_scene(n=60, cameras=3, channels=channels))


@pytest.mark.parametrize("depth", ["none", "expected"])
def test_depths(depth):
    compare(random_scene(n=60), depth)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (16, 16), (17, 33), (50, 3)])
def test_image_sizes(width, height):
    scene = random_scene(cameras=1, width=width, height=height)
    scene["Ks"][:, :2, :2] = torch.diag(torch.tensor([30.0, 25.0], dtype=torch.float64))
    compare(scene)


@pytest.mark.parametrize("count", [255, 256, 257, 1500])
def test_many_gaussians_in_a_tile(count):
    scene = random_scene(n=count, cameras=1, width=16, height=16)
    scene["covars"] = 1e-2 * scene["covars"]
    scene["opacities"] = 0.1 * scene["opacities"]
    compare(scene)


@pytest.mark.parametrize(
    "name",
    ["needle", "sub-pixel", "larger than the screen", "opacity 0 and 1", "saturated", "equal depths", "flat"],
)
def test_edge_cases(name):
    compare(special(name))
