"""The order of cells and both scatters, by runs of a cell and to shares of the grid, against plain NumPy."""

import numpy as np
import pytest

from configs.mpm import MPMConfig
from kernels.arrays import from_numpy, int_array, real_array
from mpm import shares, step, step_adjoint
from mpm import solver as solver_module
from mpm.bspline import NODES
from mpm.constants import MATERIAL_MASS, make_constants
from mpm.grid import Grid
from mpm.order import CellOrder
from mpm.rollout import NO_CONTROL
from mpm.solver import Solver, run, run_adjoint
from mpm.state import F_TOTAL, INTERNAL, F, V, X
from mpm.step import step_kernels
from mpm.step_adjoint import adjoint_kernels

SIZE = (9, 8, 11)
N = 700


def _solver(kernel: str, **changes) -> Solver:
    grid = {"origin": (-1.0, 0.0, 2.0), "spacing": 0.5, "size": SIZE}
    fields = {"grid": grid, "kernel": kernel, "dt": 0.01, "gravity": (0, 0, 0), **changes}
    return Solver(MPMConfig.model_validate(fields))


def _particles(nodes: int, crowded: bool) -> np.ndarray:
    """Positions in cells: all over the grid, or in few of its cells."""
    rng = np.random.default_rng(3)
    shift = 0.5 if nodes == 3 else 1.0
    low, high = shift + 0.01, np.array(SIZE) - nodes + 1 + shift - 0.01
    u = low + (high - low) * rng.random((N, 3))
    if crowded:
        u = np.minimum(low + np.floor(u / 4) * 2 + 0.9 * rng.random((N, 3)), high)
    return u


def _spline(t: np.ndarray, nodes: int) -> np.ndarray:
    """Weights [3, nodes] at distances |t − i| of one particle."""
    d = np.abs(t[:, None] - np.arange(nodes))
    if nodes == 3:
        return np.where(d < 0.5, 0.75 - d**2, 0.5 * (1.5 - d) ** 2)
    return np.where(d < 1, 0.5 * d**3 - d**2 + 2 / 3, (2 - d) ** 3 / 6)


@pytest.fixture(params=["shares", "runs"])
def way(request, monkeypatch):
    """The CPU's scatter, or the GPUs' on the CPU: kernels must be made anew within."""
    for module in (shares, step, step_adjoint):
        monkeypatch.setattr(module, "in_shares", lambda: request.param == "shares")
    return request.param


def _to_grid(solver: Solver, state, n: int, order, material, affine, grid: Grid, constants) -> None:
    """P2G and the nodes' velocities, by the kernel without a law."""
    given = (state, state, n, 0, order, material, int_array(n), real_array(1, 1, 3, 3), NO_CONTROL, affine)
    grids = (grid.numbers, grid.touched, grid.pieces, solver.shares.numbers, solver.shares.count)
    step_kernels.__wrapped__(solver.nodes).to_grid(*given, *grids, constants, solver.domain, int_array(7), 0, 0)


@pytest.mark.parametrize("kernel", ["quadratic", "cubic"])
@pytest.mark.parametrize("crowded", [False, True])
def test_scatter_equals_the_sum_over_particles_whatever_the_order(kernel, crowded, way):
    solver, nodes = _solver(kernel), NODES[kernel]
    rng = np.random.default_rng(0)
    u, v, affine, mass = _particles(nodes, crowded), *(rng.standard_normal((N, c)) for c in (3, 9)), rng.random(N) + 0.5
    state = np.zeros((INTERNAL, N))
    state[X : X + 3], state[V : V + 3] = (np.array([-1.0, 0.0, 2.0]) + 0.5 * u).T, v.T
    material = np.ones((2, N))
    material[MATERIAL_MASS] = mass
    constants = make_constants(solver.config, 0.01)
    expected = np.zeros((*SIZE, 4))
    shift = 0.5 if nodes == 3 else 1.0
    for p in range(N):
        first = np.floor(u[p] - shift).astype(int)
        wx, wy, wz = _spline(u[p] - first, nodes)
        w = np.einsum("i,j,k->ijk", wx, wy, wz)
        d = 0.5 * (np.stack(np.indices((nodes,) * 3), axis=-1) + first - u[p])
        give = np.concatenate(
            [np.ones((*w.shape, 1)) * mass[p], mass[p] * v[p] + d @ affine[p].reshape(3, 3).T], axis=-1
        )
        i, j, k = first
        expected[i : i + nodes, j : j + nodes, k : k + nodes] += w[..., None] * give
    occupied = expected[..., 0] > 0
    expected[occupied, 1:] /= expected[occupied, :1]

    arrays = [from_numpy(a.reshape(-1)) for a in (state, material, affine.T, constants)]
    order, shuffled = CellOrder(N, SIZE, nodes), int_array(N)
    order.refresh(arrays[0], arrays[3], solver.domain)
    shuffled.from_numpy(rng.permutation(N).astype(np.int32))
    grid = Grid(int(np.prod(SIZE)))
    for listed in (order.list, shuffled):  # the second finds what the first left
        _to_grid(solver, arrays[0], N, listed, arrays[1], arrays[2], grid, arrays[3])
        got = grid.numbers.to_numpy()[: expected.size].reshape(expected.shape)
        np.testing.assert_allclose(got[..., 0], expected[..., 0], rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(got[occupied], expected[occupied], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("kernel", ["quadratic", "cubic"])
def test_order_lists_every_particle_once_cell_by_cell(kernel):
    solver, nodes = _solver(kernel), NODES[kernel]
    u = _particles(nodes, crowded=True)
    u[5] = -7.0  # outside: listed all the same
    state = np.zeros((INTERNAL, N))
    state[X : X + 3] = (np.array([-1.0, 0.0, 2.0]) + 0.5 * u).T
    order = CellOrder(N, SIZE, nodes)
    order.refresh(from_numpy(state.reshape(-1)), from_numpy(make_constants(solver.config, 0.01)), solver.domain)
    listed = order.list.to_numpy()
    np.testing.assert_array_equal(np.sort(listed), np.arange(N))
    cell = np.clip(np.floor(u - (0.5 if nodes == 3 else 1.0)), 0, np.array(SIZE) - 1)[listed]
    changes = 1 + (np.abs(np.diff(cell, axis=0)).sum(axis=1) > 0).sum()
    assert changes == len(np.unique(cell, axis=0))


def test_only_touched_pieces_are_kept_and_cleared(way):
    solver = _solver("quadratic")
    order, constants = CellOrder(1, SIZE, 3), from_numpy(make_constants(solver.config, 0.01))
    grid = Grid(int(np.prod(SIZE)))
    for at in (1.0, 3.0):
        state = np.zeros((INTERNAL, 1))
        state[X : X + 3, 0] = np.array([-1.0, 0.0, 2.0]) + 0.5 * at
        arrays = from_numpy(state.reshape(-1)), order.list, from_numpy(np.ones(2)), real_array(9)
        _to_grid(solver, arrays[0], 1, *arrays[1:], grid, constants)
        mass = grid.numbers.to_numpy().reshape(-1, 4)[:, 0]
        assert abs(mass.sum() - 1) < 1e-12
        assert (mass > 0).sum() == 27
        assert (mass.reshape(-1, 4).any(axis=1) <= (grid.touched.to_numpy() > 0)).all()
        assert grid.touched.to_numpy().sum() <= 18


def _gradients(law: str) -> list[np.ndarray]:
    """Of a sum over the last state by the initial one and the material, kernels made anew."""
    step_kernels.cache_clear(), adjoint_kernels.cache_clear()
    solver = _solver("quadratic", material={"law": law})
    rollout = solver.rollout(n=N, steps=3)
    rng = np.random.default_rng(1)
    state = np.zeros((INTERNAL, N))
    state[X : X + 3] = (np.array([-1.0, 0.0, 2.0]) + 0.5 * _particles(3, crowded=True)).T
    state[V : V + 3] = 0.1 * rng.standard_normal((3, N))
    state[F : F + 9] = state[F_TOTAL : F_TOTAL + 9] = np.eye(3).reshape(9, 1) + 0.05 * rng.standard_normal((9, N))
    rollout.initial.from_numpy(state.reshape(-1))
    rollout.material.from_numpy(np.repeat([0.1, 0.05, 2.0, 1.0], N))
    rollout.constants.from_numpy(make_constants(solver.config, 0.01))
    run(solver, rollout)
    rollout.frames[-1].grad.from_numpy(rng.standard_normal(INTERNAL * N))
    run_adjoint(solver, rollout)
    arrays = (rollout.frames[-1], rollout.initial.grad, rollout.material.grad, rollout.constants.grad)
    return [array.to_numpy() for array in arrays]


def test_gpus_and_cpus_way_through_a_step_give_one_gradient(monkeypatch):
    """GPUs scatter by runs, and the law's stress is compiled into the step: here on the CPU too."""
    by_shares = _gradients("neo_hookean")
    for module in (shares, step, step_adjoint, solver_module):
        monkeypatch.setattr(module, "in_shares", lambda: False)
    monkeypatch.setattr(solver_module, "runs_on_cpu", lambda: False)
    by_runs = _gradients("neo_hookean")
    step_kernels.cache_clear(), adjoint_kernels.cache_clear()
    for mine, other in zip(by_runs, by_shares, strict=True):
        assert abs(other).max() > 0
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-11 * abs(other).max())
