"""``rasterization``: 3D Gaussian Splatting with gsplat's names, shapes, defaults and meaning."""

from typing import Any

import torch
from torch import Tensor

from bridge.compositing import composite_checked
from bridge.contributions import median_depth
from bridge.normals import gaussian_normals
from bridge.projection import project_checked
from bridge.rasterization_checks import check_memory, check_tensors, check_values, read_options, refuse
from bridge.rasterization_meta import make_meta
from bridge.spherical_harmonics import view_colors
from configs.errors import InputError


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
    ranges = (near_plane, far_plane, radius_clip, eps2d)
    options = read_options(width, height, tile_size, *ranges, render_mode, rasterize_mode, camera_model, absgrad)
    settings, view, draws_colors = options
    if covars is not None:
        quats = scales = None
    if not draws_colors:
        backgrounds = sh_degree = sh_rotations = None
    tensors = dict(means=means, quats=quats, scales=scales, covars=covars, opacities=opacities)
    tensors |= dict(colors=colors if draws_colors else None, backgrounds=backgrounds, sh_rotations=sh_rotations)
    tensors |= dict(viewmats=viewmats, Ks=Ks)
    check_tensors(tensors, sh_degree)
    cameras, n = viewmats.shape[0], means.shape[0]
    if not draws_colors:
        colors = means.new_zeros(n, 0)
    check_memory(cameras, n, view, colors)
    if not n:
        check_values(tensors)
    rows = colors  # one a Gaussian, or a camera and Gaussian
    if colors.ndim > 2:
        rows = colors.detach().reshape(n if sh_degree is not None and colors.ndim == 3 else cameras * n, -1)

    def draw(looks: bool):
        """Projected Gaussians, image, alphas and tile lists; ``looks`` at the tensors' values too."""
        looked_at = (rows, backgrounds, sh_rotations) if looks else None
        shapes = (settings, quats, scales, view.tile_size, looked_at)
        projected, arrays = project_checked(means, covars, opacities, viewmats, Ks, *shapes)
        shown, behind = colors, backgrounds
        if sh_degree is not None:
            coeffs = colors if colors.ndim == 4 else colors[None]
            shown = view_colors(sh_degree, projected[0], means, viewmats, coeffs, sh_rotations)
        if return_normals:
            normals = gaussian_normals(means, viewmats, quats, scales, covars, camera_model)
            shown, behind = _append_normals(shown, behind, normals)
        return projected, *composite_checked(projected, arrays, shown, behind, view)

    try:
        projected, image, alphas, lists = draw(looks=n > 0)
    except (InputError, torch.linalg.LinAlgError):
        check_values(tensors)
        projected, image, alphas, lists = draw(looks=False)  # what looked wrong is right, or memory is short indeed
    meta = make_meta(projected, lists, view)
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
