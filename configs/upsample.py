"""``upsample``: how the particles at the surface become Gaussians."""

from configs.base import Count, Positive, Section, Share


class UpsampleConfig(Section):
    """Lengths are relative to the particle spacing, so that a preset holds at every resolution."""

    M: Count | None = None
    """Number of Gaussians; null makes one of each surface particle. Unit: none."""
    sigma0: Positive = 0.5
    """Standard deviation of an undeformed Gaussian. Unit: particle spacing."""
    thickness: Positive = 1.0
    """Standard deviation along the surface normal, as a share of sigma0. Unit: none."""
    opacity: Share = 0.9
    """Opacity of every Gaussian. Unit: none."""
    surface_threshold: Share = 0.5
    """Surface weight from which a particle belongs to the surface. Unit: none."""
