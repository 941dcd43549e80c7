"""The largest stable time step of the explicit solver."""

import math

from configs.mpm import MPMConfig

DIFFUSION = 6.0
"""Explicit diffusion in three dimensions is stable up to h² / (6 ν) (von Neumann's analysis)."""


def sound_speed(wave_modulus: float, density: float) -> float:
    """Speed of pressure waves √(M / ρ), M = λ + 2μ for solids, K for fluids. Unit: length / time."""
    return math.sqrt(max(wave_modulus, 0.0) / density)


def wave_limit(spacing: float, wave_speed: float, speed: float = 0.0) -> float:
    """One cell per step for a wave of ``wave_speed`` riding on particles of ``speed``. Unit: time.

    Measured: a free elastic ball of 8 particles per cell is stable up to 1.0–1.3 of this for ν from 0 to 0.4, quadratic
    and cubic splines, and breaks above.
    """
    total = wave_speed + speed
    return spacing / total if total > 0 else math.inf


def viscous_limit(spacing: float, viscosity: float, density: float) -> float:
    """The diffusion limit, of shear viscosity and of ``bulk_viscosity`` alike. Unit: time.

    Measured: a free cube of 8 particles per cell is stable up to 2–3 times this, of either.
    """
    return density * spacing**2 / (DIFFUSION * viscosity) if viscosity > 0 else math.inf


def stable_dt(config: MPMConfig, speed: float = 0.0) -> float:
    """The largest stable time step for all materials of the configuration at rest. Unit: time."""
    h = config.grid.spacing
    return min(
        min(
            wave_limit(h, sound_speed(material.wave_modulus, material.density), speed),
            viscous_limit(h, material.viscosity + config.bulk_viscosity, material.density),
        )
        for material in config.all_materials
    )
