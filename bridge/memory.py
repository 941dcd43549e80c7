"""Whether what is about to be allocated fits, so that too much is one clear error and not a killed process."""

import functools
from collections.abc import Callable

import torch

from bridge.runtime import current
from configs.errors import InputError

MAX_INDEX = 2**31 - 1
"""Kernels index with int32."""


ALWAYS_FITS = 2**20
"""Bytes for which the system is not asked, which takes longer than using them."""


def available_bytes() -> int | None:
    """Memory that the runtime can have; None where the system does not say.

    On CUDA all that the device has: what is free leaves out what Taichi's and torch's pools hold and would use again.
    """
    backend = current().backend
    if backend == "cuda":
        return _device_bytes(torch.cuda.current_device())
    if backend == "cpu":
        try:
            with open("/proc/meminfo") as lines:
                return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
        except (OSError, StopIteration):
            return None
    return None


@functools.cache
def _device_bytes(device: int) -> int:
    return torch.cuda.get_device_properties(device).total_memory


def expect_fits(owner: str, what: Callable[[], str], numbers: int, largest: int, advice: str) -> None:
    """Raise unless ``numbers`` values in all fit the memory and the ``largest`` array 32-bit indices.

    Args:
        what: says what they are for, for the message.
        advice: what to change.
    """
    if largest > MAX_INDEX:
        raise InputError(
            f"{owner}: {what()} need an array of {largest} numbers; expected at most {MAX_INDEX}: {advice}"
        )
    needed = numbers * current().dtype.itemsize
    if needed <= ALWAYS_FITS:
        return
    available = available_bytes()
    if available is not None and needed > available:
        room = f"{gibibytes(available)} are available"
        raise InputError(f"{owner}: {what()} need about {gibibytes(needed)} of memory; {room}: {advice}")


def gibibytes(count: int) -> str:
    """``count`` bytes as text."""
    return f"{count / 2**30:.2f} GiB"
