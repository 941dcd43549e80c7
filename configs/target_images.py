"""``images``: pictures of the target that take the place of those drawn from its mesh."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

from configs.base import Positive, Section


def _find(name: str, info: ValidationInfo) -> str:
    folders = [Path.cwd(), *(info.context or {}).get("folders", [])]
    for path in (Path(folder, name) for folder in folders):
        if path.is_file():
            return str(path.resolve())
    raise ValueError(f"no such file: {name}; expected an image")


ImageName = Annotated[str, AfterValidator(_find)]
"""An image file, from the working directory or from the YAML's own folder."""


class TargetImagesConfig(Section):
    """One image for each camera, in the cameras' order and of the render section's size; what is not given is drawn
    from the target mesh."""

    silhouette: tuple[ImageName, ...] = ()
    """Coverage: the alpha channel of images that have one, else their brightness, black being 0."""
    rgb: tuple[ImageName, ...] = ()
    """Colours, background included."""
    depth: tuple[ImageName, ...] = ()
    """Depth along the camera's axis as 16-bit grey, 0 where there is nothing."""
    depth_unit: Positive = 1e-3
    """Depth of one grey level. Unit: length."""
