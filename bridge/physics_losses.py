"""Regularisers of a rollout: volume, elastic energy, the way of the particles, the controls. Each is 0 at its best."""

from collections.abc import Sequence

import torch
from torch import Tensor


def volume_loss(F: Tensor) -> Tensor:
    """Mean of (log det F)² over deformations [N, 3, 3]: 0 where volumes are kept."""
    return torch.linalg.det(F).log().square().mean()


def elastic_energy(F: Tensor, lam: float, mu: float) -> Tensor:
    """Mean corotated energy density μ ‖F − R‖² + λ/2 (det F − 1)² over [N, 3, 3], 0 at rotations. Unit: pressure."""
    R = _rotations(
        F
    )  # detached: the derivative by R vanishes, for Rᵀ(F − R) is symmetric and dR is R times a skew matrix
    return (mu * (F - R).square().sum(dim=(1, 2)) + lam / 2 * (torch.linalg.det(F) - 1) ** 2).mean()


def control_magnitude(controls: Tensor) -> Tensor:
    """Mean squared entry of controls [S, N, 3, 3]."""
    return controls.square().mean()


def control_smoothness(controls: Tensor) -> Tensor:
    """Mean squared difference of controls [S, N, 3, 3] from interval to interval; 0 for a single one."""
    return controls.diff(dim=0).square().mean() if len(controls) > 1 else controls.new_zeros(())


def unevenness(positions: Sequence[Tensor]) -> Tensor:
    """Mean squared second difference of positions [N, 3] at equal times: 0 for straight, even motion. Unit: length²."""
    if len(positions) < 3:
        return positions[0].new_zeros(())
    return torch.stack(list(positions)).diff(n=2, dim=0).square().sum(dim=-1).mean()


def relaxed(F: Tensor, share: float) -> Tensor:
    """Deformations F = R S [N, 3, 3] that have forgotten a share of their stretch: R ((1 − share) S + share I)."""
    return (1 - share) * F + share * _rotations(F)


@torch.no_grad()
def limited(F: Tensor, stretch: float) -> Tensor:
    """Deformations [N, 3, 3] whose singular values are moved into [1/stretch, stretch]: the material yields there."""
    U, sigma, Vh = torch.linalg.svd(F)
    return torch.where(
        ((sigma > stretch) | (sigma < 1 / stretch)).any(dim=1)[:, None, None],
        (U * sigma.clamp(1 / stretch, stretch)[:, None]) @ Vh,
        F,
    )


@torch.no_grad()
def _rotations(F: Tensor) -> Tensor:
    """The rotations [N, 3, 3] nearest to F."""
    U, _, Vh = torch.linalg.svd(F)
    flip = torch.ones_like(F[:, 0])
    flip[:, 2] = torch.linalg.det(U @ Vh)
    return (U * flip[:, None]) @ Vh
