"""``render``: size and colours of the images."""

from configs.base import Color, Count, Section
from configs.lighting import LightingConfig


class RenderConfig(Section):
    """One size and one look for all cameras."""

    width: Count = 128
    """Image width. Unit: pixel."""
    height: Count = 128
    """Image height. Unit: pixel."""
    background: Color = (1.0, 1.0, 1.0)
    """Colour behind the Gaussians, red, green, blue in [0, 1]. Unit: none."""
    particle_color: Color = (0.27, 0.51, 0.71)
    """Colour of the Gaussians, red, green, blue in [0, 1]. Unit: none."""
    lighting: LightingConfig = LightingConfig()
    """Light of the video and the pictures; the images of the losses are not lit."""
