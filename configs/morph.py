"""``task: morph``: what one YAML file says."""

from typing import Literal

from pydantic import model_validator

from configs.experiment import ExperimentConfig
from configs.loss import LossConfig
from configs.mesh import MeshConfig
from configs.optimize import OptimizeConfig
from configs.output import MorphOutputConfig


class MorphConfig(ExperimentConfig):
    """Find controls that turn the source into the target. Units are the user's own, consistent ones."""

    task: Literal["morph"]
    """This task."""
    source: MeshConfig
    """The mesh at the start."""
    target: MeshConfig
    """The mesh at the end."""
    loss: LossConfig = LossConfig()
    """The objective; its images are taken by all cameras."""
    optimize: OptimizeConfig = OptimizeConfig()
    """Episodes and the optimiser of the controls."""
    output: MorphOutputConfig = MorphOutputConfig()
    """Recorded files."""

    @model_validator(mode="after")
    def _source_has_its_own_volume(self):
        if self.source.volume == "source":
            raise ValueError("source.volume is 'source'; expected a number (only target may take the source's volume)")
        return self
