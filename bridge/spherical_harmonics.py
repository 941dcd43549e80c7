"""Spherical harmonics as torch functions: plain sums along directions, and colours of Gaussians seen by cameras."""

import torch
from torch import Tensor

from bridge.checks import expect_finite, expect_real, expect_shape
from bridge.exchange import load, to_torch
from bridge.lent_memory import launches
from bridge.once_differentiable import once_differentiable
from bridge.projection import drop, export, seed
from bridge.runtime import current
from configs.errors import InputError
from render.harmonic_basis import MAX_DEGREE, basis_size
from render.spherical_harmonics import SphericalHarmonics
from render.spherical_harmonics import spherical_harmonics as evaluate
from render.spherical_harmonics import spherical_harmonics_grad as evaluate_grad

OWNER = "spherical_harmonics"


def spherical_harmonics(degrees_to_use: int, dirs: Tensor, coeffs: Tensor, masks: Tensor | None = None) -> Tensor:
    """Sums of real spherical harmonics along directions: the function of that name of gsplat.

    Differentiable in ``dirs`` and ``coeffs``. The basis is in render/harmonic_basis.py. Nothing is added or cut off:
    ``rasterization`` makes a colour of the sum by ``max(sum + 0.5, 0)``.

    Args:
        degrees_to_use: highest degree, 0 to 4.
        dirs: directions of any length but 0 [..., 3].
        coeffs: [..., K, D] with K at least (degrees_to_use + 1)²; what lies beyond is not used.
        masks: bool [...]; where it is False the result is 0. None: everywhere.

    Returns:
        [..., D].

    Raises:
        InputError: shapes, types, values that are not finite, a degree that is not 0 to 4 or lacks coefficients.
    """
    batch = tuple(dirs.shape[:-1])
    expect_shape(OWNER, "dirs", dirs, (*batch, 3))
    expect_shape(OWNER, "coeffs", coeffs, (*batch, "K", "D"))
    for name, tensor in (("dirs", dirs), ("coeffs", coeffs)):
        expect_real(OWNER, name, tensor)
        expect_finite(OWNER, name, tensor)
    check_degree(OWNER, "degrees_to_use", degrees_to_use, coeffs.shape[-2])
    n, device = dirs[..., 0].numel(), dirs.device
    radii = torch.ones(1, n, 2, dtype=torch.int32, device=device)
    if masks is not None:
        expect_shape(OWNER, "masks", masks, batch)
        radii = radii * masks.reshape(1, n, 1).to(torch.int32)
    flat = coeffs.reshape(1, n, *coeffs.shape[-2:])
    eye = torch.eye(4, dtype=dirs.dtype, device=device)[None]
    sums = _apply(degrees_to_use, False, radii, dirs.reshape(n, 3), eye, flat, None)
    return sums.reshape(*batch, coeffs.shape[-1])


def view_colors(
    degree: int, radii: Tensor, means: Tensor, viewmats: Tensor, coeffs: Tensor, rotations: Tensor | None = None
) -> Tensor:
    """Colours ``max(sum + 0.5, 0)`` [C, N, D] of Gaussians in the directions from the cameras to them.

    Differentiable in every float tensor: the direction moves with the Gaussian and with the camera.

    Args:
        degree: highest degree used, 0 to 4.
        radii: int32 [C, N, 2]; where they are 0 the colour is 0.
        means: [N, 3]. viewmats: [C, 4, 4].
        coeffs: [1, N, K, D] for all cameras, or [C, N, K, D].
        rotations: from the frame of the coefficients to the world [N, 3, 3], such as the rotation of a deformed body.

    Raises:
        InputError: shapes that do not fit, a degree that is not 0 to 4 or lacks coefficients.
    """
    owner = "view_colors"
    expect_shape(owner, "means", means, ("N", 3))
    expect_shape(owner, "viewmats", viewmats, ("C", 4, 4))
    c, n = len(viewmats), len(means)
    expect_shape(owner, "radii", radii, (c, n, 2))
    expect_shape(owner, "coeffs", coeffs, (1 if len(coeffs) == 1 else c, n, "K", "D"))
    if rotations is not None:
        expect_shape(owner, "rotations", rotations, (n, 3, 3))
    check_degree(owner, "degree", degree, coeffs.shape[2])
    return _apply(degree, True, radii, means, viewmats, coeffs, rotations)


def check_degree(owner: str, name: str, degree: int, bases: int) -> None:
    """Raise unless ``degree`` is known and ``bases`` coefficients suffice for it."""
    if isinstance(degree, bool) or degree not in range(MAX_DEGREE + 1):
        raise InputError(f"{owner}: {name} is {degree!r}; expected a whole number from 0 to {MAX_DEGREE}")
    if bases < basis_size(degree):
        raise InputError(f"{owner}: {name} is {degree}, which needs {basis_size(degree)} coefficients; got {bases}")


def _apply(degree, as_colors, radii, means, viewmats, coeffs, rotations) -> Tensor:
    current()
    rotated = rotations is not None
    frames = rotations if rotated else means.new_zeros(1, 3, 3)
    tensors = (means, viewmats, coeffs, frames)
    differentiable = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    return _SphericalHarmonics.apply(degree, as_colors, rotated, differentiable, radii, *tensors)


class _SphericalHarmonics(torch.autograd.Function):
    @staticmethod
    def forward(ctx, degree, as_colors, rotated, differentiable, radii, *tensors):
        means, viewmats, coeffs, _ = tensors
        c, n, (bases, channels) = len(viewmats), len(means), coeffs.shape[2:]
        with launches():
            b = SphericalHarmonics(
                c,
                n,
                degree,
                bases,
                channels,
                coeffs_per_camera=len(coeffs) > 1,
                rotated=rotated,
                as_colors=as_colors,
                needs_grad=differentiable,
                camera_grad=ctx.needs_input_grad[6],
            )
            load(radii, b.radii)
            for tensor, array in zip(tensors, _inputs(b), strict=True):
                load(tensor, array)
            evaluate(b)
            colors = to_torch(b.colors, (c, n, channels), means.device)
        ctx.save_for_backward(*tensors, radii, colors)  # the kernels read their memory: torch watches it
        ctx.buffers, ctx.shapes = b, [tensor.shape for tensor in tensors]
        return colors

    @staticmethod
    @once_differentiable
    def backward(ctx, colors_bar):
        means = ctx.saved_tensors[0]
        b = ctx.buffers
        with launches():
            seed([colors_bar], [b.colors], _inputs(b))
            evaluate_grad(b)
            drop([b.colors])
            gradients = export(_inputs(b), ctx.shapes, ctx.needs_input_grad[5:], means.device)
        return None, None, None, None, None, *gradients


def _inputs(b: SphericalHarmonics):
    return b.means, b.viewmats, b.coeffs, b.frames
