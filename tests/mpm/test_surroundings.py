"""Rollouts among colliders, forces and rubbing walls: gradients against differences, and ways of saying the same."""

import math

import pytest
import torch

from bridge.diffmpm import DiffMPM
from bridge.exchange import load, to_torch
from bridge.mpm_state import pack, unpack
from configs.errors import InputError
from mpm.constants import make_constants
from mpm.solver import Solver, run
from tests.directional import directional_error
from tests.mpm.scenes import make_cloud, make_config

STEPS = 6
PLANE = {"shape": "plane", "position": (0, -0.1, 0), "normal": (0.2, 1, 0.1)}
SPHERE = {"shape": "sphere", "radius": 0.9, "position": (0.9, 0.1, 0.3), "velocity": (-1.0, 0.3, 0.2)}
BOX = {"shape": "box", "half_size": (0.6, 0.5, 0.7), "position": (-0.6, 0.2, 0.1), "rotation": (17, 11, -6)}
FORCE = {"kind": "radial", "strength": -2.0, "power": 1.0}
SMOOTH = {"colliders": ({**SPHERE, "condition": "slip"}, {**BOX, "condition": "sticky"})}
RUBBING = {
    "colliders": ({**PLANE, "friction": 0.3}, {**SPHERE, "friction": 0.2}),
    "boundary": {**dict.fromkeys(("x_min", "x_max", "y_min", "z_max"), "separate"), "thickness": 4, "friction": 0.4},
    "grid_damping": 3.0,
    "forces": (FORCE,),
}


def _motion(count=2, **given):
    g = torch.Generator().manual_seed(1)

    def rand(*shape):
        return torch.rand(*shape, generator=g, dtype=torch.float64) - 0.5

    start = torch.tensor([[0.9, 0.1, 0.3], [-0.6, 0.2, 0.1]], dtype=torch.float64)[:count]
    values = {
        "velocity": rand(STEPS, count, 3),
        "angular_velocity": rand(STEPS, count, 3),
        "position": start + 0.02 * rand(STEPS + 1, count, 3),
        "rotation": 0.1 * rand(STEPS + 1, count, 3),
        "friction": torch.tensor([0.3, 0.2], dtype=torch.float64)[:count],
    }
    return {name: values[name] for name in given or values}


def _objective(config):
    def objective(x, v, C, F, motion, value, gravity, mass):
        name, kind = motion
        where = {"colliders": {name: value}} if kind == "collider" else {name: value}
        state = DiffMPM(config)(x, v, C, F, steps=STEPS, gravity=gravity, mass=mass, **where)
        total = x.new_zeros(())
        for part in (state.x, state.v, state.C, state.F):
            seed = torch.sin(torch.arange(part.numel(), dtype=part.dtype)).reshape(part.shape)
            total = total + (seed * part).sum() + 0.5 * (part**2).sum()
        return total

    return objective


def _inputs(name, kind, value):
    gravity = torch.tensor([0.3, -9.8, 0.7], dtype=torch.float64)
    mass = 0.05 + 0.1 * torch.rand(12, dtype=torch.float64)
    return {**make_cloud(), "motion": (name, kind), "value": value, "gravity": gravity, "mass": mass}


@pytest.mark.parametrize("name", ["velocity", "angular_velocity", "position", "rotation"])
def test_motion_of_smooth_colliders(name):
    inputs = _inputs(name, "collider", _motion()[name])
    assert directional_error(_objective(make_config(**SMOOTH)), inputs, "value") <= 1e-6


@pytest.mark.parametrize("name", ["x", "v", "F", "gravity", "mass"])
def test_state_among_smooth_colliders(name):
    inputs = _inputs("velocity", "collider", _motion()["velocity"])
    assert directional_error(_objective(make_config(**SMOOTH)), inputs, name) <= 1e-6


@pytest.mark.parametrize("name", ["velocity", "position", "friction"])
def test_motion_through_friction(name):
    inputs = _inputs(name, "collider", _motion()[name])
    assert directional_error(_objective(make_config(**RUBBING)), inputs, "value") <= 1e-4


@pytest.mark.parametrize("name", ["x", "v", "F", "gravity", "mass"])
def test_state_through_friction(name):
    inputs = _inputs("velocity", "collider", _motion()["velocity"])
    assert directional_error(_objective(make_config(**RUBBING)), inputs, name) <= 1e-4


def test_friction_of_walls_and_acceleration_of_nodes():
    config = make_config(**RUBBING)
    friction = torch.tensor(0.4, dtype=torch.float64)
    assert directional_error(_objective(config), _inputs("wall_friction", "argument", friction), "value") <= 1e-4
    field = torch.rand(*config.grid.size, 3, dtype=torch.float64)
    assert directional_error(_objective(config), _inputs("acceleration", "argument", field), "value") <= 1e-4


def _final(config, steps=STEPS, **arguments):
    state = DiffMPM(config)(**make_cloud(), steps=steps, **arguments)
    return torch.cat([state.x, state.v, state.F.flatten(1)], dim=1)


def test_positions_and_velocities_say_the_same():
    """A trajectory by its poses, and by the velocities between them; gradients too."""
    config = make_config(**RUBBING)
    velocity = (3 * _motion()["velocity"]).requires_grad_()
    start = torch.tensor([[0.0, -0.1, 0.0], [0.9, 0.1, 0.3]], dtype=torch.float64)
    position = torch.cat([start[None], start + config.dt * velocity.cumsum(0)])
    ways = ({"velocity": velocity}, {"position": position})
    by_velocity, by_position = (_final(config, colliders=way) for way in ways)
    torch.testing.assert_close(by_velocity, by_position, rtol=1e-10, atol=1e-11)
    gradients = [torch.autograd.grad(out.square().sum(), velocity)[0] for out in (by_velocity, by_position)]
    torch.testing.assert_close(*gradients, rtol=1e-8, atol=1e-10)
    assert gradients[0].abs().max() > 1e-6


def test_configured_motion_equals_given_motion():
    config = make_config(**SMOOTH)
    velocity = torch.tensor([[-1.0, 0.3, 0.2], [0, 0, 0]], dtype=torch.float64)
    torch.testing.assert_close(_final(config), _final(config, colliders={"velocity": velocity}), rtol=1e-12, atol=1e-12)


def test_two_halves_equal_the_whole():
    """``time`` continues a configured trajectory."""
    config = make_config(**RUBBING)
    whole = DiffMPM(config)(**make_cloud(), steps=STEPS)
    half = DiffMPM(config)(**make_cloud(), steps=STEPS // 2)
    rest = DiffMPM(config)(**half.inputs(), steps=STEPS // 2, time=STEPS // 2 * config.dt)
    torch.testing.assert_close(rest.x, whole.x, rtol=1e-12, atol=1e-12)


def test_automatic_substeps_meet_the_same_colliders():
    config = make_config(**SMOOTH)
    motion = {"velocity": _motion()["velocity"][:2]}
    auto = make_config(**SMOOTH, dt="auto", frame_dt=3 * config.dt, courant=1.0)
    state = DiffMPM(auto)(**make_cloud(), steps=2, colliders=motion)
    same = [DiffMPM(make_config(**SMOOTH, dt=3 * config.dt / k)) for k in range(1, 9)]
    finals = [
        sim(**make_cloud(), steps=2 * k, colliders={"velocity": motion["velocity"].repeat_interleave(k, dim=0)}).x
        for k, sim in enumerate(same, start=1)
    ]
    assert min(float((final - state.x).abs().max()) for final in finals) <= 1e-12


def test_recomputed_segments_give_the_same_gradient():
    """Each step meets its own row of the colliders, in whatever order steps are run again."""
    gradients = []
    for budget in (100.0, 0.0185):
        velocity = _motion()["velocity"].requires_grad_()
        config = make_config(**RUBBING, memory_budget_mb=budget)
        gradients += torch.autograd.grad(_final(config, colliders={"velocity": velocity}).square().sum(), velocity)
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-12)


def test_mesh_collider_acts_as_the_shape_that_it_is_of():
    """A ball as a mesh of facets, sampled, against the ball itself."""
    ball = {"position": (0.9, 0.1, 0.3), "velocity": (-1.0, 0.3, 0.2), "friction": 0.2}
    mesh = {"shape": "mesh", "mesh": "sphere", "extent": 1.8, "resolution": 24, **ball}
    as_mesh, as_shape = (
        _final(make_config(colliders=(c,))) for c in (mesh, {"shape": "sphere", "radius": 0.9, **ball})
    )
    free = _final(make_config())
    assert float((as_mesh - as_shape).norm()) <= 0.03 * float((as_shape - free).norm())


def test_pure_taichi_meets_the_same_surroundings():
    """Arrays filled by ``Surroundings.load`` instead of by tensors."""
    config = make_config(**RUBBING)
    state = DiffMPM(config)(**make_cloud(), steps=STEPS)
    solver, cloud = Solver(config), make_cloud()
    rollout = solver.rollout(n=12, steps=STEPS, differentiable=False)
    load(pack(cloud.pop("x"), {**cloud, "F_total": None, "internal": None}, 0), rollout.initial)
    density, volume = config.material.density, config.grid.spacing**3 / 8
    rows = [density * volume, volume, config.material.lam, config.material.mu]
    load(torch.tensor(rows, dtype=torch.float64).repeat_interleave(12), rollout.material)
    load(torch.from_numpy(make_constants(config, config.dt)), rollout.constants)
    solver.surroundings.load(rollout, config.dt)
    run(solver, rollout)
    final = unpack(to_torch(rollout.frames[-1], (33 * 12,), "cpu"), 12)
    torch.testing.assert_close(final.x, state.x, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(final.v, state.v, rtol=1e-12, atol=1e-12)


def test_forces_and_damping_of_free_particles():
    """Damped flight in a constant acceleration: v' = (1 − dt c)(v + dt a), exactly."""
    config = make_config(
        grid_damping=2.0, gravity=(0.0, -3.0, 0.0), material={"law": "fixed_corotated", "youngs_modulus": 1e-9},
        forces=({"kind": "box", "low": (-9, -9, -9), "high": (9, 9, 9), "acceleration": (1.0, 0.5, 0.0)},),
    )  # fmt: skip
    x = make_cloud()["x"]
    state = DiffMPM(config)(x, steps=5)
    speed = 0.0
    for _ in range(5):
        speed = (1 - 0.02) * (speed + 0.01)
    torch.testing.assert_close(state.v[:, 0], torch.full((12,), speed, dtype=torch.float64), rtol=1e-9, atol=0)
    torch.testing.assert_close(state.v[:, 1], torch.full((12,), -2.5 * speed, dtype=torch.float64), rtol=1e-9, atol=0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"colliders": {"speed": torch.zeros(2, 3)}}, "colliders has speed; expected position"),
        ({"colliders": {"velocity": torch.zeros(5, 2, 3)}}, r"velocity has shape \(5, 2, 3\); expected \(6, 2, 3\)"),
        ({"colliders": {"velocity": torch.full((2, 3), math.nan)}}, "colliders.velocity is not finite"),
        ({"colliders": {"friction": torch.tensor([0.1, -0.2])}}, "colliders.friction is -0.2; expected at least 0"),
        ({"colliders": {"velocity": torch.zeros(2, 3), "position": torch.zeros(7, 2, 3)}}, "expected one of them"),
        ({"wall_friction": torch.tensor(-1.0)}, "wall_friction is -1; expected at least 0"),
        ({"acceleration": torch.zeros(3)}, r"acceleration has shape \(3,\); expected \(10, 11, 10, 3\)"),
    ],
)  # fmt: skip
def test_bad_input_is_named(given, message):
    with pytest.raises(ValueError, match=message):
        _final(make_config(**SMOOTH), **given)


def test_friction_without_a_wall_that_rubs_is_refused():
    with pytest.raises(InputError, match=r"wall_friction is given, but no face of mpm\.boundary separates"):
        DiffMPM(make_config(boundary="slip"))(make_cloud()["x"], steps=1, wall_friction=torch.tensor(0.3))


def test_motion_without_colliders_is_refused():
    with pytest.raises(ValueError, match="the configuration has none"):
        _final(make_config(), colliders={"velocity": torch.zeros(1, 3)})
