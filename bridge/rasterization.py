"""``rasterization``: 3D Gaussian Splatting with gsplat's names, shapes, defaults and meaning."""

from typing import Any

import torch
from torch import Tensor

from bridge.compositing import View, composite_checked
from bridge.contributions import median_depth
from bridge.normals import gaussian_normals
from bridge.projection import project_checked
from bridge.rasterization_checks import (
    OWNER,
    ValueCheck,
    check_cameras,
    check_choices,
    check_gaussians,
    check_memory,
    check_ranges,
    check_tensor,
    refuse,
    whole_pixels,
)
from bridge.rasterization_meta import make_meta
from bridge.spherical_harmonics import check_degree, view_colors
from configs.errors import InputError
from render.projection import ProjectionSettings

DEPTH_CHANNELS = {
    "RGB": "none",
    "D": "accumulated",
    "ED": "expected",
    "RGB+D": "accumulated",
    "RGB+ED": "expected",
}
"""What the last channel holds in each mode."""


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
    *,
    sh_rotations: Tensor | None = None,
    return_normals: bool = False,
    return_median_depth: bool = False,
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Draw N Gaussians in C cameras: the function of that name of gsplat 1.5.3, on CPU, CUDA and Vulkan.

    Differentiable in every float tensor, ``viewmats``, ``Ks`` and ``backgrounds`` included. The model is in
    render/projection.py and render/blending.py.

    Args:
        means: centres in the world [N, 3]. Unit: length.
        quats: rotations (w, x, y, z) of any length but 0 [N, 4]; unused if ``covars`` is given.
        scales: standard deviations along the rotated axes [N, 3], unit length; unused if ``covars`` is given.
        opacities: [N], in [0, 1].
        colors: [N, D], or [C, N, D] for a colour of its own in each camera; any D. With ``sh_degree``: coefficients of
            spherical harmonics [N, K, D] or [C, N, K, D], K at least (sh_degree + 1)²; the colour is
            max(sum + 0.5, 0) in the direction from the camera's centre to the Gaussian's.
        viewmats: world to camera [C, 4, 4], column vectors, OpenCV's axes (x right, y down, z forward).
        Ks: intrinsics [C, 3, 3], unit pixel (``ortho``: pixel per length); pixel (i, j) has its centre at
            (i + 0.5, j + 0.5).
        width, height: size of the images. Unit: pixel.
        near_plane, far_plane: Gaussians whose depth is outside are left out. Unit: length.
        radius_clip: Gaussians whose radii in the image are not larger are left out. Unit: pixel.
        eps2d: added to the variances in the image. Unit: pixel².
        tile_size: edge of the tiles, unit pixel; the image does not depend on it.
        backgrounds: colours behind the Gaussians [C, D]; None is black. Depth has none.
        render_mode: ``RGB``: the colours; ``D``: accumulated depth Σ w z; ``ED``: expected depth Σ w z / Σ w;
            ``RGB+D``, ``RGB+ED``: colours and depth, depth being the last channel.
        sh_degree: highest degree of the spherical harmonics used, 0 to 4; None: ``colors`` are colours.
        sh_rotations: not in gsplat: rotations [N, 3, 3] from the frame of each Gaussian's coefficients to the world.
            A body that turns by R keeps its appearance if they are R.
        absgrad: after backward, ``meta["means2d"].absgrad`` holds the summed absolute gradients.
        rasterize_mode: ``antialiased`` lowers the opacity by what ``eps2d`` added to the area.
        camera_model: ``pinhole``, ``ortho`` (x, y without perspective) or ``fisheye`` (equidistant); only the pinhole
            reads skew. ``ftheta`` is not supported.
        covars: covariances [N, 3, 3] instead of ``quats`` and ``scales``; only their symmetric part counts.
        packed, channel_chunk, segmented: accepted; they do not change the result.
        return_normals: not in gsplat: ``meta["normals"]`` [C, height, width, 3] are the Gaussians' shortest axes,
            turned to the camera, in the world's frame, weighted like colours; not normalised.
        return_median_depth: not in gsplat: ``meta["median_depths"]`` [C, height, width, 1], see ``median_depth``.

    Returns:
        render_colors [C, height, width, channels], render_alphas [C, height, width, 1], and ``meta`` with gsplat's
        names, always dense: ``means2d`` [C, N, 2] (``retain_grad`` works), ``radii`` int32 [C, N, 2], ``depths``
        [C, N], ``conics`` [C, N, 3], ``opacities`` [C, N], ``tiles_per_gauss`` [C, N], ``isect_offsets``,
        ``flatten_ids``, ``isect_ids`` (made when asked for), ``tile_width``, ``tile_height``, ``width``, ``height``,
        ``tile_size``, ``n_batches``, ``n_cameras``, and None for ``batch_ids``, ``camera_ids``, ``gaussian_ids``.
        ``pixel_contributions(meta)`` says which Gaussians a pixel sees and how visible each is.

    Raises:
        InputError: shapes, types, devices, values that are not finite, singular ``viewmats``, focal lengths that are
            not positive, quaternions of length 0, covariances that are not positive semi-definite, images or tile
            hits beyond memory or 32-bit indices (it says how much is needed).
        NotImplementedError: an argument that is not supported, by name.
    """
    refuse(
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
    check_choices(render_mode, rasterize_mode, camera_model)
    width, height, tile_size = whole_pixels(OWNER, width=width, height=height, tile_size=tile_size)
    near_plane, far_plane, radius_clip, eps2d = check_ranges(near_plane, far_plane, radius_clip, eps2d)
    n = check_gaussians(means, quats, scales, covars, opacities)
    cameras = check_cameras(viewmats, Ks, means)
    colors, backgrounds = _channels(render_mode, colors, backgrounds, sh_degree, sh_rotations, cameras, means)
    values = dict(means=means, opacities=opacities, covars=covars, colors=colors, backgrounds=backgrounds)
    shapes = dict(quats=None, scales=None) if covars is not None else dict(quats=quats, scales=scales)
    value_check = ValueCheck(dict(**values, **shapes, sh_rotations=sh_rotations, viewmats=viewmats, Ks=Ks))
    check_memory(cameras, n, height, width, colors, torch.is_grad_enabled())
    if covars is not None:
        quats = scales = None
    antialiased = rasterize_mode == "antialiased"
    settings = ProjectionSettings(width, height, near_plane, far_plane, radius_clip, eps2d, antialiased, camera_model)
    projected = project_checked(means, covars, opacities, viewmats, Ks, settings, quats, scales)
    if sh_degree is not None and "RGB" in render_mode:
        colors = view_colors(sh_degree, projected[0], means, viewmats, colors, sh_rotations)
    if return_normals:
        shape = {"covars": covars} if scales is None else {"quats": quats, "scales": scales}
        normals = gaussian_normals(means, viewmats, **shape, camera_model=camera_model)
        colors, backgrounds = _append_normals(colors, backgrounds, normals)
    view = View(width, height, tile_size, DEPTH_CHANNELS[render_mode], absgrad)
    try:
        image, alphas, *lists = composite_checked(projected, colors, backgrounds, view)
    except InputError:
        value_check.expect_right(wait=True)  # then that is why
        raise
    value_check.expect_right()
    meta = make_meta(projected, lists, width, height, tile_size)
    if return_normals:
        image, meta["normals"] = _split_normals(image, 0 if view.depth == "none" else 1)
    if return_median_depth:
        meta["median_depths"] = median_depth(meta)[..., None]
    return image, alphas, meta


def _append_normals(colors: Tensor, backgrounds: Tensor | None, normals: Tensor) -> tuple[Tensor, Tensor | None]:
    """Normals [C, N, 3] as three more channels, black behind."""
    colors = torch.cat([colors.expand(*normals.shape[:2], -1), normals], dim=-1)
    if backgrounds is not None:
        backgrounds = torch.cat([backgrounds, backgrounds.new_zeros(len(backgrounds), 3)], dim=-1)
    return colors, backgrounds


def _split_normals(image: Tensor, depths: int) -> tuple[Tensor, Tensor]:
    """The image without its normals, which lie before its ``depths`` channels of depth, and the normals."""
    last = image.shape[-1] - depths
    colors, normals, depth = image.split([last - 3, 3, depths], dim=-1)
    return (torch.cat([colors, depth], dim=-1) if depths else colors), normals


def _channels(
    render_mode: str,
    colors: Tensor,
    backgrounds: Tensor | None,
    sh_degree: int | None,
    sh_rotations: Tensor | None,
    cameras: int,
    means: Tensor,
) -> tuple[Tensor, Tensor | None]:
    """Colours [N, D] or [C, N, D], or coefficients [1, N, K, D] or [C, N, K, D], and backgrounds [C, D].

    No channels where only depth is drawn.
    """
    n = len(means)
    if "RGB" not in render_mode:
        return means.new_zeros(n, 0), None
    last: tuple[str, ...] = ("D",) if sh_degree is None else ("K", "D")
    per_camera = isinstance(colors, Tensor) and colors.ndim == 2 + len(last)
    check_tensor("colors", colors, (cameras, n, *last) if per_camera else (n, *last), means)
    if colors.shape[-1] == 0:
        raise InputError(f"{OWNER}: colors has no channels; expected at least 1")
    if sh_degree is not None:
        check_degree(OWNER, "sh_degree", sh_degree, colors.shape[-2])
    if sh_rotations is not None:
        check_tensor("sh_rotations", sh_rotations, (n, 3, 3), means)
    if backgrounds is not None:
        check_tensor("backgrounds", backgrounds, (cameras, colors.shape[-1]), means)
    return (colors if per_camera or sh_degree is None else colors[None]), backgrounds
