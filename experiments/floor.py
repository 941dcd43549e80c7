"""The floor of a simulation's pictures: the wall that gravity points to, as flat Gaussians with a soft shadow."""

import math

import numpy as np
import torch
from torch import Tensor

from bridge.upsampler import Splats
from configs.mpm import FACES, MPMConfig

COLOR = 0.82
"""Grey of the floor outside shadows."""
SHADOW = 0.45
"""Share of its brightness that the floor loses right under a body."""
SIGMA = 0.75
"""Standard deviation of a Gaussian of the floor, in the distance of two: enough to leave no holes."""


class Floor:
    """One flat Gaussian for each cell of the wall. ``find`` says whether a scene has one."""

    def __init__(self, config: MPMConfig, axis: int, high: bool):
        grid, self.axis = config.grid, axis
        self.sides = [a for a in range(3) if a != axis]
        layers = config.boundary.thickness - 1
        level = grid.size[axis] - 1 - layers if high else layers
        counts = [grid.size[a] - 1 for a in self.sides]
        self.normal = torch.zeros(3)
        self.normal[axis] = -1.0 if high else 1.0
        self.low = torch.tensor([grid.origin[a] for a in self.sides])
        self.pitch, self.counts = grid.spacing, counts
        u, w = torch.meshgrid(*(torch.arange(n) + 0.5 for n in counts), indexing="ij")
        self.means = torch.empty(u.numel(), 3)
        self.means[:, self.sides[0]] = self.low[0] + u.reshape(-1) * self.pitch
        self.means[:, self.sides[1]] = self.low[1] + w.reshape(-1) * self.pitch
        self.means[:, axis] = grid.origin[axis] + level * grid.spacing

    @staticmethod
    def find(config: MPMConfig) -> "Floor | None":
        """The wall at which things come to lie; None without gravity, or where it points to no wall."""
        axis = int(np.abs(config.gravity).argmax())
        high = config.gravity[axis] > 0
        if not config.gravity[axis] or getattr(config.boundary, FACES[2 * axis + high]) == "none":
            return None
        return Floor(config, axis, high)

    def splats(self, x: Tensor) -> Splats:
        """The floor under particles at ``x`` [N, 3]."""
        m, variance = len(self.means), torch.full((3,), (SIGMA * self.pitch) ** 2)
        variance[self.axis] *= 1e-2
        brightness = COLOR * (1 - SHADOW * self._shadow(x.float().cpu()))
        values = (
            self.means,
            torch.diag(variance).expand(m, 3, 3),
            torch.full((m,), 0.99),
            brightness.reshape(m, 1).expand(m, 3),
            self.normal.expand(m, 3),
        )
        return Splats(*(value.to(x) for value in values))

    def _shadow(self, x: Tensor) -> Tensor:
        """How dark each cell is, 0 to 1 [cells]: what is above it in three slabs, the higher the more blurred."""
        height = (x[:, self.axis] - self.means[0, self.axis]) * self.normal[self.axis]
        cells = ((x[:, self.sides] - self.low) / self.pitch).floor().long()
        counts = torch.tensor(self.counts)
        inside = ((cells >= 0) & (cells < counts)).all(dim=1)
        light = torch.ones(*self.counts)
        edges = (0.0, 4.0, 12.0, math.inf)
        for low, high, blur in zip(edges[:-1], edges[1:], (1, 3, 6), strict=True):
            slab = inside & (height >= low * self.pitch) & (height < high * self.pitch)
            image = torch.zeros(*self.counts)
            image[cells[slab, 0], cells[slab, 1]] = 1.0
            light = light * (1 - _blurred(image, blur))
        return 1 - light.reshape(-1)


def _blurred(image: Tensor, radius: int) -> Tensor:
    """Box-blurred twice over ± ``radius`` cells [H, W]."""
    blurred = image[None, None]
    for _ in range(2):
        blurred = torch.nn.functional.avg_pool2d(blurred, 2 * radius + 1, stride=1, padding=radius)
    return blurred[0, 0]
