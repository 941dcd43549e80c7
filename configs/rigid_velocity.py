"""The velocity that a body starts with: it moves and turns as a whole."""

from configs.base import Section, Vec3


class RigidVelocityConfig(Section):
    """v = linear + angular × (x − center)."""

    linear: Vec3 = (0.0, 0.0, 0.0)
    """Velocity of the center. Unit: length / time."""
    angular: Vec3 = (0.0, 0.0, 0.0)
    """Angular velocity. Unit: radian / time."""
    center: Vec3 | None = None
    """Point that the body turns about; null is the mean of its particles. Unit: length."""
