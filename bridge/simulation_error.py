"""The error of a simulation that broke while it ran."""

import torch


class SimulationError(RuntimeError):
    """A rollout left the grid or the finite numbers. It says how many particles, which first, when and where."""

    def __init__(self, message: str, count: int, step: int | None, particle: int):
        super().__init__(message)
        self.count = count
        """Number of particles concerned."""
        self.step = step
        """The step, counted from 0, in which it was first seen; None if only the last state is known."""
        self.particle = particle
        """Index of the first particle concerned."""


def outside_error(count: int, step: int, particle: int, x: torch.Tensor) -> SimulationError:
    """Particles that have left the grid, or whose positions are no numbers any more."""
    if not bool(torch.isfinite(x[particle]).all()):
        return SimulationError(
            f"DiffMPM: the positions of {count} particles were not finite at step {step}, first particle {particle}; "
            "dt may be too large, a deformation inverted, or an input enormous",
            count,
            step,
            particle,
        )
    place = ", ".join(f"{value:.4g}" for value in x[particle].tolist())
    return SimulationError(
        f"DiffMPM: {count} particles left the grid in step {step}, first particle {particle} (it ends at {place}); "
        "make mpm.grid larger, dt smaller, or give it walls with mpm.boundary",
        count,
        step,
        particle,
    )


def check_finite_state(packed: torch.Tensor) -> None:
    """Raise if the state ``[33, N]`` holds a value that is not finite."""
    bad = ~torch.isfinite(packed.detach()).all(dim=0)
    if bool(bad.any()):
        count, first = int(bad.sum()), int(bad.nonzero()[0])
        raise SimulationError(
            f"DiffMPM: the state of {count} particles is not finite, first particle {first}; dt may be too large "
            "or a deformation inverted",
            count,
            None,
            first,
        )
