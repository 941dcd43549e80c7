"""The order of cells and the scatter by runs of a cell, against plain NumPy."""

import numpy as np
import pytest

from configs.mpm import MPMConfig
from kernels.arrays import from_numpy, int_array, real_array
from mpm.bspline import NODES
from mpm.constants import MATERIAL_MASS, make_constants
from mpm.grid import Grid
from mpm.order import CellOrder
from mpm.solver import Solver
from mpm.state import INTERNAL, V, X
from mpm.step import transfer_kernels

SIZE = (9, 8, 11)
N = 700


def _solver(kernel: str) -> Solver:
    grid = {"origin": (-1.0, 0.0, 2.0), "spacing": 0.5, "size": SIZE}
    return Solver(MPMConfig.model_validate({"grid": grid, "kernel": kernel, "dt": 0.01, "gravity": (0, 0, 0)}))


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


@pytest.mark.parametrize("kernel", ["quadratic", "cubic"])
@pytest.mark.parametrize("crowded", [False, True])
def test_scatter_equals_the_sum_over_particles_whatever_the_order(kernel, crowded):
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
        fields = (grid.numbers, grid.touched, grid.pieces)
        transfer_kernels(nodes).to_grid(arrays[0], N, listed, arrays[1], arrays[2], *fields, arrays[3], solver.domain)
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


def test_only_touched_pieces_are_kept_and_cleared():
    solver = _solver("quadratic")
    order, constants = CellOrder(1, SIZE, 3), from_numpy(make_constants(solver.config, 0.01))
    grid = Grid(int(np.prod(SIZE)))
    for at in (1.0, 3.0):
        state = np.zeros((INTERNAL, 1))
        state[X : X + 3, 0] = np.array([-1.0, 0.0, 2.0]) + 0.5 * at
        arrays = from_numpy(state.reshape(-1)), order.list, from_numpy(np.ones(2)), real_array(9)
        solver.transfers.to_grid(
            arrays[0], 1, *arrays[1:], grid.numbers, grid.touched, grid.pieces, constants, solver.domain
        )
        mass = grid.numbers.to_numpy().reshape(-1, 4)[:, 0]
        assert abs(mass.sum() - 1) < 1e-12
        assert (mass > 0).sum() == 27
        assert (mass.reshape(-1, 4).any(axis=1) <= (grid.touched.to_numpy() > 0)).all()
        assert grid.touched.to_numpy().sum() <= 18
