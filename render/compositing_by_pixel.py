"""Compositing with one thread a pixel: for GPUs. A tile's pixels are neighbours in the launch.

Colours are summed in registers, CHANNELS_IN_REGISTERS at a time; more channels take more rounds over the tile's list.
The adjoint walks the list back to front and adds to each Gaussian's gradient with atomics.
"""

import taichi as ti

from kernels.launch import prepared
from render.blending import (
    EXPECTED,
    alpha_adjoint,
    blended_alpha,
    conic_at,
    cutoff_exponent,
    depth_channel,
    depth_channel_adjoint,
    falloff_exponent,
    locate_pixel,
    mean_at,
)
from render.constants import CHANNELS_IN_REGISTERS, CUTOFF_SLACK, TRANSMITTANCE_MIN


@prepared
@ti.kernel
def composite_by_pixel(
    means2d: ti.types.ndarray(ndim=3),
    conics: ti.types.ndarray(ndim=3),
    depths: ti.types.ndarray(ndim=2),
    opacities: ti.types.ndarray(ndim=2),
    colors: ti.types.ndarray(ndim=3),
    backgrounds: ti.types.ndarray(ndim=2),
    offsets: ti.types.ndarray(ndim=1),
    ids: ti.types.ndarray(ndim=1),
    image: ti.types.ndarray(ndim=4),
    alphas: ti.types.ndarray(ndim=3),
    depth_map: ti.types.ndarray(ndim=3),
    transmittances: ti.types.ndarray(ndim=3),
    stops: ti.types.ndarray(ndim=3),
    channels: ti.i32,
    depth_kind: ti.i32,
    color_stride: ti.i32,
    tile_size: ti.i32,
    columns: ti.i32,
    rows: ti.i32,
):
    for i in range(transmittances.shape[0] * rows * columns * tile_size * tile_size):
        at = locate_pixel(i, tile_size, columns, rows)
        tile, c, x, y = at[0], at[1], at[2], at[3]
        if x < transmittances.shape[2] and y < transmittances.shape[1]:
            pixel = ti.Vector([x + 0.5, y + 0.5])
            rounds = ti.max(1, (channels + CHANNELS_IN_REGISTERS - 1) // CHANNELS_IN_REGISTERS)
            for chunk in range(rounds):
                first = chunk * CHANNELS_IN_REGISTERS
                total = ti.Vector([0.0] * CHANNELS_IN_REGISTERS)
                transmittance, depth, stop = 1.0, 0.0, offsets[tile + 1]
                for k in range(offsets[tile], offsets[tile + 1]):
                    p = ids[k] - c * opacities.shape[1]
                    sigma = falloff_exponent(conic_at(conics, c, p), mean_at(means2d, c, p) - pixel)
                    if sigma >= 0 and sigma <= cutoff_exponent(opacities[c, p]) + CUTOFF_SLACK:
                        alpha = blended_alpha(sigma, opacities[c, p] * ti.exp(-sigma))
                        if alpha > 0:
                            after = transmittance * (1.0 - alpha)
                            if after <= TRANSMITTANCE_MIN:
                                stop = k
                                break
                            weight = alpha * transmittance
                            transmittance = after
                            depth += weight * depths[c, p]
                            for j in ti.static(range(CHANNELS_IN_REGISTERS)):
                                if first + j < channels:
                                    total[j] += weight * colors[c * color_stride, p, first + j]
                for j in ti.static(range(CHANNELS_IN_REGISTERS)):
                    if first + j < channels:
                        image[c, y, x, first + j] = total[j] + transmittance * backgrounds[c, first + j]
                if chunk == 0:
                    alphas[c, y, x] = 1.0 - transmittance
                    if depth_kind != 0:
                        image[c, y, x, channels] = depth_channel(depth_kind, depth, 1.0 - transmittance)
                    if depth_kind == EXPECTED:
                        depth_map[c, y, x] = depth
                    transmittances[c, y, x] = transmittance
                    stops[c, y, x] = stop


@prepared
@ti.kernel
def composite_by_pixel_grad(
    means2d: ti.types.ndarray(ndim=3),
    conics: ti.types.ndarray(ndim=3),
    depths: ti.types.ndarray(ndim=2),
    opacities: ti.types.ndarray(ndim=2),
    colors: ti.types.ndarray(ndim=3),
    backgrounds: ti.types.ndarray(ndim=2),
    offsets: ti.types.ndarray(ndim=1),
    ids: ti.types.ndarray(ndim=1),
    transmittances: ti.types.ndarray(ndim=3),
    stops: ti.types.ndarray(ndim=3),
    depth_map: ti.types.ndarray(ndim=3),
    image_bar: ti.types.ndarray(ndim=4),
    alphas_bar: ti.types.ndarray(ndim=3),
    means2d_bar: ti.types.ndarray(ndim=3),
    conics_bar: ti.types.ndarray(ndim=3),
    depths_bar: ti.types.ndarray(ndim=2),
    opacities_bar: ti.types.ndarray(ndim=2),
    colors_bar: ti.types.ndarray(ndim=3),
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
    for i in range(transmittances.shape[0] * rows * columns * tile_size * tile_size):
        at = locate_pixel(i, tile_size, columns, rows)
        tile, c, x, y = at[0], at[1], at[2], at[3]
        if x < transmittances.shape[2] and y < transmittances.shape[1]:
            pixel = ti.Vector([x + 0.5, y + 0.5])
            transmittance, behind = transmittances[c, y, x], -alphas_bar[c, y, x]
            for channel in range(channels):
                bar = image_bar[c, y, x, channel]
                behind += backgrounds[c, channel] * bar
                if background_wanted != 0:
                    backgrounds_bar[c, channel] += transmittance * bar
            depth_map_b = 0.0
            if depth_kind != 0:
                bar = image_bar[c, y, x, channels]
                bars = depth_channel_adjoint(depth_kind, bar, depth_map[c, y, x], 1.0 - transmittance)
                depth_map_b = bars[0]
                behind -= bars[1]
            behind *= transmittance
            count = stops[c, y, x] - offsets[tile]
            for step in range(count):
                k = stops[c, y, x] - 1 - step
                p = ids[k] - c * opacities.shape[1]
                conic, opacity, d = conic_at(conics, c, p), opacities[c, p], mean_at(means2d, c, p) - pixel
                sigma = falloff_exponent(conic, d)
                if sigma >= 0 and sigma <= cutoff_exponent(opacity) + CUTOFF_SLACK:
                    falloff = ti.exp(-sigma)
                    alpha = blended_alpha(sigma, opacity * falloff)
                    if alpha > 0:
                        share = 1.0 / (1.0 - alpha)
                        transmittance *= share
                        weight = alpha * transmittance
                        value = depths[c, p] * depth_map_b
                        for channel in range(channels):
                            bar = image_bar[c, y, x, channel]
                            value += colors[c * color_stride, p, channel] * bar
                            colors_bar[c * color_stride, p, channel] += weight * bar
                        alpha_bar = transmittance * value - behind * share
                        behind += weight * value
                        depths_bar[c, p] += weight * depth_map_b
                        mean2d_bar, conic_bar, opacity_bar = alpha_adjoint(conic, d, opacity, falloff, alpha_bar)
                        opacities_bar[c, p] += opacity_bar
                        for j in ti.static(range(2)):
                            means2d_bar[c, p, j] += mean2d_bar[j]
                            if absgrad != 0:
                                means2d_abs[c, p, j] += ti.abs(mean2d_bar[j])
                        for j in ti.static(range(3)):
                            conics_bar[c, p, j] += conic_bar[j]
