"""The terms of a morph's objective, by their names in ``loss``; without their weights."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bridge.image_losses import depth_loss, rgb_loss, silhouette_loss
from bridge.mass_matching import mass_matching_loss
from bridge.mpm_state import MPMState
from bridge.physics_losses import (
    control_magnitude,
    control_smoothness,
    elastic_energy,
    unevenness,
    volume_loss,
)
from bridge.projection import ProjectionSettings, project_gaussians
from bridge.surface_losses import (
    covariance_alignment_loss,
    covariance_size_loss,
    edge_alignment_loss,
    edge_tangents,
    normal_smoothness_loss,
)
from bridge.upsampler import Splats
from configs.morph import MorphConfig
from experiments.morph_scene import MorphScene
from experiments.rendering import render_splats

Term = tuple[str, Tensor]
_PICTURES = ("silhouette", "depth", "rgb")


@dataclass(frozen=True)
class Rollout:
    """One episode under some controls."""

    config: MorphConfig
    scene: MorphScene
    start: MPMState
    state: MPMState
    """The end, with ``frames`` at the ends of the control intervals if ``temporal`` counts."""
    controls: Tensor
    """[S, N, 3, 3]."""


def physics_terms(r: Rollout, names: Collection[str]) -> Iterator[Term]:
    """Those of ``names`` that look at particles and controls."""
    config, state, spacing = r.config, r.state, r.config.mpm.grid.spacing
    for name in ("mass", "fine_mass"):
        if name in names:
            yield name, _mass_term(r, name)
    if "velocity" in names:
        duration = config.optimize.steps * config.mpm.step_dt
        yield "velocity", (state.v * (duration / spacing)).square().sum(dim=1).mean()
    if "temporal" in names:
        way = [r.start.x, *(frame.x for frame in state.frames or [])]
        yield "temporal", unevenness(way) / spacing**2
    if "volume" in names:
        yield "volume", volume_loss(state.F)
    if "elastic" in names:
        nu = getattr(config.mpm.material, "poissons_ratio", 0.3)
        lam, mu = nu / (1 - nu), (1 - 2 * nu) / (2 - 2 * nu)  # of λ + 2μ = 1
        yield "elastic", elastic_energy(state.F, lam, mu)
    if "control" in names:
        yield "control", control_magnitude(r.controls)
    if "control_change" in names:
        yield "control_change", control_smoothness(r.controls)


def _mass_term(r: Rollout, name: str) -> Tensor:
    """The mass matching of that name in ``loss``."""
    settings, target = getattr(r.config.loss, name), r.scene.target_masses[name]
    loss = mass_matching_loss(
        r.state.x,
        r.scene.particles.mass * target.scale,
        target.node_mass,
        target.mpm,
        settings.outside_weight,
        settings.excess_weight,
        settings.rim_weight,
        settings.full_cell if settings.excess == "linear" else 0.0,
    )
    return loss / getattr(settings, "refinement", 1) ** 3


def image_terms(r: Rollout, splats: Splats, neighbours: Tensor | None, names: Collection[str]) -> Iterator[Term]:
    """Those of ``names`` that look at the Gaussians."""
    scene, render = r.scene, r.config.render
    if any(name in names for name in _PICTURES):
        image = render_splats(splats, scene.views, render.background)
        if "silhouette" in names:
            yield "silhouette", silhouette_loss(image.alpha, scene.target_alpha)
        if "depth" in names:
            yield "depth", depth_loss(image.depth, scene.target_depth, image.alpha)
        if "rgb" in names:
            yield "rgb", rgb_loss(image.rgb, _target_rgb(r, image.rgb))
    if "edges" in names:
        means2d, conics = _projected(r, splats)
        yield "edges", edge_alignment_loss(means2d, conics, edge_tangents(scene.target_alpha))
    if "alignment" in names:
        points, normals = (torch.from_numpy(array).to(splats.means) for array in scene.target_surface)
        yield "alignment", covariance_alignment_loss(splats.means, splats.covars, points, normals)
    if "size" in names:
        yield "size", covariance_size_loss(splats.covars, r.config.upsample.sigma0 * scene.spacing)
    if "normals" in names and neighbours is not None:
        yield "normals", normal_smoothness_loss(splats.normals, neighbours)


def _projected(r: Rollout, splats: Splats) -> tuple[Tensor, Tensor]:
    views = r.scene.views
    viewmats, Ks = (
        torch.tensor(np.stack([getattr(view, name) for view in views])).to(splats.means) for name in ("viewmat", "K")
    )
    settings = ProjectionSettings(views[0].width, views[0].height)
    _, means2d, _, conics, _ = project_gaussians(splats.means, splats.covars, splats.opacities, viewmats, Ks, settings)
    return means2d, conics


def _target_rgb(r: Rollout, like: Tensor) -> Tensor:
    """The images given, or the target's silhouette in the particles' colour, [C, H, W, 3]."""
    if r.scene.target_rgb is not None:
        return r.scene.target_rgb
    render = r.config.render
    color, background = (torch.tensor(c).to(like) for c in (render.particle_color, render.background))
    alpha = r.scene.target_alpha[..., None]
    return alpha * color + (1 - alpha) * background
