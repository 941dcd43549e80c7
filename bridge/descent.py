"""Directions of descent for the controls: Adam and L-BFGS, and the projection of gradients that conflict."""

from collections import deque

import torch
from torch import Tensor

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-12
MEMORY = 8
"""Pairs that L-BFGS keeps."""


class Adam:
    """Kingma and Ba (2015), its denominator raised by a share of the interval's mean.

    Args:
        floor: that share. At 0 all particles move by the same amount, however small their gradient.
    """

    def __init__(self, like: Tensor, floor: float = 0.0):
        self.floor, self.like = floor, like
        self.restart()

    def restart(self) -> None:
        """Forget the moments."""
        self.first, self.second = torch.zeros_like(self.like), torch.zeros_like(self.like)
        self.counts = [0] * len(self.like)

    @torch.no_grad()
    def direction(self, gradient: Tensor, controls: Tensor, active: slice, lr: float) -> Tensor:
        """A step of length about 1 uphill [S, N, 3, 3], 0 outside the ``active`` intervals."""
        step = torch.zeros_like(gradient)
        for s in range(len(gradient))[active]:
            self.counts[s] += 1
            self.first[s].lerp_(gradient[s], 1 - _BETA1)
            self.second[s].lerp_(gradient[s].square(), 1 - _BETA2)
            first = self.first[s] / (1 - _BETA1 ** self.counts[s])
            second = self.second[s] / (1 - _BETA2 ** self.counts[s])
            step[s] = first / (second.sqrt() + self.floor * second.mean().sqrt() + _EPSILON)
        return step

    def state(self) -> dict:
        """Tensors and numbers."""
        return {"first": self.first, "second": self.second, "counts": self.counts}

    def restore(self, state: dict) -> None:
        """From ``state``."""
        self.first, self.second, self.counts = state["first"].clone(), state["second"].clone(), list(state["counts"])


class LBFGS:
    """Limited-memory BFGS (Nocedal 1980) over all intervals.

    Its steps have at most the root mean square 1, in units of the optimiser's step length, and that one before there is
    any curvature.
    """

    def __init__(self, like: Tensor):
        self.restart()

    def restart(self) -> None:
        """Forget the curvature."""
        self.pairs: deque[tuple[Tensor, Tensor]] = deque(maxlen=MEMORY)
        self.last: tuple[Tensor, Tensor] | None = None

    @torch.no_grad()
    def direction(self, gradient: Tensor, controls: Tensor, active: slice, lr: float) -> Tensor:
        """The step uphill [S, N, 3, 3], to be multiplied by ``lr``."""
        controls = controls.detach()
        if self.last is not None:
            s, y = controls - self.last[0], gradient - self.last[1]
            if torch.sum(s * y) > 1e-10 * s.norm() * y.norm():
                self.pairs.append((s, y))
        self.last = (controls.clone(), gradient.clone())
        step, shares = gradient.clone(), []
        for s, y in reversed(self.pairs):
            share = torch.sum(s * step) / torch.sum(s * y)
            step -= share * y
            shares.append(share)
        if self.pairs:
            s, y = self.pairs[-1]
            step *= torch.sum(s * y) / torch.sum(y * y)
        for (s, y), share in zip(self.pairs, reversed(shares), strict=True):
            step += (share - torch.sum(y * step) / torch.sum(s * y)) * s
        length = step.square().mean().sqrt().clamp_min(1e-300)
        return step / (torch.clamp(length, min=lr) if self.pairs else length)

    def state(self) -> dict:
        """Tensors."""
        return {"pairs": list(self.pairs), "last": self.last}

    def restore(self, state: dict) -> None:
        """From ``state``."""
        self.pairs, self.last = deque(state["pairs"], maxlen=MEMORY), state["last"]


def without_conflict(first: Tensor, second: Tensor) -> Tensor:
    """The sum of two gradients; where they oppose each other, each without its part along the other.

    PCGrad (Yu et al. 2020) for two tasks. The result never points uphill: its product with the plain sum is
    (‖a‖² + ‖b‖²) (1 − cos²).
    """
    product = torch.sum(first * second)
    if not product < 0:
        return first + second
    a, b = torch.sum(first * first), torch.sum(second * second)
    return first * (1 - product / a) + second * (1 - product / b)
