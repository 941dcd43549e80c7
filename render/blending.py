"""The blending rule that every compositing kernel shares.

Gaussian i covers a pixel at d = mean2d - pixel centre with

    sigma = (A dx² + C dy²) / 2 + B dx dy            alpha = min(ALPHA_MAX, opacity exp(-sigma))

and is skipped where sigma < 0 (rounding) or alpha < ALPHA_MIN. Front to back from T = 1 it adds alpha T times its
colour, and T becomes (1 - alpha) T; where that would reach TRANSMITTANCE_MIN the pixel stops before it.
"""

import math

import taichi as ti

from render.constants import ALPHA_MAX, ALPHA_MIN, CUTOFF_SLACK, EXPECTED_DEPTH_ALPHA_MIN, SPAN_SLACK

DEPTHS = ("none", "accumulated", "expected")
"""What an image's last channel may hold besides colours: nothing, Σ w z, Σ w z / Σ w; kernels get an index."""

EXPECTED = DEPTHS.index("expected")

TRANSMITTANCE, ACCUMULATED_DEPTH = 0, 1
"""Columns of what the adjoint needs to know of a pixel: T_end, and Σ w z where the image shows the expected depth."""

CUTOFF_OF_ONE = CUTOFF_SLACK - math.log(ALPHA_MIN)
"""The sigma beyond which a Gaussian of opacity 1 or less is below ALPHA_MIN."""


@ti.func
def falloff_exponent(conic, d):
    """sigma of the module's docstring."""
    return 0.5 * (conic[0] * d[0] * d[0] + conic[2] * d[1] * d[1]) + conic[1] * d[0] * d[1]


@ti.func
def blended_alpha(sigma, raw):
    """alpha of the module's docstring from ``raw`` = opacity exp(-sigma); 0 for what is skipped."""
    alpha = ti.min(ALPHA_MAX, raw)
    if sigma < 0 or raw < ALPHA_MIN:
        alpha = 0.0
    return alpha


@ti.func
def alpha_adjoint(conic, d, opacity, falloff, alpha_bar):
    """Gradients of mean, conic and opacity from that of alpha; ``falloff`` is exp(-sigma). A capped alpha has none."""
    mean2d_bar, conic_bar, opacity_bar = ti.Vector([0.0, 0.0]), ti.Vector([0.0, 0.0, 0.0]), 0.0
    if opacity * falloff <= ALPHA_MAX:
        opacity_bar = falloff * alpha_bar
        sigma_bar = -opacity * opacity_bar
        mean2d_bar = sigma_bar * exponent_gradient(conic, d)
        conic_bar = sigma_bar * ti.Vector([0.5 * d[0] * d[0], d[0] * d[1], 0.5 * d[1] * d[1]])
    return mean2d_bar, conic_bar, opacity_bar


@ti.func
def cutoff_exponent(opacity):
    """The sigma at which alpha falls to ALPHA_MIN: comparing with it spares most exponentials."""
    return ti.log(ti.max(opacity, ALPHA_MIN) / ALPHA_MIN)


@ti.func
def loose_cutoff(opacity):
    """At least ``cutoff_exponent``, and without its logarithm for opacities to 1."""
    cutoff = CUTOFF_OF_ONE
    if opacity > 1.0:
        cutoff += ti.log(opacity)
    return cutoff


@ti.func
def ridges(conic):
    """Slopes of the lines of smallest sigma: d[1] = -ridges[1] d[0] for given d[0], and d[0] = -ridges[0] d[1]."""
    return ti.Vector([conic[1] / conic[0], conic[1] / conic[2]])


@ti.func
def meets(mean2d, conic, slopes, cutoff, low, high):
    """Whether a Gaussian can reach ALPHA_MIN at a point of the rectangle [low, high], corners of pixel centres.

    ``slopes`` are the ``ridges`` of ``conic``.

    The smallest sigma in a rectangle beside the mean is on one of the two edges that face the mean: the best point on
    each is found in closed form. Slack makes up for rounding.
    """
    d_low, d_high = mean2d - high, mean2d - low
    near = ti.max(d_low, ti.min(d_high, 0.0))
    along_y = ti.Vector([near[0], ti.max(d_low[1], ti.min(d_high[1], -slopes[1] * near[0]))])
    along_x = ti.Vector([ti.max(d_low[0], ti.min(d_high[0], -slopes[0] * near[1])), near[1]])
    return ti.min(_safe_exponent(conic, along_x), _safe_exponent(conic, along_y)) <= cutoff + CUTOFF_SLACK


@ti.func
def _safe_exponent(conic, d):
    """A lower bound of sigma: long, thin Gaussians lose digits to cancellation."""
    terms = conic[0] * d[0] * d[0] + conic[2] * d[1] * d[1]
    return 0.5 * terms + conic[1] * d[0] * d[1] - SPAN_SLACK * terms


@ti.func
def exponent_gradient(conic, d):
    """Derivative of sigma by the mean."""
    return ti.Vector([conic[0] * d[0] + conic[1] * d[1], conic[1] * d[0] + conic[2] * d[1]])


@ti.func
def depth_channel(kind, depth, alpha):
    """What the image shows of an accumulated depth."""
    if kind == EXPECTED:
        depth /= ti.max(alpha, EXPECTED_DEPTH_ALPHA_MIN)
    return depth


@ti.func
def depth_channel_adjoint(kind, bar, pixels: ti.template(), c, y, x):
    """Gradients of a pixel's accumulated depth and of its alpha when ``bar`` is that of ``depth_channel``."""
    bars = ti.Vector([bar, 0.0])
    if kind == EXPECTED:
        alpha = 1.0 - pixels[c, y, x, TRANSMITTANCE]
        bars[0] = bar / ti.max(alpha, EXPECTED_DEPTH_ALPHA_MIN)
        if alpha > EXPECTED_DEPTH_ALPHA_MIN:
            bars[1] = -bars[0] * pixels[c, y, x, ACCUMULATED_DEPTH] / alpha
    return bars


@ti.func
def locate_pixel(i, tile_size, columns, rows):
    """Tile, camera, column and row of the pixel that thread ``i`` owns; it may lie outside the image."""
    tile, lane = i // (tile_size * tile_size), i % (tile_size * tile_size)
    x = tile % columns * tile_size + lane % tile_size
    y = tile // columns % rows * tile_size + lane // tile_size
    return ti.Vector([tile, tile // (columns * rows), x, y])
