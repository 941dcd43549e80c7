"""Front-to-back compositing of projected Gaussians: buffers, forward pass and adjoint.

    image = Σ_i w_i c_i + T_end background        alpha = 1 - T_end        depth = Σ_i w_i z_i        w_i = alpha_i T_i

The image's last channel may hold the depth, or the expected depth / alpha.

(Kerbl et al., SIGGRAPH 2023, eq. 3; render/blending.py has alpha_i.) The adjoint goes back to front, with v the
loss's derivative by the pixel's colour and T_i recovered by division:

    value_i   = c_i · v + z_i depth_bar
    alpha_bar = T_i value_i - behind_i / (1 - alpha_i),   behind_end = T_end (background · v - alpha_bar_out),
                                                          behind_{i-1} = behind_i + w_i value_i

One running number for each pixel, whatever the number of channels.
"""

from collections.abc import Callable, Sequence

import taichi as ti

from kernels.arrays import (
    claim_untouched,
    int_array,
    int_scratch_array,
    real_array,
    real_dtype,
    runs_on_cpu,
    runs_on_cuda,
    scratch_array,
)
from render.binning import Tiles, bin_gaussians
from render.blending import DEPTHS
from render.compositing_by_block import composite_by_block
from render.compositing_by_block_adjoint import composite_by_block_grad, record_size
from render.compositing_by_pixel import composite_by_pixel, composite_by_pixel_grad
from render.compositing_by_tile import composite_by_tile
from render.compositing_by_tile_adjoint import composite_by_tile_grad
from render.constants import BLOCK_CHANNELS_MAX, TILE_SIZE
from render.projection import Projection
from render.splats import NUMBERS, Projected


class Compositing:
    """Arrays of one evaluation. ``n`` Gaussians, ``channels`` colour channels, ``cameras`` images.

    Args:
        colors_per_camera: whether ``colors`` has a row for each camera or one for all.
        projection: share its outputs, so that a tape leads from the image to the world; else they are new arrays.
            What it has counted must be tiles of the same size.
        inputs: arrays to read instead of new ones: colors, backgrounds.
        absgrad: also sum the absolute gradients of ``means2d`` over the pixels.
        available: says how many bytes the tile lists may take; more is an error. None: no limit.
        depth: the image's channel after the colours: ``none``, ``accumulated`` or ``expected``.
        background_grad: whether the adjoint adds to the gradient of ``backgrounds``.
        threads: what composites: a thread a ``tile``, one a ``pixel``, a ``block`` of threads a tile; None chooses.
    """

    def __init__(
        self,
        cameras: int,
        n: int,
        channels: int,
        width: int,
        height: int,
        *,
        tile_size: int = TILE_SIZE,
        colors_per_camera: bool = False,
        projection: Projection | Projected | None = None,
        inputs: Sequence | None = None,
        needs_grad: bool = True,
        absgrad: bool = False,
        available: Callable[[], int | None] = lambda: None,
        depth: str = "none",
        background_grad: bool = True,
        threads: str | None = None,
    ):
        self.cameras, self.n, self.channels, self.width, self.height = cameras, n, channels, width, height
        self.tile_size, self.absgrad, self.available = tile_size, absgrad, available
        self.background_grad, self.threads = background_grad, threads or best_threads(tile_size, channels)
        self.color_stride, self.depth_kind = n if colors_per_camera else 0, DEPTHS.index(depth)
        if projection is None:
            projection = Projected(int_array(cameras, n, 2), real_array(cameras, n, NUMBERS, needs_grad=needs_grad))
        self.radii, self.splats, self.counted = projection.radii, projection.splats, projection.counted
        if inputs is None:
            inputs = (
                real_array(cameras * n if colors_per_camera else n, channels, needs_grad=needs_grad),
                real_array(cameras, channels, needs_grad=needs_grad),
            )
        self.colors, self.backgrounds = inputs
        """[N, channels] or, camera by camera, [C N, channels]; what is behind everything [C, channels]."""
        self.image = scratch_array(cameras, height, width, channels + (depth != "none"), needs_grad=needs_grad)
        """[C, height, width, channels], and the depth if there is one, unit length."""
        self.alphas = scratch_array(cameras, height, width, 1, needs_grad=needs_grad)
        self.pixels = scratch_array(cameras, height, width, 2 if depth == "expected" else 1)
        """What the adjoint needs to know of each pixel (render/blending.py): T_end, and the accumulated depth if the
        image shows the expected one, unit length."""
        self.stops = int_scratch_array(cameras, height, width)
        """Entry of the tile lists from which on nothing reaches each pixel."""
        self.tiles: Tiles
        """The tile lists, made by ``composite``."""
        self.means2d_abs = real_array(cameras, n, 2) if absgrad and needs_grad else None
        """Σ over pixels of the absolute gradient of the centres, made by ``composite_grad`` if ``absgrad``."""


def best_threads(tile_size: int, channels: int) -> str:
    """Which kernels composite: on the CPU, on CUDA in float32, or anywhere."""
    if runs_on_cpu():
        return "tile"
    fits = tile_size == TILE_SIZE and channels <= BLOCK_CHANNELS_MAX and real_dtype() == ti.f32
    return "block" if fits and runs_on_cuda() else "pixel"


@ti.ad.grad_replaced
def composite(b: Compositing) -> None:
    """Make the tile lists, then ``image`` and ``alphas``."""
    size = (b.width, b.height, b.tile_size)
    b.tiles = bin_gaussians(b.splats, b.radii, b.cameras, b.n, *size, b.available, b.counted)
    inputs = (b.colors, b.backgrounds, b.tiles.offsets, b.tiles.ids)
    outputs = (b.image, b.alphas, b.pixels, b.stops)
    grid, kinds = (b.tiles.columns, b.tiles.rows), (b.depth_kind, b.color_stride)
    if b.threads == "tile":
        composite_by_tile(b.splats, b.radii, *inputs, *outputs, b.channels, *kinds, b.tile_size, *grid)
    elif b.threads == "pixel":
        composite_by_pixel(b.splats, *inputs, *outputs, b.channels, *kinds, b.tile_size, *grid)
    else:
        composite_by_block(b.channels, b.splats, *inputs, *outputs, *kinds, *grid)


@ti.ad.grad_for(composite)
def composite_grad(b: Compositing) -> None:
    """Add to the gradients of ``splats``, ``colors``, ``backgrounds``."""
    gradients = [b.splats.grad, b.colors.grad]
    if not b.background_grad:
        claim_untouched([b.backgrounds.grad])  # it is left alone
    # Where there are no absolute gradients, an array that is left alone stands in their place.
    absolute = b.splats.grad if b.means2d_abs is None else b.means2d_abs
    untouched = adjoint_overwrites(b) and claim_untouched([*gradients, absolute])
    composite_adjoint(b, (b.image.grad, b.alphas.grad), gradients, b.backgrounds.grad, absolute, untouched)


def adjoint_overwrites(b: Compositing) -> bool:
    """Whether the adjoint can start from gradients that hold arbitrary values."""
    return b.threads == "block"


def composite_adjoint(b: Compositing, bars, gradients, backgrounds_bar, means2d_abs, untouched: bool) -> None:
    """The same into arrays of the caller's.

    Args:
        bars: gradients of ``image`` and ``alphas``.
        gradients: of ``splats`` and ``colors``; ``untouched``: whatever they and ``means2d_abs`` hold, it is
            overwritten (see ``adjoint_overwrites``).
        backgrounds_bar: that of ``backgrounds``, which is added to, if ``b.background_grad``.
    """
    inputs = (b.colors, b.backgrounds, b.tiles.offsets, b.tiles.ids, b.pixels, b.stops)
    sums, grid = (*gradients, backgrounds_bar, means2d_abs), (b.tiles.columns, b.tiles.rows)
    sizes = (b.channels, b.depth_kind, b.color_stride, b.tile_size, *grid, b.absgrad, b.background_grad)
    if b.threads == "tile":
        tiles = b.cameras * b.tiles.rows * b.tiles.columns
        scratch = (scratch_array(b.cameras, b.height, b.width, 3), scratch_array(tiles, b.channels))
        composite_by_tile_grad(b.splats, b.radii, *inputs, *bars, *sums, *scratch, *sizes)
    elif b.threads == "pixel":
        composite_by_pixel_grad(b.splats, *inputs, *bars, *sums, *sizes)
    else:
        kind, (cameras, n, _) = (b.channels, b.absgrad, untouched), b.splats.shape  # n is 1 where there are none
        records = real_array(cameras * n, record_size(b.channels, b.absgrad))
        layout = (b.depth_kind, b.color_stride, *grid, b.background_grad)
        composite_by_block_grad(*kind, b.splats, *inputs, *bars, *sums, records, *layout)
