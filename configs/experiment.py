"""What every experiment has, whatever its task; configs.morph and configs.simulate add the rest."""

from typing import Annotated, Literal

from pydantic import Field

from configs.base import Integer, Section
from configs.cameras import CamerasConfig, OrbitConfig
from configs.mpm import MPMConfig
from configs.render import RenderConfig
from configs.runtime import RuntimeConfig
from configs.upsample import UpsampleConfig


class ExperimentConfig(Section):
    """The sections that all tasks share. Units are the user's own, consistent ones."""

    task: Literal["morph", "simulate"]
    """What to do. morph: find controls that turn the source into the target; simulate: run a scene forward."""
    seed: Annotated[Integer, Field(ge=0)] = 0
    """Seed of everything random. Unit: none."""
    runtime: RuntimeConfig = RuntimeConfig()
    """Backend and floating-point type."""
    mpm: MPMConfig = MPMConfig()
    """Grid, material, time step."""
    upsample: UpsampleConfig = UpsampleConfig()
    """Particles to Gaussians."""
    cameras: CamerasConfig = CamerasConfig(orbit=OrbitConfig())
    """Cameras; the first is the video's."""
    render: RenderConfig = RenderConfig()
    """Images."""

    @property
    def drawn_upsample(self) -> UpsampleConfig:
        """``upsample`` of the pictures."""
        return self.upsample
