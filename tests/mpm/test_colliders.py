"""Nodes among colliders, walls and accelerations: velocities and all gradients against a plain twin."""

import numpy as np
import pytest
import torch

from bridge.exchange import from_torch, to_torch
from kernels.arrays import from_numpy, real_array
from mpm.colliders import (
    CONDITION,
    COUNTS,
    FRICTION,
    KIND,
    LATTICE,
    MARGIN,
    MOVING,
    PITCH,
    POSITION,
    ROTATION,
    ROW,
    SHAPE,
    SIZE,
    SPIN,
    VELOCITY,
)
from mpm.constants import COUNT, DT, GRAVITY, GRID_FACTOR, ORIGIN, SPACING, WALL_FRICTION, WALLS
from mpm.grid import PIECE
from mpm.node_motion import move_nodes, move_nodes_adjoint
from mpm.shapes import SHAPES
from tests.directional import directional_error
from tests.reference import contact as twin

GRID = (6, 7, 6)
H, DELTA, FACTOR = 0.4, 0.05, 0.9
LAYERS = 2
SIZES = {
    "plane": (0, 0, 0),
    "sphere": (0.7, 0, 0),
    "box": (0.6, 0.35, 0.5),
    "cylinder": (0.6, 0.5, 0),
    "mesh": (0, 0, 0),
}
LATTICE_ORIGIN, LATTICE_PITCH, LATTICE_SIZE = -1.1, 0.31, (8, 9, 8)


def _real(*values):
    return torch.tensor(values, dtype=torch.float64)


def _row(shape: str) -> torch.Tensor:
    """A moving, turned collider about the middle of the grid."""
    row = torch.zeros(ROW, dtype=torch.float64)
    turn = torch.linalg.matrix_exp(_real([0, -0.3, 0.5], [0.3, 0, 0.2], [-0.5, -0.2, 0]))
    row[POSITION : POSITION + 3] = _real(0.93, 1.17, 1.06)
    row[ROTATION : ROTATION + 9] = turn.reshape(9)
    row[VELOCITY : VELOCITY + 3] = _real(0.2, 0.5, -0.3)
    row[SPIN : SPIN + 3] = _real(0.4, -0.7, 0.3)
    row[FRICTION] = 0.35
    row[SIZE : SIZE + 3] = _real(*SIZES[shape])
    row[MARGIN] = 0.13
    row[LATTICE : LATTICE + 3] = LATTICE_ORIGIN
    row[PITCH] = LATTICE_PITCH
    return row


def _samples() -> torch.Tensor:
    """[nx, ny, nz, 4]: a bumpy ball's distance and gradient; they need not fit each other here."""
    axes = [LATTICE_ORIGIN + LATTICE_PITCH * torch.arange(n, dtype=torch.float64) for n in LATTICE_SIZE]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    phi = points.norm(dim=-1) - 0.7 + 0.1 * torch.sin(5 * points[..., 0])
    return torch.cat([phi[..., None], points + 0.1 * torch.randn(points.shape, dtype=torch.float64)], -1)


class _Move(torch.autograd.Function):
    """The two kernels as one function of torch tensors."""

    @staticmethod
    def forward(ctx, mass, momentum, acceleration, friction, rows, shapes, kinds, samples, walls):
        constants = torch.zeros(COUNT, dtype=torch.float64)
        constants[[DT, SPACING, GRID_FACTOR]] = _real(DELTA, H, FACTOR)
        constants[ORIGIN : ORIGIN + 3], constants[GRAVITY : GRAVITY + 3] = 0.02, _real(0.0, -9.8, 0.5)
        constants[WALL_FRICTION] = friction
        integers = np.zeros((max(1, len(shapes)), KIND), dtype=np.int32)
        for integer, shape, kind in zip(integers, shapes, kinds, strict=False):  # no collider: one row all the same
            integer[SHAPE], integer[CONDITION], integer[COUNTS:] = SHAPES[shape], WALLS[kind], LATTICE_SIZE
        ctx.grid = from_torch(torch.cat([mass[:, None], momentum], 1).reshape(-1))
        ctx.acceleration, ctx.rows = from_torch(acceleration.reshape(-1)), from_torch(rows.reshape(-1))
        ctx.constants = from_torch(constants)
        ctx.domain = from_numpy([WALLS[walls]] * 6 + [LAYERS, *GRID])
        ctx.rest = [from_numpy(integers.reshape(-1)), from_torch(samples.reshape(-1)), 0, len(shapes)]
        moved = real_array(4 * len(mass))
        ctx.pieces = (from_numpy(np.ones(len(mass) // PIECE, dtype=np.int32)), len(mass) // PIECE)
        move_nodes(ctx.grid, moved, *ctx.pieces, ctx.acceleration, ctx.constants, ctx.domain, ctx.rows, *ctx.rest)
        return to_torch(moved, (4 * len(mass),), "cpu").reshape(-1, 4)[:, 1:]

    @staticmethod
    def backward(ctx, v_bar):
        n = len(v_bar)
        grid_bar = from_torch(torch.cat([torch.zeros_like(v_bar[:, :1]), v_bar], 1).reshape(-1))
        acceleration_bar, constants_bar = real_array(3 * n), real_array(COUNT)
        rows_bar = real_array(ctx.rows.shape[0])
        move_nodes_adjoint(
            ctx.grid, grid_bar, *ctx.pieces, ctx.acceleration, acceleration_bar, ctx.constants, constants_bar,
            ctx.domain, ctx.rows, rows_bar, *ctx.rest,
        )  # fmt: skip
        grid_bar = to_torch(grid_bar, (4 * n,), "cpu").reshape(n, 4)
        friction_bar = to_torch(constants_bar, (COUNT,), "cpu")[WALL_FRICTION]
        rows_bar = to_torch(rows_bar, (ctx.rows.shape[0],), "cpu").reshape(-1, ROW)
        acceleration_bar = to_torch(acceleration_bar, (3 * n,), "cpu").reshape(n, 3)
        return grid_bar[:, 0], grid_bar[:, 1:], acceleration_bar, friction_bar, rows_bar, None, None, None, None


def _twin(mass, momentum, acceleration, friction, rows, shapes, kinds, samples, walls):
    index = torch.cartesian_prod(*(torch.arange(n) for n in GRID))
    x = 0.02 + H * index.double()
    v = FACTOR * (momentum / mass[:, None] + DELTA * (acceleration + _real(0.0, -9.8, 0.5)))
    for row, shape, kind in zip(rows, shapes, kinds, strict=False):  # no collider: one row all the same
        collider = {
            "shape": shape, "kind": kind, "size": row[SIZE : SIZE + 3], "margin": row[MARGIN], "samples": samples,
            "position": row[POSITION : POSITION + 3], "rotation": row[ROTATION : ROTATION + 9].reshape(3, 3),
            "velocity": row[VELOCITY : VELOCITY + 3], "spin": row[SPIN : SPIN + 3], "friction": row[FRICTION],
            "origin": row[LATTICE : LATTICE + 3], "pitch": row[PITCH],
        }  # fmt: skip
        v = twin.collide(x, v, collider)
    for axis in range(3):
        for face, inward in ((index[:, axis] < LAYERS, 1.0), (index[:, axis] >= GRID[axis] - LAYERS, -1.0)):
            n = inward * torch.nn.functional.one_hot(torch.tensor(axis), 3).to(v)
            v = torch.where(face[:, None], twin.respond(v, torch.zeros(3).to(v), n.expand_as(v), friction, walls), v)
    return v


def _inputs(*shapes):
    n = GRID[0] * GRID[1] * GRID[2]
    rows = torch.stack([_row(shape) for shape in shapes]) if shapes else torch.zeros(1, ROW, dtype=torch.float64)
    if len(shapes) > 1:
        rows[1:, POSITION : POSITION + 3] += _real(0.5, -0.2, 0.1)
    return {
        "mass": 0.5 + torch.rand(n, dtype=torch.float64),
        "momentum": torch.randn(n, 3, dtype=torch.float64),
        "acceleration": torch.randn(n, 3, dtype=torch.float64),
        "friction": _real(0.4)[0],
        "rows": rows,
    }


SCENES = {
    **{f"{shape} {kind}": ([shape], [kind], "none") for shape in SHAPES for kind in ("slip", "separate")},
    "sticky": (["cylinder"], ["sticky"], "none"),
    "three that overlap": (["sphere", "box", "mesh"], ["separate", "slip", "separate"], "none"),
    "rubbing walls": ([], [], "separate"),
    "walls and a sphere": (["sphere"], ["separate"], "separate"),
}


@pytest.mark.parametrize("scene", SCENES)
def test_equals_the_twin_and_its_autograd(scene):
    shapes, kinds, walls = SCENES[scene]
    rest = (shapes, kinds, _samples(), walls)
    inputs = {name: value.requires_grad_() for name, value in _inputs(*shapes).items()}
    results = [f(*inputs.values(), *rest) for f in (_Move.apply, _twin)]
    torch.testing.assert_close(*results, rtol=1e-11, atol=1e-12)
    seed = torch.randn_like(results[0])
    ours, theirs = (
        torch.autograd.grad((seed * out).sum(), inputs.values(), allow_unused=True, materialize_grads=True)
        for out in results
    )
    for name, mine, other in zip(inputs, ours, theirs, strict=True):
        if name == "rows":  # sizes and margins only say which nodes are inside, which is not differentiated
            mine, other = mine[:, :MOVING], other[:, :MOVING]
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-10, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("scene", SCENES)
def test_touches_some_nodes_and_not_others(scene):
    shapes, kinds, walls = SCENES[scene]
    inputs = _inputs(*shapes)
    free = _Move.apply(*inputs.values(), [], [], _samples(), "none")
    changed = (_Move.apply(*inputs.values(), shapes, kinds, _samples(), walls) != free).any(1)
    assert 4 <= int(changed.sum()) < len(changed)


@pytest.mark.parametrize("name", ["momentum", "mass", "acceleration", "rows", "friction"])
def test_finite_differences(name):
    shapes, kinds, walls = SCENES["walls and a sphere"]
    seed = torch.sin(torch.arange(3.0 * len(_inputs("sphere")["mass"]), dtype=torch.float64)).reshape(-1, 3)

    def objective(**values):
        values["rows"] = values["rows"] * (torch.arange(ROW) < MOVING) + _row("sphere") * (torch.arange(ROW) >= MOVING)
        out = _Move.apply(*values.values(), shapes, kinds, _samples(), walls)
        return (seed * out).sum() + 0.5 * (out**2).sum()

    assert directional_error(objective, _inputs(*shapes), name, step=1e-5) <= 1e-6


def test_empty_nodes_stay_at_rest():
    inputs = _inputs("sphere")
    inputs["mass"] = torch.zeros_like(inputs["mass"])
    assert not _Move.apply(*inputs.values(), ["sphere"], ["sticky"], _samples(), "none").any()
