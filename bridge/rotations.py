"""Rotation vectors to matrices and back, differentiable at 0 too."""

import torch
from torch import Tensor


def rotation_matrix(vector: Tensor) -> Tensor:
    """The rotations [..., 3, 3] about the axes and by the angles (radian) of ``vector`` [..., 3] (Rodrigues)."""
    square = (vector**2).sum(dim=-1)[..., None, None]
    small = square < 1e-6
    angle = torch.where(small, torch.ones_like(square), square).sqrt()
    first = torch.where(small, 1 - square / 6 + square**2 / 120, torch.sin(angle) / angle)
    second = torch.where(small, 0.5 - square / 24 + square**2 / 720, (1 - torch.cos(angle)) / angle**2)
    k = _skew(vector)
    return torch.eye(3, dtype=vector.dtype, device=vector.device) + first * k + second * (k @ k)


def rotation_vector(matrix: Tensor) -> Tensor:
    """The inverse of ``rotation_matrix`` for angles below π: [..., 3]."""
    axial = 0.5 * torch.stack([matrix[..., i, j] - matrix[..., j, i] for i, j in ((2, 1), (0, 2), (1, 0))], dim=-1)
    square = (axial**2).sum(dim=-1, keepdim=True)
    cosine = 0.5 * (matrix.diagonal(dim1=-2, dim2=-1).sum(dim=-1, keepdim=True) - 1)
    small = (square < 1e-6) & (cosine > 0)
    sine = torch.where(small, torch.ones_like(square), square).sqrt()
    factor = torch.where(small, 1 + square / 6 + 3 * square**2 / 40, torch.atan2(sine, cosine) / sine)
    return factor * axial


def _skew(v: Tensor) -> Tensor:
    x, y, z = v.unbind(dim=-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
