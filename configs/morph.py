"""``task: morph``: what one YAML file says."""

from typing import Literal

from pydantic import model_validator

from configs.experiment import ExperimentConfig
from configs.loss import LossConfig
from configs.mesh import MeshConfig
from configs.optimize import OptimizeConfig
from configs.output import MorphOutputConfig
from configs.target_images import TargetImagesConfig
from configs.upsample import UpsampleConfig


class MorphConfig(ExperimentConfig):
    """Find controls that turn the source into the target. Units are the user's own, consistent ones."""

    task: Literal["morph"]
    """This task."""
    source: MeshConfig
    """The mesh at the start."""
    target: MeshConfig
    """The mesh at the end."""
    then: tuple[MeshConfig, ...] = ()
    """Further targets, one after the other; each gets ``optimize.episodes`` episodes of its own."""
    images: TargetImagesConfig = TargetImagesConfig()
    """Pictures of the target, instead of those drawn from its mesh; not of the further ones."""
    loss: LossConfig = LossConfig()
    """The objective; its images are taken by all cameras."""
    optimize: OptimizeConfig = OptimizeConfig()
    """Episodes and the optimiser of the controls."""
    output: MorphOutputConfig = MorphOutputConfig()
    """Recorded files."""

    @property
    def stages(self) -> tuple["MorphConfig", ...]:
        """The same morph towards each of its targets alone."""
        drawn = {"then": (), "images": TargetImagesConfig()}
        later = (self.model_copy(update={"target": mesh, **drawn}) for mesh in self.then)
        return self.model_copy(update={"then": ()}), *later

    @property
    def drawn_upsample(self) -> UpsampleConfig:
        """``upsample`` of the pictures."""
        sigma0 = self.output.sigma0 or self.upsample.sigma0
        return self.upsample.model_copy(update={"sigma0": sigma0})

    @property
    def episodes(self) -> int:
        """Of all targets together."""
        return self.optimize.episodes * (1 + len(self.then))

    @model_validator(mode="after")
    def _source_refers_to_nothing(self):
        for key in ("volume", "centroid"):
            if getattr(self.source, key) == "source":
                raise ValueError(f"source.{key} is 'source'; expected a number (only a target may take the source's)")
        return self
