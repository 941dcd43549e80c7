"""L-BFGS, sweeps over intervals, conflicts of gradients; Adam is tested through the optimiser (test_controls)."""

import pytest
import torch

from bridge.controls import ControlOptimizer, Evaluation
from bridge.descent import without_conflict
from bridge.mpm_state import MPMState


def _evaluate(controls: torch.Tensor) -> Evaluation:
    """Two bowls, badly scaled, that pull different ways; the least of their sum is between 0 and 1."""
    scale = torch.logspace(-2, 1, controls.numel(), dtype=controls.dtype).reshape(controls.shape)
    groups = [(scale * (controls - 1) ** 2).sum(), (scale.flip(0) * controls**2).sum()]
    zeros = controls[0].detach()
    return Evaluation(sum(groups), {}, MPMState(zeros[:, 0], zeros[:, 0], zeros, zeros, zeros), groups)


def _start() -> torch.Tensor:
    return 2 * torch.ones(2, 3, 3, 3, dtype=torch.float64)


def _least() -> torch.Tensor:
    scale = torch.logspace(-2, 1, 54, dtype=torch.float64).reshape(2, 3, 3, 3)
    return scale / (scale + scale.flip(0))


def test_lbfgs_finds_the_minimum_in_few_updates():
    optimizer = ControlOptimizer(_evaluate, _start(), lr=0.5, max_halvings=30, rule="lbfgs")
    for _ in range(100):
        if not optimizer.update().accepted:
            break
    assert (optimizer.controls.detach() - _least()).abs().max() < 1e-3


def test_steps_without_conflict_lower_the_whole():
    optimizer = ControlOptimizer(_evaluate, _start(), lr=0.1, project_conflicts=True)
    values = [float(optimizer.current.total.detach())]
    for _ in range(20):
        optimizer.update()
        values.append(float(optimizer.current.total.detach()))
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.3 * values[0]


def test_a_step_is_no_longer_than_lr():
    optimizer = ControlOptimizer(_evaluate, _start(), lr=0.1, rule="lbfgs", lr_growth=1.0)
    for _ in range(3):
        before = optimizer.controls.detach()
        optimizer.update()
        assert float((optimizer.controls.detach() - before).square().mean().sqrt()) <= 0.1 * (1 + 1e-9)


def test_an_interval_by_itself():
    optimizer = ControlOptimizer(_evaluate, _start(), lr=0.1)
    optimizer.update(slice(1, 2))
    moved = (optimizer.controls.detach() - _start()).abs().amax(dim=(1, 2, 3))
    assert moved[0] == 0
    assert moved[1] > 0


@pytest.mark.parametrize("rule", ["adam", "lbfgs"])
def test_a_restored_optimiser_goes_on_alike(rule):
    optimizer = ControlOptimizer(_evaluate, _start(), lr=0.1, rule=rule)
    for _ in range(4):
        optimizer.update()
    state = optimizer.state()
    again = ControlOptimizer(_evaluate, state["controls"], lr=0.1, rule=rule)
    again.restore(state)
    for _ in range(3):
        optimizer.update()
        again.update()
    assert torch.equal(optimizer.controls, again.controls)


def test_without_conflict():
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 1.0])
    projected = without_conflict(a, b)
    # each without its part along the other: (1/2, 1/2) and (0, 1)
    torch.testing.assert_close(projected, torch.tensor([0.5, 1.5]))
    assert float(projected @ (a + b)) > 0
    torch.testing.assert_close(without_conflict(a, -b), a - b)
