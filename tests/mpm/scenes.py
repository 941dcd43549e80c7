"""Small random clouds for the solver's tests."""

import torch

from configs.mpm import MPMConfig


def make_config(**changes) -> MPMConfig:
    """A 10³ grid of spacing 0.5 with a soft material; ``changes`` override fields."""
    fields = {
        "grid": {"origin": (-2.0, -2.1, -1.9), "spacing": 0.5, "size": (10, 11, 10)},
        "dt": 0.01,
        "material": {"law": "fixed_corotated", "youngs_modulus": 40.0, "poissons_ratio": 0.3, "density": 2.0},
    }
    return MPMConfig(**{**fields, **changes})


def make_cloud(n: int = 12, dtype=torch.float64, spread: float = 1.0) -> dict[str, torch.Tensor]:
    """x, v, C, F of ``n`` particles about the middle of the grid, F away from I."""
    g = torch.Generator().manual_seed(7)

    def rand(*shape):
        return torch.rand(*shape, generator=g, dtype=dtype) - 0.5

    return {
        "x": spread * rand(n, 3) + 0.2,
        "v": 2 * rand(n, 3),
        "C": 2 * rand(n, 3, 3),
        "F": torch.eye(3, dtype=dtype) + 0.3 * rand(n, 3, 3),
    }
