"""``output``: what a run writes besides its metrics and its final state."""

from configs.base import Count, Positive, Section


class OutputConfig(Section):
    """The video of any task."""

    video: bool = True
    """Write render.mp4."""
    video_size: Count = 384
    """Height of the video; its width follows from the render section's proportions. Unit: pixel."""


class MorphOutputConfig(OutputConfig):
    """Frames and video of a morph."""

    every: Count = 1
    """Time steps from one recorded frame to the next. Unit: time step."""
    checkpoints: Count | None = 10
    """Iterations from one checkpoint to the next, from the last of which ``diffmpm run --resume`` goes on; null writes
    none. Unit: none."""
    episodes: Count | None = None
    """Episodes from one that is written to a folder epNNN (pictures, Gaussians, surface points, a summary) to the next;
    null writes none. Unit: none."""
    fps: Positive = 30.0
    """Frame rate of the video. Unit: 1 / s."""
    sigma0: Positive | None = None
    """``upsample.sigma0`` of all that is drawn and written; null takes that of the losses. Unit: particle spacing."""


class SimulateOutputConfig(OutputConfig):
    """Frames and video of a simulation; the video shows every frame."""

    every: Count | None = 1
    """Frames from one that is written to frames/NNNN.npz to the next; null writes none. Unit: frame."""
    fps: Positive | None = None
    """Frame rate of the video; null is 1 / frame_dt: one unit of time lasts a second. Unit: 1 / s."""
