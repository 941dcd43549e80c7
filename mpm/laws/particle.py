"""What the kernels of all laws read of a particle."""

import taichi as ti

from mpm.constants import DT, INERTIA, MATERIAL_VOLUME
from mpm.state import F, get_mat3


@ti.func
def controlled_f(state: ti.template(), n, controls: ti.template(), interval, p):
    """A = F + dF in the first step of a control interval, A = F elsewhere (``interval`` < 0)."""
    a = get_mat3(state, n, F, p)
    if interval >= 0:
        for i, j in ti.static(ti.ndrange(3, 3)):
            a[i, j] += controls[interval, p, i, j]
    return a


@ti.func
def law_parameters(material: ti.template(), n, rows: ti.template(), p):
    """The law's own parameters, from the given rows of ``material``."""
    return ti.Vector([material[row * n + p] for row in ti.static(rows)])


@ti.func
def add_parameters(material_bar: ti.template(), n, rows: ti.template(), p, parameters_bar):
    """Add to the gradient of the law's own parameters; one thread owns particle ``p``."""
    for i in ti.static(range(len(rows))):
        at = rows[i] * n + p
        material_bar[at] = material_bar[at] + parameters_bar[i]


@ti.func
def stress_scale(material: ti.template(), n, constants: ti.template(), p):
    """The factor −k dt V between the Kirchhoff stress and the affine momentum."""
    return -constants[INERTIA] * constants[DT] * material[MATERIAL_VOLUME * n + p]


@ti.func
def follows(laws: ti.template(), which: ti.template(), p):
    """Whether particle ``p`` has the law number ``which``; all do if that is negative."""
    result = True
    if ti.static(which >= 0):
        result = laws[p] == which
    return result
