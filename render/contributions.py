"""Which Gaussians a pixel sees, with what weights, and how much of each Gaussian the camera sees.

The same walk over the tile lists as compositing (render/blending.py), one thread a pixel; nothing here is
differentiable: indices and weights as they are.
"""

import taichi as ti

from kernels.arrays import int_array, real_array
from kernels.launch import prepared
from render.blending import blended_alpha, falloff_exponent, locate_pixel, loose_cutoff
from render.constants import MEDIAN_TRANSMITTANCE, TRANSMITTANCE_MIN
from render.splats import OPACITY, conic_at, mean_at


class Contributions:
    """Arrays of one evaluation; ``k`` Gaussians are kept for each pixel."""

    def __init__(self, cameras: int, n: int, width: int, height: int, k: int):
        self.k = k
        self.ids = int_array(cameras, height, width, k)
        """The k nearest Gaussians that contribute, front to back; -1 behind the last."""
        self.weights = real_array(cameras, height, width, k)
        """Their weights alpha T; 0 behind the last."""
        self.counts = int_array(cameras, height, width)
        """How many contribute, kept or not."""
        self.median_ids = int_array(cameras, height, width)
        """The last Gaussian met with T > 1/2; -1 where there is none."""
        self.weight_sums = real_array(cameras, n)
        """Sum of a Gaussian's weights over the pixels of an image."""
        self.weight_maxima = real_array(cameras, n)
        """The largest of them."""


def find_contributions(
    b: Contributions,
    splats: ti.Ndarray,
    offsets: ti.Ndarray,
    ids: ti.Ndarray,
    tile_size: int,
    columns: int,
    rows: int,
) -> None:
    """Fill all arrays of ``b`` from projected Gaussians [C, N, 7] (render/splats.py) and their tile lists."""
    outputs = (b.ids, b.weights, b.counts, b.median_ids, b.weight_sums, b.weight_maxima)
    _find_contributions(splats, offsets, ids, *outputs, b.k, tile_size, columns, rows)


@prepared
@ti.kernel
def _find_contributions(
    splats: ti.types.ndarray(ndim=3),
    offsets: ti.types.ndarray(ndim=1),
    ids: ti.types.ndarray(ndim=1),
    seen_ids: ti.types.ndarray(ndim=4),
    seen_weights: ti.types.ndarray(ndim=4),
    counts: ti.types.ndarray(ndim=3),
    median_ids: ti.types.ndarray(ndim=3),
    weight_sums: ti.types.ndarray(ndim=2),
    weight_maxima: ti.types.ndarray(ndim=2),
    kept: ti.i32,
    tile_size: ti.i32,
    columns: ti.i32,
    rows: ti.i32,
):
    for i in range(counts.shape[0] * rows * columns * tile_size * tile_size):
        at = locate_pixel(i, tile_size, columns, rows)
        tile, c, x, y = at[0], at[1], at[2], at[3]
        if x < counts.shape[2] and y < counts.shape[1]:
            pixel = ti.Vector([x + 0.5, y + 0.5])
            transmittance, count, median = 1.0, 0, -1
            for k in range(offsets[tile], offsets[tile + 1]):
                p = ids[k] - c * splats.shape[1]
                opacity, alpha = splats[c, p, OPACITY], 0.0
                sigma = falloff_exponent(conic_at(splats, c, p), mean_at(splats, c, p) - pixel)
                if sigma <= loose_cutoff(opacity):  # spares most exponentials
                    alpha = blended_alpha(sigma, opacity * ti.exp(-sigma))
                if alpha > 0:
                    after = transmittance * (1.0 - alpha)
                    if after <= TRANSMITTANCE_MIN:
                        break
                    weight = alpha * transmittance
                    if transmittance > MEDIAN_TRANSMITTANCE:
                        median = p
                    if count < kept:
                        seen_ids[c, y, x, count] = p
                        seen_weights[c, y, x, count] = weight
                    weight_sums[c, p] += weight
                    ti.atomic_max(weight_maxima[c, p], weight)
                    transmittance = after
                    count += 1
            for k in range(count, kept):
                seen_ids[c, y, x, k] = -1
            counts[c, y, x] = count
            median_ids[c, y, x] = median
