"""runtime.deterministic: repeats are equal bit for bit, where threads that race are not."""

import pytest
import torch

from bridge import runtime
from bridge.contributions import pixel_contributions
from bridge.rasterization import rasterization
from tests.render.scenes import TENSORS, leaves, random_scene


def outputs(scene):
    """Every output and gradient of one evaluation with harmonics, normals and absgrad."""
    given = leaves(scene)
    options = {"sh_degree": 2, "render_mode": "RGB+ED", "rasterize_mode": "antialiased", "return_normals": True}
    images, alphas, meta = rasterization(quats=None, scales=None, **given, **options, absgrad=True)
    (images**2).sum().add((meta["normals"] * alphas).sum()).backward()
    seen = pixel_contributions(meta, 4)
    gradients = [given[name].grad for name in TENSORS]
    return [images, alphas, meta["normals"], seen.weight_sums, meta["means2d"].absgrad, *gradients]


@pytest.mark.runtime("cpu", "float32")
def test_repeats_are_equal_bit_for_bit():
    scene = random_scene(n=3000, width=96, height=96, dtype=torch.float32)
    scene["covars"], scene["colors"] = 0.1 * scene["covars"], torch.randn(3000, 9, 3)
    try:
        runtime.reset()
        assert runtime.init("cpu", torch.float32, deterministic=True).deterministic
        first = outputs(scene)
        for _ in range(4):
            assert all(torch.equal(a, b) for a, b in zip(outputs(scene), first, strict=True))
        runtime.reset()  # and in a runtime started anew
        runtime.init("cpu", torch.float32, deterministic=True)
        assert all(torch.equal(a, b) for a, b in zip(outputs(scene), first, strict=True))
    finally:
        runtime.reset()
