"""diffmpm for torch: every stage of the pipeline as a differentiable function or module.

One import path a symbol: ``import bridge`` and use what ``__all__`` names. Taichi starts at the first use.
"""

# ruff: noqa: E402
import os

# torch's idle OpenMP threads spin for a while and starve Taichi's: 610 ms instead of 130 for two passes of the
# rasterizer on 2 cores. It must be said before torch is imported, and OpenMP reads it once.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from bridge.controls import ControlOptimizer, Evaluation, Update
from bridge.diffmpm import DiffMPM, MPMState
from bridge.image_losses import depth_loss, rgb_loss, silhouette_loss
from bridge.mass_matching import mass_matching_loss, rasterize_particle_mass
from bridge.points import load_points
from bridge.rasterization import rasterization
from bridge.renderer import GSRenderer3DGS
from bridge.runtime import Runtime, init, reset
from bridge.runtime_surface import default_cfg, synthesize_runtime_surface
from bridge.simulation_error import SimulationError
from bridge.upsampler import Splats, Surface, SurfaceUpsampler

__all__ = [
    "ControlOptimizer",
    "DiffMPM",
    "Evaluation",
    "GSRenderer3DGS",
    "MPMState",
    "Runtime",
    "SimulationError",
    "Splats",
    "Surface",
    "SurfaceUpsampler",
    "Update",
    "default_cfg",
    "depth_loss",
    "init",
    "load_points",
    "mass_matching_loss",
    "rasterization",
    "rasterize_particle_mass",
    "reset",
    "rgb_loss",
    "silhouette_loss",
    "synthesize_runtime_surface",
]
