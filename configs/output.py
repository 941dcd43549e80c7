"""``output``: what a run writes besides its metrics and its final state."""

from configs.base import Count, Positive, Section


class OutputConfig(Section):
    """Frames and video."""

    every: Count = 1
    """Time steps from one recorded frame to the next. Unit: time step."""
    video: bool = True
    """Write the recorded frames to render.mp4."""
    video_size: Count = 384
    """Height of the video; its width follows from the render section's proportions. Unit: pixel."""
    fps: Positive = 30.0
    """Frame rate of the video. Unit: 1 / s."""
