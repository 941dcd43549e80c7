"""Bodies on surfaces, against closed forms: friction on an incline, rest, pushing, and nothing through thin walls."""

import math

import pytest
import torch

from bridge.diffmpm import DiffMPM
from configs.mpm import MPMConfig
from mpm.collider_rows import ColliderRows
from tests.reference import contact
from tests.reference import mpm as twin

G, H, DENSITY = 10.0, 0.1, 1000.0
MATERIAL = {"law": "fixed_corotated", "youngs_modulus": 1e5, "poissons_ratio": 0.3, "density": DENSITY}


def _block(low, high, pitch=H / 2):
    """Particles on a lattice, half a pitch inside the box: [N, 3]."""
    axes = [torch.arange(a + pitch / 2, b, pitch, dtype=torch.float64) for a, b in zip(low, high, strict=True)]
    return torch.cartesian_prod(*axes)


def _config(**changes):
    grid = {"origin": (-1.0, -0.5, -0.6), "spacing": H, "size": (24, 16, 13)}
    return MPMConfig(**{"grid": grid, "dt": 2e-3, "material": MATERIAL, **changes})


def _slide(angle, friction, steps, **how):
    """Mean velocity along the slope of a block that starts at rest on it; gravity is tilted, not the slope."""
    gravity = (G * math.sin(angle), -G * math.cos(angle), 0.0)
    x = _block((-0.7, 0.0, -0.2), (-0.3, 0.3, 0.2))
    state = DiffMPM(_config(gravity=gravity, **how))(x, steps=steps)
    return float(state.v[:, 0].mean()), state


FLOOR = {"shape": "plane", "position": (0, 0, 0), "condition": "separate"}


@pytest.mark.parametrize("support", ["collider", "wall"])
def test_block_slides_down_an_incline(support):
    """a = g (sin t − μ cos t), within 1 %."""
    angle, friction, steps = math.radians(30), 0.25, 200
    how = {"colliders": ({**FLOOR, "friction": friction},)}
    if support == "wall":  # the wall's nodes are those up to y = 0
        how = {"boundary": {"y_min": "separate", "thickness": 6, "friction": friction}}
    velocity, state = _slide(angle, friction, steps, **how)
    expected = G * (math.sin(angle) - friction * math.cos(angle)) * steps * 2e-3
    assert velocity == pytest.approx(expected, rel=0.01)
    assert float(state.v[:, 2].abs().max()) <= 0.05 * expected


def test_block_rests_below_the_angle_of_friction():
    """μ > tan t: it leans a little, and stays where it is."""
    how = {"colliders": ({**FLOOR, "friction": 0.6},), "grid_damping": 5.0}
    places = [float(_slide(math.radians(20), 0.6, steps, **how)[1].x[:, 0].mean()) for steps in (400, 800)]
    assert 0 < places[0] + 0.5 <= 0.1 * H
    assert abs(places[1] - places[0]) <= 1e-3 * H


def test_nodes_on_a_surface_are_on_it_whatever_is_rounded():
    """Planes through nodes, whose places are multiples of 0.1 and hardly ever exactly that."""
    heights = []
    for j in range(6):
        plane = {**FLOOR, "position": (0, j * H, 0), "condition": "sticky"}
        sim = DiffMPM(_config(gravity=(0.0, -G, 0.0), colliders=(plane,)))
        state = sim(_block((-0.4, j * H, -0.2), (0.0, j * H + 0.2, 0.2)), steps=30)
        heights.append(float(state.x[:, 1].mean()) - j * H)
    assert max(heights) - min(heights) <= 1e-9


def test_block_slides_down_a_tilted_plane():
    """Nodes lie anyhow about the surface: still, once landed, Δv = g sin t T − μ (g cos t T + Δv_n), within 1 %."""
    angle, friction, steps = math.radians(30), 0.25, 200
    along = torch.tensor([math.cos(angle), -math.sin(angle), 0.0], dtype=torch.float64)
    normal = torch.tensor([math.sin(angle), math.cos(angle), 0.0], dtype=torch.float64)
    axes = torch.stack([along, normal, torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)], dim=1)
    start = torch.tensor([-0.5, 0.5, 0.0], dtype=torch.float64)
    plane = {"shape": "plane", "position": tuple(start.tolist()), "normal": tuple(normal.tolist())}
    sim = DiffMPM(_config(gravity=(0.0, -G, 0.0), colliders=({**plane, "friction": friction},)))
    x = start + _block((-0.3, 0.0, -0.2), (0.1, 0.3, 0.2)) @ axes.T
    landed, later = (frame.v.mean(0) @ axes for frame in sim(x, steps=steps, record_every=steps // 2).frames)
    time, change = steps // 2 * 2e-3, later - landed
    expected = G * math.sin(angle) * time - friction * (G * math.cos(angle) * time + float(change[1]))
    assert float(change[0]) == pytest.approx(expected, rel=0.01)


def test_ball_rests_on_a_plane():
    x = _block((-0.25, -0.05, -0.25), (0.25, 0.45, 0.25))
    x = x[(x - torch.tensor([0.0, 0.2, 0.0])).norm(dim=1) < 0.22] + torch.tensor([0.0, 0.1, 0.0])
    config = _config(gravity=(0.0, -G, 0.0), colliders=({**FLOOR, "friction": 0.5},), grid_damping=20.0)
    state = DiffMPM(config)(x, steps=600)
    assert float(state.v.abs().max()) <= 2e-3
    assert -0.5 * H <= float(state.x[:, 1].min()) <= 1.0 * H
    assert float((state.x[:, [0, 2]].mean(0)).abs().max()) <= 0.02 * H


def test_plate_pushes_a_block():
    """A sticky plate at a constant velocity: the block swings about the plate's way, by no more than a rod held at one
    end would, v / ω with ω = π/2 √(E / ρ) / L, and does not move aside."""
    speed, steps = 0.5, 400
    plate = {"shape": "box", "half_size": (0.2, 0.4, 0.4), "position": (-0.6, 0.3, 0.0), "velocity": (speed, 0, 0)}
    x = _block((-0.4, 0.1, -0.2), (0.0, 0.5, 0.2))
    config = _config(colliders=({**plate, "condition": "sticky"},), dt=1e-3)
    state = DiffMPM(config)(x, steps=steps)
    moved = (state.x - x).mean(0)
    swing = speed / (math.pi / 2 * math.sqrt(1e5 / DENSITY) / 0.4)
    assert abs(float(moved[0]) - speed * steps * config.dt) <= 1.2 * swing
    assert float(moved[1:].abs().max()) <= 1e-10


def test_the_plate_gives_the_momentum_that_the_block_gains():
    """Over one step, the block's momentum changes by what the plate's nodes are made to gain, and by nothing else."""
    plate = {"shape": "box", "half_size": (0.2, 0.4, 0.4), "position": (-0.48, 0.3, 0.0), "velocity": (0.5, 0.1, 0)}
    config = _config(colliders=({**plate, "friction": 0.3},))
    x = _block((-0.4, 0.1, -0.2), (0.0, 0.5, 0.2))
    mass = torch.full((len(x),), DENSITY * (H / 2) ** 3, dtype=torch.float64)
    gained = (mass[:, None] * DiffMPM(config)(x, steps=1, mass=mass).v).sum(0)
    nodes = twin.node_positions(config, x.dtype)
    node_mass = twin.weights(x, nodes, config).T @ mass
    row = torch.from_numpy(ColliderRows(config).rows(1, config.dt)[0, 0])
    body = {"shape": "box", "kind": "separate", "size": torch.tensor(plate["half_size"]).double(), "margin": 0.0,
            "position": row[:3], "rotation": torch.eye(3).double(), "velocity": row[12:15], "spin": row[15:18],
            "friction": 0.3}  # fmt: skip
    given = node_mass[:, None] * contact.collide(nodes, torch.zeros_like(nodes), body)
    assert float(gained[0]) > 0.1 * 0.5 * float(mass.sum())
    torch.testing.assert_close(gained, given.sum(0), rtol=1e-10, atol=1e-12)


def _fallen_through(margin, steps=200):
    """Loose particles on a plate, a fifth of a cell thick, that moves up; how many end below it."""
    plate = {"shape": "box", "half_size": (0.5, 0.1 * H, 0.5), "position": (-0.2, 0.0, 0.0), "velocity": (0, 0.5, 0)}
    x = _block((-0.4, 0.17, -0.2), (0.0, 0.4, 0.2))
    soft = {**MATERIAL, "youngs_modulus": 2e4}
    config = _config(gravity=(0.0, -G, 0.0), colliders=({**plate, "margin": margin},), material=soft)
    state = DiffMPM(config)(x, steps=steps)
    return int((state.x[:, 1] < 0.5 * steps * config.dt).sum())


def test_nothing_leaks_through_a_thin_moving_plate():
    assert _fallen_through(None) == 0


def test_without_its_margin_a_thin_plate_leaks():
    """What the margin is for: a plate thinner than a cell holds no layer of nodes for long."""
    assert _fallen_through(0.0) > 0
