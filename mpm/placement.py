"""Where and how large a mesh is: the ``scale``, ``extent``, ``volume`` and ``center`` of a mesh's configuration."""

import numpy as np

from configs.errors import InputError
from configs.mesh import MeshConfig
from mpm.mesh import bounding_box
from mpm.particles import mesh_volume


def place_mesh(
    vertices: np.ndarray, faces: np.ndarray, config: MeshConfig, source_volume: float | None = None
) -> np.ndarray:
    """Vertices [V, 3] scaled uniformly about the centre of their bounding box, then moved to ``config.center``.

    Args:
        vertices: positions [V, 3]. Unit: the file's.
        faces: vertex indices [T, 3].
        config: says the size (scale, extent or volume) and the centre.
        source_volume: what ``volume: source`` means. Unit: length³.

    Raises:
        InputError: a mesh of no extent or no volume, ``volume: source`` without a source.
    """
    low, high = bounding_box(vertices)
    middle = (low + high) / 2
    center = middle if config.center is None else np.asarray(config.center)
    return (vertices - middle) * _factor(vertices, faces, config, source_volume) + center


def _factor(vertices, faces, config, source_volume) -> float:
    if config.extent is not None:
        low, high = bounding_box(vertices)
        longest = float((high - low).max())
        if longest <= 0:
            raise InputError(f"mesh {config.mesh}: all vertices are at one place; expected a mesh with an interior")
        return config.extent / longest
    if config.volume is not None:
        wanted = source_volume if config.volume == "source" else config.volume
        if wanted is None:
            raise InputError(f"mesh {config.mesh}: volume is 'source', but there is no source mesh; expected a number")
        return float(np.cbrt(wanted / mesh_volume(vertices, faces)))
    return config.scale or 1.0
