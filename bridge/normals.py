"""Normals of Gaussians: the shortest axis, on the side of the camera."""

import torch
from torch import Tensor

from bridge.checks import expect_shape
from bridge.once_differentiable import once_differentiable

EIGENVALUE_GAP_MIN = 1e-6
"""Relative gap below which two axes of a Gaussian are equally long: its normal then has no derivative."""


def gaussian_normals(
    means: Tensor,
    viewmats: Tensor,
    quats: Tensor | None = None,
    scales: Tensor | None = None,
    covars: Tensor | None = None,
    camera_model: str = "pinhole",
) -> Tensor:
    """Unit normals in the world's frame [C, N, 3], turned towards each camera; differentiable in the shapes.

    Args:
        means: [N, 3]. viewmats: [C, 4, 4]. quats: [N, 4] and scales: [N, 3], or covars: [N, 3, 3].

    Raises:
        InputError: shapes that do not fit, or neither of the two.
    """
    owner, n = "gaussian_normals", len(means)
    expect_shape(owner, "means", means, ("N", 3))
    expect_shape(owner, "viewmats", viewmats, ("C", 4, 4))
    if covars is not None:
        expect_shape(owner, "covars", covars, (n, 3, 3))
    else:
        expect_shape(owner, "quats", quats, (n, 4))
        expect_shape(owner, "scales", scales, (n, 3))
    with torch.no_grad():
        rotation = viewmats[:, :3, :3]
        if camera_model == "ortho":
            towards = -rotation[:, None, 2].expand(-1, len(means), -1)
        else:
            eyes = -torch.linalg.solve_ex(rotation, viewmats[:, :3, 3])[0]
            towards = eyes[:, None] - means
    if covars is not None:
        axes = shortest_axes(covars, towards[0])
    else:
        assert quats is not None
        assert scales is not None
        axes = _shortest_column(quats, scales)
    sides = torch.where((axes.detach() * towards).sum(dim=-1, keepdim=True) < 0, -1.0, 1.0)
    return axes * sides.to(axes)


def _shortest_column(quats: Tensor, scales: Tensor) -> Tensor:
    """Column of the rotation that belongs to the smallest scale [N, 3]."""
    w, x, y, z = torch.nn.functional.normalize(quats, dim=-1).unbind(-1)
    columns = [
        torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)], dim=-1),
        torch.stack([2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)], dim=-1),
        torch.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], dim=-1),
    ]
    which = scales.detach().abs().argmin(dim=1)
    return torch.stack(columns, dim=1)[torch.arange(len(quats), device=quats.device), which]


def shortest_axes(covars: Tensor, towards: Tensor) -> Tensor:
    """Unit eigenvectors of the smallest eigenvalues of ``covars`` [N, 3, 3], on the side of ``towards`` [N, 3].

    Differentiable in ``covars``: dn = Σ_k v_k (v_k · dΣ n) / (λ_n - λ_k) over the other axes, where axes of equal
    length, which have no derivative, contribute nothing. (torch's own gradient of ``eigh`` is NaN there.)
    """
    return _ShortestAxes.apply(covars, towards)


class _ShortestAxes(torch.autograd.Function):
    @staticmethod
    def forward(ctx, covars, towards):
        values, axes = torch.linalg.eigh(0.5 * (covars + covars.mT))
        normal, others = axes[:, :, 0], axes[:, :, 1:]
        normal = normal * torch.where((normal * towards).sum(dim=1, keepdim=True) < 0, -1.0, 1.0)
        gaps = values[:, :1] - values[:, 1:]
        smallest = EIGENVALUE_GAP_MIN * values[:, 2:].abs()
        inverse_gaps = torch.where(gaps.abs() > smallest, 1.0 / gaps, torch.zeros_like(gaps))
        ctx.save_for_backward(normal, others, inverse_gaps)
        return normal

    @staticmethod
    @once_differentiable
    def backward(ctx, normal_bar):
        normal, others, inverse_gaps = ctx.saved_tensors
        slopes_bar = inverse_gaps * torch.einsum("nik,ni->nk", others, normal_bar)
        covars_bar = torch.einsum("nik,nk,nj->nij", others, slopes_bar, normal)
        return 0.5 * (covars_bar + covars_bar.mT), None
