"""What all sections of the schema share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# Strict: neither true nor "1" is a number.
Integer = Annotated[int, Field(strict=True)]
Real = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[Real, Field(gt=0)]
NonNegative = Annotated[Real, Field(ge=0)]
Share = Annotated[Real, Field(ge=0, le=1)]
Count = Annotated[Integer, Field(ge=1)]
Vec3 = tuple[Real, Real, Real]
Color = tuple[Share, Share, Share]


class Section(BaseModel):
    """A frozen section of the configuration: unknown keys are refused, docstrings are the descriptions."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True)
