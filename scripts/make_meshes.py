"""Build the project's own meshes: ``python -m scripts.make_meshes`` writes configs/meshes/*.obj."""

import sys
from pathlib import Path

import numpy as np

from configs.mesh import MESH_FOLDER
from scripts.shapes import SHAPES
from scripts.surface_nets import Field, surface_nets

CELLS = {"box": 14, "duck": 23, "letter": 26, "rabbit": 28, "sphere": 15, "torus": 21}
"""Grid cells along the longest edge, for one to three thousand triangles each."""


def build(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [V, 3] and faces [T, 3] of a shape, centred, its longest edge 1."""
    field = SHAPES[name]
    low, high = _bounds(field)
    cell = float((high - low).max()) / CELLS[name]
    # The odd margin keeps grid nodes off the planes of symmetry, where a rounding error would decide the topology.
    vertices, faces = surface_nets(field, low - 1.37 * cell, high + 2 * cell, cell)
    middle, extent = (vertices.min(0) + vertices.max(0)) / 2, np.ptp(vertices, axis=0).max()
    return (vertices - middle) / extent, faces


def _bounds(field: Field) -> tuple[np.ndarray, np.ndarray]:
    axis = np.linspace(-1.5, 1.5, 76)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    inside = points[field(points) < 0]
    return inside.min(0), inside.max(0)


def write_obj(path: Path, vertices: np.ndarray, faces: np.ndarray) -> None:
    """A Wavefront OBJ of positions and triangles."""
    lines = [f"# {path.stem}: built by scripts/make_meshes.py"]
    lines += ["v {:.5f} {:.5f} {:.5f}".format(*vertex) for vertex in vertices + 0.0]
    lines += ["f {} {} {}".format(*face) for face in faces + 1]
    path.write_text("\n".join(lines) + "\n")


def main(folder: Path = MESH_FOLDER) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in SHAPES:
        vertices, faces = build(name)
        write_obj(folder / f"{name}.obj", vertices, faces)
        print(f"{folder / name}.obj: {len(vertices)} vertices, {len(faces)} triangles")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
