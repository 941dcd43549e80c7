"""Compositing with one block of threads a tile: for CUDA in float32, tiles of TILE_SIZE, few channels.

A block stages the Gaussians of its tile in shared memory, as many at a time as it has threads. Each of its warps owns a
patch of the tile's pixels: its lanes first test 32 Gaussians against the patch at once, one each, and then all visit
those that meet it.
"""

import taichi as ti

from kernels.launch import prepared
from kernels.warps import WARP, any_lane, first_vote, votes
from render.blending import (
    ACCUMULATED_DEPTH,
    EXPECTED,
    TRANSMITTANCE,
    cutoff_exponent,
    depth_channel,
    falloff_exponent,
    meets,
    ridges,
)
from render.constants import ALPHA_MAX, ALPHA_MIN, CUTOFF_SLACK, TILE_SIZE, TRANSMITTANCE_MIN
from render.splats import DEPTH, OPACITY, conic_at, mean_at

BLOCK = TILE_SIZE * TILE_SIZE
"""Threads of a forward block: one a pixel."""

PATCH_WIDTH = 8
"""Columns of a warp's patch; its 32 lanes own 8 columns and 4 rows of pixels, or of runs of pixels."""

PATCH_ROWS = WARP // PATCH_WIDTH

SHARED = 10
"""Numbers of a Gaussian in shared memory besides its colours: mean, conic, opacity, cutoff, depth, ridges."""


@ti.func
def stage(
    shared: ti.template(),
    t,
    channels: ti.template(),
    c,
    p,
    row,
    splats: ti.template(),
    colors: ti.template(),
):
    """Copy what blending needs of Gaussian ``p`` to column ``t`` of shared memory; its colour is in row ``row``."""
    mean2d, conic, opacity = mean_at(splats, c, p), conic_at(splats, c, p), splats[c, p, OPACITY]
    for i in ti.static(range(2)):
        shared[i, t] = mean2d[i]
    for i in ti.static(range(3)):
        shared[2 + i, t] = conic[i]
    shared[5, t] = opacity
    shared[6, t] = cutoff_exponent(opacity) + CUTOFF_SLACK
    shared[7, t] = splats[c, p, DEPTH]
    slopes = ridges(conic)
    for i in ti.static(range(2)):
        shared[8 + i, t] = slopes[i]
    for i in ti.static(range(channels)):
        shared[SHARED + i, t] = colors[row, i]


@ti.func
def staged_mean(shared: ti.template(), t):
    return ti.Vector([shared[0, t], shared[1, t]])


@ti.func
def staged_conic(shared: ti.template(), t):
    return ti.Vector([shared[2, t], shared[3, t], shared[4, t]])


@ti.func
def patch_votes(shared: ti.template(), t, count, low, high):
    """Which of the 32 staged Gaussians around ``t``, of ``count`` in all, meet the warp's patch."""
    met = 0
    if t < count:
        slopes = ti.Vector([shared[8, t], shared[9, t]])
        met = ti.cast(meets(staged_mean(shared, t), staged_conic(shared, t), slopes, shared[6, t], low, high), ti.i32)
    return votes(met)


@ti.func
def patch(tile, warp, columns, rows, height: ti.template()):
    """Camera, left column and top row of a warp's patch of ``height`` rows; two patches stand side by side."""
    left = tile % columns * TILE_SIZE + warp % 2 * PATCH_WIDTH
    top = tile // columns % rows * TILE_SIZE + warp // 2 * height
    return ti.Vector([tile // (columns * rows), left, top])


@prepared
@ti.kernel
def composite_by_block(
    channels: ti.template(),
    splats: ti.types.ndarray(ndim=3),
    colors: ti.types.ndarray(ndim=2),
    backgrounds: ti.types.ndarray(ndim=2),
    offsets: ti.types.ndarray(ndim=1),
    ids: ti.types.ndarray(ndim=1),
    image: ti.types.ndarray(ndim=4),
    alphas: ti.types.ndarray(ndim=4),
    pixels: ti.types.ndarray(ndim=4),
    stops: ti.types.ndarray(ndim=3),
    depth_kind: ti.i32,
    color_stride: ti.i32,
    columns: ti.i32,
    rows: ti.i32,
):
    ti.loop_config(block_dim=BLOCK)
    for i in range(pixels.shape[0] * rows * columns * BLOCK):
        tile, thread = i // BLOCK, i % BLOCK
        lane = thread % WARP
        place = patch(tile, thread // WARP, columns, rows, PATCH_ROWS)
        c, x, y = place[0], place[1] + lane % PATCH_WIDTH, place[2] + lane // PATCH_WIDTH
        low = ti.Vector([place[1] + 0.5, place[2] + 0.5])
        high = low + ti.Vector([PATCH_WIDTH - 1.0, PATCH_ROWS - 1.0])
        pixel = ti.Vector([x + 0.5, y + 0.5])
        shared = ti.simt.block.SharedArray((SHARED + channels, BLOCK), ti.f32)
        first, end = offsets[tile], offsets[tile + 1]
        inside = x < pixels.shape[2] and y < pixels.shape[1]
        is_open = ti.cast(inside, ti.i32)
        transmittance, depth, stop = 1.0, 0.0, first
        total = ti.Vector([0.0] * ti.static(max(channels, 1)))
        while first < end:
            if ti.simt.block.sync_all_nonzero(1 - is_open) != 0:
                break
            if first + thread < end:
                p = ids[first + thread] - c * splats.shape[1]
                stage(shared, thread, channels, c, p, c * color_stride + p, splats, colors)
            ti.simt.block.sync()
            count = ti.min(BLOCK, end - first)
            group = 0
            while group < count and any_lane(is_open) != 0:
                mask = patch_votes(shared, group + lane, count, low, high)
                while mask != 0:
                    t = group + first_vote(mask)
                    mask = mask & (mask - 1)
                    # Without branches: a lane that the Gaussian does not reach, or that is closed, adds 0.
                    sigma = falloff_exponent(staged_conic(shared, t), staged_mean(shared, t) - pixel)
                    alpha = ti.min(ALPHA_MAX, shared[5, t] * ti.exp(-sigma))
                    alpha = ti.select((sigma >= 0) & (alpha >= ALPHA_MIN) & (is_open != 0), alpha, 0.0)
                    after = transmittance * (1.0 - alpha)
                    is_open = ti.select(after <= TRANSMITTANCE_MIN, 0, is_open)
                    alpha = ti.select(is_open != 0, alpha, 0.0)
                    weight = alpha * transmittance
                    transmittance -= weight
                    stop = ti.select(alpha > 0, first + t + 1, stop)
                    depth += weight * shared[7, t]
                    for j in ti.static(range(channels)):
                        total[j] += weight * shared[SHARED + j, t]
                group += WARP
            first += BLOCK
        if inside:
            for j in ti.static(range(channels)):
                image[c, y, x, j] = total[j] + transmittance * backgrounds[c, j]
            alphas[c, y, x, 0] = 1.0 - transmittance
            if depth_kind != 0:
                image[c, y, x, channels] = depth_channel(depth_kind, depth, 1.0 - transmittance)
            if depth_kind == EXPECTED:
                pixels[c, y, x, ACCUMULATED_DEPTH] = depth
            pixels[c, y, x, TRANSMITTANCE] = transmittance
            stops[c, y, x] = stop
