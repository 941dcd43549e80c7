"""Splats over a colour, an image, and an image with depth."""

import pytest
import torch

from bridge.layers import composite_over
from bridge.rasterization import rasterization
from configs.errors import InputError
from tests.directional import directional_error
from tests.render.scenes import random_scene


def drawn():
    scene = random_scene(n=30)
    backgrounds = scene.pop("backgrounds")
    images, alphas, _ = rasterization(quats=None, scales=None, **scene, render_mode="RGB+ED")
    return scene, backgrounds, images[..., :3], alphas, images[..., 3:]


def test_over_a_colour_is_the_rasterizers_background():
    scene, backgrounds, colors, alphas, _ = drawn()
    over = torch.stack([composite_over(*layer) for layer in zip(colors, alphas, backgrounds, strict=True)])
    expected = rasterization(quats=None, scales=None, **scene, backgrounds=backgrounds)[0]
    torch.testing.assert_close(over, expected, rtol=0, atol=1e-12)


def test_what_lies_in_front_hides_splats():
    _, _, colors, alphas, depths = drawn()
    image = torch.rand_like(colors)
    wall = torch.where(torch.arange(37)[:, None] < 20, 0.01, torch.inf).expand_as(depths)
    over = composite_over(colors, alphas, image, depths, wall)
    assert (over[:, :, :20][alphas[:, :, :20, 0] > 0] == image[:, :, :20][alphas[:, :, :20, 0] > 0]).all()
    expected = composite_over(colors, alphas, image)[:, :, 20:]
    assert (over[:, :, 20:] == expected).all()


@pytest.mark.parametrize("name", ["colors", "alphas", "image"])
def test_gradients(name):
    _, _, colors, alphas, depths = drawn()
    given = {"colors": colors, "alphas": alphas, "image": torch.rand_like(colors)}
    seeds, wall = torch.randn_like(colors), torch.full_like(depths, 3.0)

    def loss(colors, alphas, image):
        return (composite_over(colors, alphas, image, depths, wall) * seeds).sum()

    assert directional_error(loss, given, name) <= 1e-6


def test_mistakes_are_named():
    _, _, colors, alphas, depths = drawn()
    with pytest.raises(InputError, match="background_depths is None"):
        composite_over(colors, alphas, torch.zeros(3), depths)
    with pytest.raises(InputError, match=r"background has shape \(4,\); expected \(3,\)"):
        composite_over(colors, alphas, torch.zeros(4))
    with pytest.raises(InputError, match="alphas has shape"):
        composite_over(colors, alphas[..., 0], torch.zeros(3))
    with pytest.raises(InputError, match="depths is not finite"):
        composite_over(colors, alphas, torch.zeros(3), depths * torch.nan, depths)
    with pytest.raises(InputError, match="background_depths has a NaN"):
        composite_over(colors, alphas, torch.zeros(3), depths, depths * torch.nan)
