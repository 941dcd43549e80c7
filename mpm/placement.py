"""Where and how large a mesh is, as its configuration says."""

import numpy as np

from configs.errors import InputError
from configs.mesh import MeshConfig
from mpm.mesh import bounding_box
from mpm.particles import mesh_centroid, mesh_volume

Mesh = tuple[np.ndarray, np.ndarray]


def place_mesh(vertices: np.ndarray, faces: np.ndarray, config: MeshConfig, source: Mesh | None = None) -> np.ndarray:
    """Vertices [V, 3] scaled uniformly, then moved as ``config.center`` or ``config.centroid`` says.

    Args:
        vertices: positions [V, 3]. Unit: the file's.
        faces: vertex indices [T, 3].
        config: says the size (scale, extent or volume) and the centre.
        source: vertices and faces, placed, to which ``volume: source`` and ``centroid: source`` refer.

    Raises:
        InputError: a mesh of no extent or no volume, one that refers to a source without there being one.
    """
    low, high = bounding_box(vertices)
    middle = (low + high) / 2
    scaled = (vertices - middle) * _factor(vertices, faces, config, source)
    if config.centroid is not None:
        wanted = mesh_centroid(*_of(source, config, "centroid")) if config.centroid == "source" else config.centroid
        return scaled + (np.asarray(wanted) - mesh_centroid(scaled, faces))
    return scaled + (middle if config.center is None else np.asarray(config.center))


def _of(source: Mesh | None, config: MeshConfig, key: str) -> Mesh:
    if source is None:
        raise InputError(f"mesh {config.mesh}: {key} is 'source', but there is no source mesh; expected a number")
    return source


def _factor(vertices, faces, config: MeshConfig, source: Mesh | None) -> float:
    if config.extent is not None:
        low, high = bounding_box(vertices)
        longest = float((high - low).max())
        if longest <= 0:
            raise InputError(f"mesh {config.mesh}: all vertices are at one place; expected a mesh with an interior")
        return config.extent / longest
    if config.volume is not None:
        wanted = mesh_volume(*_of(source, config, "volume")) if config.volume == "source" else config.volume
        return float(np.cbrt(wanted / mesh_volume(vertices, faces)))
    return config.scale or 1.0
