"""The optimiser of the controls: downhill always, halved steps, refusals, broken simulations."""

import itertools

import pytest
import torch

from bridge.controls import ControlOptimizer, Evaluation
from bridge.mpm_state import MPMState
from bridge.simulation_error import SimulationError
from mpm.status import Report


def _state(controls):
    zeros = torch.zeros(controls.shape[1], 3, dtype=controls.dtype)
    return MPMState(zeros, zeros, controls[0], controls[0], controls[0])


def _bowl(controls):
    """A badly scaled quadratic with its minimum at 1."""
    scale = torch.logspace(-1, 1, controls.numel(), dtype=controls.dtype).reshape(controls.shape)
    total = (scale * (controls - 1) ** 2).sum()
    return Evaluation(total, {"bowl": float(total.detach())}, _state(controls))


def _start():
    return torch.zeros(2, 3, 3, 3, dtype=torch.float64)


@pytest.mark.parametrize("adam_floor", [0.0, 1.0])
def test_every_step_goes_down_to_the_minimum(adam_floor):
    optimizer = ControlOptimizer(_bowl, _start(), lr=5.0, max_halvings=30, adam_floor=adam_floor)
    values = [float(optimizer.current.total.detach())]
    for _ in range(200):
        if not optimizer.update().accepted:  # at the minimum, to rounding
            break
        values.append(float(optimizer.current.total.detach()))
    assert all(after < before for before, after in itertools.pairwise(values))
    assert values[-1] <= 1e-6 * values[0]


def test_too_long_a_step_is_halved_until_it_goes_down():
    optimizer = ControlOptimizer(_bowl, _start(), lr=64.0)
    update = optimizer.update()
    assert update.accepted
    assert update.halvings >= 5
    assert update.lr == 64.0 / 2**update.halvings
    assert optimizer.lr == pytest.approx(1.2 * update.lr)


def test_a_step_that_breaks_the_simulation_is_taken_back():
    def fragile(controls):
        if float(controls.detach().abs().max()) > 0.3:
            raise SimulationError("it broke", Report(1, 0, 0), None)
        return _bowl(controls)

    optimizer = ControlOptimizer(fragile, _start(), lr=1.0)
    update = optimizer.update()
    assert update.accepted
    assert update.refused == "it broke"
    assert float(optimizer.controls.detach().abs().max()) <= 0.3


def test_a_refused_state_is_taken_back():
    def refusal(state):
        return "too far" if float(state.F.detach().abs().max()) > 0.3 else None

    optimizer = ControlOptimizer(_bowl, _start(), lr=1.0, refusal=refusal)
    assert optimizer.update().refused == "too far"
    assert float(optimizer.controls.detach()[0].abs().max()) <= 0.3


def test_nothing_lower_keeps_the_controls():
    optimizer = ControlOptimizer(_bowl, torch.ones_like(_start()), lr=1.0, max_halvings=3)
    update = optimizer.update()
    assert not update.accepted
    assert torch.equal(optimizer.controls.detach(), torch.ones_like(_start()))
    assert not optimizer.update().accepted


def test_a_start_that_is_broken_is_reported():
    def broken(controls):
        raise SimulationError("it broke", Report(1, 0, 0), None)

    with pytest.raises(SimulationError, match="it broke"):
        ControlOptimizer(broken, _start(), lr=1.0)


def test_a_value_that_is_no_number_is_never_accepted():
    def poisoned(controls):
        evaluation = _bowl(controls)
        if float(controls.detach().abs().max()) > 0.3:
            evaluation.total = evaluation.total * torch.nan
        return evaluation

    optimizer = ControlOptimizer(poisoned, _start(), lr=1.0)
    assert optimizer.update().accepted
    assert bool(torch.isfinite(optimizer.current.total))
