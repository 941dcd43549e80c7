"""Losses on the Gaussians of a surface: their axes, their sizes, their normals."""

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from bridge.checks import expect_shape

_CHUNK = 1 << 24


def edge_alignment_loss(means2d: Tensor, conics: Tensor, edges: Tensor) -> Tensor:
    """Share of the projected variance across the target's edges: 0 where splats are drawn out along them.

    Mean of 1 − tᵀΣt / tr Σ over all splats and cameras, weighted by the strength of the edge under the centre.

    Args:
        means2d: centres [C, N, 2]. Unit: pixel. conics: inverse covariances (a, b, c) [C, N, 3], 0 for unseen splats.
        edges: ``edge_tangents`` of the target, [C, 3, H, W].
    """
    c, n = means2d.shape[:2]
    expect_shape("edge_alignment_loss", "conics", conics, (c, n, 3))
    expect_shape("edge_alignment_loss", "edges", edges, (c, 3, "H", "W"))
    size = edges.new_tensor([edges.shape[3], edges.shape[2]])
    at = grid_sample(edges, (2 * means2d / size - 1)[:, None], align_corners=False)[:, :, 0]
    strength, cosine, sine = at.detach().unbind(dim=1)  # of twice the tangent's angle
    a, b, d = conics.unbind(dim=-1)
    trace = a + d
    seen = trace > 0
    trace = torch.where(seen, trace, torch.ones_like(trace))
    # Σ is proportional to [[d, -b], [-b, a]]; tᵀΣt = (tr Σ + cos 2θ (Σxx − Σyy) + 2 sin 2θ Σxy) / 2
    along = 0.5 * (1 + (cosine * (d - a) - 2 * sine * b) / trace)
    weight = strength * seen
    return (weight * (1 - along)).sum() / weight.sum().clamp_min(1e-12)


def edge_tangents(alpha: Tensor) -> Tensor:
    """Strength of the edges of coverage ``alpha [C, H, W]``, and cos 2θ and sin 2θ of their tangent, [C, 3, H, W].

    From Sobel's structure tensor, averaged over 3 × 3 pixels. The doubled angle has no sign to jump.
    """
    sobel = alpha.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 8
    kernels = torch.stack([sobel, sobel.T])[:, None]
    padded = torch.nn.functional.pad(alpha[:, None], (1, 1, 1, 1), mode="replicate")
    gx, gy = torch.nn.functional.conv2d(padded, kernels).unbind(dim=1)
    tensor = torch.stack([gx * gx + gy * gy, gy * gy - gx * gx, -2 * gx * gy], dim=1)
    energy, cosine, sine = torch.nn.functional.avg_pool2d(tensor, 3, stride=1, padding=1).unbind(dim=1)
    length = (cosine**2 + sine**2).sqrt().clamp_min(1e-12)
    return torch.stack([energy.sqrt(), cosine / length, sine / length], dim=1)


def covariance_alignment_loss(means: Tensor, covars: Tensor, target: Tensor, normals: Tensor) -> Tensor:
    """Share of the variance along the target's normal: 0 for discs that lie in the target's surface.

    Mean of nᵀΣn / tr Σ over splats ``means [N, 3]``, ``covars [N, 3, 3]``, n the unit normal [T, 3] at the nearest of
    the target's points [T, 3].
    """
    n = normals[nearest(means.detach(), target)]
    return (torch.einsum("ni,nij,nj->n", n, covars, n) / covars.diagonal(dim1=1, dim2=2).sum(dim=1)).mean()


def covariance_size_loss(covars: Tensor, sigma: float | Tensor) -> Tensor:
    """Divergence of Gaussians ``covars [N, 3, 3]`` from balls of standard deviation ``sigma``, 0 where they are that.

    Mean of tr(Σ / σ²) − log det(Σ / σ²) − 3: twice Kullback and Leibler's.
    """
    scaled = covars / sigma**2
    return (scaled.diagonal(dim1=1, dim2=2).sum(dim=1) - torch.linalg.det(scaled).log() - 3).mean()


def normal_smoothness_loss(normals: Tensor, neighbours: Tensor) -> Tensor:
    """Mean of 1 − nᵢ · nⱼ over unit normals [N, 3] and their ``neighbours`` [N, k]: 0 where all are alike."""
    expect_shape("normal_smoothness_loss", "neighbours", neighbours, (len(normals), "k"))
    return (1 - (normals[:, None] * normals[neighbours]).sum(dim=-1)).mean()


@torch.no_grad()
def nearest(points: Tensor, others: Tensor) -> Tensor:
    """Index of the nearest of ``others [T, 3]`` to each of ``points [N, 3]``, [N]."""
    return torch.cat([torch.cdist(c, others).argmin(dim=1) for c in points.split(max(1, _CHUNK // len(others)))])


@torch.no_grad()
def nearest_neighbours(points: Tensor, k: int) -> Tensor:
    """Indices of the k points nearest to each of ``points [N, 3]``, itself left out, [N, k]."""
    k = min(k, len(points) - 1)
    chunks = points.split(max(1, _CHUNK // len(points)))
    return torch.cat([torch.cdist(c, points).topk(k + 1, largest=False).indices[:, 1:] for c in chunks])
