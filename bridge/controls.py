"""The optimiser of the controls: Adam or L-BFGS, safeguarded step by step."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from bridge.descent import LBFGS, Adam, without_conflict
from bridge.mpm_state import MPMState
from bridge.simulation_error import SimulationError

EVERY = slice(None)
"""All control intervals."""


@dataclass
class Evaluation:
    """The objective at some controls, with its graph."""

    total: Tensor
    """What is minimised, 0-d."""
    terms: dict[str, float]
    """Its weighted terms by name; they sum to ``total``."""
    state: MPMState
    """The state at the end of the rollout."""
    groups: list[Tensor] = field(default_factory=list)
    """Two parts of ``total`` whose gradients may conflict, 0-d; needed for ``project_conflicts``."""


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
        rule: adam, or lbfgs, whose ``lr`` bounds the root mean square of a step.
        project_conflicts: where the gradients of the evaluation's two groups oppose each other, leave out the part of
            each that does (bridge.descent).

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
        rule: Literal["adam", "lbfgs"] = "adam",
        project_conflicts: bool = False,
    ):
        self.evaluate, self.refusal = evaluate, refusal
        self.controls = controls.detach().clone().requires_grad_()
        self.current = evaluate(self.controls)
        self.lr, self.lr_max = min(lr_start or lr, lr), lr
        self.lr_growth, self.max_halvings = lr_growth, max_halvings
        self.project_conflicts = project_conflicts
        self.rule = Adam(self.controls.detach(), adam_floor) if rule == "adam" else LBFGS(self.controls.detach())
        self._gradient: Tensor | None = None

    def update(self, active: slice = EVERY) -> Update:
        """One step down, or none, of the ``active`` control intervals."""
        gradient = self.gradient
        direction = self.rule.direction(gradient, self.controls, active, self.lr)
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
                self.rule.restart()
                direction = self.rule.direction(gradient, self.controls, active, self.lr)
            self.lr /= 2
        return Update(False, self.max_halvings + 1, 2 * self.lr, refused)

    def state(self) -> dict:
        """What ``restore`` takes: tensors and numbers."""
        return {"controls": self.controls.detach(), "rule": self.rule.state(), "lr": self.lr}

    def restore(self, state: dict) -> None:
        """Go on as the optimiser whose ``state`` this is; this one was made with that state's controls."""
        self.rule.restore(state["rule"])
        self.lr = state["lr"]

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
        """Of the objective by the controls, where they are now, without conflicts if so wished."""
        if self._gradient is None:
            groups = self.current.groups if self.project_conflicts else []
            if len(groups) == 2:
                parts = [torch.autograd.grad(g, self.controls, retain_graph=g is groups[0])[0] for g in groups]
                self._gradient = without_conflict(*parts)
            else:
                (self._gradient,) = torch.autograd.grad(self.current.total, self.controls)
        return self._gradient
