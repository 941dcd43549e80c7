"""Which particles take part in a step: those inside the grid whose numbers are finite; the others are reported."""

import taichi as ti

from kernels.finite import is_finite
from mpm import transfers
from mpm.state import V, X, get_mat3, get_vec3
from mpm.status import BROKEN, ESCAPED, LAST_ESCAPED, report


@ti.func
def particle_is_finite(state: ti.template(), n, affine: ti.template(), p):
    """Whether what the particle gives to the grid is; a sum is finite only if all its terms are."""
    x, v, g = get_vec3(state, n, X, p), get_vec3(state, n, V, p), get_mat3(affine, n, 0, p)
    return is_finite(ti.abs(x).sum() + ti.abs(v).sum() + ti.abs(g).sum())


@ti.func
def particle_takes_part(
    state: ti.template(),
    n,
    affine: ti.template(),
    constants: ti.template(),
    domain: ti.template(),
    nodes: ti.template(),
    p,
):
    """Whether it gives to the grid and takes from it."""
    inside = transfers.is_inside(get_vec3(state, n, X, p), domain, constants, nodes)
    return inside and particle_is_finite(state, n, affine, p)


@ti.func
def report_particle(state: ti.template(), n, affine: ti.template(), status: ti.template(), number, last, p):
    """Say why a particle took no part in the step ``number``."""
    if not particle_is_finite(state, n, affine, p):
        report(status, BROKEN, number, p)
    else:
        report(status, ESCAPED, number, p)
        if last:
            ti.atomic_add(status[LAST_ESCAPED], 1)
