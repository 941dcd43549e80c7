"""Compositing with one thread a tile: for the CPU, where a tile's pixels stay in a core's cache.

A thread takes the Gaussians of its tile in order and visits, row by row, just the pixels that each of them covers.
The state of the pixels (transmittance, colour) lives in the output arrays.
"""

import taichi as ti

from kernels.arrays import TURNS_OF_A_CPU_THREAD, heavy_block_dim
from kernels.launch import prepared
from render.blending import (
    ACCUMULATED_DEPTH,
    EXPECTED,
    TRANSMITTANCE,
    blended_alpha,
    cutoff_exponent,
    depth_channel,
    falloff_exponent,
)
from render.constants import CUTOFF_SLACK, SPAN_SLACK, TRANSMITTANCE_MIN
from render.splats import DEPTH, OPACITY, conic_at, mean_at


@ti.func
def turns_of_a_tile(tiles):
    """Turns of the loop over tiles that each of them takes (kernels.arrays)."""
    turns = 1
    if tiles < TURNS_OF_A_CPU_THREAD * TURNS_OF_A_CPU_THREAD:
        turns = TURNS_OF_A_CPU_THREAD
    return turns


@ti.func
def spread_tiles(i, tiles):
    """The i-th of all tiles in an order that gives each thread, whose turns are neighbours, tiles all over the image.

    The tiles laid out in rows of ``stride`` and taken column by column.
    """
    stride = ti.cast(ti.ceil(ti.sqrt(ti.cast(tiles, float))), ti.i32)
    full, rest = tiles // stride, tiles % stride
    # The first ``rest`` columns have one tile more.
    long = rest * (full + 1)
    column, row = i // (full + 1), i % (full + 1)
    if i >= long:
        column, row = rest + (i - long) // ti.max(full, 1), (i - long) % ti.max(full, 1)
    return row * stride + column


@ti.func
def tile_pixels(tile, tile_size, columns, rows, width, height):
    """Camera, first and last column (exclusive), first and last row (exclusive) of a tile."""
    x = tile % columns * tile_size
    y = tile // columns % rows * tile_size
    return ti.Vector([tile // (columns * rows), x, ti.min(x + tile_size, width), y, ti.min(y + tile_size, height)])


@ti.func
def pixel_interval(centre, half, first, last):
    """Pixels of [first, last) whose centres lie within ``half`` of ``centre``: first and last (exclusive)."""
    low = ti.max(ti.ceil(centre - half - 0.5), ti.cast(first, float))
    high = ti.min(ti.floor(centre + half + 0.5), ti.cast(last, float))
    return ti.Vector([ti.cast(ti.min(low, ti.cast(last, float)), ti.i32), ti.cast(ti.max(high, 0.0), ti.i32)])


@ti.func
def row_span(mean2d, conic, cutoff, y, first, last):
    """Pixels of row ``y`` inside the ellipse sigma <= cutoff: the roots of a quadratic in dx, slightly widened."""
    dy = mean2d[1] - (y + 0.5)
    bound = 2.0 * (cutoff + CUTOFF_SLACK) + SPAN_SLACK * conic[2] * dy * dy
    b = conic[1] * dy
    discriminant = b * b - conic[0] * (conic[2] * dy * dy - bound)
    span = ti.Vector([0, 0])
    if discriminant >= 0:
        span = pixel_interval(mean2d[0] + b / conic[0], ti.sqrt(discriminant) / conic[0], first, last)
    return span


@ti.func
def _clear_tile(
    area,
    end,
    channels,
    depth_kind,
    image: ti.template(),
    pixels: ti.template(),
    stops: ti.template(),
):
    """Before the first Gaussian: nothing seen, every pixel open (its stop is the list's end)."""
    c = area[0]
    for y in range(area[3], area[4]):
        for x in range(area[1], area[2]):
            pixels[c, y, x, TRANSMITTANCE] = 1.0
            stops[c, y, x] = end
            for channel in range(channels):
                image[c, y, x, channel] = 0.0
            if depth_kind != 0:
                image[c, y, x, channels] = 0.0


@ti.func
def _finish_tile(
    area,
    channels,
    depth_kind,
    backgrounds: ti.template(),
    image: ti.template(),
    alphas: ti.template(),
    pixels: ti.template(),
):
    """After the last Gaussian: what light is left comes from the background; the depth channel."""
    c = area[0]
    for y in range(area[3], area[4]):
        for x in range(area[1], area[2]):
            transmittance = pixels[c, y, x, TRANSMITTANCE]
            alphas[c, y, x, 0] = 1.0 - transmittance
            for channel in range(channels):
                image[c, y, x, channel] = image[c, y, x, channel] + transmittance * backgrounds[c, channel]
            if depth_kind == EXPECTED:
                depth = image[c, y, x, channels]
                pixels[c, y, x, ACCUMULATED_DEPTH] = depth
                image[c, y, x, channels] = depth_channel(depth_kind, depth, 1.0 - transmittance)


@prepared
@ti.kernel
def composite_by_tile(
    splats: ti.types.ndarray(ndim=3),
    radii: ti.types.ndarray(ndim=3),
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
    ti.loop_config(block_dim=ti.static(heavy_block_dim()))
    tiles = pixels.shape[0] * rows * columns
    turns = turns_of_a_tile(tiles)
    for turn in range(tiles * turns):
        if turn % turns != 0:
            continue
        tile = spread_tiles(turn // turns, tiles)
        area = tile_pixels(tile, tile_size, columns, rows, pixels.shape[2], pixels.shape[1])
        c = area[0]
        begin, end = offsets[tile], offsets[tile + 1]
        _clear_tile(area, end, channels, depth_kind, image, pixels, stops)
        open_pixels = (area[2] - area[1]) * (area[4] - area[3])
        k = begin
        while k < end and open_pixels > 0:
            p = ids[k] - c * splats.shape[1]
            mean2d, conic = mean_at(splats, c, p), conic_at(splats, c, p)
            opacity, depth = splats[c, p, OPACITY], splats[c, p, DEPTH]
            cutoff = cutoff_exponent(opacity)
            y_span = pixel_interval(mean2d[1], ti.cast(radii[c, p, 1], float), area[3], area[4])
            for y in range(y_span[0], y_span[1]):
                x_span = row_span(mean2d, conic, cutoff, y, area[1], area[2])
                for x in range(x_span[0], x_span[1]):
                    if stops[c, y, x] == end:
                        sigma = falloff_exponent(conic, mean2d - ti.Vector([x + 0.5, y + 0.5]))
                        alpha = blended_alpha(sigma, opacity * ti.exp(-sigma))
                        if alpha > 0:
                            transmittance = pixels[c, y, x, TRANSMITTANCE]
                            after = transmittance * (1.0 - alpha)
                            if after <= TRANSMITTANCE_MIN:
                                stops[c, y, x] = k
                                open_pixels -= 1
                            else:
                                weight = alpha * transmittance
                                pixels[c, y, x, TRANSMITTANCE] = after
                                if depth_kind != 0:
                                    image[c, y, x, channels] = image[c, y, x, channels] + weight * depth
                                for channel in range(channels):
                                    color = colors[c * color_stride + p, channel]
                                    image[c, y, x, channel] = image[c, y, x, channel] + weight * color
            k += 1
        _finish_tile(area, channels, depth_kind, backgrounds, image, alphas, pixels)
