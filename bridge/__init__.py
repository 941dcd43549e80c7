"""diffmpm for torch: every stage of the pipeline as a differentiable function or module.

One import path a symbol: ``import bridge`` and use what ``__all__`` names. Taichi starts at the first use.
"""

from bridge.controls import ControlOptimizer, Evaluation
from bridge.diffmpm import DiffMPM, MPMState
from bridge.image_losses import depth_loss, rgb_loss, silhouette_loss
from bridge.mass_matching import mass_matching_loss, rasterize_particle_mass
from bridge.points import load_points
from bridge.rasterization import rasterization
from bridge.runtime import Runtime, init, reset
from bridge.runtime_surface import default_cfg, synthesize_runtime_surface
from bridge.simulation_error import SimulationError
from bridge.upsampler import Splats, Surface, SurfaceUpsampler

__all__ = [
    "ControlOptimizer",
    "DiffMPM",
    "Evaluation",
    "MPMState",
    "Runtime",
    "SimulationError",
    "Splats",
    "Surface",
    "SurfaceUpsampler",
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
