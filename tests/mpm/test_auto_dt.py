"""``dt: auto``, and what becomes of particles that leave the grid."""

import pytest
import torch

from bridge.diffmpm import DiffMPM
from bridge.simulation_error import SimulationError
from configs.errors import InputError
from tests.directional import directional_error
from tests.mpm.scenes import make_cloud, make_config

AUTO = {"dt": "auto", "frame_dt": 0.05}


def _substeps(config, cloud):
    """Steps that each frame's rollout takes."""
    sim, taken = DiffMPM(config), []
    make_rollout = sim.solver.rollout
    sim.solver.rollout = lambda **sizes: taken.append(sizes["steps"]) or make_rollout(**sizes)
    sim(**cloud, steps=3)
    return taken


def test_substeps_follow_stiffness_and_speed():
    cloud = make_cloud()
    soft = _substeps(make_config(**AUTO), cloud)
    stiff = _substeps(make_config(**AUTO, material={"youngs_modulus": 4000.0, "density": 2.0}), cloud)
    fast = _substeps(make_config(**AUTO), {**cloud, "v": cloud["v"] + 20.0 * cloud["x"]})
    assert len(soft) == 3
    assert min(stiff) > 2 * max(soft)
    assert fast[0] > soft[0]


def test_substeps_follow_colliders_and_forces():
    """What is at rest is about to be as fast as what hits it."""
    cloud = make_cloud()

    def first(**changes):
        return _substeps(make_config(**AUTO, escaped="deactivate", **changes), cloud)[0]

    sphere = {"shape": "sphere", "radius": 0.5, "position": (-1.5, 0.2, 0.2)}
    calm = first(colliders=[sphere])
    assert calm == first()
    assert first(colliders=[{**sphere, "velocity": (40.0, 0.0, 0.0)}]) > 3 * calm
    assert first(colliders=[{**sphere, "angular_velocity": (0.0, 80.0, 0.0)}]) > 3 * calm
    ways = [{"time": 0.0, "position": (-1.5, 0.2, 0.2)}, {"time": 0.05, "position": (0.5, 0.2, 0.2)}]
    assert first(colliders=[{"shape": "sphere", "radius": 0.5, "keyframes": ways}]) > 3 * calm
    wind = {"kind": "box", "low": (-2, -2, -2), "high": (2, 2, 2), "acceleration": (800.0, 0.0, 0.0)}
    assert first(forces=[wind]) > 3 * calm


def test_a_fast_plate_pushes_and_nothing_passes_it():
    x = make_cloud(200)["x"]
    plate = {"shape": "box", "half_size": (0.1, 1.5, 1.5), "position": (-0.9, 0.2, 0.2), "velocity": (30.0, 0.0, 0.0)}
    state = DiffMPM(make_config(**AUTO, colliders=[plate], escaped="deactivate"))(x, steps=1)
    assert float(state.x[:, 0].min()) > -0.9 + 30 * 0.05


def test_a_collider_that_jumps_over_cells_is_refused():
    plate = {"shape": "box", "half_size": (0.1, 1.5, 1.5), "position": (-0.9, 0.2, 0.2), "velocity": (60.0, 0.0, 0.0)}
    with pytest.raises(
        InputError, match=r"colliders move 1\.2 grid cells in a step of mpm\.dt; expected at most 1 \(dt at"
    ):
        DiffMPM(make_config(colliders=[plate]))(make_cloud()["x"], steps=1)


def test_equal_steps_equal_the_fixed_ones():
    """A frame that is cut into m steps is a rollout of m steps of that length."""
    cloud, config = make_cloud(), make_config(**AUTO)
    (substeps, *_) = _substeps(config, cloud)
    automatic = DiffMPM(config)(**cloud, steps=1)
    assert automatic.time_steps == substeps
    fixed = DiffMPM(make_config(dt=0.05 / substeps))(**cloud, steps=substeps)
    torch.testing.assert_close(automatic.x, fixed.x, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", ["x", "F", "dF"])
def test_gradients_replay_the_same_substeps(name):
    config = make_config(**AUTO)
    inputs = {**make_cloud(), "dF": 0.1 * torch.randn(2, 12, 3, 3, dtype=torch.float64)}

    def objective(**inputs):
        state = DiffMPM(config)(**inputs, steps=4, record_every=2)
        return sum((frame.x**2).sum() + (frame.F**2).sum() + frame.F_total.sum() for frame in state.frames)

    assert directional_error(objective, inputs, name) <= 1e-6


def test_a_time_step_above_the_stable_one_is_refused():
    config = make_config(dt=0.2)
    with pytest.raises(InputError, match=r"mpm.dt is 0.2; the largest stable step for this grid and material is 0.096"):
        DiffMPM(config)(**make_cloud(), steps=1)
    viscous = make_config(
        dt=0.01, material={"law": "fluid", "bulk_modulus": 1.0, "dynamic_viscosity": 100.0, "density": 1.0}
    )
    with pytest.raises(InputError, match="largest stable step"):
        DiffMPM(viscous)(**make_cloud(), steps=1)
    with pytest.raises(InputError, match=r"the largest stable step for this grid and material is 0\.0083"):
        DiffMPM(make_config(bulk_viscosity=10.0))(**make_cloud(), steps=1)  # 2 · 0.5² / (6 · 10)


def _leaving():
    """One particle that flies out of the top, without a bond to the others."""
    cloud = make_cloud()
    cloud["v"], cloud["C"] = 0 * cloud["v"], 0 * cloud["C"]
    cloud["x"][5], cloud["v"][5] = torch.tensor([0.2, 1.6, 0.2]), torch.tensor([0.0, 30.0, 0.0])
    return {"x": cloud["x"], "v": cloud["v"], "steps": 10}


def test_escaped_particles():
    free = {"lam": 0.0, "mu": 0.0}
    with pytest.raises(SimulationError, match="left the grid"):
        DiffMPM(make_config(), **free)(**_leaving())
    left = DiffMPM(make_config(escaped="deactivate"), **free)(**_leaving())
    assert left.escaped == 1
    assert float(left.x[5, 1]) > 2.6
    assert float(left.v[5].norm()) == 0
    held = DiffMPM(make_config(escaped="clamp"), **free)(**_leaving())
    assert held.escaped > 1
    assert float(held.x[5, 1]) == pytest.approx(-2.1 + 0.5 * (11 - 1.5), abs=0.001)
    recorded = DiffMPM(make_config(escaped="deactivate"), **free)(**_leaving(), record_every=5).frames
    assert [(frame.escaped, frame.time_steps) for frame in recorded] == [(None, 5), (1, 10)]
    rest = [p for p in range(12) if p != 5]
    torch.testing.assert_close(held.x[rest], left.x[rest], rtol=1e-12, atol=1e-12)


def test_holds_are_counted_over_all_frames():
    config = make_config(escaped="clamp", dt="auto", frame_dt=0.01)
    state = DiffMPM(config, lam=0.0, mu=0.0)(**_leaving(), record_every=1)
    counts, steps = [frame.escaped for frame in state.frames], [frame.time_steps for frame in state.frames]
    assert 0 == counts[0] < counts[-2] < counts[-1] == state.escaped
    assert steps == sorted(set(steps))


@pytest.mark.parametrize("escaped", ["clamp", "deactivate"])
@pytest.mark.parametrize("name", ["x", "v"])
def test_gradients_of_the_others_stay_exact(escaped, name):
    config = make_config(escaped=escaped)
    start = _leaving()

    def objective(x, v):
        state = DiffMPM(config)(x, v, steps=10)
        return (state.x**2).sum() + (state.F**2).sum()

    assert directional_error(objective, {"x": start["x"], "v": start["v"]}, name) <= 1e-6
