"""``optimize``: episodes, control intervals and the optimiser of the controls."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from configs.base import Count, Integer, NonNegative, Positive, Real, Section, Share


class OptimizeConfig(Section):
    """Chained episodes: the end state of one is the start of the next."""

    episodes: Count = 10
    """Number of episodes. Unit: none."""
    steps: Count = 20
    """Time steps in an episode. Unit: time step."""
    control_stride: Count = 1
    """Time steps in a control interval; it divides ``steps``. Unit: time step."""
    iterations: Count = 10
    """Updates of all controls in an episode. Unit: none."""
    optimizer: Literal["adam", "lbfgs"] = "adam"
    """The update rule. adam: Adam; lbfgs: L-BFGS, ``lr`` then bounds the root mean square of a step."""
    sweeps: Annotated[Integer, Field(ge=0)] = 0
    """0 updates all control intervals together. Otherwise each interval by itself gets ``iterations`` updates, one
    interval after the other, this many times over; for comparison, and for adam only. Unit: none."""
    lr: Positive = 1e-2
    """Largest step length of the optimiser, in entries of the control deformation gradient. Unit: none."""
    lr_growth: Annotated[Real, Field(ge=1)] = 1.2
    """Factor on the step length after an accepted step; 1 keeps it. Unit: none."""
    max_halvings: Annotated[Integer, Field(ge=0)] = 8
    """How often a step that raises the objective or breaks the state is halved before the episode ends. Unit: none."""
    adam_floor: NonNegative = 1.0
    """Added to Adam's denominator, as a share of its mean over all particles: with 0 every particle takes an equally
    long step, however small its gradient, which roughens the surface. Unit: none."""
    max_cfl: Positive = 0.1
    """Fastest particle at the end of an episode: a step of the optimiser that makes one faster is taken back, for it
    would be flung out of the grid in the next episode. Unit: grid cell / time step."""
    max_stretch: Annotated[Real, Field(gt=1)] = 3.0
    """Largest elastic stretch, and its inverse the smallest, with which an episode starts: what is beyond is forgotten,
    or a single crushed particle would forbid every further step. Unit: none."""

    plasticity: Share = 0.0
    """Share of its elastic stretch that the material forgets at the end of an episode: F = R S becomes
    R ((1 − plasticity) S + plasticity I). 0 is off. Unit: none."""
    plasticity_warmup: Annotated[Integer, Field(ge=0)] = 0
    """Episodes before it begins. Unit: none."""

    @property
    def updates(self) -> int:
        """Updates in an episode, if none is left out."""
        return self.iterations * (self.sweeps * (self.steps // self.control_stride) or 1)

    @model_validator(mode="after")
    def _sweeps_are_adams(self):
        if self.sweeps and self.optimizer != "adam":
            raise ValueError(f"sweeps is {self.sweeps} with optimizer {self.optimizer}; expected adam")
        return self

    @model_validator(mode="after")
    def _stride_divides_steps(self):
        if self.steps % self.control_stride:
            raise ValueError(f"control_stride {self.control_stride} does not divide steps {self.steps}")
        return self
