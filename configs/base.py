"""What all sections of the schema share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Vec3 = tuple[float, float, float]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Section(BaseModel):
    """A frozen section of the configuration: unknown keys are refused, docstrings are the descriptions."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True)
