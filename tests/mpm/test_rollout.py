"""Rollouts as torch sees them: segments, frames, several alive, errors."""

import pytest
import torch

from bridge.diffmpm import DiffMPM
from bridge.simulation_error import SimulationError
from configs.errors import InputError
from mpm.rollout import segment_length
from mpm.state import INTERNAL
from tests.mpm.scenes import make_cloud, make_config

STEPS = 12
NEO_HOOKEAN = {"youngs_modulus": 40.0, "poissons_ratio": 0.3}


def _gradient(sim, cloud):
    dF = torch.zeros(3, len(cloud["x"]), 3, 3, dtype=cloud["x"].dtype, requires_grad=True)
    state = sim(**cloud, dF=dF, steps=STEPS)
    return torch.autograd.grad((state.x**2).sum() + state.F.sum(), dF)[0]


def _budget(slots, n):
    return slots * INTERNAL * n * 8 / 2**20


def test_recomputed_segments_give_the_same_gradient():
    """Memory for 3 states a segment instead of 13; one thread adds in the same order only in deterministic mode."""
    cloud = make_cloud()
    n = len(cloud["x"])
    full = _gradient(DiffMPM(make_config()), cloud)
    sim = DiffMPM(make_config(memory_budget_mb=_budget(8.5, n)))
    assert sim.solver.rollout(n=n, steps=STEPS).segment < STEPS
    torch.testing.assert_close(_gradient(sim, cloud), full, rtol=1e-11, atol=1e-13)


def test_segment_length_fits_the_budget():
    for slots in (8, 9, 12, 60):
        length = segment_length(100, INTERNAL * 1000, _budget(slots + 15, 1000))
        assert length + 1 + -(-100 // length) <= slots + 15
    assert segment_length(100, INTERNAL * 1000, _budget(101.5, 1000)) == 100
    with pytest.raises(InputError, match=r"memory_budget_mb is .* at least"):
        segment_length(100, INTERNAL * 1000, _budget(3, 1000))


def test_frames_are_the_states_of_shorter_rollouts():
    cloud, sim = make_cloud(), DiffMPM(make_config())
    frames = sim(**cloud, steps=STEPS, record_every=4).frames
    assert len(frames) == 3
    for frame, steps in zip(frames, (4, 8, 12), strict=True):
        state = sim(**cloud, steps=steps)
        torch.testing.assert_close(frame.x, state.x, rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(frame.F_total, state.F_total, rtol=1e-12, atol=1e-13)


def test_two_forwards_alive_before_a_backward():
    sim, cloud = DiffMPM(make_config()), make_cloud()
    inputs = [cloud["x"].clone().requires_grad_(), (cloud["x"] + 0.1).requires_grad_()]
    alone = [torch.autograd.grad((sim(x, steps=5).x ** 2).sum(), x)[0] for x in inputs]
    both = [(sim(x, steps=5).x ** 2).sum() for x in inputs]
    for x, loss, expected in zip(inputs, both, alone, strict=True):
        torch.testing.assert_close(torch.autograd.grad(loss, x)[0], expected, rtol=1e-12, atol=1e-13)


def test_second_backward_needs_retain_graph_and_double_backward_says_no():
    sim, x = DiffMPM(make_config()), make_cloud()["x"].requires_grad_()
    loss = (sim(x, steps=3).x ** 2).sum()
    first = torch.autograd.grad(loss, x, retain_graph=True)[0]
    torch.testing.assert_close(torch.autograd.grad(loss, x)[0], first)
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(loss, x)
    loss = (sim(x, steps=3).x ** 2).sum()
    gradient = torch.autograd.grad(loss, x, create_graph=True)[0]
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_no_memory_for_a_backward_that_cannot_come():
    cloud, sizes = make_cloud(), []
    sim = DiffMPM(make_config())
    make_rollout = sim.solver.rollout
    sim.solver.rollout = lambda **wanted: sizes.append(wanted) or make_rollout(**wanted)
    dF = torch.zeros(1, len(cloud["x"]), 3, 3, dtype=cloud["x"].dtype, requires_grad=True)
    with torch.no_grad():
        sim(**cloud, dF=dF, steps=2)
    sim(**cloud, steps=2)
    sim(**cloud, dF=dF, steps=2)
    assert [wanted["differentiable"] for wanted in sizes] == [False, False, True]


def test_parameters_of_a_module_learn():
    cloud = make_cloud()
    sim = DiffMPM(make_config(), lam=torch.nn.Parameter(torch.tensor(20.0, dtype=torch.float64)))
    assert [name for name, _ in sim.named_parameters()] == ["lam"]
    sim(**cloud, steps=3).x.square().sum().backward()
    assert sim.lam.grad is not None
    assert float(sim.lam.grad.abs()) > 0


def test_youngs_modulus_and_poissons_ratio_learn():
    """Two iterations: the conversion to Lamé parameters belongs to each forward's own graph."""
    parameters = {
        name: torch.nn.Parameter(torch.tensor(value, dtype=torch.float64)) for name, value in (("E", 40.0), ("nu", 0.3))
    }
    sim = DiffMPM.from_young(make_config(), **parameters)
    assert float(sim.lame_parameters()[1].detach()) == pytest.approx(40 / 2.6)
    optimizer = torch.optim.SGD(sim.parameters(), lr=1e-4)
    for _ in range(2):
        optimizer.zero_grad()
        sim(**make_cloud(), steps=3).x.square().sum().backward()
        assert all(float(value.grad.abs()) > 0 for value in parameters.values())
        optimizer.step()


def test_particles_that_leave_are_reported():
    cloud = make_cloud()
    cloud["x"][5] = torch.tensor([0.2, 1.6, 0.2])
    cloud["v"][5] = torch.tensor([0.0, 30.0, 0.0])
    message = r"1 particles left the grid in step [1-9]\d*, first particle 5"
    with pytest.raises(SimulationError, match=message) as raised:
        DiffMPM(make_config(), lam=0.0, mu=0.0)(cloud["x"], cloud["v"], steps=10)
    assert (raised.value.count, raised.value.particle) == (1, 5)
    assert raised.value.state.x[5, 1] > 2.4  # where it is found outside


def test_a_state_that_breaks_is_reported():
    """The logarithm of an inverted neo-Hookean particle is no number."""
    cloud = make_cloud()
    dF = torch.zeros(2, len(cloud["x"]), 3, 3, dtype=torch.float64)
    dF[1, 3] = torch.diag(torch.tensor([-3.0, 0.0, 0.0]))
    config = make_config(material={**NEO_HOOKEAN, "law": "neo_hookean"})
    with pytest.raises(SimulationError, match="1 particles is not finite in step 2, first particle 3") as raised:
        DiffMPM(config)(**cloud, dF=dF, steps=4)
    whole = DiffMPM(config)(**cloud, steps=2)
    torch.testing.assert_close(raised.value.state.x, whole.x, rtol=1e-12, atol=1e-12)


def test_the_state_that_is_left_can_be_gone_on_from():
    """The step that finds an inverted particle begins with it; what is left is the state before."""
    cloud = make_cloud()
    config = make_config(material={**NEO_HOOKEAN, "law": "neo_hookean"}, dt=0.05, check_dt=False)
    with pytest.raises(SimulationError, match=r"not finite in step [1-9]") as raised:
        DiffMPM(config)(cloud["x"], -20 * cloud["x"], C=-20 * torch.eye(3).double().repeat(12, 1, 1), steps=20)
    left = raised.value.state
    assert float(torch.linalg.det(left.F).min()) > 0
    DiffMPM(make_config(dt=1e-4))(**left.inputs(), steps=1)


def test_a_state_that_breaks_in_the_last_step_is_reported():
    """Nothing comes after it to find the broken numbers."""
    x = make_cloud(200)["x"]
    config = make_config(material={"law": "fluid", "bulk_modulus": 1.0}, dt=0.1, escaped="deactivate")
    with pytest.raises(SimulationError, match="not finite in step 1,") as raised:
        DiffMPM(config)(x, -50 * x, steps=1)  # turned inside out: det F is negative
    torch.testing.assert_close(raised.value.state.x, x)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": torch.zeros(10, 2)}, r"DiffMPM: x has shape \(10, 2\); expected \(N, 3\)"),
        ({"x": torch.zeros(0, 3)}, "no particles"),
        ({"v": torch.zeros(3, 3)}, r"v has shape \(3, 3\); expected \(12, 3\)"),
        ({"v": torch.full((12, 3), torch.nan)}, r"v is not finite in 36 entries, first at index \(0, 0\)"),
        ({"dF": torch.zeros(5, 12, 3, 3)}, "5 control intervals do not divide steps=12"),
        ({"record_every": 5}, "record_every=5 does not divide steps=12"),
        ({"record_every": 0}, "record_every=0 does not divide steps=12"),
        ({"steps": 0}, "steps is 0; expected at least 1"),
        ({"steps": 2.5}, "steps is 2.5; expected an integer"),
        ({"x": torch.zeros(12, 3, dtype=torch.int64)}, "x has dtype torch.int64; expected torch.float32 or"),
        ({"gravity": torch.zeros(2)}, r"gravity has shape \(2,\)"),
        ({"mass": torch.ones(3)}, r"mass has shape \(3,\); expected \(12,\)"),
        ({"params": {"friction": torch.ones(())}}, "params has friction; expected nothing beyond lam and mu"),
        ({"mass": -1.0}, "mass is -1 for particle 0 and 12 in all; expected above 0"),
        ({"volume": 0.0}, "volume is 0 for particle 0"),
        ({"x": torch.full((12, 3), 9.0)}, r"x has 12 particles outside mpm.grid, first particle 0 at \(9, 9, 9\)"),
        ({"x": torch.zeros(12, 3)}, "x has particles at one place, first 0 and 1"),
        ({"F": -torch.eye(3).expand(12, 3, 3)}, "F has det F ≤ 0 in 12 particles, first 0"),
        ({"material_id": torch.full((12,), 3)}, "material_id reaches from 3 to 3; expected 0 to 0"),
        ({"material_id": torch.zeros(12)}, "material_id has dtype torch.float32; expected an integer type"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(InputError, match=message):
        DiffMPM(make_config())(**{**make_cloud(), "steps": STEPS, **change})


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e30])
def test_positions_that_are_no_numbers_touch_no_memory(monkeypatch, value):
    """A velocity that breaks the positions is reported; it once wrote to memory that belongs to others."""
    cloud = make_cloud()
    cloud["v"][3] = value
    monkeypatch.setattr("bridge.mpm_state.expect_finite", lambda *_: None)
    with pytest.raises(SimulationError, match=r"not finite|left the grid"):
        DiffMPM(make_config())(**cloud, steps=20)
