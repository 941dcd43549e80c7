"""The objective of a morph: every term a function of the end state, weighted and added."""

import torch
from torch import Tensor

from bridge.controls import Evaluation
from bridge.diffmpm import DiffMPM
from bridge.mpm_state import MPMState
from bridge.surface import Surface
from bridge.surface_losses import nearest_neighbours
from bridge.upsampler import SurfaceUpsampler
from configs.loss import IMAGE_TERMS
from configs.morph import MorphConfig
from experiments.morph_scene import MorphScene
from experiments.morph_terms import Rollout, image_terms, physics_terms
from experiments.surface_memory import SurfaceMemory

MIN_VOLUME = 0.01
"""Smallest det F of the solver from which an episode may start: at 0 the next one could not."""
_NEIGHBOURS = 6
"""Gaussians whose normals are compared with one's own."""


class MorphObjective:
    """Controls of one episode -> Evaluation. One forward through physics, upsampler and rasterizer."""

    def __init__(self, config: MorphConfig, scene: MorphScene, sim: DiffMPM, upsampler: SurfaceUpsampler):
        self.config, self.scene, self.sim, self.upsampler = config, scene, sim, upsampler
        self.surface_of = SurfaceMemory(upsampler)
        self.start: MPMState | None = None
        self.surface: Surface | None = None
        self.neighbours: Tensor | None = None
        self.weights: dict[str, float] = {}
        """Of the terms in this episode, by name."""
        self.rollouts = 0
        """Rollouts so far, for the count of step evaluations."""

    def begin_episode(self, start: MPMState, episode: int = 0) -> None:
        """``start`` is the state from which the next controls act; its surface is found anew, the weights are set."""
        self.start_from(start, episode)
        if self.config.loss.render_share and self._uses_images():
            self._balance(self.config.loss.render_share)

    def start_from(self, start: MPMState, episode: int) -> None:
        """As ``begin_episode``, but the image terms keep the weights that the configuration names."""
        loss, last = self.config.loss, self.config.optimize.episodes - 1
        self.start = start
        weights = {name: term.weight_at(episode / last if last else 0.0) for name, term in loss.terms()}
        self.weights = {name: weight for name, weight in weights.items() if weight}
        self.surface = self.surface_of(start.x) if self._uses_images() else None
        if "normals" in self.weights and self.surface is not None:
            with torch.no_grad():
                means = self.upsampler(start.x, torch.eye(3).to(start.x).expand(len(start.x), 3, 3), self.surface).means
            self.neighbours = nearest_neighbours(means, _NEIGHBOURS)

    def _balance(self, share: float) -> None:
        """Scale the image terms so that their gradient has that norm, relative to the others', without controls."""
        assert self.start is not None
        o = self.config.optimize
        zeros = self.start.x.new_zeros(o.steps // o.control_stride, len(self.start.x), 3, 3).requires_grad_()
        groups = self(zeros).groups
        if len(groups) < 2:
            return
        physics, images = (torch.autograd.grad(group, zeros, retain_graph=True)[0].norm() for group in groups)
        if images > 0 and physics > 0:
            factor = share * float(physics / images)
            self.weights = {n: w * factor if n in IMAGE_TERMS else w for n, w in self.weights.items()}

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
        stride = self.config.optimize.control_stride
        return self.evaluate(self.simulate(controls, stride if "temporal" in self.weights else None), controls)

    def evaluate(self, state: MPMState, controls: Tensor) -> Evaluation:
        """Of an episode that ended in ``state`` under ``controls [S, N, 3, 3]``."""
        loss = self.config.loss
        assert self.start is not None
        rollout = Rollout(self.config, self.scene, self.start, state, controls)
        terms = [dict(physics_terms(rollout, self.weights))]
        if self._uses_images():
            x, F = state.x, state.F_total
            x, F = (
                (x.detach() if loss.render_gradient == "F" else x),
                (F.detach() if loss.render_gradient == "x" else F),
            )
            splats = self.upsampler(x, F, self.surface)
            terms.append(dict(image_terms(rollout, splats, self.neighbours, self.weights)))
        groups = [
            torch.stack([self.weights[n] * value for n, value in group.items()]).sum() for group in terms if group
        ]
        values = {n: self.weights[n] * float(value.detach()) for group in terms for n, value in group.items()}
        total = torch.stack(groups).sum()
        return Evaluation(total, values, state, groups)

    def refusal(self, state: MPMState) -> str | None:
        """Why the next episode should not start from this state, if so."""
        assert self.start is not None
        flat = int((torch.linalg.det(state.F.detach()) < MIN_VOLUME).sum())
        if flat:
            return f"{flat} particles are squeezed to less than {MIN_VOLUME} of their volume, or turned inside out"
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
        return any(name in IMAGE_TERMS for name in self.weights)
