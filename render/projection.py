"""Projection of 3D Gaussians to the image plane: buffers and forward pass.

For each camera c and Gaussian n, with world-to-camera rotation W and translation t:

    p = W μ + t                     u = K (x/z, y/z, 1)                    depth = z
    Σ2 = J W Σ Wᵀ Jᵀ + eps2d I      conic = Σ2⁻¹

J is the Jacobian of the pinhole projection at p (Zwicker et al., "EWA splatting", 2002, eq. 29), taken no
further outside the image than the guard band: J02 = -(clamp(u) - cx) / z. As in gsplat's reference, skew in K moves
the centres and is left out of J. Antialiased, the opacity is multiplied by
sqrt(det(Σ2 - eps2d I) / det Σ2) (Yu et al., "Mip-Splatting", CVPR 2024). OpenCV's cameras: x right, y down, z forward.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import taichi as ti

from kernels.arrays import int_scratch_array, real_array, scratch_array
from kernels.launch import prepared
from kernels.linalg import load_mat3, load_vec3, symmetric_part
from kernels.sort import MAX_INT
from render.binning import count_tiles, depth_key, tile_grid
from render.camera_models import CAMERA_MODELS, jacobian_rows, pixel_at
from render.constants import ALPHA_MIN, EXTENT_MAX, MAX_RADIUS
from render.covariance import covariance_root
from render.pinhole import focal, image_axes, principal, rotation, translation
from render.splats import NUMBERS, store_splat
from render.value_checks import camera_is_sound, gaussian_is_sound, row_is_finite


@dataclass(frozen=True)
class ProjectionSettings:
    """What the projection does besides its arrays; names and defaults are gsplat's."""

    width: int
    """Image width. Unit: pixel."""
    height: int
    """Image height. Unit: pixel."""
    near_plane: float = 0.01
    """Gaussians nearer than this are left out; so is everything behind the camera. Unit: length."""
    far_plane: float = 1e10
    """Gaussians farther than this are left out. Unit: length."""
    radius_clip: float = 0.0
    """Gaussians whose radii are not larger than this are left out. Unit: pixel."""
    eps2d: float = 0.3
    """Added to both variances of the projected Gaussian, so that it covers a pixel. Unit: pixel²."""
    antialiased: bool = False
    """Lower the opacity by what ``eps2d`` added to the area."""
    camera_model: str = "pinhole"
    """``pinhole``, ``ortho`` or ``fisheye``."""


class Projection:
    """Arrays of one evaluation: ``n`` Gaussians seen by ``cameras`` cameras.

    Args:
        by_axes: whether the Gaussians are given by ``quats`` and ``scales`` (render/covariance.py), not ``covars``.
        camera_grad: whether the adjoint adds to the gradients of ``viewmats`` and ``Ks``.
        inputs: arrays to read instead of new ones: means, quats and scales or covars, opacities, viewmats, Ks.
        tile_size: also count the tiles of this size, unit pixel, that each Gaussian meets; None: leave that to the
            tile lists.
        looked_at: colours, backgrounds and frames that are drawn with; their values and those of the inputs are then
            looked at too (render/value_checks.py). What is wrong meets tiles without end: MAX_INT.
    """

    def __init__(
        self,
        cameras: int,
        n: int,
        settings: ProjectionSettings,
        needs_grad: bool = True,
        camera_grad: bool = True,
        by_axes: bool = False,
        inputs: Sequence | None = None,
        tile_size: int | None = None,
        looked_at: Sequence | None = None,
    ):
        assert looked_at is None or tile_size is not None, "what is wrong is told by the tiles"
        self.by_axes = by_axes
        self.cameras, self.n, self.settings, self.camera_grad = cameras, n, settings, camera_grad
        self.tile_size, self.looked_at = tile_size, looked_at
        if inputs is None:
            self._make_inputs(needs_grad)
        else:
            self.means, *shapes, self.opacities, self.viewmats, self.Ks = inputs
            self.shapes = (*shapes, *shapes)[:2]
        self.radii = int_scratch_array(cameras, n, 2)
        """Half the box that holds all of a Gaussian that can be seen; 0 where it is left out. Unit: pixel."""
        self.splats = scratch_array(cameras, n, NUMBERS, needs_grad=needs_grad)
        """What the images show of each Gaussian, by the columns of render/splats.py: the centre, unit pixel; the depth
        z in the camera's frame, unit length; the conic, inverse of the 2D covariance, unit pixel⁻²; the opacity,
        lowered if antialiased."""
        self.counted = None
        """The tiles that each Gaussian meets [C, N] and its key of depth [C N], if there is a ``tile_size``."""
        if tile_size is not None:
            self.counted = int_scratch_array(cameras, n), int_scratch_array(cameras * n)

    def _make_inputs(self, needs_grad: bool) -> None:
        cameras, n = self.cameras, self.n
        self.means = real_array(n, 3, needs_grad=needs_grad)
        """Centres in the world. Unit: length."""
        if self.by_axes:
            self.quats = real_array(n, 4, needs_grad=needs_grad)
            """Rotations (w, x, y, z), of any length but 0."""
            self.scales = real_array(n, 3, needs_grad=needs_grad)
            """Standard deviations along the rotated axes. Unit: length."""
            self.shapes = (self.quats, self.scales)
            """What gives the Gaussians their shapes, as two arguments of the kernels."""
        else:
            self.covars = real_array(n, 3, 3, needs_grad=needs_grad)
            """Covariances in the world; only the symmetric part counts. Unit: length²."""
            self.shapes = (self.covars, self.covars)
        self.opacities = real_array(n, needs_grad=needs_grad)
        """In [0, 1]."""
        self.viewmats = real_array(cameras, 4, 4, needs_grad=needs_grad)
        """World to camera, column vectors."""
        self.Ks = real_array(cameras, 3, 3, needs_grad=needs_grad)
        """Pinhole intrinsics. Unit: pixel."""


@ti.ad.grad_replaced
def project(b: Projection) -> None:
    """``radii``, ``splats`` and ``counted`` from the rest; 0 for what is left out."""
    s = b.settings
    inputs = (b.means, *b.shapes, b.opacities, b.viewmats, b.Ks)
    # Arrays that are read anyway, or left alone, stand for those that there are not.
    looked_at, counted = b.looked_at or (b.Ks,) * 3, b.counted or (b.radii,) * 2
    limits = (s.width, s.height, s.near_plane, s.far_plane, s.radius_clip, s.eps2d, s.antialiased)
    tile_size = b.tile_size or 1
    kind = (CAMERA_MODELS.index(s.camera_model), b.by_axes, b.looked_at is not None, b.counted is not None)
    tiles = (*tile_grid(s.width, s.height, tile_size), tile_size)
    _project(*kind, b.cameras, b.n, *inputs, *looked_at, b.splats, b.radii, *counted, *limits, *tiles)


@ti.func
def image_covariance(by_axes: ti.template(), first: ti.template(), second: ti.template(), p, w, j0, j1):
    """xx, xy, yy of the covariance in the image before ``eps2d`` is added, and its determinant.

    With a root of Σ the determinant is a sum of squares (Cauchy and Binet): a needle's is exact to the last digits,
    where xx yy - xy² loses as many as the needle is long. ``first`` and ``second`` are the ``shapes`` of a projection.
    """
    image = ti.Vector([0.0, 0.0, 0.0, 0.0])
    if ti.static(by_axes):
        root = (w @ covariance_root(first, second, p)).transpose()
        m0, m1 = root @ j0, root @ j1
        image = ti.Vector([m0.dot(m0), m0.dot(m1), m1.dot(m1), m0.cross(m1).norm_sqr()])
    else:
        cov = w @ symmetric_part(load_mat3(first, p)) @ w.transpose()
        xx, xy, yy = j0.dot(cov @ j0), j0.dot(cov @ j1), j1.dot(cov @ j1)
        image = ti.Vector([xx, xy, yy, xx * yy - xy * xy])
    return image


@ti.func
def compensation(sharp, det):
    """The antialiasing factor from the determinants before and after ``eps2d`` is added."""
    return ti.sqrt(ti.max(sharp, 0.0) / det)


@ti.func
def pixel_radii(opacity, xx, yy):
    """Half-widths of the box beyond which alpha is below ALPHA_MIN, rounded up; 0 for a Gaussian below it anywhere."""
    radii = ti.Vector([0.0, 0.0])
    if opacity >= ALPHA_MIN:
        extent = ti.min(EXTENT_MAX, ti.sqrt(2.0 * ti.max(ti.log(opacity / ALPHA_MIN), 0.0)))
        radii = ti.ceil(extent * ti.sqrt(ti.Vector([xx, yy])))
    return radii


@ti.func
def in_image(mean2d, radii, width, height):
    """Whether the box around ``mean2d`` meets the image."""
    x, y = mean2d[0], mean2d[1]
    return x + radii[0] > 0 and x - radii[0] < width and y + radii[1] > 0 and y - radii[1] < height


@prepared
@ti.kernel
def _project(
    model: ti.template(),
    by_axes: ti.template(),
    looks: ti.template(),
    counts: ti.template(),
    cameras: ti.i32,
    n: ti.i32,
    means: ti.types.ndarray(ndim=2),
    first_shapes: ti.types.ndarray(),
    second_shapes: ti.types.ndarray(),
    opacities: ti.types.ndarray(ndim=1),
    viewmats: ti.types.ndarray(ndim=3),
    Ks: ti.types.ndarray(ndim=3),
    colors: ti.types.ndarray(),
    backgrounds: ti.types.ndarray(),
    frames: ti.types.ndarray(),
    splats: ti.types.ndarray(ndim=3),
    radii_out: ti.types.ndarray(ndim=3),
    tile_counts: ti.types.ndarray(),  # of one dimension more where it stands for none
    keys: ti.types.ndarray(),
    width: float,
    height: float,
    near_plane: float,
    far_plane: float,
    radius_clip: float,
    eps2d: float,
    antialiased: ti.i32,
    columns: ti.i32,
    rows: ti.i32,
    tile_size: ti.i32,
):
    for c, p in ti.ndrange(cameras, n):
        radii = ti.Vector([0.0, 0.0])
        mean2d, depth, conic, opacity = ti.Vector([0.0, 0.0]), 0.0, ti.Vector([0.0, 0.0, 0.0]), 0.0
        w = rotation(viewmats, c)
        centre = w @ load_vec3(means, p) + translation(viewmats, c)
        z = centre[2]
        if z > 0 and near_plane <= z <= far_plane:
            f, k = focal(Ks, c), principal(Ks, c)
            j0, j1 = jacobian_rows(model, centre, f, k, width, height)
            image = image_covariance(by_axes, first_shapes, second_shapes, p, w, j0, j1)
            xx, xy, yy, sharp = image[0], image[1], image[2], image[3]
            det = sharp + eps2d * (xx + yy + eps2d)
            if det > 0 and xx + eps2d > 0:
                visible = opacities[p]
                if antialiased != 0:
                    visible *= compensation(sharp, det)
                box = pixel_radii(visible, xx + eps2d, yy + eps2d)
                clipped = box[0] <= radius_clip and box[1] <= radius_clip
                pixel = pixel_at(model, centre, f, image_axes(Ks, c), k)
                if not clipped and in_image(pixel, box, width, height):
                    radii, mean2d, depth, opacity = box, pixel, z, visible
                    conic = ti.Vector([yy + eps2d, -xy, xx + eps2d]) / det
        for i in ti.static(range(2)):
            radii_out[c, p, i] = ti.cast(ti.min(radii[i], MAX_RADIUS), ti.i32)
        store_splat(splats, c, p, mean2d, depth, conic, opacity)
    if ti.static(counts):
        # From memory, like the tile lists later: the same numbers meet the same tiles.
        for c, p in ti.ndrange(cameras, n):
            sound = True
            if ti.static(looks):
                sound = gaussian_is_sound(by_axes, c, p, means, first_shapes, second_shapes, opacities)
                sound = sound and row_is_finite(colors, c * n + p) and row_is_finite(frames, c * n + p)
                if p == 0:
                    sound = sound and camera_is_sound(viewmats, Ks, c) and row_is_finite(backgrounds, c)
            count = MAX_INT
            if sound:
                count = count_tiles(True, splats, radii_out, c, p, columns, rows, tile_size)
            tile_counts[c, p] = count
            keys[c * n + p] = depth_key(splats, radii_out, c, p)
