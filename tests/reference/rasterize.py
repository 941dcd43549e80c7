"""A slow rasterizer in plain torch: every Gaussian at every pixel, gradients by autograd.

The model is the package's (render/projection.py, render/blending.py), written without tiles, boxes or hand-derived
adjoints. One camera at a time; memory is pixels × Gaussians.
"""

from dataclasses import dataclass

import torch

ALPHA_MIN, ALPHA_MAX, TRANSMITTANCE_MIN, GUARD_BAND = 1 / 255, 0.999, 1e-4, 0.15


@dataclass
class Picture:
    image: torch.Tensor  # [H, W, D]
    alpha: torch.Tensor  # [H, W]
    depth: torch.Tensor  # [H, W], accumulated
    means2d: torch.Tensor  # [N, 2]
    conics: torch.Tensor  # [N, 3]
    margin: torch.Tensor  # [H, W]: relative distance of the nearest Gaussian to a threshold of the model


def quaternion_covariance(quats, scales):
    w, x, y, z = torch.nn.functional.normalize(quats, dim=-1).unbind(-1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    r = torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
    return r @ torch.diag_embed(scales**2) @ r.mT


def pinhole(p, K, width, height):
    z = p[:, 2]
    ray = p[:, :2] / z[:, None]
    size = torch.tensor([width, height], dtype=p.dtype)
    focal, centre = K.diagonal()[:2], K[:2, 2]
    tan = torch.minimum(
        torch.maximum(ray, (-GUARD_BAND * size - centre) / focal), ((1 + GUARD_BAND) * size - centre) / focal
    )
    J = torch.zeros(len(p), 2, 3, dtype=p.dtype)
    J[:, 0, 0], J[:, 1, 1] = focal[0] / z, focal[1] / z
    J[:, :, 2] = -focal * tan / z[:, None]
    return ray @ K[:2, :2].T + K[:2, 2], J


def ortho(p, K, width, height):
    J = torch.zeros(len(p), 2, 3, dtype=p.dtype)
    J[:, 0, 0], J[:, 1, 1] = K[0, 0], K[1, 1]
    return p[:, :2] * K.diagonal()[:2] + K[:2, 2], J


def fisheye(p, K, width, height, eps=1e-7):
    x, y, z = p.unbind(-1)
    focal = K.diagonal()[:2]
    length = (x**2 + y**2) ** 0.5 + eps
    means2d = p[:, :2] * focal * (torch.atan2(length, z + eps) / length)[:, None] + K[:2, 2]
    squared = x * x + eps + y * y
    inverse = 1 / (squared + z * z)
    a, b = z * inverse / squared, torch.atan2(length, z) / length / squared
    first = torch.stack([(x * x + eps) * a + y * y * b, x * y * (a - b), -x * inverse], dim=-1)
    second = torch.stack([x * y * (a - b), y * y * a + (x * x + eps) * b, -y * inverse], dim=-1)
    return means2d, focal[:, None] * torch.stack([first, second], dim=-2)


CAMERA_MODELS = {"pinhole": pinhole, "ortho": ortho, "fisheye": fisheye}


def project(means, covars, opacities, viewmat, K, width, height, near, eps2d, antialiased, camera_model="pinhole"):
    p = means @ viewmat[:3, :3].T + viewmat[:3, 3]
    visible = p[:, 2] > near
    p = torch.where(visible[:, None], p, torch.ones(3, dtype=p.dtype))
    means2d, J = CAMERA_MODELS[camera_model](p, K, width, height)
    z = p[:, 2]
    cov = J @ viewmat[:3, :3] @ (0.5 * (covars + covars.mT)) @ viewmat[:3, :3].T @ J.mT
    before = torch.linalg.det(cov)
    cov = cov + eps2d * torch.eye(2, dtype=means.dtype)
    det = torch.linalg.det(cov)
    conics = torch.stack([cov[:, 1, 1], -cov[:, 0, 1], cov[:, 0, 0]], dim=-1) / det[:, None]
    if antialiased:
        ratio = before / det
        opacities = opacities * torch.where(ratio > 1e-20, ratio.clamp(min=1e-20).sqrt(), 0.0)
    return means2d, conics, z, opacities * visible


def weights(means2d, conics, depths, opacities, width, height):
    """Order of the Gaussians, their weights [pixels, N] in it, the light that is left, transmittances before each."""
    order = torch.sort(depths.detach().float(), stable=True).indices
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    pixels = torch.stack([x, y], dim=-1).reshape(-1, 1, 2).to(means2d)
    d = means2d[order] - pixels
    a, b, c = conics[order].unbind(-1)
    sigma = 0.5 * (a * d[..., 0] ** 2 + c * d[..., 1] ** 2) + b * d[..., 0] * d[..., 1]
    raw = opacities[order] * torch.exp(-sigma)
    alpha = torch.where((sigma >= 0) & (raw >= ALPHA_MIN), raw.clamp(max=ALPHA_MAX), 0.0)
    after = torch.cumprod(1 - alpha, dim=1)
    alpha = torch.where(after > TRANSMITTANCE_MIN, alpha, 0.0)
    after_kept = torch.cumprod(1 - alpha, dim=1)
    ones = torch.ones_like(after_kept[:, :1])
    before = torch.cat([ones, after_kept], dim=1)
    margins = [(raw / limit - 1).abs() for limit in (ALPHA_MIN, ALPHA_MAX)] + [(after / TRANSMITTANCE_MIN - 1).abs()]
    margin = torch.stack([m.detach().amin(dim=1) if m.shape[1] else ones[:, 0] for m in margins]).amin(dim=0)
    return order, alpha * before[:, :-1], before, margin


def composite(means2d, conics, depths, opacities, colors, background, width, height):
    order, w, before, margin = weights(means2d, conics, depths, opacities, width, height)
    end = before[:, -1]
    image = w @ colors[order] + end[:, None] * background
    shape = (height, width)
    return (
        image.reshape(*shape, -1),
        (1 - end).reshape(shape),
        (w @ depths[order]).reshape(shape),
        margin.reshape(shape),
    )


def rasterize(
    means,
    covars,
    opacities,
    colors,
    viewmat,
    K,
    width,
    height,
    background,
    near=0.01,
    eps2d=0.3,
    antialiased=False,
    camera_model="pinhole",
) -> Picture:
    means2d, conics, depths, opacities = project(
        means, covars, opacities, viewmat, K, width, height, near, eps2d, antialiased, camera_model
    )
    image, alpha, depth, margin = composite(means2d, conics, depths, opacities, colors, background, width, height)
    return Picture(image, alpha, depth, means2d, conics, margin)
