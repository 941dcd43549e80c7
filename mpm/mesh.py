"""Triangle meshes: read and check."""

from pathlib import Path

import numpy as np
import trimesh

from configs.errors import InputError

FORMATS = (".obj", ".ply", ".stl", ".off", ".glb", ".gltf")


def load_mesh(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [V, 3] (float64, the file's units) and faces [T, 3] (int64) of a mesh file; scenes are joined.

    Raises:
        InputError: missing file, foreign or damaged format, no triangles, non-finite vertices.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"mesh {path}: {'is a folder' if path.is_dir() else 'no such file'}; expected a mesh file")
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"mesh {path}: format {path.suffix or '(none)'} is not known; expected {', '.join(FORMATS)}")
    try:
        mesh = trimesh.load_mesh(path, process=False, skip_materials=True)
        if isinstance(mesh, trimesh.Scene):
            mesh = mesh.to_mesh()
        vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64)
    except Exception as error:  # a reader of foreign files may raise anything
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"mesh {path}: cannot be read as {path.suffix[1:].upper()} triangles: {reason}") from error
    check_mesh(vertices, faces, f"mesh {path}")
    return vertices, faces


def check_mesh(vertices: np.ndarray, faces: np.ndarray, owner: str) -> None:
    """Raise ``InputError`` unless vertices [V, 3] are finite and faces [T, 3] are triangles of them, T > 0."""
    if vertices.ndim != 2 or vertices.shape[1] != 3:
        raise InputError(f"{owner}: vertices have shape {vertices.shape}; expected (V, 3)")
    if faces.ndim != 2 or faces.shape[1] != 3 or not len(faces):
        raise InputError(f"{owner}: the mesh has no triangles (faces have shape {faces.shape}); expected (T, 3), T > 0")
    if faces.min() < 0 or faces.max() >= len(vertices):
        largest = len(vertices) - 1
        raise InputError(f"{owner}: faces name vertices {faces.min()} to {faces.max()}; expected 0 to {largest}")
    bad = ~np.isfinite(vertices).all(axis=1)
    if bad.any():
        raise InputError(f"{owner}: {bad.sum()} vertices are not finite, first vertex {bad.argmax()}")


def bounding_box(vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest coordinates [3] of the vertices."""
    return vertices.min(axis=0), vertices.max(axis=0)
