"""Slow, plain upsampling: every particle against every other, one formula a line."""

import numpy as np
import torch


def neighbour_asymmetry(x, radius):
    """|Σ w d| / Σ w |d|, Σ w and the direction -Σ w d of each particle, with w = (1 - |d|²)², d in radii."""
    asymmetry, density, outwards = np.zeros(len(x)), np.zeros(len(x)), np.zeros((len(x), 3))
    for p in range(len(x)):
        d = (x - x[p]) / radius
        length = np.linalg.norm(d, axis=1)
        w = np.where(length < 1, (1 - length**2) ** 2, 0)
        total = (w[:, None] * d).sum(axis=0)
        asymmetry[p] = np.linalg.norm(total) / max((w * length).sum(), 1e-12)
        density[p] = w.sum()
        outwards[p] = -total
    return asymmetry, density, outwards


def principal_axes(x, radius):
    """Eigenvalues, increasing, and eigenvectors of the w-weighted covariance of the neighbours' offsets."""
    covars = np.zeros((len(x), 3, 3))
    for p in range(len(x)):
        d = (x - x[p]) / radius
        length = np.linalg.norm(d, axis=1)
        w = np.where(length < 1, (1 - length**2) ** 2, 0)
        centred = d - w @ d / w.sum()
        covars[p] = (w[:, None] * centred).T @ centred / w.sum()
    return np.linalg.eigh(covars)


def smoothed_normals(x, radius, asymmetry, outwards):
    """Unit normals: the mean of the neighbours' directions, weighted by w and their asymmetry."""
    unit = outwards / np.maximum(np.linalg.norm(outwards, axis=1, keepdims=True), 1e-12)
    result = np.zeros_like(x)
    for p in range(len(x)):
        length = np.linalg.norm(x - x[p], axis=1) / radius
        w = np.where(length < 1, (1 - length**2) ** 2, 0)
        result[p] = (w * asymmetry) @ unit
    return result / np.linalg.norm(result, axis=1, keepdims=True)


def cone_cover(x, radius, normals, cone):
    """Σ w (cos - cone) / (1 - cone) over the neighbours in the cone around each normal."""
    cover = np.zeros(len(x))
    for p in range(len(x)):
        d = np.delete(x - x[p], p, axis=0) / radius
        length = np.linalg.norm(d, axis=1)
        w = np.where(length < 1, (1 - length**2) ** 2, 0)
        cover[p] = (w * np.maximum((d @ normals[p]) / length - cone, 0)).sum() / (1 - cone)
    return cover


def gaussians(x, F, normals, sigma, thickness):
    """Means, covariances and normals of Gaussians at particles x [M, 3], by torch."""
    eye = torch.eye(3, dtype=x.dtype, device=x.device)
    shape = eye - (1 - thickness**2) * torch.einsum("mi,mj->mij", normals, normals)
    covars = sigma**2 * F @ shape @ F.transpose(1, 2)
    directions = torch.linalg.solve(F.transpose(1, 2), normals) * torch.linalg.det(F).sign()[:, None]
    return x, covars, directions / directions.norm(dim=1, keepdim=True)


def interpolated(x, F, neighbours, weights, offsets):
    """Positions Σ w (x_i + F_i r) and deformation gradients Σ w F_i of children, by torch."""
    carried = x[neighbours] + (F[neighbours] @ offsets[..., None])[..., 0]
    return (weights[..., None] * carried).sum(dim=1), (weights[..., None, None] * F[neighbours]).sum(dim=1)
