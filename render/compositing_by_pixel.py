"""Compositing with one thread a pixel: for GPUs. A tile's pixels are neighbours in the launch.

Colours are summed in registers, CHANNELS_IN_REGISTERS at a time; more channels take more rounds over the tile's list.
The adjoint walks the list back to front and adds to each Gaussian's gradient with atomics.
"""

import taichi as ti

from kernels.launch import prepared
from render.blending import (
    ACCUMULATED_DEPTH,
    EXPECTED,
    TRANSMITTANCE,
    alpha_adjoint,
    blended_alpha,
    cutoff_exponent,
    depth_channel,
    depth_channel_adjoint,
    falloff_exponent,
    locate_pixel,
)
from render.constants import CHANNELS_IN_REGISTERS, CUTOFF_SLACK, TRANSMITTANCE_MIN
from render.splats import DEPTH, OPACITY, add_to_splat, conic_at, mean_at


@prepared
@ti.kernel
def composite_by_pixel(
    splats: ti.types.ndarray(ndim=3),
    colors: ti.types.ndarray(ndim=2),
    backgrounds: ti.types.ndarray(ndim=2),
    offsets: ti.types.ndarray(ndim=1),
    ids: ti.types.ndarray(ndim=1),
    image: ti.types.ndarray(ndim=4),
    alphas: ti.types.ndarray(ndim=4),
    pixels: ti.types.ndarray(ndim=4),
    stops: ti.types.ndarray(ndim=3),
    channels: ti.i32,
    depth_kind: ti.i32,
    color_stride: ti.i32,
    tile_size: ti.i32,
    columns: ti.i32,
    rows: ti.i32,
):
    for i in range(pixels.shape[0] * rows * columns * tile_size * tile_size):
        at = locate_pixel(i, tile_size, columns, rows)
        tile, c, x, y = at[0], at[1], at[2], at[3]
        if x < pixels.shape[2] and y < pixels.shape[1]:
            pixel = ti.Vector([x + 0.5, y + 0.5])
            rounds = ti.max(1, (channels + CHANNELS_IN_REGISTERS - 1) // CHANNELS_IN_REGISTERS)
            for chunk in range(rounds):
                first = chunk * CHANNELS_IN_REGISTERS
                total = ti.Vector([0.0] * CHANNELS_IN_REGISTERS)
                transmittance, depth, stop = 1.0, 0.0, offsets[tile + 1]
                for k in range(offsets[tile], offsets[tile + 1]):
                    p = ids[k] - c * splats.shape[1]
                    sigma = falloff_exponent(conic_at(splats, c, p), mean_at(splats, c, p) - pixel)
                    if sigma >= 0 and sigma <= cutoff_exponent(splats[c, p, OPACITY]) + CUTOFF_SLACK:
                        alpha = blended_alpha(sigma, splats[c, p, OPACITY] * ti.exp(-sigma))
                        if alpha > 0:
                            after = transmittance * (1.0 - alpha)
                            if after <= TRANSMITTANCE_MIN:
                                stop = k
                                break
                            weight = alpha * transmittance
                            transmittance = after
                            depth += weight * splats[c, p, DEPTH]
                            for j in ti.static(range(CHANNELS_IN_REGISTERS)):
                                if first + j < channels:
                                    total[j] += weight * colors[c * color_stride + p, first + j]
                for j in ti.static(range(CHANNELS_IN_REGISTERS)):
                    if first + j < channels:
                        image[c, y, x, first + j] = total[j] + transmittance * backgrounds[c, first + j]
                if chunk == 0:
                    alphas[c, y, x, 0] = 1.0 - transmittance
                    if depth_kind != 0:
                        image[c, y, x, channels] = depth_channel(depth_kind, depth, 1.0 - transmittance)
                    if depth_kind == EXPECTED:
                        pixels[c, y, x, ACCUMULATED_DEPTH] = depth
                    pixels[c, y, x, TRANSMITTANCE] = transmittance
                    stops[c, y, x] = stop


@prepared
@ti.kernel
def composite_by_pixel_grad(
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
    channels: ti.i32,
    depth_kind: ti.i32,
    color_stride: ti.i32,
    tile_size: ti.i32,
    columns: ti.i32,
    rows: ti.i32,
    absgrad: ti.i32,
    background_wanted: ti.i32,
):
    for i in range(pixels.shape[0] * rows * columns * tile_size * tile_size):
        at = locate_pixel(i, tile_size, columns, rows)
        tile, c, x, y = at[0], at[1], at[2], at[3]
        if x < pixels.shape[2] and y < pixels.shape[1]:
            pixel = ti.Vector([x + 0.5, y + 0.5])
            transmittance, behind = pixels[c, y, x, TRANSMITTANCE], -alphas_bar[c, y, x, 0]
            for channel in range(channels):
                bar = image_bar[c, y, x, channel]
                behind += backgrounds[c, channel] * bar
                if background_wanted != 0:
                    backgrounds_bar[c, channel] += transmittance * bar
            shown_depth_bar = 0.0
            if depth_kind != 0:
                bar = image_bar[c, y, x, channels]
                bars = depth_channel_adjoint(depth_kind, bar, pixels, c, y, x)
                shown_depth_bar = bars[0]
                behind -= bars[1]
            behind *= transmittance
            count = stops[c, y, x] - offsets[tile]
            for step in range(count):
                k = stops[c, y, x] - 1 - step
                p = ids[k] - c * splats.shape[1]
                conic, opacity, d = conic_at(splats, c, p), splats[c, p, OPACITY], mean_at(splats, c, p) - pixel
                sigma = falloff_exponent(conic, d)
                if sigma >= 0 and sigma <= cutoff_exponent(opacity) + CUTOFF_SLACK:
                    falloff = ti.exp(-sigma)
                    alpha = blended_alpha(sigma, opacity * falloff)
                    if alpha > 0:
                        share = 1.0 / (1.0 - alpha)
                        transmittance *= share
                        weight = alpha * transmittance
                        value = splats[c, p, DEPTH] * shown_depth_bar
                        for channel in range(channels):
                            bar = image_bar[c, y, x, channel]
                            value += colors[c * color_stride + p, channel] * bar
                            colors_bar[c * color_stride + p, channel] += weight * bar
                        alpha_bar = transmittance * value - behind * share
                        behind += weight * value
                        mean2d_bar, conic_bar, opacity_bar = alpha_adjoint(conic, d, opacity, falloff, alpha_bar)
                        depth_bar = weight * shown_depth_bar
                        add_to_splat(splats_bar, c, p, mean2d_bar, depth_bar, conic_bar, opacity_bar)
                        if absgrad != 0:
                            for j in ti.static(range(2)):
                                means2d_abs[c, p, j] += ti.abs(mean2d_bar[j])
