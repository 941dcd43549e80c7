"""The adjoint of render/compositing_by_tile.py, for the CPU: render/compositing.py has its equations.

A thread goes through its tile's list back to front. What a Gaussian gets from the tile is added up in registers, and
for its colours in the tile's row of a scratch array, and then added to the gradients, which tiles share.
"""

import taichi as ti

from kernels.arrays import heavy_block_dim
from kernels.launch import prepared
from render.blending import (
    TRANSMITTANCE,
    alpha_adjoint,
    blended_alpha,
    cutoff_exponent,
    depth_channel_adjoint,
    falloff_exponent,
)
from render.compositing_by_tile import pixel_interval, row_span, spread_tiles, tile_pixels, turns_of_a_tile
from render.splats import DEPTH, OPACITY, add_to_splat, conic_at, mean_at


@ti.func
def _last_stop(area, begin, stops: ti.template()):
    """Entry of the list from which on nothing reaches any pixel of the tile."""
    end = begin
    for y in range(area[3], area[4]):
        for x in range(area[1], area[2]):
            end = ti.max(end, stops[area[0], y, x])
    return end


@ti.func
def _background_adjoint(
    tile,
    area,
    channels,
    depth_kind,
    backgrounds: ti.template(),
    pixels: ti.template(),
    image_bar: ti.template(),
    alphas_bar: ti.template(),
    backgrounds_bar: ti.template(),
    background_wanted,
    running: ti.template(),
    color_sums: ti.template(),
):
    """The background's gradient; each pixel's transmittance and ``behind`` at the end of its list, depth_bar."""
    c = area[0]
    for channel in range(channels):
        color_sums[tile, channel] = 0.0
    for y in range(area[3], area[4]):
        for x in range(area[1], area[2]):
            transmittance = pixels[c, y, x, TRANSMITTANCE]
            behind = -alphas_bar[c, y, x, 0]
            for channel in range(channels):
                bar = image_bar[c, y, x, channel]
                behind += backgrounds[c, channel] * bar
                color_sums[tile, channel] = color_sums[tile, channel] + transmittance * bar
            depth_bar = 0.0
            if depth_kind != 0:
                bar = image_bar[c, y, x, channels]
                bars = depth_channel_adjoint(depth_kind, bar, pixels, c, y, x)
                depth_bar = bars[0]
                behind -= bars[1]
            running[c, y, x, 0] = transmittance
            running[c, y, x, 1] = transmittance * behind
            running[c, y, x, 2] = depth_bar
    if background_wanted != 0:
        for channel in range(channels):
            backgrounds_bar[c, channel] += color_sums[tile, channel]


@prepared
@ti.kernel
def composite_by_tile_grad(
    splats: ti.types.ndarray(ndim=3),
    radii: ti.types.ndarray(ndim=3),
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
    running: ti.types.ndarray(ndim=4),
    color_sums: ti.types.ndarray(ndim=2),
    channels: ti.i32,
    depth_kind: ti.i32,
    color_stride: ti.i32,
    tile_size: ti.i32,
    columns: ti.i32,
    rows: ti.i32,
    absgrad: ti.i32,
    background_wanted: ti.i32,
):
    ti.loop_config(block_dim=ti.static(heavy_block_dim()))
    tiles = pixels.shape[0] * rows * columns
    turns = turns_of_a_tile(tiles)
    for turn in range(tiles * turns):
        if turn % turns != 0:
            continue
        tile = spread_tiles(turn // turns, tiles)
        area = tile_pixels(tile, tile_size, columns, rows, pixels.shape[2], pixels.shape[1])
        c = area[0]
        begin = offsets[tile]
        end = _last_stop(area, begin, stops)
        _background_adjoint(
            tile,
            area,
            channels,
            depth_kind,
            backgrounds,
            pixels,
            image_bar,
            alphas_bar,
            backgrounds_bar,
            background_wanted,
            running,
            color_sums,
        )
        for step in range(end - begin):
            k = end - 1 - step
            p = ids[k] - c * splats.shape[1]
            mean2d, conic = mean_at(splats, c, p), conic_at(splats, c, p)
            opacity, depth = splats[c, p, OPACITY], splats[c, p, DEPTH]
            cutoff = cutoff_exponent(opacity)
            mean2d_bar, mean2d_abs = ti.Vector([0.0, 0.0]), ti.Vector([0.0, 0.0])
            conic_bar, depth_bar, opacity_bar = ti.Vector([0.0, 0.0, 0.0]), 0.0, 0.0
            for channel in range(channels):
                color_sums[tile, channel] = 0.0
            y_span = pixel_interval(mean2d[1], ti.cast(radii[c, p, 1], float), area[3], area[4])
            for y in range(y_span[0], y_span[1]):
                x_span = row_span(mean2d, conic, cutoff, y, area[1], area[2])
                for x in range(x_span[0], x_span[1]):
                    if k < stops[c, y, x]:
                        d = mean2d - ti.Vector([x + 0.5, y + 0.5])
                        sigma = falloff_exponent(conic, d)
                        falloff = ti.exp(-sigma)
                        alpha = blended_alpha(sigma, opacity * falloff)
                        if alpha > 0:
                            share = 1.0 / (1.0 - alpha)
                            transmittance = running[c, y, x, 0] * share
                            weight = alpha * transmittance
                            shown_depth_bar = running[c, y, x, 2]
                            value = depth * shown_depth_bar
                            for channel in range(channels):
                                bar = image_bar[c, y, x, channel]
                                value += colors[c * color_stride + p, channel] * bar
                                color_sums[tile, channel] = color_sums[tile, channel] + weight * bar
                            behind = running[c, y, x, 1]
                            alpha_bar = transmittance * value - behind * share
                            running[c, y, x, 0] = transmittance
                            running[c, y, x, 1] = behind + weight * value
                            depth_bar += weight * shown_depth_bar
                            shares = alpha_adjoint(conic, d, opacity, falloff, alpha_bar)
                            mean2d_bar += shares[0]
                            mean2d_abs += ti.abs(shares[0])
                            conic_bar += shares[1]
                            opacity_bar += shares[2]
            add_to_splat(splats_bar, c, p, mean2d_bar, depth_bar, conic_bar, opacity_bar)
            if absgrad != 0:
                for i in ti.static(range(2)):
                    means2d_abs[c, p, i] += mean2d_abs[i]
            for channel in range(channels):
                colors_bar[c * color_stride + p, channel] += color_sums[tile, channel]
