"""``rasterization``: 3D Gaussian Splatting with gsplat's names, shapes, defaults and meaning."""

from typing import Any

import torch
from torch import Tensor

from bridge.checks import expect_finite, expect_real, expect_shape
from bridge.compositing import composite_gaussians
from bridge.projection import covariances, project_gaussians
from configs.errors import InputError
from render.constants import EXPECTED_DEPTH_ALPHA_MIN
from render.projection import ProjectionSettings

OWNER = "rasterization"
RENDER_MODES = ("RGB", "D", "ED", "RGB+D", "RGB+ED")
RASTERIZE_MODES = ("classic", "antialiased")
CAMERA_MODELS = ("pinhole", "ortho", "fisheye", "ftheta")
SINGULAR_DETERMINANT = 1e-8
"""A rotation has determinant 1; a matrix with less than this flattens the world."""


def rasterization(
    means: Tensor,
    quats: Tensor | None,
    scales: Tensor | None,
    opacities: Tensor,
    colors: Tensor,
    viewmats: Tensor,
    Ks: Tensor,
    width: int,
    height: int,
    near_plane: float = 0.01,
    far_plane: float = 1e10,
    radius_clip: float = 0.0,
    eps2d: float = 0.3,
    sh_degree: int | None = None,
    packed: bool = True,
    tile_size: int = 16,
    backgrounds: Tensor | None = None,
    render_mode: str = "RGB",
    sparse_grad: bool = False,
    absgrad: bool = False,
    rasterize_mode: str = "classic",
    channel_chunk: int = 32,
    distributed: bool = False,
    camera_model: str = "pinhole",
    segmented: bool = False,
    covars: Tensor | None = None,
    with_ut: bool = False,
    with_eval3d: bool = False,
    radial_coeffs: Tensor | None = None,
    tangential_coeffs: Tensor | None = None,
    thin_prism_coeffs: Tensor | None = None,
    ftheta_coeffs: Any = None,
    rolling_shutter: Any = None,
    viewmats_rs: Tensor | None = None,
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Draw N Gaussians in C cameras: the function of that name of gsplat 1.5.3, on CPU, CUDA and Vulkan.

    Differentiable in every float tensor, ``viewmats``, ``Ks`` and ``backgrounds`` included. The model is in
    render/projection.py and render/blending.py.

    Args:
        means: centres in the world [N, 3]. Unit: length.
        quats: rotations (w, x, y, z) of any length but 0 [N, 4]; unused if ``covars`` is given.
        scales: standard deviations along the rotated axes [N, 3], unit length; unused if ``covars`` is given.
        opacities: [N], in [0, 1].
        colors: [N, D], or [C, N, D] for a colour of its own in each camera; any D.
        viewmats: world to camera [C, 4, 4], column vectors, OpenCV's axes (x right, y down, z forward).
        Ks: pinhole intrinsics [C, 3, 3], unit pixel; pixel (i, j) has its centre at (i + 0.5, j + 0.5).
        width, height: size of the images. Unit: pixel.
        near_plane, far_plane: Gaussians whose depth is outside are left out. Unit: length.
        radius_clip: Gaussians whose radii in the image are not larger are left out. Unit: pixel.
        eps2d: added to the variances in the image. Unit: pixel².
        tile_size: edge of the tiles, unit pixel; the image does not depend on it.
        backgrounds: colours behind the Gaussians [C, D]; None is black. Depth has none.
        render_mode: ``RGB``: the colours; ``D``: accumulated depth Σ w z; ``ED``: expected depth Σ w z / Σ w;
            ``RGB+D``, ``RGB+ED``: colours and depth, depth being the last channel.
        absgrad: after backward, ``meta["means2d"].absgrad`` holds the summed absolute gradients.
        rasterize_mode: ``antialiased`` lowers the opacity by what ``eps2d`` added to the area.
        covars: covariances [N, 3, 3] instead of ``quats`` and ``scales``; only their symmetric part counts.
        packed, channel_chunk, segmented: accepted; they do not change the result.

    Returns:
        render_colors [C, height, width, channels], render_alphas [C, height, width, 1], and ``meta`` with gsplat's
        names, always dense: ``means2d`` [C, N, 2] (``retain_grad`` works), ``radii`` int32 [C, N, 2], ``depths``
        [C, N], ``conics`` [C, N, 3], ``opacities`` [C, N], ``tiles_per_gauss`` [C, N], ``isect_offsets``,
        ``flatten_ids``, ``tile_width``, ``tile_height``, ``width``, ``height``, ``tile_size``, ``n_cameras``, and
        None for ``camera_ids`` and ``gaussian_ids``.

    Raises:
        InputError: shapes, types, devices, values that are not finite, singular ``viewmats``, focal lengths that are
            not positive, quaternions of length 0, sizes beyond 32-bit indices.
        NotImplementedError: an argument that is not supported, by name.
    """
    _refuse(
        sh_degree=sh_degree,
        sparse_grad=sparse_grad,
        distributed=distributed,
        with_ut=with_ut,
        with_eval3d=with_eval3d,
        radial_coeffs=radial_coeffs,
        tangential_coeffs=tangential_coeffs,
        thin_prism_coeffs=thin_prism_coeffs,
        ftheta_coeffs=ftheta_coeffs,
        rolling_shutter=None if getattr(rolling_shutter, "name", None) == "GLOBAL" else rolling_shutter,
        viewmats_rs=viewmats_rs,
    )
    _check_choices(render_mode, rasterize_mode, camera_model)
    width, height, tile_size = _whole_pixels(width=width, height=height, tile_size=tile_size)
    _check_ranges(near_plane, far_plane, radius_clip, eps2d)
    n = _check_gaussians(means, quats, scales, covars, opacities)
    cameras = _check_cameras(viewmats, Ks, means)
    colors, backgrounds = _channels(render_mode, colors, backgrounds, cameras, means)
    _check_memory(cameras, n, height, width, colors.shape[-1])
    if covars is None:
        covars = covariances(quats, scales)  # type: ignore[arg-type]  # checked above
    antialiased = rasterize_mode == "antialiased"
    settings = ProjectionSettings(width, height, near_plane, far_plane, radius_clip, eps2d, antialiased)
    radii, means2d, depths, conics, opacities2d = project_gaussians(means, covars, opacities, viewmats, Ks, settings)
    drawn = composite_gaussians(
        radii, means2d, depths, conics, opacities2d, colors, backgrounds, width, height, tile_size, absgrad
    )
    alphas = drawn.alphas[..., None]
    meta = dict(
        camera_ids=None,
        gaussian_ids=None,
        radii=radii,
        means2d=means2d,
        depths=depths,
        conics=conics,
        opacities=opacities2d,
        tile_width=-(-width // tile_size),
        tile_height=-(-height // tile_size),
        tiles_per_gauss=drawn.tiles_per_gauss,
        isect_offsets=drawn.isect_offsets,
        flatten_ids=drawn.flatten_ids,
        width=width,
        height=height,
        tile_size=tile_size,
        n_cameras=cameras,
    )
    return _select(render_mode, drawn.colors, drawn.depths[..., None], alphas), alphas, meta


def _select(render_mode: str, colors: Tensor, depths: Tensor, alphas: Tensor) -> Tensor:
    """The channels that ``render_mode`` names."""
    if render_mode.endswith("ED"):
        depths = depths / alphas.clamp(min=EXPECTED_DEPTH_ALPHA_MIN)
    if render_mode == "RGB":
        return colors
    return torch.cat([colors, depths], dim=-1) if "RGB" in render_mode else depths


def _channels(
    render_mode: str, colors: Tensor, backgrounds: Tensor | None, cameras: int, means: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Colours [1, N, D] or [C, N, D] and backgrounds [C, D]; no channels where only depth is drawn."""
    n = len(means)
    if "RGB" not in render_mode:
        return means.new_zeros(1, n, 0), None
    per_camera = isinstance(colors, Tensor) and colors.ndim == 3
    _check_tensor("colors", colors, (cameras, n, "D") if per_camera else (n, "D"), means)
    if colors.shape[-1] == 0:
        raise InputError(f"{OWNER}: colors has no channels; expected at least 1")
    if backgrounds is not None:
        _check_tensor("backgrounds", backgrounds, (cameras, colors.shape[-1]), means)
    return (colors if per_camera else colors[None]), backgrounds


def _refuse(**arguments) -> None:
    for name, value in arguments.items():
        if value is not None and value is not False:
            raise NotImplementedError(f"{OWNER}: {name} is not supported yet; expected its default")


def _check_choices(render_mode: str, rasterize_mode: str, camera_model: str) -> None:
    for name, value, choices in (
        ("render_mode", render_mode, RENDER_MODES),
        ("rasterize_mode", rasterize_mode, RASTERIZE_MODES),
        ("camera_model", camera_model, CAMERA_MODELS),
    ):
        if value not in choices:
            raise InputError(f"{OWNER}: {name} is {value!r}; expected one of {', '.join(choices)}")
    if camera_model != "pinhole":
        raise NotImplementedError(f"{OWNER}: camera_model={camera_model!r} is not supported yet; expected 'pinhole'")


def _whole_pixels(**sizes) -> list[int]:
    for name, value in sizes.items():
        if isinstance(value, bool) or int(value) != value or value < 1:
            raise InputError(f"{OWNER}: {name} is {value}; expected a positive whole number of pixels")
    return [int(value) for value in sizes.values()]


def _check_ranges(near_plane: float, far_plane: float, radius_clip: float, eps2d: float) -> None:
    if not 0 <= near_plane < far_plane:
        raise InputError(f"{OWNER}: near_plane is {near_plane}, far_plane {far_plane}; expected 0 <= near < far")
    for name, value in (("radius_clip", radius_clip), ("eps2d", eps2d)):
        if not 0 <= value < float("inf"):
            raise InputError(f"{OWNER}: {name} is {value}; expected a number of at least 0")


def _check_tensor(name: str, tensor: Tensor, shape: tuple[int | str, ...], like: Tensor) -> None:
    expect_shape(OWNER, name, tensor, shape)
    expect_real(OWNER, name, tensor)
    if tensor.device != like.device:
        raise InputError(f"{OWNER}: {name} is on {tensor.device}, means on {like.device}; expected one device")
    expect_finite(OWNER, name, tensor)


def _check_gaussians(means, quats, scales, covars, opacities) -> int:
    """Check the Gaussians; their number."""
    _check_tensor("means", means, ("N", 3), means)
    n = len(means)
    _check_tensor("opacities", opacities, (n,), means)
    if covars is not None:
        _check_tensor("covars", covars, (n, 3, 3), means)
        return n
    _check_tensor("quats", quats, (n, 4), means)
    _check_tensor("scales", scales, (n, 3), means)
    empty = (quats.detach() == 0).all(dim=1)
    if empty.any():
        raise InputError(f"{OWNER}: quats[{int(empty.nonzero()[0])}] has length 0; expected a rotation (w, x, y, z)")
    return n


def _check_cameras(viewmats: Tensor, Ks: Tensor, means: Tensor) -> int:
    """Check the cameras; their number."""
    _check_tensor("viewmats", viewmats, ("C", 4, 4), means)
    _check_tensor("Ks", Ks, (len(viewmats), 3, 3), means)
    if not len(viewmats):
        raise InputError(f"{OWNER}: viewmats has no cameras; expected at least 1")
    v, k = viewmats.detach().cpu(), Ks.detach().cpu()
    for c in range(len(v)):
        if (v[c, 3] - v.new_tensor([0, 0, 0, 1])).abs().max() > 1e-4:
            raise InputError(
                f"{OWNER}: viewmats[{c}] ends with the row {v[c, 3].tolist()}; expected 0, 0, 0, 1 "
                "(world to camera, column vectors: transpose a row-vector matrix)"
            )
        if torch.linalg.det(v[c, :3, :3]).abs() < SINGULAR_DETERMINANT:
            raise InputError(f"{OWNER}: viewmats[{c}] is singular; expected a rotation and a translation")
        if not (k[c, 0, 0] > 0 and k[c, 1, 1] > 0):
            focal = (float(k[c, 0, 0]), float(k[c, 1, 1]))
            raise InputError(f"{OWNER}: Ks[{c}] has focal lengths {focal}; expected positive pixels")
    return len(v)


def _check_memory(cameras: int, n: int, height: int, width: int, channels: int) -> None:
    """Arrays are indexed by int32."""
    largest = max(cameras * height * width * max(channels, 2), cameras * n * 3, n * max(channels, 9))
    if largest >= 2**31:
        raise InputError(
            f"{OWNER}: an array of {largest} numbers is needed ({cameras} cameras, {height}×{width} pixels, {n} "
            f"Gaussians, {channels} channels); expected fewer than 2147483648: draw fewer cameras at a time"
        )
