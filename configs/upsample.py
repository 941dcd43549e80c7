"""``upsample``: how the particles at the surface become Gaussians."""

from typing import Annotated, Literal

from pydantic import Field

from configs.base import Count, Integer, Positive, Section, Share


class UpsampleConfig(Section):
    """Lengths are relative to the particle spacing, so that a preset holds at every resolution."""

    M: Count | None = None
    """Number of Gaussians, laid out evenly on the surface; null puts one at each surface particle. Unit: none."""
    sigma0: Positive = 0.5
    """Standard deviation of an undeformed Gaussian in the plane of the surface; with M, the square root of the surface
    area per Gaussian takes the place of the particle spacing. Unit: particle spacing."""
    thickness: Positive = 1.0
    """Standard deviation along the surface normal, as a share of sigma0; 1 is a ball. Unit: none."""
    opacity: Share = 0.9
    """Opacity of every Gaussian. Unit: none."""
    surface_threshold: Share = 0.5
    """Surface weight from which a particle belongs to the surface; 0 takes all particles. Unit: none."""
    k_F: Annotated[Integer, Field(ge=4, le=64)] = 16
    """With M, how many particles carry each Gaussian. Unit: none."""
    seed: Annotated[Integer, Field(ge=0)] = 0
    """With M, the seed of the layout. Unit: none."""
    learnable: tuple[Literal["sigma0", "thickness", "opacity"], ...] = ()
    """Which of these numbers are parameters of the module, trained with everything else."""
