"""The error of a simulation that broke while it ran."""

from typing import Any

from mpm.status import Report


class SimulationError(RuntimeError):
    """A rollout left the grid or the finite numbers. It says how many particles, which first, when and where."""

    def __init__(self, message: str, report: Report, state: Any):
        super().__init__(message)
        self.count, self.step, self.particle = report.count, report.step, report.particle
        """Number of particles concerned; the step, counted from 0, in which they were found; the first of them."""
        self.state = state
        """The ``MPMState`` that this step began with, or the one before if that is not finite or has inverted particles
        (det F ≤ 0); without gradients."""


def escaped_error(report: Report, state: Any) -> SimulationError:
    """Particles that have left the grid; ``state`` is that in which they are found outside."""
    place = ", ".join(f"{value:.4g}" for value in state.x[report.particle].tolist())
    return SimulationError(
        f"DiffMPM: {report.count} particles left the grid in step {report.step}, first particle {report.particle} "
        f"(at {place}); make mpm.grid larger, dt smaller, give it walls with mpm.boundary, or choose mpm.escaped",
        report,
        state,
    )


def broken_error(report: Report, state: Any) -> SimulationError:
    """Particles whose numbers are not finite any more."""
    return SimulationError(
        f"DiffMPM: the state or stress of {report.count} particles is not finite in step {report.step}, first particle "
        f"{report.particle}; dt may be too large, a deformation inverted (det F ≤ 0), or an input enormous",
        report,
        state,
    )
