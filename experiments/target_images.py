"""The images of the target that a user gives."""

import imageio.v2 as imageio
import numpy as np

from configs.errors import InputError
from configs.morph import MorphConfig
from experiments.depth_image import load_depth


def load_target_images(config: MorphConfig) -> dict[str, np.ndarray]:
    """Those that are given: silhouette [C, H, W], rgb [C, H, W, 3] in [0, 1], depth [C, H, W], unit length.

    Raises:
        InputError: an image that cannot be read or has another size than ``render`` says.
    """
    images, size = config.images, (config.render.height, config.render.width)
    readers = {"silhouette": _coverage, "rgb": _colors, "depth": lambda path: load_depth(path, images.depth_unit)}
    found = {}
    for kind, read in readers.items():
        pictures = [read(path) for path in getattr(images, kind)]
        for path, picture in zip(getattr(images, kind), pictures, strict=True):
            if picture.shape[:2] != size:
                raise InputError(f"images.{kind}: {path} has {picture.shape[:2]} rows and columns; expected {size}")
        if pictures:
            found[kind] = np.stack(pictures)
    return found


def expect_one_a_camera(images: dict[str, np.ndarray], cameras: int) -> None:
    """Raise InputError if there are more or fewer images of a kind than cameras."""
    for kind, pictures in images.items():
        if len(pictures) != cameras:
            raise InputError(f"images.{kind}: {len(pictures)} images; expected one for each of the {cameras} cameras")


def _coverage(path: str) -> np.ndarray:
    image = _read(path)
    if image.ndim == 3:
        image = image[..., 3] if image.shape[2] == 4 else image[..., :3].mean(axis=2)
    return image


def _colors(path: str) -> np.ndarray:
    image = _read(path)
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image[..., :3]


def _read(path: str) -> np.ndarray:
    try:
        image = np.asarray(imageio.imread(path))
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"images: {path} cannot be read ({error})") from None
    return image.astype(np.float64) / np.iinfo(image.dtype).max
