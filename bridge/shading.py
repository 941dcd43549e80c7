"""Lambert and Blinn-Phong shading of splat colours, before they are drawn; differentiable in every tensor.

With unit vectors n (normal), l (to the light), v (to the viewer) and h = (l + v) / |l + v|, for light of colour L:

    color · (ambient + diffuse Σ L max(n · l, 0)) + specular Σ L max(n · h, 0)^shininess [n · l > 0]

(Blinn, SIGGRAPH 1977.) A point light at distance d has L / (a + b d + c d²). Two-sided, n is turned to the viewer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from bridge.checks import expect_finite, expect_shape
from configs.errors import InputError
from configs.lighting import LightingConfig

Value = Tensor | float
Vector = Tensor | Sequence[float]
OWNER = "shade"
ATTENUATION_MIN = 1e-12
"""Least a + b d + c d² that a light is divided by: a point in the light itself has no direction, and stays unlit."""


@dataclass(frozen=True)
class DirectionalLight:
    """Parallel light; fields may be tensors that ask for gradients."""

    direction: Vector
    """Where the light travels to [3], of any length but 0."""
    color: Vector = (1.0, 1.0, 1.0)
    """[3]."""
    intensity: Value = 1.0


@dataclass(frozen=True)
class PointLight:
    """Light from a point; fields may be tensors that ask for gradients."""

    position: Vector
    """[3]. Unit: length."""
    color: Vector = (1.0, 1.0, 1.0)
    """[3]."""
    intensity: Value = 1.0
    attenuation: Vector = (1.0, 0.0, 0.0)
    """a, b, c of 1 / (a + b d + c d²); not all 0."""


@dataclass(frozen=True)
class Material:
    """How a surface answers light; fields may be tensors that ask for gradients."""

    ambient: Value = LightingConfig().ambient
    diffuse: Value = LightingConfig().diffuse
    specular: Value = 0.0
    """0 is Lambert's model."""
    shininess: Value = LightingConfig().shininess
    """At least 1."""
    two_sided: bool = LightingConfig().two_sided


def shade(
    colors: Tensor,
    normals: Tensor,
    points: Tensor,
    eye: Vector,
    lights: Sequence[DirectionalLight | PointLight],
    material: Material | None = None,
) -> Tensor:
    """Lit colours, not clipped; the result broadcasts, so that ``eye`` [C, 1, 3] gives colours [C, N, 3].

    Args:
        colors: red, green, blue [..., 3]. normals: of any length [..., 3]. points: [..., 3], unit length.
        eye: the viewer [3], or [..., 3].
        lights: their light adds up.
        material: None is Lambert's model with the defaults of ``configs.lighting``.

    Raises:
        InputError: last extents that are not 3, values that are not finite, no attenuation at all, shininess below 1.
    """
    material = material or Material()
    if not float(torch.as_tensor(material.shininess).detach()) >= 1:
        raise InputError(f"{OWNER}: shininess is {float(material.shininess):g}; expected at least 1")
    for name, tensor in (("colors", colors), ("normals", normals), ("points", points)):
        expect_shape(OWNER, name, tensor, (*tensor.shape[:-1], 3))
        expect_finite(OWNER, name, tensor)
    to_viewer = normalize(_vector("eye", eye, points) - points, dim=-1)
    n = normalize(normals, dim=-1)
    if material.two_sided:
        n = n * torch.where((n * to_viewer).sum(dim=-1, keepdim=True) < 0, -1.0, 1.0).to(n)
    diffuse, specular = torch.zeros_like(points), torch.zeros_like(points)
    for light in lights:
        to_light, strength = _incoming(light, points)
        cosine = (n * to_light).sum(dim=-1, keepdim=True)
        halfway = (n * normalize(to_light + to_viewer, dim=-1)).sum(dim=-1, keepdim=True)
        diffuse = diffuse + strength * cosine.clamp(min=0)
        specular = specular + strength * halfway.clamp(min=0) ** material.shininess * (cosine > 0)
    return colors * (material.ambient + material.diffuse * diffuse) + material.specular * specular


def lights_and_material(config: LightingConfig, eye: Vector) -> tuple[list[DirectionalLight | PointLight], Material]:
    """What ``shade`` takes, from the configuration; ``eye`` is where the light is if it names none."""
    lights: list[DirectionalLight | PointLight] = []
    if config.directional:
        d = config.directional
        lights.append(DirectionalLight(d.direction, d.color, d.intensity))
    if config.point:
        p = config.point
        lights.append(PointLight(p.position, p.color, p.intensity, p.attenuation))
    if not lights:
        lights.append(PointLight(eye))
    specular = config.specular if config.model == "blinn_phong" else 0.0
    return lights, Material(config.ambient, config.diffuse, specular, config.shininess, config.two_sided)


def _incoming(light: DirectionalLight | PointLight, points: Tensor) -> tuple[Tensor, Tensor]:
    """Unit vectors to the light [..., 3] and its colour there [..., 3]."""
    if not isinstance(light, DirectionalLight | PointLight):
        raise InputError(f"{OWNER}: a light is a {type(light).__name__}; expected DirectionalLight or PointLight")
    color = _vector("color", light.color, points) * light.intensity
    if isinstance(light, DirectionalLight):
        return normalize(-_vector("direction", light.direction, points), dim=-1).expand_as(points), color
    offset = _vector("position", light.position, points) - points
    distance = offset.norm(dim=-1, keepdim=True)
    if not any(share > 0 for share in light.attenuation):
        raise InputError(f"{OWNER}: attenuation is {light.attenuation}; expected at least one positive number")
    a, b, c = _vector("attenuation", light.attenuation, points).unbind(-1)
    return normalize(offset, dim=-1), color / (a + b * distance + c * distance**2).clamp(min=ATTENUATION_MIN)


def _vector(name: str, value: Vector, like: Tensor) -> Tensor:
    """``value`` [..., 3] in the type and on the device of ``like``, checked."""
    vector = value if isinstance(value, Tensor) else torch.tensor(value)
    expect_shape(OWNER, name, vector, (*vector.shape[:-1], 3))
    expect_finite(OWNER, name, vector)
    return vector.to(like)
