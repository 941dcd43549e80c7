"""The adjoint of render/compositing_by_block.py, for CUDA: render/compositing.py has its equations.

A warp adds up what a Gaussian gets from its patch as moments of sigma_bar, and adds all of them to the Gaussian's
record in one operation:

    Σ sigma_bar (1, dx, dy, dx², dx dy, dy²),   Σ w depth_bar,   Σ w image_bar,   and if asked for Σ |mean2d_bar|

What they say about means, conics and opacities is worked out once for each Gaussian afterwards.
"""

import taichi as ti

from kernels.launch import prepared
from kernels.warps import WARP, any_lane, first_vote, kept_sum, lane_max, lane_sum, spread_sums
from render.blending import TRANSMITTANCE, depth_channel_adjoint, exponent_gradient
from render.compositing_by_block import (
    BLOCK,
    PATCH_ROWS,
    PATCH_WIDTH,
    SHARED,
    patch,
    patch_votes,
    stage,
    staged_conic,
    staged_mean,
)
from render.constants import ALPHA_MAX, ALPHA_MIN
from render.splats import OPACITY, add_to_splat, conic_at, store_splat

PIXELS = 1
"""Pixels of a column that a thread owns: more make fewer sums over larger patches, which suits large Gaussians; with
four million small ones on an H100 two take 8 % longer, four 25 %."""

THREADS = BLOCK // PIXELS

MOMENTS = 7
"""Numbers of a record besides colours: six moments and the depth's."""


def record_size(channels: int, absgrad: bool) -> int:
    """Numbers of a Gaussian's record."""
    return MOMENTS + channels + 2 * absgrad


@prepared
@ti.kernel
def composite_by_block_grad(
    channels: ti.template(),
    absgrad: ti.template(),
    untouched: ti.template(),
    splats: ti.types.ndarray(ndim=3),
    colors: ti.types.ndarray(ndim=2),
    backgrounds: ti.types.ndarray(ndim=2),
    offsets: ti.types.ndarray(ndim=1),
    ids: ti.types.ndarray(ndim=1),
    pixels: ti.types.ndarray(ndim=4),
    stops: ti.types.ndarray(ndim=3),
    image_bar: ti.types.ndarray(ndim=4),
    alphas_bar: ti.types.ndarray(ndim=4),
    splats_bar: ti.types.ndarray(ndim=3),
    colors_bar: ti.types.ndarray(ndim=2),
    backgrounds_bar: ti.types.ndarray(ndim=2),
    means2d_abs: ti.types.ndarray(ndim=3),
    records: ti.types.ndarray(ndim=2),
    depth_kind: ti.i32,
    color_stride: ti.i32,
    columns: ti.i32,
    rows: ti.i32,
    background_wanted: ti.i32,
):
    ti.loop_config(block_dim=THREADS)
    for i in range(pixels.shape[0] * rows * columns * THREADS):
        tile, thread = i // THREADS, i % THREADS
        lane, n = thread % WARP, splats.shape[1]
        place = patch(tile, thread // WARP, columns, rows, PATCH_ROWS * PIXELS)
        c, x, top = place[0], place[1] + lane % PATCH_WIDTH, place[2] + lane // PATCH_WIDTH * PIXELS
        low = ti.Vector([place[1] + 0.5, place[2] + 0.5])
        high = low + ti.Vector([PATCH_WIDTH - 1.0, PATCH_ROWS * PIXELS - 1.0])
        shared = ti.simt.block.SharedArray((SHARED + channels, THREADS), ti.f32)
        shared_ids = ti.simt.block.SharedArray((THREADS,), ti.i32)
        begin = offsets[tile]
        transmittance, behind = ti.Vector([0.0] * PIXELS), ti.Vector([0.0] * PIXELS)
        depth_b, stop = ti.Vector([0.0] * PIXELS), ti.Vector([0] * PIXELS)
        bars = ti.Matrix([[0.0] * ti.static(max(channels, 1))] * PIXELS)
        background_b = ti.Vector([0.0] * ti.static(max(channels, 1)))
        last = begin
        for r in ti.static(range(PIXELS)):
            y = top + r
            if x < pixels.shape[2] and y < pixels.shape[1]:
                transmittance[r], stop[r] = pixels[c, y, x, TRANSMITTANCE], stops[c, y, x]
                behind[r] = -alphas_bar[c, y, x, 0]
                if depth_kind != 0:
                    shares = depth_channel_adjoint(depth_kind, image_bar[c, y, x, channels], pixels, c, y, x)
                    depth_b[r] = shares[0]
                    behind[r] -= shares[1]
                for j in ti.static(range(channels)):
                    bars[r, j] = image_bar[c, y, x, j]
                    behind[r] += backgrounds[c, j] * bars[r, j]
                    background_b[j] += transmittance[r] * bars[r, j]
                behind[r] *= transmittance[r]
                last = ti.max(last, stop[r])
        if background_wanted != 0:
            for j in ti.static(range(channels)):
                share = lane_sum(background_b[j])
                if lane == 0:
                    ti.atomic_add(backgrounds_bar[c, j], share)
        last = lane_max(last)
        shared_ids[thread] = last
        ti.simt.block.sync()
        end = last
        for warp in ti.static(range(THREADS // WARP)):
            end = ti.max(end, shared_ids[warp * WARP])
        kept = kept_sum(lane, ti.static(record_size(channels, absgrad)))
        while end > begin:
            # From here on t counts back from the end of what is left.
            ti.simt.block.sync()
            if end - 1 - thread >= begin:
                p = ids[end - 1 - thread] - c * n
                shared_ids[thread] = p
                stage(shared, thread, channels, c, p, c * color_stride + p, splats, colors)
            ti.simt.block.sync()
            count = ti.min(THREADS, end - begin)
            group = ti.max(0, end - last) // WARP * WARP
            while group < count:
                mask = patch_votes(shared, group + lane, count, low, high)
                while mask != 0:
                    t = group + first_vote(mask)
                    mask = mask & (mask - 1)
                    k = end - 1 - t
                    conic, mean2d = staged_conic(shared, t), staged_mean(shared, t)
                    opacity, cutoff, depth = shared[5, t], shared[6, t], shared[7, t]
                    dx = mean2d[0] - (x + 0.5)
                    sums = ti.Vector([0.0] * ti.static(record_size(channels, absgrad)))
                    s0, s1, s2, touched = 0.0, 0.0, 0.0, 0
                    for r in ti.static(range(PIXELS)):
                        dy = mean2d[1] - (top + r + 0.5)
                        sigma = 0.5 * (conic[0] * dx * dx + conic[2] * dy * dy) + conic[1] * dx * dy
                        if k < stop[r] and sigma >= 0 and sigma <= cutoff:
                            falloff = ti.exp(-sigma)
                            alpha = ti.min(ALPHA_MAX, opacity * falloff)
                            if alpha >= ALPHA_MIN:
                                touched = 1
                                share = 1.0 / (1.0 - alpha)
                                transmittance[r] *= share
                                weight = alpha * transmittance[r]
                                value = depth * depth_b[r]
                                sums[6] += weight * depth_b[r]
                                for j in ti.static(range(channels)):
                                    value += shared[SHARED + j, t] * bars[r, j]
                                    sums[MOMENTS + j] += weight * bars[r, j]
                                alpha_bar = transmittance[r] * value - behind[r] * share
                                behind[r] += weight * value
                                if opacity * falloff <= ALPHA_MAX:
                                    sigma_bar = -opacity * falloff * alpha_bar
                                    s0 += sigma_bar
                                    s1 += sigma_bar * dy
                                    s2 += sigma_bar * dy * dy
                                    if ti.static(absgrad):
                                        slope = sigma_bar * exponent_gradient(conic, ti.Vector([dx, dy]))
                                        for j in ti.static(range(2)):
                                            sums[MOMENTS + channels + j] += ti.abs(slope[j])
                    if any_lane(touched) != 0:
                        sums[0], sums[1], sums[2] = s0, s0 * dx, s1
                        sums[3], sums[4], sums[5] = s0 * dx * dx, s1 * dx, s2
                        mine = spread_sums(sums, lane, ti.static(record_size(channels, absgrad)))
                        if kept >= 0:
                            ti.atomic_add(records[c * n + shared_ids[t], kept], mine)
                group += WARP
            end -= THREADS
    # A thread owns a Gaussian, for the sake of colours that cameras share.
    for p in range(splats.shape[1]):
        for c in range(splats.shape[0]):
            _share_out(
                channels, absgrad, untouched, c, p, color_stride, records, splats, splats_bar, colors_bar, means2d_abs
            )


@ti.func
def _share_out(
    channels: ti.template(),
    absgrad: ti.template(),
    untouched: ti.template(),
    c,
    p,
    color_stride,
    records: ti.template(),
    splats: ti.template(),
    splats_bar: ti.template(),
    colors_bar: ti.template(),
    means2d_abs: ti.template(),
):
    """Add what its record says to the gradients of Gaussian ``p`` in camera ``c``; ``untouched``: they hold nothing."""
    i, opacity, opacity_bar = c * splats.shape[1] + p, splats[c, p, OPACITY], 0.0
    if opacity > 0:  # else it is in no list
        opacity_bar = -records[i, 0] / opacity
    mean2d_bar = exponent_gradient(conic_at(splats, c, p), ti.Vector([records[i, 1], records[i, 2]]))
    conic_bar = ti.Vector([0.5 * records[i, 3], records[i, 4], 0.5 * records[i, 5]])
    if ti.static(untouched):
        store_splat(splats_bar, c, p, mean2d_bar, records[i, 6], conic_bar, opacity_bar)
    else:
        add_to_splat(splats_bar, c, p, mean2d_bar, records[i, 6], conic_bar, opacity_bar)
    for j in ti.static(range(channels)):
        share = records[i, MOMENTS + j]
        if ti.static(not untouched) or (color_stride == 0 and c > 0):
            share += colors_bar[c * color_stride + p, j]
        colors_bar[c * color_stride + p, j] = share
    if ti.static(absgrad):
        for j in ti.static(range(2)):
            share = records[i, MOMENTS + channels + j]
            if ti.static(not untouched):
                share += means2d_abs[c, p, j]
            means2d_abs[c, p, j] = share
