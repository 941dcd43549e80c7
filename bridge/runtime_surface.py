"""The reference system's entry to upsampling, as a dictionary of settings and a function."""

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from bridge.upsampler import SurfaceUpsampler
from configs.errors import InputError
from configs.explain import explain
from configs.upsample import UpsampleConfig

_SHAPE_KEYS = ("M", "sigma0", "thickness", "surface_threshold", "k_F", "seed")


def default_cfg() -> dict:
    """The settings of ``synthesize_runtime_surface``: ``configs.UpsampleConfig`` has their meaning and units.

    ``differentiable``: False detaches the result, as the argument of that name does.
    """
    defaults = UpsampleConfig()
    return {**{key: getattr(defaults, key) for key in _SHAPE_KEYS}, "differentiable": True}


def synthesize_runtime_surface(
    x: Tensor | np.ndarray,
    F: Tensor | np.ndarray,
    cfg: dict | None = None,
    differentiable: bool = True,
    return_torch: bool = True,
) -> dict[str, Tensor] | dict[str, np.ndarray]:
    """Surface Gaussians of the particles ``x [N, 3]`` with deformation gradients ``F [N, 3, 3]``.

    Args:
        cfg: changed settings of ``default_cfg``.
        differentiable: gradients reach x and F (tensors that ask for them).
        return_torch: tensors, else NumPy arrays.

    Returns:
        points [M, 3], cov [M, 3, 3], normals [M, 3]; without ``cfg["M"]`` one for each surface particle. The tensors
        keep their ``.grad``.

    Raises:
        InputError: a setting that does not exist, and what ``SurfaceUpsampler`` refuses.
    """
    config, kept = _settings(cfg or {})
    differentiable = kept and differentiable and return_torch
    x, F = (value if isinstance(value, Tensor) else torch.as_tensor(value) for value in (x, F))
    with torch.set_grad_enabled(differentiable):
        splats = SurfaceUpsampler(config)(x, F)
    result = {"points": splats.means, "cov": splats.covars, "normals": splats.normals}
    if not return_torch:
        return {name: value.cpu().numpy() for name, value in result.items()}
    for value in result.values():
        if value.requires_grad:
            value.retain_grad()
    return result


def _settings(cfg: dict) -> tuple[UpsampleConfig, bool]:
    """The checked configuration, and whether the result stays in the graph."""
    defaults = default_cfg()
    unknown = sorted(set(cfg) - set(defaults))
    if unknown:
        raise InputError(
            f"synthesize_runtime_surface: cfg has {', '.join(map(repr, unknown))}; expected {', '.join(defaults)}"
        )
    settings = {**defaults, **cfg}
    differentiable = bool(settings.pop("differentiable"))
    try:
        return UpsampleConfig(**settings), differentiable
    except ValidationError as error:
        raise InputError(f"synthesize_runtime_surface: {explain(error, UpsampleConfig)[1]}") from error
