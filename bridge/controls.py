"""The optimiser of the controls: Adam on all control intervals at once, safeguarded step by step."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from bridge.mpm_state import MPMState
from bridge.simulation_error import SimulationError

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-12


@dataclass
class Evaluation:
    """The objective at some controls, with its graph."""

    total: Tensor
    """What is minimised, 0-d."""
    terms: dict[str, float]
    """Its weighted terms by name; they sum to ``total``."""
    state: MPMState
    """The state at the end of the rollout."""


@dataclass(frozen=True)
class Update:
    """What one update did."""

    accepted: bool
    """False: no step length that was tried lowered the objective."""
    halvings: int
    """Steps taken back because they raised the objective or broke the state."""
    lr: float
    """Step length of the last trial."""
    refused: str | None
    """Why the last refused trial was taken back although the objective may have been lower: the simulation broke, or
    ``refusal`` said so."""


class ControlOptimizer:
    """Minimises an objective of the controls ``[S, N, 3, 3]``; every accepted step lowers it.

    A step that raises the objective, or after which the simulation breaks, is taken back and halved; the moments then
    start again from the plain gradient, which always points downhill. Accepted steps let the length grow again, up to
    ``lr``.

    Args:
        evaluate: controls -> Evaluation. May raise SimulationError.
        controls: start, [S, N, 3, 3].
        lr: largest step, in entries of the control deformation gradient.
        lr_start: first step; default ``lr``.
        lr_growth: factor on the step length after an accepted step.
        max_halvings: trials before an update gives up.
        adam_floor: added to Adam's denominator, as a share of its mean over the interval. At 0 all particles move by
            the same amount, however small their gradient; that roughens the surface.
        refusal: state -> why a step that leads there must be taken back, or None.

    Raises:
        SimulationError: the simulation breaks already at the start.
    """

    def __init__(
        self,
        evaluate: Callable[[Tensor], Evaluation],
        controls: Tensor,
        lr: float,
        lr_start: float | None = None,
        lr_growth: float = 1.2,
        max_halvings: int = 10,
        adam_floor: float = 0.0,
        refusal: Callable[[MPMState], str | None] = lambda state: None,
    ):
        self.evaluate, self.refusal = evaluate, refusal
        self.controls = controls.detach().clone().requires_grad_()
        self.current = evaluate(self.controls)
        self.lr, self.lr_max = min(lr_start or lr, lr), lr
        self.lr_growth, self.max_halvings = lr_growth, max_halvings
        self.adam_floor = adam_floor
        self._gradient: Tensor | None = None
        self._restart_moments()

    def update(self) -> Update:
        """One step down, or none."""
        gradient = self.gradient
        direction = self._adam(gradient)
        refused = None
        for halvings in range(self.max_halvings + 1):
            trial_controls = (self.controls.detach() - self.lr * direction).requires_grad_()
            trial, reason = self._try(trial_controls)
            refused = reason or refused
            if trial is not None:
                self.controls, self.current, self._gradient = trial_controls, trial, None
                used, self.lr = self.lr, min(self.lr * self.lr_growth, self.lr_max)
                return Update(True, halvings, used, refused)
            if halvings == 0:
                self._restart_moments()
                direction = self._adam(gradient)
            self.lr /= 2
        return Update(False, self.max_halvings + 1, 2 * self.lr, refused)

    def state(self) -> dict:
        """What ``restore`` takes: tensors and numbers."""
        return {
            "controls": self.controls.detach(),
            "first": self._first,
            "second": self._second,
            "count": self._count,
            "lr": self.lr,
        }

    def restore(self, state: dict) -> None:
        """Go on as the optimiser whose ``state`` this is; this one was made with that state's controls."""
        self._first, self._second = state["first"].clone(), state["second"].clone()
        self._count, self.lr = state["count"], state["lr"]

    def _try(self, controls: Tensor) -> tuple[Evaluation | None, str | None]:
        try:
            trial = self.evaluate(controls)
        except SimulationError as error:
            return None, str(error)
        reason = self.refusal(trial.state)
        lower = bool(trial.total < self.current.total)
        return (trial if lower and not reason else None), reason

    @property
    def gradient(self) -> Tensor:
        """Of the objective by the controls, where they are now."""
        if self._gradient is None:
            (self._gradient,) = torch.autograd.grad(self.current.total, self.controls)
        return self._gradient

    def _restart_moments(self) -> None:
        self._first = torch.zeros_like(self.controls)
        self._second = torch.zeros_like(self.controls)
        self._count = 0

    @torch.no_grad()
    def _adam(self, gradient: Tensor) -> Tensor:
        """Adam's step of length 1 (Kingma and Ba, 2015), its denominator raised by a share of the interval's mean."""
        self._count += 1
        self._first.lerp_(gradient, 1 - _BETA1)
        self._second.lerp_(gradient.square(), 1 - _BETA2)
        first = self._first / (1 - _BETA1**self._count)
        second = self._second / (1 - _BETA2**self._count)
        floor = self.adam_floor * second.mean(dim=(1, 2, 3), keepdim=True).sqrt()
        return first / (second.sqrt() + floor + _EPSILON)
