"""Points with normals as ``.ply``, and Gaussians by their covariances as ``.npz``, for tools for meshes and arrays.

``splat_file.py`` has the scenes that viewers of Gaussians read.
"""

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from plyfile import PlyData, PlyElement

from configs.errors import InputError

_PLY_NAMES = ("x", "y", "z", "nx", "ny", "nz")


def save_points(path: str | Path, points: ArrayLike, normals: ArrayLike, text: bool = False) -> None:
    """Write points [M, 3] (unit: length) with unit normals [M, 3] as float32 ``.ply``; ``text`` is ascii.

    Raises:
        InputError: another ending, shapes that do not fit, values that are not finite.
    """
    points, normals = _checked("save_points", path, ".ply", points=points, normals=normals)
    table = np.ascontiguousarray(np.concatenate([points, normals], axis=1, dtype="<f4"))
    vertices = table.view([(name, "<f4") for name in _PLY_NAMES])[:, 0]
    PlyData([PlyElement.describe(vertices, "vertex")], text=text, byte_order="<").write(str(path))


def save_gaussians(
    path: str | Path, means: ArrayLike, covars: ArrayLike, colors: ArrayLike, opacities: ArrayLike
) -> None:
    """Write ``xyz`` [M, 3], ``cov`` [M, 3, 3], ``rgb`` [M, 3] and ``opacity`` [M, 1], float32, as ``.npz``.

    Raises:
        InputError: another ending, shapes that do not fit, values that are not finite.
    """
    arrays = {"means": means, "covars": covars, "colors": colors, "opacities": np.reshape(opacities, (-1, 1))}
    xyz, cov, rgb, opacity = _checked("save_gaussians", path, ".npz", **arrays)
    np.savez_compressed(path, xyz=xyz, cov=cov, rgb=rgb, opacity=opacity)


_SHAPES = {"covars": (3, 3), "opacities": (1,)}


def _checked(owner: str, path: str | Path, suffix: str, **arrays: ArrayLike) -> list[NDArray[np.float32]]:
    if Path(path).suffix != suffix:
        raise InputError(f"{owner}: {path} ends with {Path(path).suffix!r}; expected {suffix}")
    values = {name: np.asarray(array, np.float32) for name, array in arrays.items()}
    m = len(next(iter(values.values())))
    for name, value in values.items():
        shape = (m, *_SHAPES.get(name, (3,)))
        if value.shape != shape:
            raise InputError(f"{owner}: {name} has shape {value.shape}; expected {shape}")
        if not np.isfinite(value).all():
            raise InputError(f"{owner}: {name} has values that are not finite")
    return list(values.values())
