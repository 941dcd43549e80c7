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


class Surroundings:
    """Gaussians of the colliders and the floor of a stage, as the look has them."""

    def __init__(self, stage: Stage):
        self.floor = Floor.find(stage.mpm)
        self.obstacles = find_obstacles(stage.mpm)

    def splats(self, source: Source, look: Look) -> Splats | None:
        """All that are shown at the source's time; None if there are none."""
        x: Tensor = source.x
        sets = [obstacle.splats(source.time, x) for obstacle in self.obstacles if look.shown["colliders"]]
        if self.floor and look.shown["floor"]:
            sets.append(self.floor.splats(x[torch.isfinite(x).all(dim=1)]))
        return joined(sets) if sets else None
