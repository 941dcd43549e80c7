"""``task: simulate``: what one YAML file says."""

import math
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from configs.base import Count, Positive
from configs.body import BodyConfig
from configs.experiment import ExperimentConfig
from configs.material import MaterialConfig
from configs.output import SimulateOutputConfig

FLOWING_LAWS = ("von_mises", "drucker_prager", "herschel_bulkley", "fluid")
"""Laws whose bodies change their surface."""


class SimulateConfig(ExperimentConfig):
    """Run a scene forward, frame by frame. Units are the user's own, consistent ones."""

    task: Literal["simulate"]
    """This task."""
    frames: Count = 100
    """Number of frames after the start. Unit: frame."""
    frame_dt: Positive = 0.02
    """Time from one frame to the next, cut into equal steps of at most ``mpm.dt``, or as ``mpm.dt: auto`` finds.
    Unit: time."""
    bodies: Annotated[tuple[BodyConfig, ...], Field(min_length=1)]
    """What is in the scene."""
    output: SimulateOutputConfig = SimulateOutputConfig()
    """Recorded files."""

    @property
    def steps(self) -> int:
        """Time steps in a frame; 1 with ``mpm.dt: auto``, which cuts it itself."""
        return 1 if self.mpm.dt == "auto" else max(1, math.ceil(self.frame_dt / self.mpm.dt * (1 - 1e-9)))

    @property
    def materials(self) -> tuple[MaterialConfig, ...]:
        """All materials, in the order of their ids."""
        return self.mpm.all_materials

    def material_id(self, body: BodyConfig) -> int:
        """Place of the body's material in ``materials``.

        Raises:
            ValueError: a place that is not there, a law that none or several have, nothing where there is a choice.
        """
        laws: list[str] = [material.law for material in self.materials]
        there = f"there {'is' if len(laws) == 1 else 'are'} {', '.join(f'{i} {law}' for i, law in enumerate(laws))}"
        if body.material is None:
            if len(laws) > 1:
                raise ValueError(f"material is missing; {there}")
            return 0
        if isinstance(body.material, int):
            if not 0 <= body.material < len(laws):
                raise ValueError(f"material is {body.material}; {there}")
            return body.material
        if laws.count(body.material) != 1:
            raise ValueError(f"material is '{body.material}', the law of {laws.count(body.material)}; {there}")
        return laws.index(body.material)

    def flows(self, body: BodyConfig) -> bool:
        """Whether the body's surface is found anew in each frame."""
        return self.materials[self.material_id(body)].law in FLOWING_LAWS if body.flows is None else body.flows

    @model_validator(mode="before")
    @classmethod
    def _auto_steps_fill_a_frame(cls, value: Any) -> Any:
        mpm = value.get("mpm") if isinstance(value, dict) else None
        if isinstance(mpm, dict) and mpm.get("dt") == "auto":
            frame_dt = value.get("frame_dt", cls.model_fields["frame_dt"].default)
            return {**value, "mpm": {"frame_dt": frame_dt, **mpm}}
        return value

    @model_validator(mode="after")
    def _one_frame_time(self):
        if self.mpm.frame_dt not in (None, self.frame_dt):
            raise ValueError(
                f"mpm.frame_dt is {self.mpm.frame_dt:g}, frame_dt is {self.frame_dt:g}; expected no mpm.frame_dt"
            )
        return self

    @model_validator(mode="after")
    def _materials_exist(self):
        for number, body in enumerate(self.bodies):
            try:
                self.material_id(body)
            except ValueError as error:
                raise ValueError(f"bodies.{number}.{error}") from error
        return self
