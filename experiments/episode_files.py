"""The files of one episode, in a folder epNNN: pictures, Gaussians, points, figures, a summary."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from bridge.mpm_state import MPMState
from bridge.upsampler import Splats
from configs.upsample import FigureConfig
from experiments.atomic import replacing
from experiments.depth_image import LEVELS, save_depth
from experiments.film import Film
from experiments.images import save_image
from experiments.outputs import write_json
from experiments.point_figures import draw_axis_histogram, draw_clouds
from experiments.rendering import render_splats
from render.point_file import save_gaussians, save_points


def write_episode(
    root: Path, number: int, film: Film, before: Splats, after: Splats, state: MPMState, mass_loss: float | None
) -> None:
    """Fill ``root``/epNNN, all names of which begin with epNNN_.

    Args:
        number: of the episode, from 0.
        film: what draws the pictures.
        before, after: the Gaussians at the episode's start and end.
        state: its end.
        mass_loss: weighted mass-matching loss there, if it is part of the objective.
    """
    name = f"ep{number:03d}"
    folder = root / name
    folder.mkdir(exist_ok=True)
    unit = _write_pictures(folder / name, film, after)
    arrays = {key: getattr(after, key).detach().cpu().numpy() for key in ("means", "covars", "colors", "opacities")}
    with replacing(folder / f"{name}_gaussians.npz") as temporary:
        save_gaussians(temporary, **arrays)
    with replacing(folder / f"{name}_surface_{len(arrays['means'])}.ply") as temporary:
        save_points(temporary, arrays["means"], after.normals.detach().cpu().numpy())
    clouds = {"before": before.means.detach().cpu().numpy(), "after": arrays["means"]}
    draw_clouds(folder / f"{name}_comparison.png", clouds, FigureConfig())
    draw_axis_histogram(folder / f"{name}_axis_hist.png", clouds, FigureConfig())
    volumes = torch.linalg.det(state.F)
    summary = {
        "episode": number + 1,
        "J_min": volumes.min(),
        "J_mean": volumes.mean(),
        "loss_physics_final": mass_loss,
        "num_surface_points": len(after.means),
        "depth_unit": unit,
    }
    write_json(folder / f"{name}_summary.json", summary)


def _write_pictures(stem: Path, film: Film, splats: Splats) -> float:
    """render, alpha, depth and normal; returns the length of a grey level of the depth."""

    def path(kind: str) -> Path:
        return stem.with_name(f"{stem.name}_{kind}.png")

    with torch.no_grad():
        as_colors = replace(splats, colors=(splats.normals + 1) / 2)
        images = render_splats(as_colors, [film.view], film.render.background)
    save_image(path("render"), film.draw(splats))
    save_image(path("normal"), images.rgb[0].clamp(0, 1))
    save_image(path("alpha"), images.alpha[0, ..., None].clamp(0, 1).expand(-1, -1, 3))
    depth = images.depth[0].cpu().numpy().astype(np.float64)
    unit = max(1e-3, float(depth.max()) / LEVELS)
    save_depth(path("depth"), depth, unit)
    return unit
