"""What stands around the particles: colliders and the floor."""

import torch
from torch import Tensor

from bridge.upsampler import Splats
from experiments.floor import Floor
from experiments.obstacles import find_obstacles
from experiments.splat_sets import joined
from experiments.viewer.look import Look
from experiments.viewer.source import Source
from experiments.viewer.stage import Stage

SHADOW_PARTICLES = 20_000
"""Particles of which the floor's shadow is made, at most."""


class Surroundings:
    """Gaussians of the colliders and the floor of a stage, as the look has them; kept until the state changes."""

    def __init__(self, stage: Stage):
        self.floor = Floor.find(stage.mpm)
        self.obstacles = find_obstacles(stage.mpm)
        self._kept: tuple[tuple, Splats | None] | None = None

    def splats(self, source: Source, look: Look) -> Splats | None:
        """All that are shown at the source's time; None if there are none."""
        key = (source.state, source.number, look.shown["colliders"], look.shown["floor"])
        if self._kept is None or key[0] is not self._kept[0][0] or key[1:] != self._kept[0][1:]:
            self._kept = key, self._find(source, look)
        return self._kept[1]

    def _find(self, source: Source, look: Look) -> Splats | None:
        x: Tensor = source.x
        sets = [obstacle.splats(source.time, x) for obstacle in self.obstacles if look.shown["colliders"]]
        if self.floor and look.shown["floor"]:
            few = x[:: 1 + len(x) // SHADOW_PARTICLES]
            sets.append(self.floor.splats(few[torch.isfinite(few).all(dim=1)]))
        return joined(sets) if sets else None
