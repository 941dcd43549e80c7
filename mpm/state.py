"""The particle state: one flat array, component by component, so that neighbours in memory are neighbour particles.

``state[component * n + p]`` belongs to particle ``p`` of ``n``. Components are x (3), v (3), row by row C, F and
F_total (9 each), and then the internal variables of the plastic laws in use. (One array a state: no slot to multiply,
and a rollout may hold more numbers than 32-bit indices reach.)
"""

import taichi as ti

X, V, C, F, F_TOTAL, INTERNAL = 0, 3, 6, 15, 24, 33
"""First components; ``INTERNAL`` is also the number of components of a state without internal variables."""


@ti.func
def get_vec3(state: ti.template(), n, first: ti.template(), p):
    """Components ``first`` … ``first + 2`` of particle ``p``."""
    return ti.Vector([state[(first + i) * n + p] for i in ti.static(range(3))])


@ti.func
def set_vec3(state: ti.template(), n, first: ti.template(), p, v):
    """Store a vector at component ``first``."""
    for i in ti.static(range(3)):
        state[(first + i) * n + p] = v[i]


@ti.func
def add_vec3(state: ti.template(), n, first: ti.template(), p, v):
    """Add a vector to component ``first``, not atomic: one thread owns particle ``p``."""
    for i in ti.static(range(3)):
        state[(first + i) * n + p] = state[(first + i) * n + p] + v[i]


@ti.func
def get_mat3(state: ti.template(), n, first: ti.template(), p):
    """Components ``first`` … ``first + 8`` of particle ``p``, row by row."""
    return ti.Matrix([[state[(first + 3 * i + j) * n + p] for j in ti.static(range(3))] for i in ti.static(range(3))])


@ti.func
def set_mat3(state: ti.template(), n, first: ti.template(), p, m):
    """Store a matrix at component ``first``, row by row."""
    for i, j in ti.static(ti.ndrange(3, 3)):
        state[(first + 3 * i + j) * n + p] = m[i, j]


@ti.func
def add_mat3(state: ti.template(), n, first: ti.template(), p, m):
    """Add a matrix to component ``first``, not atomic: one thread owns particle ``p``."""
    for i, j in ti.static(ti.ndrange(3, 3)):
        state[(first + 3 * i + j) * n + p] = state[(first + 3 * i + j) * n + p] + m[i, j]
