"""Depth as 16-bit grey PNG, the format of depth cameras: grey level times a unit of length."""

from pathlib import Path

import imageio.v2 as imageio
import numpy as np
import torch

from configs.errors import InputError
from experiments.atomic import replacing

LEVELS = 2**16 - 1


def save_depth(path: str | Path, depth: torch.Tensor | np.ndarray, unit: float = 1e-3) -> None:
    """Write depth [H, W]; pixels of depth 0 (nothing there) stay 0.

    Args:
        path: a ``.png``; other formats do not keep 16 bits.
        unit: length of one grey level, 1e-3 is a millimetre where the unit of length is a metre.

    Raises:
        InputError: another ending or shape, values that are negative, not finite, or beyond 65,535 units.
    """
    array = depth.detach().cpu().numpy() if isinstance(depth, torch.Tensor) else np.asarray(depth)
    if Path(path).suffix.lower() != ".png":
        raise InputError(f"save_depth: {path} ends with {Path(path).suffix!r}; expected .png")
    if array.ndim != 2 or 0 in array.shape:
        raise InputError(f"save_depth: depth has shape {array.shape}; expected (H, W)")
    if not unit > 0:
        raise InputError(f"save_depth: unit is {unit}; expected a length")
    if not (np.isfinite(array) & (array >= 0)).all():
        raise InputError("save_depth: depth has values that are negative or not finite; expected lengths, 0 for none")
    levels = np.round(array.astype(np.float64) / unit)
    if levels.max() > LEVELS:
        least = float(array.max()) / LEVELS
        raise InputError(
            f"save_depth: depth {array.max():.4g} is beyond {LEVELS} units of {unit}; expected unit >= {least:.3g}"
        )
    with replacing(Path(path)) as temporary:
        imageio.imwrite(temporary, levels.astype(np.uint16))


def load_depth(path: str | Path, unit: float = 1e-3) -> np.ndarray:
    """Depth [H, W], float64, of a file of ``save_depth`` with the same unit.

    Raises:
        InputError: no such file, or not a 16-bit grey PNG.
    """
    try:
        levels = np.asarray(imageio.imread(path))
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"load_depth: {path} cannot be read ({error})") from None
    if levels.ndim != 2 or levels.dtype.itemsize < 2:
        raise InputError(f"load_depth: {path} has {levels.dtype} pixels {levels.shape[2:]}; expected 16-bit grey")
    return levels.astype(np.float64) * unit
