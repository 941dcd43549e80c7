"""diffmpm for torch: every stage of the pipeline as a differentiable function or module.

One import path a symbol: ``import bridge`` and use what ``__all__`` names. Taichi starts at the first use.
"""

import os

# torch's idle OpenMP threads spin for a while and starve Taichi's: 610 ms instead of 130 for two passes of the
# rasterizer on 2 cores. It must be said before torch is imported, and OpenMP reads it once.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from bridge.binning import bin_gaussians
from bridge.comp_graph import (
    CompGraph,
    Grid,
    OptInput,
    PointCloud,
    calculate_lame_parameters,
    calculate_point_cloud_volumes,
    load_point_cloud_from_obj,
    p2g,
)
from bridge.compositing import composite_gaussians
from bridge.contributions import median_depth, pixel_contributions
from bridge.controls import ControlOptimizer, Evaluation, Update
from bridge.diffmpm import DiffMPM
from bridge.image_losses import depth_loss, rgb_loss, silhouette_loss
from bridge.initial_velocity import rigid_velocity
from bridge.layers import composite_over
from bridge.mass_matching import mass_matching_loss, rasterize_particle_mass
from bridge.mpm_state import MPMState
from bridge.normals import gaussian_normals
from bridge.points import load_points
from bridge.projection import ProjectionSettings, covariances, project_gaussians
from bridge.rasterization import rasterization
from bridge.renderer import GSRenderer3DGS
from bridge.runtime import Runtime, init, reset
from bridge.runtime_surface import default_cfg, synthesize_runtime_surface
from bridge.shading import DirectionalLight, Material, PointLight, lights_and_material, shade
from bridge.simulation_error import SimulationError
from bridge.spherical_harmonics import spherical_harmonics, view_colors
from bridge.surface import Surface, SurfaceHistory
from bridge.upsampler import Splats, SurfaceUpsampler

__all__ = [
    "CompGraph",
    "ControlOptimizer",
    "DiffMPM",
    "DirectionalLight",
    "Evaluation",
    "GSRenderer3DGS",
    "Grid",
    "MPMState",
    "Material",
    "OptInput",
    "PointCloud",
    "PointLight",
    "ProjectionSettings",
    "Runtime",
    "SimulationError",
    "Splats",
    "Surface",
    "SurfaceHistory",
    "SurfaceUpsampler",
    "Update",
    "bin_gaussians",
    "calculate_lame_parameters",
    "calculate_point_cloud_volumes",
    "composite_gaussians",
    "composite_over",
    "covariances",
    "default_cfg",
    "depth_loss",
    "gaussian_normals",
    "init",
    "lights_and_material",
    "load_point_cloud_from_obj",
    "load_points",
    "mass_matching_loss",
    "median_depth",
    "p2g",
    "pixel_contributions",
    "project_gaussians",
    "rasterization",
    "rasterize_particle_mass",
    "reset",
    "rgb_loss",
    "rigid_velocity",
    "shade",
    "silhouette_loss",
    "spherical_harmonics",
    "synthesize_runtime_surface",
    "view_colors",
]
