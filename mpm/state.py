"""The particle state: one array of components by particles, so that neighbours in memory are neighbour particles.

``states[slot, component, particle]`` holds the state after some step; components are x (3), v (3), and row by row
C, F and F_total (9 each).
"""

import taichi as ti

X, V, C, F, F_TOTAL = 0, 3, 6, 15, 24
COMPONENTS = 33


@ti.func
def get_vec3(states: ti.template(), slot, first: ti.template(), p):
    """Components ``first`` … ``first + 2`` of particle ``p``."""
    return ti.Vector([states[slot, first + i, p] for i in ti.static(range(3))])


@ti.func
def set_vec3(states: ti.template(), slot, first: ti.template(), p, v):
    """Store a vector at component ``first``."""
    for i in ti.static(range(3)):
        states[slot, first + i, p] = v[i]


@ti.func
def get_mat3(states: ti.template(), slot, first: ti.template(), p):
    """Components ``first`` … ``first + 8`` of particle ``p``, row by row."""
    return ti.Matrix([[states[slot, first + 3 * i + j, p] for j in ti.static(range(3))] for i in ti.static(range(3))])


@ti.func
def set_mat3(states: ti.template(), slot, first: ti.template(), p, m):
    """Store a matrix at component ``first``, row by row."""
    for i, j in ti.static(ti.ndrange(3, 3)):
        states[slot, first + 3 * i + j, p] = m[i, j]


@ti.kernel
def copy_slot(source: ti.types.ndarray(), i: ti.i32, target: ti.types.ndarray(), j: ti.i32):
    """``target[j] = source[i]``."""
    for c, p in ti.ndrange(source.shape[1], source.shape[2]):
        target[j, c, p] = source[i, c, p]


@ti.kernel
def add_slot(source: ti.types.ndarray(), i: ti.i32, target: ti.types.ndarray(), j: ti.i32):
    """``target[j] += source[i]``."""
    for c, p in ti.ndrange(source.shape[1], source.shape[2]):
        target[j, c, p] += source[i, c, p]
