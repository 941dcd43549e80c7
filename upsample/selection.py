"""Which particles are the surface now, given what they were before: running averages and hysteresis.

Weights that hover about a threshold would let particles join and leave in every frame. With a memory of the last
selection, weights and threshold are running averages, and a particle joins above threshold + hysteresis and leaves
below threshold − hysteresis.
"""

from dataclasses import dataclass

import numpy as np

from configs.upsample import UpsampleConfig
from upsample.detection import no_surface


@dataclass(frozen=True)
class Selection:
    """The surface particles, and what the next selection must know."""

    averages: np.ndarray
    """Running averages of the surface weights, float64 [N]."""
    threshold: float
    """The same of the threshold."""
    selected: np.ndarray
    """Whether each particle belongs to the surface, bool [N]."""


def select(weight: np.ndarray, config: UpsampleConfig, before: Selection | None = None) -> Selection:
    """Select particles by surface weights [N]; ``before`` belongs to the same particles.

    Raises:
        InputError: no particle reaches the threshold.
    """
    threshold, beta = config.surface_threshold, config.ema_beta
    if config.thr_percentile is not None:
        threshold = float(np.percentile(weight, 100 - config.thr_percentile))
    needed: float | np.ndarray = threshold
    if before is not None:
        weight = beta * before.averages + (1 - beta) * weight
        threshold = beta * before.threshold + (1 - beta) * threshold
        needed = threshold + np.where(before.selected, -config.hysteresis, config.hysteresis)
    selected = weight >= needed
    if not selected.any():
        raise no_surface(threshold, weight.max())
    return Selection(weight, threshold, selected)


def soft_weights(selection: Selection, tau: float) -> np.ndarray:
    """sigmoid((weight − threshold) / tau) of all particles, [N]; never 0."""
    return 1 / (1 + np.exp(np.minimum((selection.threshold - selection.averages) / tau, 30.0)))
