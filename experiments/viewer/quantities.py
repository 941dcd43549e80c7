"""Numbers of particles as colours."""

import matplotlib
import numpy as np
import torch
from torch import Tensor

from configs.errors import InputError
from experiments.viewer.look import Look
from experiments.viewer.source import Source

SEQUENTIAL, DIVERGING = "viridis", "coolwarm"
MATERIAL_COLORS = matplotlib.colormaps["tab10"]
UNKNOWN = 0.6
"""Grey of particles of which nothing is known."""


def particle_colors(source: Source, look: Look) -> Tensor:
    """[N, 3] by the look's quantity; widens its range in ``look``."""
    if source.state is None or look.color == "body":
        return source.base_colors()
    if look.color == "material":
        assert source.stage is not None
        return _table(MATERIAL_COLORS, 10).to(source.x)[source.stage.material_id % 10]
    values = quantity(source, look.color)
    if values is None:
        return torch.full_like(source.x, UNKNOWN)
    low, high = look.ranges[look.color] = _widened(look, values)
    if look.color == "det F":
        reach = max(high - 1, 1 - low, 1e-6)
        low, high = 1 - reach, 1 + reach
    share = ((values - low) / max(high - low, 1e-12)).nan_to_num(0).clamp(0, 1)
    table = _table(matplotlib.colormaps[DIVERGING if look.color == "det F" else SEQUENTIAL], 256).to(source.x)
    return table[(255 * share).round().long()]


def quantity(source: Source, name: str) -> Tensor | None:
    """Speed (length / time), det F, the norm of the loss's gradient (loss / length), or von Mises' equivalent Kirchhoff
    stress √(3/2) |dev τ| (pressure) [N]; None if it is not known.
    """
    state = source.state
    if state is None:
        return None
    if name == "speed":
        return state.v.norm(dim=1)
    if name == "det F":
        return torch.linalg.det(state.F)
    if name == "gradient":
        gradient = source.gradient()
        return None if gradient is None else gradient.norm(dim=1)
    try:
        tau = source.stress()
    except InputError:  # an inverted deformation, which some laws have no stress for
        return None
    if tau is None:
        return None
    deviator = tau - tau.diagonal(dim1=1, dim2=2).mean(dim=1)[:, None, None] * torch.eye(3).to(tau)
    return 1.5**0.5 * deviator.flatten(1).norm(dim=1)


def _widened(look: Look, values: Tensor) -> tuple[float, float]:
    """The range so far and 99 of 100 of the values: colours that do not flicker."""
    finite = values[torch.isfinite(values)].double().cpu().numpy()
    low, high = np.quantile(finite, (0.005, 0.995)) if len(finite) else (0.0, 1.0)
    before = look.ranges.get(look.color, (low, high))
    return min(float(low), before[0]), max(float(high), before[1])


def _table(colormap, count: int) -> Tensor:
    return torch.tensor(colormap(np.arange(count))[:, :3])
