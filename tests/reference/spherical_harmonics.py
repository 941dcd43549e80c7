"""Real spherical harmonics to degree 4 in plain torch: the published closed forms, gradients by autograd."""

from math import pi, sqrt

import torch


def basis(directions):
    """[..., 25] at directions [..., 3] of any length."""
    x, y, z = torch.nn.functional.normalize(directions, dim=-1).unbind(-1)
    xx, yy, zz = x * x, y * y, z * z
    functions = [
        torch.full_like(x, 0.5 * sqrt(1 / pi)),
        -sqrt(3 / (4 * pi)) * y,
        sqrt(3 / (4 * pi)) * z,
        -sqrt(3 / (4 * pi)) * x,
        0.5 * sqrt(15 / pi) * x * y,
        -0.5 * sqrt(15 / pi) * y * z,
        0.25 * sqrt(5 / pi) * (2 * zz - xx - yy),
        -0.5 * sqrt(15 / pi) * x * z,
        0.25 * sqrt(15 / pi) * (xx - yy),
        -0.25 * sqrt(35 / (2 * pi)) * y * (3 * xx - yy),
        0.5 * sqrt(105 / pi) * x * y * z,
        -0.25 * sqrt(21 / (2 * pi)) * y * (4 * zz - xx - yy),
        0.25 * sqrt(7 / pi) * z * (2 * zz - 3 * xx - 3 * yy),
        -0.25 * sqrt(21 / (2 * pi)) * x * (4 * zz - xx - yy),
        0.25 * sqrt(105 / pi) * z * (xx - yy),
        -0.25 * sqrt(35 / (2 * pi)) * x * (xx - 3 * yy),
        0.75 * sqrt(35 / pi) * x * y * (xx - yy),
        -0.75 * sqrt(35 / (2 * pi)) * y * z * (3 * xx - yy),
        0.75 * sqrt(5 / pi) * x * y * (7 * zz - 1),
        -0.75 * sqrt(5 / (2 * pi)) * y * z * (7 * zz - 3),
        3 / 16 * sqrt(1 / pi) * (35 * zz * zz - 30 * zz + 3),
        -0.75 * sqrt(5 / (2 * pi)) * x * z * (7 * zz - 3),
        0.375 * sqrt(5 / pi) * (xx - yy) * (7 * zz - 1),
        -0.75 * sqrt(35 / (2 * pi)) * x * z * (xx - 3 * yy),
        3 / 16 * sqrt(35 / pi) * (xx * (xx - 3 * yy) - yy * (3 * xx - yy)),
    ]
    return torch.stack(functions, dim=-1)


def evaluate(degree, directions, coeffs):
    """[..., D] of coefficients [..., K, D]."""
    size = (degree + 1) ** 2
    return (basis(directions)[..., :size, None] * coeffs[..., :size, :]).sum(dim=-2)


def view_colors(degree, means, viewmats, coeffs, rotations=None):
    """max(sum + 0.5, 0) [C, N, D]; coefficients [N, K, D] or [C, N, K, D]."""
    centres = -torch.linalg.solve(viewmats[:, :3, :3], viewmats[:, :3, 3])
    directions = means - centres[:, None]
    if rotations is not None:
        directions = torch.einsum("nji,cnj->cni", rotations, torch.nn.functional.normalize(directions, dim=-1))
    return (evaluate(degree, directions, coeffs) + 0.5).clamp(min=0)
