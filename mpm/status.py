"""What went wrong in a rollout, counted by the kernels: particles outside the grid, numbers that are not finite."""

from dataclasses import dataclass

import numpy as np
import taichi as ti

ESCAPED, BROKEN = 0, 3
"""First of three numbers: how many particles, in which step, the first of them; of the first step that found any."""
LAST_ESCAPED = 6
"""Particles outside in the last step; with ``escaped: clamp``, how often one was held, over all steps."""
COUNT = 7
_NO_STEP = 2**31 - 1


@dataclass(frozen=True)
class Report:
    """The first step in which particles were found at fault."""

    count: int
    step: int
    particle: int


def cleared() -> np.ndarray:
    """The status of a rollout that has not begun."""
    return np.array([0, _NO_STEP, _NO_STEP, 0, _NO_STEP, _NO_STEP, 0], dtype=np.int32)


def read(status: np.ndarray, kind: int) -> Report | None:
    """The report of ``ESCAPED`` or ``BROKEN`` particles, if there are any."""
    count, step, particle = (int(value) for value in status[kind : kind + 3])
    return Report(count, step, particle) if count else None


@ti.func
def report(status: ti.template(), kind: ti.template(), number, p):
    """Count the particles of the first step that finds any, and keep the first of them."""
    if ti.atomic_min(status[kind + 1], number) >= number:
        ti.atomic_add(status[kind], 1)
        ti.atomic_min(status[kind + 2], p)
