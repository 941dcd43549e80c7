"""Particles that fill simple bodies: cells of a lattice whose centre lies inside, about the origin.

The cells fill a box exactly where the spacing divides its sides: unlike the nodes of ``mpm.particles.fill_mesh``, which
lie on the surface too, they do not add half a spacing all around.
"""

import numpy as np

from configs.errors import InputError

MAX_PARTICLES = 200_000_000


def fill_box(sides: tuple[float, float, float], pitch: float) -> np.ndarray:
    """Particles [N, 3] of a box; each side holds a whole number of them, evenly spread.

    Args:
        sides: lengths along x, y, z. Unit: length.
        pitch: distance between neighbouring particles. Unit: length.

    Raises:
        InputError: a side below half a pitch, too many particles.
    """
    counts = np.rint(np.asarray(sides) / pitch)
    if counts.min() < 1 or counts.prod() > MAX_PARTICLES:
        text = " x ".join(f"{side:.4g}" for side in sides)
        raise InputError(
            f"a shape of {text} takes {counts.prod():.3g} particles at a spacing of {pitch:.4g}; "
            f"expected 1 to {MAX_PARTICLES:.0e}"
        )
    axes = [(np.arange(int(n)) + 0.5 - n / 2) * (side / n) for n, side in zip(counts, sides, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def fill_sphere(radius: float, pitch: float) -> np.ndarray:
    """Particles [N, 3] of a ball."""
    x = fill_box((2 * radius,) * 3, pitch)
    return x[np.linalg.norm(x, axis=1) <= radius]


def fill_cylinder(radius: float, height: float, pitch: float) -> np.ndarray:
    """Particles [N, 3] of a cylinder around the y axis."""
    x = fill_box((2 * radius, height, 2 * radius), pitch)
    return x[np.hypot(x[:, 0], x[:, 2]) <= radius]
