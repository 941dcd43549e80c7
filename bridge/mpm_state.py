"""The simulator's state as torch sees it, and packed as the solver keeps it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from bridge.checks import expect_finite, expect_real, expect_shape
from configs.errors import InputError
from mpm.state import INTERNAL


@dataclass
class MPMState:
    """Particles after some step; row p is particle p."""

    x: Tensor
    """Positions [N, 3]. Unit: length."""
    v: Tensor
    """Velocities [N, 3]. Unit: length / time."""
    C: Tensor
    """APIC's affine velocity [N, 3, 3], the velocity gradient. Unit: 1 / time."""
    F: Tensor
    """The solver's own deformation gradient [N, 3, 3]: elastic, smoothed, controlled, as the configuration says."""
    F_total: Tensor
    """The material's true deformation [N, 3, 3] from the rollout's start: every step's (I + dt C), nothing else."""
    internal: Tensor | None = None
    """Internal variables of the plastic laws in use [N, Q], named by ``DiffMPM.internal_names``; None if there are
    none."""
    escaped: int | None = 0
    """Particles that had left the grid when the last step began; with ``escaped: clamp``, how often one was held. None:
    not counted, as of a state recorded on the way."""
    time_steps: int = 0
    """Time steps from the rollout's start: with ``dt: auto``, how many its steps were cut into."""
    frames: "list[MPMState] | None" = None
    """The states after every ``record_every`` steps, if asked for; the last is this one."""

    def inputs(self) -> dict[str, Tensor | None]:
        """What ``DiffMPM.forward`` takes to go on from here, F_total included."""
        return {name: getattr(self, name) for name in ("x", "v", "C", "F", "F_total", "internal")}

    def detach(self) -> "MPMState":
        """The same state, outside every graph, without frames."""
        parts = {name: None if value is None else value.detach() for name, value in self.inputs().items()}
        return MPMState(**parts, escaped=self.escaped, time_steps=self.time_steps)  # type: ignore[arg-type]


def check_state(x: Tensor, parts: dict[str, Tensor | None], internal: int) -> int:
    """Raise for wrong shapes, integers, values that are not finite, and inverted deformations; returns N."""
    expect_shape("DiffMPM", "x", x, ("N", 3))
    expect_real("DiffMPM", "x", x)
    n = x.shape[0]
    if n == 0:
        raise InputError("DiffMPM: x has no particles; expected at least 1")
    shapes = {"v": (n, 3), "C": (n, 3, 3), "F": (n, 3, 3), "F_total": (n, 3, 3), "internal": (n, internal)}
    for name, value in parts.items():
        if value is not None:
            expect_shape("DiffMPM", name, value, shapes[name])
            expect_finite("DiffMPM", name, value)
    expect_finite("DiffMPM", "x", x)
    if parts["F"] is not None:
        _expect_positive_volume(parts["F"])
    return n


def is_whole(state: MPMState) -> bool:
    """Whether a rollout may start from it: all numbers finite, no particle inverted."""
    finite = all(bool(torch.isfinite(value).all()) for value in state.inputs().values() if value is not None)
    return finite and not bool(_inverted(state.F).any())


def _inverted(F: Tensor) -> Tensor:
    """Which particles have det F ≤ 0, bool [N]."""
    return (torch.linalg.cross(F[:, 0], F[:, 1]) * F[:, 2]).sum(1) <= 0


def _expect_positive_volume(F: Tensor) -> None:
    inverted = _inverted(F.detach())
    if bool(inverted.any()):
        first = int(inverted.nonzero()[0])
        raise InputError(
            f"DiffMPM: F has det F ≤ 0 in {int(inverted.sum())} particles, first {first}; expected det F > 0"
        )


def pack(x: Tensor, parts: dict[str, Tensor | None], internal: int) -> Tensor:
    """The state [(33 + internal) N] of mpm.state: component by component."""
    n = x.shape[0]
    eye = torch.eye(3, dtype=x.dtype, device=x.device).reshape(9, 1).expand(9, n)

    def matrix(name: str, default: Tensor) -> Tensor:
        value = parts[name]
        return default if value is None else value.to(x).reshape(n, 9).T

    v, kept = parts["v"], parts["internal"]
    rows = [
        x.T,
        x.new_zeros(3, n) if v is None else v.to(x).T,
        matrix("C", x.new_zeros(9, n)),
        matrix("F", eye),
        matrix("F_total", eye),
        x.new_zeros(internal, n) if kept is None else kept.to(x).T,
    ]
    return torch.cat(rows).reshape(-1)


def unpack(packed: Tensor, n: int) -> MPMState:
    """The state of [components N]."""
    rows = packed.reshape(-1, n)
    x, v, C, F, F_total, internal = rows.split([3, 3, 9, 9, 9, len(rows) - INTERNAL])
    C, F, F_total = (m.T.reshape(n, 3, 3) for m in (C, F, F_total))
    return MPMState(x.T, v.T, C, F, F_total, internal.T if len(internal) else None)
