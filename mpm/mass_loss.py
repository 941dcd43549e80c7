"""The mass-matching loss on the grid (Xu et al., TVCG 2025; docs/method.md 9), and the gradient of exactly that value.

With c_i the particles' mass at node i, t_i the target's and s = (Σ t + ε_s) / (Σ c + ε_s):

    L = Σ_i w_i ½ [log(s c_i + 1 + ε) − log(t_i + 1 + ε)]² + Σ_{s c_i < m} (m − s c_i)²

w_i is the node's ``weight``, times ``excess_weight`` where s c_i > t_i > 0. It stands in the value, so value and
gradient agree; where s c_i = t_i the term and its slope vanish whatever the weight. With an ``excess_unit`` u > 0 the
bracket is (s c_i − t_i) / (u + 1 + ε) there: the slope of the squared logarithm has its maximum at e times the target,
so that a larger heap is held back less the larger it is.
"""

import numpy as np
import taichi as ti

from configs.mpm import GridConfig
from kernels.arrays import from_numpy, real_array, scratch_array
from kernels.linalg import load_vec3
from mpm.bspline import NODES, pick, weight_slopes
from mpm.constants import COUNT, ORIGIN, SPACING
from mpm.transfers import stencil

LOG_SHIFT = 1.0 + 1e-4
"""1 + ε."""
SUM_SHIFT = 1e-6
"""ε_s: keeps s finite for an empty grid. Unit: mass."""
EMPTY = 1e-12
"""The target leaves nodes of no more mass than this empty. Unit: mass."""
MIN_MASS = 1e-3
"""m: below this a node asks for mass. Unit: mass."""


class MassLoss:
    """Taichi arrays of one evaluation: ``x [N, 3]``, ``mass [N]``, ``target``, ``weight [nx, ny, nz]`` -> ``loss``."""

    def __init__(self, grid: GridConfig, kernel: str, n: int, excess_weight: float = 1.0, excess_unit: float = 0.0):
        self.n, self.nodes = n, NODES[kernel]
        self.excess_weight, self.excess_unit = float(excess_weight), float(excess_unit)
        self.x = real_array(n, 3, needs_grad=True)
        self.mass = real_array(n, needs_grad=True)
        self.target, self.weight = real_array(*grid.size), real_array(*grid.size)
        self.weight.fill(1)
        self.loss = real_array(1, needs_grad=True)
        self.node_mass = real_array(*grid.size)
        self.node_bar = scratch_array(*grid.size)
        self.rows = scratch_array(*grid.size[:2], 4)
        self.layers = scratch_array(grid.size[0], 4)
        self.totals = scratch_array(4)
        """Σ c, Σ t, loss, Σ c dL/d(s c), per row and layer of nodes and over all."""
        self.constants = grid_constants(grid)


def grid_constants(grid: GridConfig) -> ti.Ndarray:
    """The array ``constants`` of a grid alone, for kernels that only transfer."""
    values = np.zeros(COUNT)
    values[SPACING] = grid.spacing
    values[ORIGIN : ORIGIN + 3] = grid.origin
    return from_numpy(values)


@ti.kernel
def rasterize_mass(
    x: ti.types.ndarray(ndim=2),
    mass: ti.types.ndarray(ndim=1),
    n: ti.i32,
    node_mass: ti.types.ndarray(ndim=3),
    constants: ti.types.ndarray(ndim=1),
    nodes: ti.template(),
):
    """node_mass_i = Σ_p w_ip m_p. Nodes outside the grid are skipped, as in the reference."""
    for node in ti.grouped(node_mass):
        node_mass[node] = 0.0
    for p in range(n):
        first, _, wx, wy, wz = stencil(load_vec3(x, p), constants, nodes)
        for ij in range(nodes * nodes):
            i, j = ij // nodes, ij % nodes
            wxy = mass[p] * pick(wx, i) * pick(wy, j)
            for k in ti.static(range(nodes)):
                node = first + ti.Vector([i, j, k])
                if _exists(node_mass, node):
                    ti.atomic_add(node_mass[node], wxy * wz[k])


def interpolate_nodes(x: ti.Ndarray, n: int, node_values: ti.Ndarray, constants: ti.Ndarray, nodes: int) -> ti.Ndarray:
    """Σ_i w_ip f_i at each particle, [N]: what ``_gather`` gives the masses of particles that have none."""
    seed, values = real_array(1), real_array(n)
    seed.fill(1)
    _gather(x, real_array(n), n, node_values, seed, real_array(n, 3), values, constants, nodes)
    return values


@ti.ad.grad_replaced
def mass_loss(b: MassLoss) -> None:
    """Fill ``b.loss``; the tape adds to ``b.x.grad`` and ``b.mass.grad``."""
    rasterize_mass(b.x, b.mass, b.n, b.node_mass, b.constants, b.nodes)
    settings = (b.weight, b.excess_weight, b.excess_unit)
    _compare(b.node_mass, b.target, b.node_bar, b.rows, b.layers, b.totals, *settings, b.loss)


@ti.ad.grad_for(mass_loss)
def _mass_loss_grad(b: MassLoss) -> None:
    _gather(b.x, b.mass, b.n, b.node_bar, b.loss.grad, b.x.grad, b.mass.grad, b.constants, b.nodes)


@ti.kernel
def _compare(
    node_mass: ti.types.ndarray(ndim=3),
    target: ti.types.ndarray(ndim=3),
    node_bar: ti.types.ndarray(ndim=3),
    rows: ti.types.ndarray(ndim=3),
    layers: ti.types.ndarray(ndim=2),
    totals: ti.types.ndarray(ndim=1),
    weight: ti.types.ndarray(ndim=3),
    excess_weight: float,
    excess_unit: float,
    loss: ti.types.ndarray(ndim=1),
):
    # Sums over rows of nodes, then layers, then all: of the same order every time.
    for i, j in ti.ndrange(node_mass.shape[0], node_mass.shape[1]):
        c_sum, t_sum = 0.0, 0.0
        for k in range(node_mass.shape[2]):
            c_sum += node_mass[i, j, k]
            t_sum += target[i, j, k]
        rows[i, j, 0], rows[i, j, 1] = c_sum, t_sum
    for i in range(layers.shape[0]):
        _sum_rows(rows, layers, i, 0)
    for _ in range(1):
        _sum_layers(layers, totals, 0)
    for i, j in ti.ndrange(node_mass.shape[0], node_mass.shape[1]):
        scale = _mass_scale(totals)
        value, coupling = 0.0, 0.0
        for k in range(node_mass.shape[2]):
            node_value, slope = _node_loss(
                scale * node_mass[i, j, k], target[i, j, k], weight[i, j, k], excess_weight, excess_unit
            )
            value += node_value
            coupling += slope * node_mass[i, j, k]
            node_bar[i, j, k] = scale * slope
        rows[i, j, 2], rows[i, j, 3] = value, coupling
    for i in range(layers.shape[0]):
        _sum_rows(rows, layers, i, 2)
    for _ in range(1):
        _sum_layers(layers, totals, 2)
        loss[0] = totals[2]
    for node in ti.grouped(node_bar):
        # s depends on Σ c: dL/dc_i = s g_i − s / (Σ c + ε_s) Σ_j g_j c_j
        node_bar[node] = node_bar[node] - _mass_scale(totals) * totals[3] / (totals[0] + SUM_SHIFT)


@ti.func
def _sum_rows(rows: ti.template(), layers: ti.template(), i, first: ti.template()):
    a, b = 0.0, 0.0
    for j in range(rows.shape[1]):
        a += rows[i, j, first]
        b += rows[i, j, first + 1]
    layers[i, first], layers[i, first + 1] = a, b


@ti.func
def _sum_layers(layers: ti.template(), totals: ti.template(), first: ti.template()):
    a, b = 0.0, 0.0
    for i in range(layers.shape[0]):
        a += layers[i, first]
        b += layers[i, first + 1]
    totals[first], totals[first + 1] = a, b


@ti.func
def _mass_scale(totals: ti.template()):
    return (totals[1] + SUM_SHIFT) / (totals[0] + SUM_SHIFT)


@ti.func
def _node_loss(scaled, target, node_weight, excess_weight, excess_unit):
    """The node's loss and its derivative with respect to s c_i."""
    difference = ti.log(scaled + LOG_SHIFT) - ti.log(target + LOG_SHIFT)
    weight, derivative = node_weight, 1.0 / (scaled + LOG_SHIFT)
    if target > EMPTY and difference > 0.0:
        weight *= excess_weight
        if excess_unit > 0.0:
            derivative = 1.0 / (excess_unit + LOG_SHIFT)
            difference = (scaled - target) * derivative
    value = 0.5 * weight * difference * difference
    slope = weight * difference * derivative
    if scaled < MIN_MASS:
        value += (MIN_MASS - scaled) ** 2
        slope -= 2.0 * (MIN_MASS - scaled)
    return value, slope


@ti.kernel
def _gather(
    x: ti.types.ndarray(ndim=2),
    mass: ti.types.ndarray(ndim=1),
    n: ti.i32,
    node_bar: ti.types.ndarray(ndim=3),
    loss_bar: ti.types.ndarray(ndim=1),
    x_bar: ti.types.ndarray(ndim=2),
    mass_bar: ti.types.ndarray(ndim=1),
    constants: ti.types.ndarray(ndim=1),
    nodes: ti.template(),
):
    for p in range(n):
        first, t, wx, wy, wz = stencil(load_vec3(x, p), constants, nodes)
        gx = weight_slopes(t[0], nodes)
        gy = weight_slopes(t[1], nodes)
        gz = weight_slopes(t[2], nodes)
        value = 0.0
        gradient = ti.Vector([0.0, 0.0, 0.0])
        for ij in range(nodes * nodes):
            i, j = ij // nodes, ij % nodes
            row, slope_z = 0.0, 0.0
            for k in ti.static(range(nodes)):
                node = first + ti.Vector([i, j, k])
                if _exists(node_bar, node):
                    row += wz[k] * node_bar[node]
                    slope_z += gz[k] * node_bar[node]
            wx_i, wy_j = pick(wx, i), pick(wy, j)
            value += wx_i * wy_j * row
            gradient += ti.Vector([pick(gx, i) * wy_j * row, wx_i * pick(gy, j) * row, wx_i * wy_j * slope_z])
        mass_bar[p] = mass_bar[p] + loss_bar[0] * value
        scale = loss_bar[0] * mass[p] / constants[SPACING]
        for c in ti.static(range(3)):
            x_bar[p, c] = x_bar[p, c] + scale * gradient[c]


@ti.func
def _exists(grid: ti.template(), node):
    exists = True
    for axis in ti.static(range(3)):
        if node[axis] < 0 or node[axis] >= grid.shape[axis]:
            exists = False
    return exists
