"""What material meets beyond frictionless walls and gravity: colliders, forces, friction, damping of the grid."""

import math

import numpy as np
import taichi as ti

from configs.mpm import MPMConfig
from kernels.arrays import from_numpy
from mpm.collider_rows import ColliderRows
from mpm.colliders import ROW
from mpm.forces import acceleration_field
from mpm.grid import Grid
from mpm.node_motion import move_nodes, move_nodes_adjoint
from mpm.rollout import Rollout


class Surroundings:
    """The part of a solver that moves the nodes of surrounded rollouts.

    Such a rollout has two inputs more: ``acceleration [3 nodes]`` and ``collider_rows [T K ROW]`` (mpm.colliders), with
    a row of each collider for every step, or T = 1.
    """

    def __init__(self, config: MPMConfig):
        self.config = config
        self.colliders = ColliderRows(config)
        self.kinds = from_numpy(_not_empty(self.colliders.kinds))
        self.samples = from_numpy(self.colliders.samples.reshape(-1))
        self.moved = Grid(0)
        """Masses and velocities of the nodes after the step's forces and contacts."""

    @property
    def needed(self) -> bool:
        """Whether the configuration asks for any of it."""
        c = self.config
        return bool(c.colliders or c.forces or c.grid_damping or c.boundary.friction)

    @property
    def node_count(self) -> int:
        """Number of the grid's nodes."""
        return math.prod(self.config.grid.size)

    def prepare(self) -> None:
        """Allocate what surrounded steps need."""
        if self.moved.pieces == 0:
            self.moved = Grid(self.node_count)

    def load(self, rollout: Rollout, dt: float, time: float = 0.0) -> None:
        """Fill a rollout's acceleration and collider rows as configured, for steps of ``dt`` from ``time`` on."""
        rollout.acceleration.from_numpy(_typed(acceleration_field(self.config).reshape(-1), rollout.acceleration))
        rows = _not_empty(self.colliders.rows(rollout.steps, dt, time))
        rollout.collider_rows.from_numpy(_typed(rows, rollout.collider_rows))

    def row_count(self, steps: int) -> int:
        """T of ``load``'s rows."""
        return steps if any(collider.moves for collider in self.config.colliders) else 1

    def move(self, r: Rollout, number: int, grid: Grid, domain: ti.Ndarray) -> None:
        """Masses and momenta of the step ``number`` -> masses and velocities, in ``moved``."""
        bodies = (r.collider_rows, self.kinds, self.samples, *self._first_row(r, number))
        grids = (grid.numbers, self.moved.numbers, grid.touched, grid.pieces)
        move_nodes(*grids, r.acceleration, r.constants, domain, *bodies)

    def move_adjoint(
        self,
        r: Rollout,
        number: int,
        grid: Grid,
        grid_bar: Grid,
        acceleration_bar: ti.Ndarray,
        domain: ti.Ndarray,
    ) -> None:
        """In ``grid_bar``, dL/d(velocity) becomes dL/d(mass, momentum)."""
        move_nodes_adjoint(
            grid.numbers,
            grid_bar.numbers,
            grid_bar.touched,
            grid_bar.pieces,
            r.acceleration,
            acceleration_bar,
            r.constants,
            r.constants.grad,
            domain,
            r.collider_rows,
            r.collider_rows.grad,
            self.kinds,
            self.samples,
            *self._first_row(r, number),
        )

    def _first_row(self, r: Rollout, number: int) -> tuple[int, int]:
        """Where the rows of a step begin, and how many colliders there are."""
        count = len(self.config.colliders)
        per_step = count * ROW
        return (number * per_step if r.collider_rows.shape[0] > per_step else 0), count


def _not_empty(values: np.ndarray) -> np.ndarray:
    """Flat; a zero where there are no colliders, for Taichi has no empty arrays."""
    return values.reshape(-1) if values.size else np.zeros(1, dtype=values.dtype)


def _typed(values: np.ndarray, array: ti.Ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, dtype=ti.lang.util.to_numpy_type(array.dtype))
