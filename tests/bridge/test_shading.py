"""Lambert and Blinn-Phong: values by hand, gradients by differences, the configuration, errors."""

import math

import pytest
import torch
from pydantic import ValidationError

from bridge.rasterization import rasterization
from bridge.shading import DirectionalLight, Material, PointLight, lights_and_material, shade
from configs.errors import InputError
from configs.lighting import LightingConfig
from tests.directional import directional_error
from tests.render.scenes import random_scene

D = torch.float64
UP = torch.tensor([[0.0, 0.0, 1.0]], dtype=D)
ORIGIN = torch.zeros(1, 3, dtype=D)
RED = torch.tensor([[0.8, 0.2, 0.1]], dtype=D)


def from_angle(degrees):
    """Where light travels to that comes in at an angle to +z."""
    return (-math.sin(math.radians(degrees)), 0.0, -math.cos(math.radians(degrees)))


@pytest.mark.parametrize("angle", [0, 60, 120])
def test_lambert_is_the_cosine(angle):
    lit = shade(
        RED, UP, ORIGIN, (0, 0, 5), [DirectionalLight(from_angle(angle), (1.0, 0.5, 1.0), 2.0)], Material(0.1, 0.5)
    )
    cosine = max(math.cos(math.radians(angle)), 0.0)
    expected = RED * (0.1 + 0.5 * 2.0 * cosine * torch.tensor([1.0, 0.5, 1.0], dtype=D))
    torch.testing.assert_close(lit, expected)


def test_highlight_is_where_the_mirror_direction_is():
    """Light at 40° to one side, viewer at 20° to the other: h is 10° off the normal."""
    eye = (-math.sin(math.radians(20)) * 1e6, 0.0, math.cos(math.radians(20)) * 1e6)
    material = Material(ambient=0.0, diffuse=0.0, specular=0.7, shininess=20.0)
    lit = shade(RED, UP, ORIGIN, eye, [DirectionalLight(from_angle(40))], material)
    torch.testing.assert_close(lit, torch.full((1, 3), 0.7 * math.cos(math.radians(10)) ** 20, dtype=D))
    below = shade(RED, UP, ORIGIN, eye, [DirectionalLight(from_angle(95))], material)
    assert (below == 0).all()


def test_point_light_weakens_with_distance():
    light = PointLight((0.0, 0.0, 3.0), intensity=4.0, attenuation=(1.0, 0.5, 0.25))
    lit = shade(RED, UP, ORIGIN, (0, 0, 1), [light], Material(0.0, 1.0))
    torch.testing.assert_close(lit, RED * 4.0 / (1 + 1.5 + 2.25))


def test_a_point_in_the_light_is_unlit():
    given = [tensor.clone().requires_grad_() for tensor in (RED, UP, ORIGIN)]
    lit = shade(*given, (0, 0, 1), [PointLight((0.0, 0.0, 0.0), attenuation=(0.0, 0.0, 1.0))], Material(0.0, 1.0, 0.5))
    lit.sum().backward()
    assert (lit == 0).all()
    assert all(torch.isfinite(tensor.grad).all() for tensor in given)


def test_two_sided():
    light = [DirectionalLight((0.0, 0.0, -1.0))]
    assert (shade(RED, -UP, ORIGIN, (0, 0, 5), light, Material(0.0, 1.0, two_sided=False)) == 0).all()
    torch.testing.assert_close(shade(RED, -UP, ORIGIN, (0, 0, 5), light, Material(0.0, 1.0)), RED)
    # seen from behind, the side that is seen is dark
    assert (shade(RED, UP, ORIGIN, (0, 0, -5), light, Material(0.0, 1.0)) == 0).all()


def test_lights_add_up():
    lights = [DirectionalLight((0.0, 0.3, -1.0)), PointLight((1.0, 2.0, 3.0), attenuation=(0.0, 0.0, 1.0))]
    alone = [shade(RED, UP, ORIGIN, (0, 1, 5), [light], Material(0.0, 1.0, 0.5)) for light in lights]
    torch.testing.assert_close(shade(RED, UP, ORIGIN, (0, 1, 5), lights, Material(0.0, 1.0, 0.5)), alone[0] + alone[1])


NAMES = (
    "colors",
    "normals",
    "points",
    "eye",
    "direction",
    "position",
    "color",
    "intensity",
    "attenuation",
    "shininess",
)


@pytest.mark.parametrize("name", NAMES)
def test_gradients(name):
    torch.manual_seed(11)
    given = {key: torch.randn(12, 3, dtype=D) for key in ("colors", "normals", "points")}
    given |= {"eye": torch.tensor([0.0, 1.0, 6.0], dtype=D), "direction": torch.tensor([0.2, -0.5, -1.0], dtype=D)}
    given |= {"position": torch.tensor([3.0, 3.0, 4.0], dtype=D), "color": torch.rand(3, dtype=D)}
    given |= {"intensity": torch.tensor(1.5, dtype=D), "attenuation": torch.tensor([1.0, 0.2, 0.1], dtype=D)}
    given["shininess"] = torch.tensor(5.0, dtype=D)
    seeds = torch.randn(12, 3, dtype=D)

    def loss(colors, normals, points, eye, direction, position, color, intensity, attenuation, shininess):
        lights = [DirectionalLight(direction, color, intensity), PointLight(position, color, intensity, attenuation)]
        return (shade(colors, normals, points, eye, lights, Material(0.2, 0.6, 0.4, shininess)) * seeds).sum()

    assert directional_error(loss, given, name) <= 1e-6


def test_from_the_configuration():
    """Without a light of its own the light is the viewer's; Lambert has no highlights."""
    lights, material = lights_and_material(LightingConfig(), (0.0, 0.0, 2.0))
    assert lights == [PointLight((0.0, 0.0, 2.0))]
    assert material.specular == 0
    config = LightingConfig(model="blinn_phong", directional={"direction": (0, -1, 0)}, point={"position": (1, 2, 3)})
    lights, material = lights_and_material(config, (0.0, 0.0, 2.0))
    assert [type(light) for light in lights] == [DirectionalLight, PointLight]
    assert material.specular == config.specular > 0


def test_lit_splats_of_several_cameras_are_drawn():
    scene = random_scene(n=20)
    eyes = torch.linalg.inv(scene["viewmats"])[:, None, :3, 3]
    normals = torch.randn(20, 3, dtype=D)
    colors = shade(scene["colors"], normals, scene["means"], eyes, [PointLight((0.0, 3.0, 0.0))])
    assert colors.shape == (2, 20, 3)
    images, _, _ = rasterization(quats=None, scales=None, **{**scene, "colors": colors})
    assert torch.isfinite(images).all()


def test_mistakes_are_named():
    with pytest.raises(InputError, match=r"normals has shape \(1, 2\)"):
        shade(RED, UP[:, :2], ORIGIN, (0, 0, 1), [])
    with pytest.raises(InputError, match="a light is a str"):
        shade(RED, UP, ORIGIN, (0, 0, 1), ["sun"])
    for light, message in (
        (PointLight((0.0, 0.0)), r"position has shape \(2,\); expected \(3,\)"),
        (PointLight((0.0, 0.0, math.nan)), "position is not finite"),
        (PointLight((0.0, 0.0, 1.0), attenuation=(0.0, 0.0, 0.0)), "attenuation is .*; expected at least one positive"),
        (DirectionalLight((0.0, 0.0, 1.0), color=(1.0,)), r"color has shape \(1,\)"),
    ):
        with pytest.raises(InputError, match=message):
            shade(RED, UP, ORIGIN, (0, 0, 1), [light])
    with pytest.raises(InputError, match=r"eye has shape \(2,\)"):
        shade(RED, UP, ORIGIN, (0, 1), [])
    with pytest.raises(InputError, match=r"shininess is 0\.5; expected at least 1"):
        shade(RED, UP, ORIGIN, (0, 0, 1), [], Material(shininess=0.5))
    for broken in (
        {"directional": {"direction": (0, 0, 0)}},
        {"point": {"position": (0, 0, 0), "attenuation": (0, 0, 0)}},
    ):
        with pytest.raises(ValidationError, match="expected"):
            LightingConfig(**broken)
