"""Checks of tensors at a stage's edge. Kernels check nothing: what passes here must be right."""

from collections.abc import Mapping

import numpy as np
import torch

from configs.errors import InputError


def expect_shape(owner: str, name: str, tensor: torch.Tensor | None, shape: tuple[int | str, ...]) -> None:
    """Raise unless ``tensor`` has ``shape``; a string stands for any extent.

    >>> expect_shape("DiffMPM", "x", torch.zeros(10, 2), ("N", 3))
    Traceback (most recent call last):
    configs.errors.InputError: DiffMPM: x has shape (10, 2); expected (N, 3)
    """
    if not isinstance(tensor, torch.Tensor):
        raise InputError(f"{owner}: {name} is a {type(tensor).__name__}; expected a torch.Tensor {_text(shape)}")
    fits = tensor.ndim == len(shape) and all(
        isinstance(want, str) or have == want for have, want in zip(tensor.shape, shape, strict=True)
    )
    if not fits:
        raise InputError(f"{owner}: {name} has shape {_text(tuple(tensor.shape))}; expected {_text(shape)}")


def expect_shapes(
    owner: str, tensors: Mapping[str, torch.Tensor | None], shapes: dict[str, tuple[int | str, ...]]
) -> None:
    """``expect_shape`` for each name of ``shapes``."""
    for name, shape in shapes.items():
        expect_shape(owner, name, tensors[name], shape)


def expect_finite(owner: str, name: str, tensor: torch.Tensor) -> None:
    """Raise, with the first index, if ``tensor`` holds a NaN or an infinity."""
    values = tensor.detach()
    if _all_finite(values):
        return
    bad = ~torch.isfinite(values)
    first = tuple(bad.nonzero()[0].tolist())
    raise InputError(f"{owner}: {name} is not finite in {int(bad.sum())} entries, first at index {first}")


def _all_finite(values: torch.Tensor) -> bool:
    # NumPy on the CPU: waking torch's threads costs more than the check.
    if values.device.type == "cpu" and values.dtype in (torch.float32, torch.float64):
        return bool(np.isfinite(values.numpy()).all())
    return bool(torch.isfinite(values).all())


def expect_real(owner: str, name: str, tensor: torch.Tensor) -> None:
    """Raise unless ``tensor`` is float32 or float64."""
    if tensor.dtype not in (torch.float32, torch.float64):
        raise InputError(f"{owner}: {name} has dtype {tensor.dtype}; expected torch.float32 or torch.float64")


def _text(shape: tuple[int | str, ...]) -> str:
    return "(" + ", ".join(str(extent) for extent in shape) + ("," if len(shape) == 1 else "") + ")"
