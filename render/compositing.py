"""Front-to-back compositing of projected Gaussians: buffers, forward pass and adjoint.

    image = Σ_i w_i c_i + T_end background        alpha = 1 - T_end        depth = Σ_i w_i z_i        w_i = alpha_i T_i

(Kerbl et al., SIGGRAPH 2023, eq. 3; render/blending.py has alpha_i.) The adjoint goes back to front, with v the
loss's derivative by the pixel's colour and T_i recovered by division:

    value_i   = c_i · v + z_i depth_bar
    alpha_bar = T_i value_i - behind_i / (1 - alpha_i),   behind_end = T_end (background · v - alpha_bar_out),
                                                          behind_{i-1} = behind_i + w_i value_i

One running number for each pixel, whatever the number of channels.
"""

import taichi as ti

from kernels.arrays import int_array, real_array, runs_on_cpu, scratch_array
from render.binning import Tiles, bin_gaussians
from render.compositing_by_pixel import composite_by_pixel, composite_by_pixel_grad
from render.compositing_by_tile import composite_by_tile, composite_by_tile_grad
from render.constants import TILE_SIZE
from render.projection import Projection


class Compositing:
    """Arrays of one evaluation. ``n`` Gaussians, ``channels`` colour channels, ``cameras`` images.

    Args:
        colors_per_camera: whether ``colors`` has a row for each camera or one for all.
        projection: share its outputs, so that a tape leads from the image to the world; else they are new arrays.
        absgrad: also sum the absolute gradients of ``means2d`` over the pixels.
        memory: bytes that the tile lists may take; more is an error. None: no limit.
        by_tile: one thread a tile instead of one a pixel; None chooses by the backend.
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
        projection: Projection | None = None,
        needs_grad: bool = True,
        absgrad: bool = False,
        memory: int | None = None,
        by_tile: bool | None = None,
    ):
        self.cameras, self.n, self.channels, self.width, self.height = cameras, n, channels, width, height
        self.tile_size, self.absgrad, self.memory = tile_size, absgrad, memory
        self.by_tile = runs_on_cpu() if by_tile is None else by_tile
        self.color_stride = int(colors_per_camera)
        self._take_or_make_inputs(projection, needs_grad)
        self.colors = real_array(cameras if colors_per_camera else 1, n, channels, needs_grad=needs_grad)
        """[C or 1, N, channels]."""
        self.backgrounds = real_array(cameras, channels, needs_grad=needs_grad)
        """Colour behind everything [C, channels]."""
        self.image = real_array(cameras, height, width, channels, needs_grad=needs_grad)
        self.alphas = real_array(cameras, height, width, needs_grad=needs_grad)
        self.depth_map = real_array(cameras, height, width, needs_grad=needs_grad)
        """Accumulated depth Σ w z. Unit: length."""
        self.transmittances = scratch_array(cameras, height, width)
        """T_end of each pixel."""
        self.stops = int_array(cameras, height, width)
        """Entry of the tile lists at which each pixel stopped (exclusive)."""
        self.tiles: Tiles
        """The tile lists, made by ``composite``."""
        self.means2d_abs = real_array(cameras, n, 2) if absgrad else real_array(1, 1, 2)
        """Σ over pixels of the absolute gradient of ``means2d``, made by ``composite_grad`` if ``absgrad``."""

    def _take_or_make_inputs(self, projection, needs_grad):
        cameras, n = self.cameras, self.n
        if projection is None:
            self.radii = int_array(cameras, n, 2)
            self.means2d = real_array(cameras, n, 2, needs_grad=needs_grad)
            self.depths = real_array(cameras, n, needs_grad=needs_grad)
            self.conics = real_array(cameras, n, 3, needs_grad=needs_grad)
            self.opacities2d = real_array(cameras, n, needs_grad=needs_grad)
        else:
            self.radii, self.means2d, self.depths = projection.radii, projection.means2d, projection.depths
            self.conics, self.opacities2d = projection.conics, projection.opacities2d


@ti.ad.grad_replaced
def composite(b: Compositing) -> None:
    """Make the tile lists, then ``image``, ``alphas`` and ``depth_map``."""
    b.tiles = bin_gaussians(b.means2d, b.radii, b.depths, b.cameras, b.n, b.width, b.height, b.tile_size, b.memory)
    gaussians = (b.means2d, b.conics, b.depths, b.opacities2d)
    rest = (b.colors, b.backgrounds, b.tiles.offsets, b.tiles.ids)
    outputs = (b.image, b.alphas, b.depth_map, b.transmittances, b.stops)
    if b.by_tile:
        composite_by_tile(*gaussians, b.radii, *rest, *outputs, *_sizes(b))
    else:
        composite_by_pixel(*gaussians, *rest, *outputs, *_sizes(b))


@ti.ad.grad_for(composite)
def composite_grad(b: Compositing) -> None:
    """Add to the gradients of ``means2d``, ``conics``, ``depths``, ``opacities2d``, ``colors``, ``backgrounds``."""
    gaussians = (b.means2d, b.conics, b.depths, b.opacities2d)
    rest = (b.colors, b.backgrounds, b.tiles.offsets, b.tiles.ids, b.transmittances, b.stops)
    outputs = (b.image.grad, b.alphas.grad, b.depth_map.grad)
    inputs = (*(array.grad for array in (*gaussians, b.colors, b.backgrounds)), b.means2d_abs)
    if b.by_tile:
        tiles = b.cameras * b.tiles.rows * b.tiles.columns
        scratch = (scratch_array(b.cameras, b.height, b.width, 2), scratch_array(tiles, b.channels))
        composite_by_tile_grad(*gaussians, b.radii, *rest, *outputs, *inputs, *scratch, *_sizes(b), b.absgrad)
    else:
        composite_by_pixel_grad(*gaussians, *rest, *outputs, *inputs, *_sizes(b), b.absgrad)


def _sizes(b: Compositing) -> tuple[int, ...]:
    return b.channels, b.color_stride, b.tile_size, b.tiles.columns, b.tiles.rows
