"""Whether what is about to be allocated fits, so that too much is one clear error and not a killed process."""

import torch

from bridge.runtime import current
from configs.errors import InputError

MAX_INDEX = 2**31 - 1
"""Kernels index with int32."""


def available_bytes(device: torch.device) -> int | None:
    """Memory that can be had on ``device``; None where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        with open("/proc/meminfo") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return None


def expect_fits(owner: str, what: str, numbers: int, largest: int, device: torch.device, advice: str) -> None:
    """Raise unless ``numbers`` values in all fit the memory and the ``largest`` array 32-bit indices.

    Args:
        what: what they are for, for the message.
        advice: what to change.
    """
    if largest > MAX_INDEX:
        raise InputError(f"{owner}: {what} need an array of {largest} numbers; expected at most {MAX_INDEX}: {advice}")
    needed, available = numbers * current().dtype.itemsize, available_bytes(device)
    if available is not None and needed > available:
        raise InputError(
            f"{owner}: {what} need about {gibibytes(needed)} of memory; {gibibytes(available)} are available: {advice}"
        )


def gibibytes(count: int) -> str:
    """``count`` bytes as text."""
    return f"{count / 2**30:.2f} GiB"
