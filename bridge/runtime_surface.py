"""The reference system's entry to upsampling, as a dictionary of settings and a function."""

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from bridge.surface import SurfaceHistory
from bridge.upsampler import SurfaceUpsampler
from configs.errors import InputError
from configs.explain import explain
from configs.upsample import UpsampleConfig

_OF_MODULE = {"opacity", "learnable"}
"""Keys of ``UpsampleConfig`` that say nothing about points and covariances."""


def default_cfg() -> dict:
    """The settings of ``synthesize_runtime_surface``: ``configs.UpsampleConfig`` has their meaning and units.

    ``spacing``: distance between neighbouring particles at rest; None estimates it at each call. Unit: length.
    ``differentiable``: False detaches the result, as the argument of that name does.
    ``fast_cov_only``: True keeps the points of the last call and computes the covariances anew; it needs a ``history``.
    """
    settings = UpsampleConfig().model_dump(exclude=_OF_MODULE)
    return {**settings, "spacing": None, "differentiable": True, "fast_cov_only": False}


def synthesize_runtime_surface(
    x: Tensor | np.ndarray,
    F: Tensor | np.ndarray,
    cfg: dict | None = None,
    differentiable: bool = True,
    return_torch: bool = True,
    history: SurfaceHistory | None = None,
) -> dict[str, Tensor] | dict[str, np.ndarray]:
    """Surface Gaussians of the particles ``x [N, 3]`` with deformation gradients ``F [N, 3, 3]``.

    Args:
        cfg: changed settings of ``default_cfg``; of a nested one (as ``ed``) the changed keys are enough.
        differentiable: gradients reach x and F (tensors that ask for them).
        return_torch: tensors, else NumPy arrays.
        history: of earlier calls with the same particles, updated: Gaussians stay where they can.

    Returns:
        points [M, 3], cov [M, 3, 3], normals [M, 3]; without ``cfg["M"]`` one for each surface particle. The tensors
        keep their ``.grad``.

    Raises:
        InputError: a setting that does not exist, and what ``SurfaceUpsampler`` refuses.
    """
    cfg = {} if cfg is None else cfg
    config, kept, fast = _settings(cfg)
    upsampler = SurfaceUpsampler(config, cfg.get("spacing"))
    differentiable = kept and differentiable and return_torch
    x, F = (value if isinstance(value, Tensor) else torch.as_tensor(value) for value in (x, F))
    with torch.set_grad_enabled(differentiable):
        result = _same_points(upsampler, F, history) if fast else _anew(upsampler, x, F, history)
    if not return_torch:
        return {name: value.cpu().numpy() for name, value in result.items()}
    for value in result.values():
        if value.requires_grad:
            value.retain_grad()
    return result


def _anew(upsampler: SurfaceUpsampler, x: Tensor, F: Tensor, history: SurfaceHistory | None) -> dict[str, Tensor]:
    surface = upsampler.detect(x, F, history)
    splats = upsampler(x, F, surface)
    if history is not None:
        history.means, history.normals = splats.means.detach(), splats.normals.detach()
    return {"points": splats.means, "cov": splats.covars, "normals": splats.normals}


def _same_points(upsampler: SurfaceUpsampler, F: Tensor, history: SurfaceHistory | None) -> dict[str, Tensor]:
    if history is None or history.surface is None or history.means is None or history.normals is None:
        raise InputError(
            "synthesize_runtime_surface: fast_cov_only has no points to keep; "
            "expected a history that an earlier call has filled"
        )
    covars = upsampler.covariances(F, history.surface)
    return {"points": history.means.to(covars), "cov": covars, "normals": history.normals.to(covars)}


def _settings(cfg: dict) -> tuple[UpsampleConfig, bool, bool]:
    """The checked configuration, whether the result stays in the graph, and whether the points stay."""
    if not isinstance(cfg, dict):
        raise InputError(f"synthesize_runtime_surface: cfg is a {type(cfg).__name__}; expected a dictionary")
    defaults = default_cfg()
    unknown = sorted(set(cfg) - set(defaults))
    if unknown:
        raise InputError(
            f"synthesize_runtime_surface: cfg has {', '.join(map(repr, unknown))}; expected {', '.join(defaults)}"
        )
    flags = {key: cfg.get(key, defaults[key]) for key in ("differentiable", "fast_cov_only")}
    for key, flag in flags.items():
        if not isinstance(flag, bool):
            raise InputError(f"synthesize_runtime_surface: {key} is {flag!r}; expected True or False")
    settings = {key: value for key, value in cfg.items() if key not in flags and key != "spacing"}
    try:
        return UpsampleConfig(**settings), flags["differentiable"], flags["fast_cov_only"]
    except ValidationError as error:
        raise InputError(f"synthesize_runtime_surface: {explain(error, UpsampleConfig)[1]}") from error
