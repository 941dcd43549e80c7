"""``upsample``: how the particles at the surface become Gaussians."""

from typing import Literal

from configs.base import Positive, Section, Share


class UpsampleConfig(Section):
    """Lengths are relative to the particle spacing, so that a preset holds at every resolution."""

    sigma0: Positive = 0.5
    """Standard deviation of an undeformed Gaussian in the plane of the surface. Unit: particle spacing."""
    thickness: Positive = 1.0
    """Standard deviation along the surface normal, as a share of sigma0; 1 is a ball. Unit: none."""
    opacity: Share = 0.9
    """Opacity of every Gaussian. Unit: none."""
    surface_threshold: Share = 0.5
    """Surface weight from which a particle belongs to the surface; 0 takes all particles. Unit: none."""
    learnable: tuple[Literal["sigma0", "thickness", "opacity"], ...] = ()
    """Which of these numbers are parameters of the module, trained with everything else."""
