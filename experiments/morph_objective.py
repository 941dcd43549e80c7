"""The objective of a morph: every term a function of the end state, weighted and added."""

import torch
from torch import Tensor

from bridge.controls import Evaluation
from bridge.diffmpm import DiffMPM
from bridge.image_losses import depth_loss, rgb_loss, silhouette_loss
from bridge.mass_matching import mass_matching_loss
from bridge.mpm_state import MPMState
from bridge.surface import Surface
from bridge.upsampler import SurfaceUpsampler
from configs.morph import MorphConfig
from experiments.morph_scene import MorphScene
from experiments.rendering import render_splats


class MorphObjective:
    """Controls of one episode -> Evaluation. One forward through physics, upsampler and rasterizer."""

    def __init__(self, config: MorphConfig, scene: MorphScene, sim: DiffMPM, upsampler: SurfaceUpsampler):
        self.config, self.scene, self.sim, self.upsampler = config, scene, sim, upsampler
        self.start: MPMState | None = None
        self.surface: Surface | None = None
        self.rollouts = 0
        """Rollouts so far, for the count of step evaluations."""

    def begin_episode(self, start: MPMState) -> None:
        """``start`` is the state from which the next controls act; its surface is found anew."""
        self.start = start
        self.surface = self.upsampler.detect(start.x) if self._uses_images() else None

    def simulate(self, controls: Tensor, record_every: int | None = None) -> MPMState:
        """The episode's rollout."""
        assert self.start is not None
        self.rollouts += 1
        s, p = self.start, self.scene.particles
        return self.sim(
            s.x,
            s.v,
            s.C,
            s.F,
            dF=controls,
            steps=self.config.optimize.steps,
            mass=p.mass,
            volume=p.volume,
            record_every=record_every,
        )

    def __call__(self, controls: Tensor) -> Evaluation:
        state = self.simulate(controls)
        terms = {name: weight * value for name, weight, value in self._terms(state)}
        total = torch.stack(list(terms.values())).sum()
        return Evaluation(total, {name: float(value.detach()) for name, value in terms.items()}, state)

    def refusal(self, state: MPMState) -> str | None:
        """Why the next episode should not start from this state, if so."""
        assert self.start is not None
        limit = max(self.config.optimize.max_cfl, float(self._cfl(self.start).max()))
        cfl = self._cfl(state)
        fast = int((cfl > limit).sum())
        if not fast:
            return None
        return (
            f"{fast} particles are faster than {limit:.3g} cells a step (optimize.max_cfl), the fastest {cfl.max():.3g}"
        )

    def _cfl(self, state: MPMState) -> Tensor:
        """Cells that each particle passes in a step."""
        return state.v.detach().norm(dim=1) * (self.config.mpm.step_dt / self.config.mpm.grid.spacing)

    def _uses_images(self) -> bool:
        loss = self.config.loss
        return any(term.weight > 0 for term in (loss.silhouette, loss.depth, loss.rgb))

    def _terms(self, state: MPMState):
        """(name, weight, value) of the terms that count."""
        loss, scene = self.config.loss, self.scene
        if loss.mass.weight:
            mass = scene.particles.mass * scene.mass_scale
            value = mass_matching_loss(
                state.x, mass, scene.target_mass, self.config.mpm, outside_weight=loss.mass.outside_weight
            )
            yield "mass", loss.mass.weight, value
        if loss.velocity.weight:
            yield "velocity", loss.velocity.weight, self._mean_squared_way(state.v)
        if self._uses_images():
            yield from self._image_terms(state)

    def _mean_squared_way(self, v: Tensor) -> Tensor:
        """Of the particles in one more episode at these velocities. Unit: grid cell²."""
        cells = self.config.optimize.steps * self.config.mpm.step_dt / self.config.mpm.grid.spacing
        return (v * cells).square().sum(dim=1).mean()

    def _image_terms(self, state: MPMState):
        loss, scene, render = self.config.loss, self.scene, self.config.render
        splats = self.upsampler(state.x, state.F_total, self.surface)
        image = render_splats(splats, scene.views, render.background)
        if loss.silhouette.weight:
            yield "silhouette", loss.silhouette.weight, silhouette_loss(image.alpha, scene.target_alpha)
        if loss.depth.weight:
            yield "depth", loss.depth.weight, depth_loss(image.depth, scene.target_depth, image.alpha)
        if loss.rgb.weight:
            yield "rgb", loss.rgb.weight, rgb_loss(image.rgb, self._target_rgb(image.rgb))

    def _target_rgb(self, like: Tensor) -> Tensor:
        """The target's silhouette in the particles' colour, [C, H, W, 3]."""
        render = self.config.render
        color, background = (torch.tensor(c).to(like) for c in (render.particle_color, render.background))
        alpha = self.scene.target_alpha[..., None]
        return alpha * color + (1 - alpha) * background
