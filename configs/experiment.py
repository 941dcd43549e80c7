"""A whole experiment: what one YAML file says."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from configs.base import Integer, Section
from configs.cameras import CamerasConfig, OrbitConfig
from configs.loss import LossConfig
from configs.mesh import MeshConfig
from configs.mpm import MPMConfig
from configs.optimize import OptimizeConfig
from configs.output import OutputConfig
from configs.render import RenderConfig
from configs.runtime import RuntimeConfig
from configs.upsample import UpsampleConfig


class ExperimentConfig(Section):
    """The sections of an experiment. Units are the user's own, consistent ones."""

    task: Literal["morph"]
    """What to do. morph: find controls that turn the source into the target."""
    seed: Annotated[Integer, Field(ge=0)] = 0
    """Seed of everything random. Unit: none."""
    runtime: RuntimeConfig = RuntimeConfig()
    """Backend and floating-point type."""
    source: MeshConfig
    """The mesh at the start."""
    target: MeshConfig
    """The mesh at the end."""
    mpm: MPMConfig = MPMConfig()
    """Grid, material, time step."""
    upsample: UpsampleConfig = UpsampleConfig()
    """Particles to Gaussians."""
    cameras: CamerasConfig = CamerasConfig(orbit=OrbitConfig())
    """Cameras of the image losses; the first is also the video's."""
    render: RenderConfig = RenderConfig()
    """Images."""
    loss: LossConfig = LossConfig()
    """The objective."""
    optimize: OptimizeConfig = OptimizeConfig()
    """Episodes and the optimiser of the controls."""
    output: OutputConfig = OutputConfig()
    """Recorded files."""

    @model_validator(mode="after")
    def _source_has_its_own_volume(self):
        if self.source.volume == "source":
            raise ValueError("source.volume is 'source'; expected a number (only target may take the source's volume)")
        return self
