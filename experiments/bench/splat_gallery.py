"""Splats of meshes at rest, side by side: ``python -m experiments.bench.splat_gallery out.png sphere torus mesh.obj``.

Every mesh is scaled to one volume and filled as ``python -m scripts.bench upsample`` does it, and seen from one side.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import bridge
from bridge.shading import lights_and_material, shade
from configs.errors import InputError
from configs.lighting import LightingConfig
from configs.upsample import UpsampleConfig
from experiments.bench.upsample import SPACING, scaled_mesh
from experiments.images import save_image
from experiments.rendering import render_splats
from experiments.views import View
from mpm.particles import fill_mesh
from render.cameras import look_at

SIZE, COLUMNS = 320, 4
EYE = {"y": (0.45, 0.35, 1.0), "z": (0.8, -0.7, 0.4)}
"""Directions of the camera from the middle of a mesh with that axis up."""
UP = {"y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}
CONFIG = UpsampleConfig(M=50_000, thickness=0.3, sigma0=0.7)


def portrait(mesh: str, axis: str = "y", config: UpsampleConfig = CONFIG) -> Tensor:
    """The mesh's splats on white, the axis up, [SIZE, SIZE, 3]."""
    x = torch.from_numpy(fill_mesh(*scaled_mesh(mesh), SPACING))
    F = torch.eye(3, dtype=x.dtype).expand(len(x), 3, 3)
    with torch.no_grad():
        splats = bridge.SurfaceUpsampler(config, spacing=SPACING)(x, F)
        middle = (splats.means.amin(dim=0) + splats.means.amax(dim=0)) / 2
        radius, middle = float((splats.means - middle).norm(dim=1).max()), middle.numpy()
        eye = middle + 4 * radius * np.array(EYE[axis]) / np.linalg.norm(EYE[axis])
        focal = 0.47 * SIZE * np.sqrt(15)  # a ball of that radius at four times it fills the image
        K = np.array([[focal, 0, SIZE / 2], [0, focal, SIZE / 2], [0, 0, 1]])
        lights, material = lights_and_material(LightingConfig(), tuple(eye))
        colors = shade(splats.colors, splats.normals, splats.means, tuple(eye), lights, material)
        view = View(look_at(tuple(eye), tuple(middle), UP[axis]), K, SIZE, SIZE)
        return render_splats(replace(splats, colors=colors), [view], (1.0, 1.0, 1.0)).rgb[0]


def gallery(meshes: list[tuple[str, str]], config: UpsampleConfig = CONFIG) -> Tensor:
    """Portraits of meshes with these axes up, ``COLUMNS`` a row, [H, W, 3]."""
    images = [portrait(mesh, axis, config) for mesh, axis in meshes]
    images += [torch.ones_like(images[0])] * (-len(images) % min(COLUMNS, len(images)))
    rows = [torch.cat(images[first : first + COLUMNS], dim=1) for first in range(0, len(images), COLUMNS)]
    return torch.cat(rows)


def main(arguments: list[str] | None = None) -> int:
    """Draw the gallery and write it."""
    parser = argparse.ArgumentParser(prog="python -m experiments.bench.splat_gallery", description=__doc__)
    parser.add_argument("output", type=Path, help="image to write")
    parser.add_argument("meshes", nargs="+", help="packaged names or files")
    parser.add_argument("--z-up", nargs="*", default=[], help="more of them, whose z axis is up instead of y")
    args = parser.parse_args(arguments)
    bridge.init("auto")
    try:
        save_image(args.output, gallery([(m, "y") for m in args.meshes] + [(m, "z") for m in args.z_up]))
    except InputError as error:
        print(f"splat_gallery: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
