"""Children: points that move with the particles around them, and the adjoint of that.

Child j has k neighbours i with weights w (their sum is 1) and offsets r, both fixed at rest; r leads from the neighbour
to the child, in the rest frame of F:

    position  Σ w (x_i + F_i r)        F  Σ w F_i

Every neighbour carries the child along as its own deformation says, and the weights make one of their opinions. Where
x_i = A X_i + b and F_i = A for all neighbours, all agree: rigid motions and affine stretches are followed exactly.
"""

import taichi as ti

from kernels.arrays import int_array, real_array
from kernels.launch import prepared
from kernels.linalg import load_mat3, load_vec3, store_mat3, store_vec3


class Interpolation:
    """Arrays of one evaluation: ``n`` particles, ``m`` children with ``k`` neighbours each.

    Without ``positions`` only ``child_F`` is computed, and ``x``, ``offsets`` and ``child_x`` are not looked at. With
    ``weighing`` the weights have a gradient too.
    """

    def __init__(self, n: int, m: int, k: int, positions: bool = True, weighing: bool = False):
        self.n, self.m, self.k, self.positions, self.weighing = n, m, k, positions, weighing
        self.neighbours = int_array(m, k)
        self.weights = real_array(m, k, needs_grad=weighing)
        self.offsets = real_array(m, k, 3)
        """Unit: length."""
        self.x = real_array(n, 3, needs_grad=True)
        self.F = real_array(n, 3, 3, needs_grad=True)
        self.child_x = real_array(m, 3, needs_grad=True)
        self.child_F = real_array(m, 3, 3, needs_grad=True)


@ti.ad.grad_replaced
def interpolate(c: Interpolation) -> None:
    """``child_x`` and ``child_F`` from ``x`` and ``F``."""
    _gather(c.positions, c.m, c.k, c.neighbours, c.weights, c.offsets, c.x, c.F, c.child_x, c.child_F)


@ti.ad.grad_for(interpolate)
def interpolate_grad(c: Interpolation) -> None:
    """Add to the gradients of ``x``, ``F`` and, if it has one, ``weights`` what those of the children say."""
    bars = c.child_x.grad, c.child_F.grad
    _scatter(c.positions, c.m, c.k, c.neighbours, c.weights, c.offsets, *bars, c.x.grad, c.F.grad)
    if c.weighing:
        _weigh(c.positions, c.m, c.k, c.neighbours, c.offsets, c.x, c.F, *bars, c.weights.grad)


@ti.func
def _offset(offsets: ti.template(), j, slot):
    return ti.Vector([offsets[j, slot, 0], offsets[j, slot, 1], offsets[j, slot, 2]])


@prepared
@ti.kernel
def _gather(
    positions: ti.template(),
    m: ti.i32,
    k: ti.i32,
    neighbours: ti.types.ndarray(),
    weights: ti.types.ndarray(),
    offsets: ti.types.ndarray(),
    x: ti.types.ndarray(),
    F: ti.types.ndarray(),
    child_x: ti.types.ndarray(),
    child_F: ti.types.ndarray(),
):
    for j in range(m):
        deformation = load_mat3(F, neighbours[j, 0]) * 0.0
        position = ti.Vector([0.0, 0.0, 0.0])
        for slot in range(k):
            i, w = neighbours[j, slot], weights[j, slot]
            f = load_mat3(F, i)
            deformation += w * f
            if ti.static(positions):
                position += w * (load_vec3(x, i) + f @ _offset(offsets, j, slot))
        if ti.static(positions):
            store_vec3(child_x, j, position)
        store_mat3(child_F, j, deformation)


@prepared
@ti.kernel
def _scatter(
    positions: ti.template(),
    m: ti.i32,
    k: ti.i32,
    neighbours: ti.types.ndarray(),
    weights: ti.types.ndarray(),
    offsets: ti.types.ndarray(),
    child_x_bar: ti.types.ndarray(),
    child_F_bar: ti.types.ndarray(),
    x_bar: ti.types.ndarray(),
    F_bar: ti.types.ndarray(),
):
    """Several children add to one particle, so the additions are atomic."""
    for j in range(m):
        position_bar, deformation_bar = load_vec3(child_x_bar, j), load_mat3(child_F_bar, j)
        for slot in range(k):
            i, w = neighbours[j, slot], weights[j, slot]
            f_bar = w * deformation_bar
            if ti.static(positions):
                f_bar += w * position_bar.outer_product(_offset(offsets, j, slot))
            for a in ti.static(range(3)):
                if ti.static(positions):
                    x_bar[i, a] += w * position_bar[a]
                for b in ti.static(range(3)):
                    F_bar[i, a, b] += f_bar[a, b]


@prepared
@ti.kernel
def _weigh(
    positions: ti.template(),
    m: ti.i32,
    k: ti.i32,
    neighbours: ti.types.ndarray(),
    offsets: ti.types.ndarray(),
    x: ti.types.ndarray(),
    F: ti.types.ndarray(),
    child_x_bar: ti.types.ndarray(),
    child_F_bar: ti.types.ndarray(),
    weights_bar: ti.types.ndarray(),
):
    """What a neighbour says, against the child's gradients."""
    for j in range(m):
        position_bar, deformation_bar = load_vec3(child_x_bar, j), load_mat3(child_F_bar, j)
        for slot in range(k):
            i = neighbours[j, slot]
            f = load_mat3(F, i)
            bar = (f * deformation_bar).sum()
            if ti.static(positions):
                bar += position_bar.dot(load_vec3(x, i) + f @ _offset(offsets, j, slot))
            weights_bar[j, slot] += bar
