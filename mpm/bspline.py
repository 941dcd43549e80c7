"""B-spline kernels of the transfers (Steffen, Kirby, Berzins 2008; MLS-MPM: Hu et al. 2018).

``nodes`` = 3 is the quadratic spline, 4 the cubic one; the coordinate is in cells from the grid's origin.
"""

import taichi as ti

NODES = {"quadratic": 3, "cubic": 4}
INVERSE_INERTIA = {3: 4.0, 4: 3.0}
"""k h² with Σ w d dᵀ = (1/k) I: the MLS-MPM constant, 4 for quadratic and 3 for cubic splines."""


@ti.func
def first_node(coordinate, nodes: ti.template()):
    """Index of the first of the ``nodes`` nodes along each axis that a particle touches."""
    shift = ti.static(0.5 if nodes == 3 else 1.0)
    return ti.floor(coordinate - shift, ti.i32)


@ti.func
def weights(t, nodes: ti.template()):
    """Weights of the nodes at distances ``t``, ``t − 1``, …; ``t`` = coordinate − first node, one axis."""
    w = ti.Vector([0.0 for _ in range(nodes)])
    if ti.static(nodes == 3):
        w[0] = 0.5 * (1.5 - t) ** 2
        w[1] = 0.75 - (t - 1.0) ** 2
        w[2] = 0.5 * (t - 0.5) ** 2
    else:
        # The inner two follow from Σ w = 1 and Σ w d = 0, which so hold to rounding: from their own formulas the sum is
        # 1 + 3e-8 in float32, where 2/3 rounds upwards, and momentum grows with every step.
        w[0] = (2.0 - t) ** 3 / 6.0
        w[3] = (t - 1.0) ** 3 / 6.0
        w[1] = (2.0 - t) - 2.0 * w[0] + w[3]
        w[2] = (t - 1.0) + w[0] - 2.0 * w[3]
    return w


@ti.func
def weight_slopes(t, nodes: ti.template()):
    """Derivatives of ``weights`` with respect to the coordinate ``t``."""
    g = ti.Vector([0.0 for _ in range(nodes)])
    if ti.static(nodes == 3):
        g[0] = t - 1.5
        g[1] = -2.0 * (t - 1.0)
        g[2] = t - 0.5
    else:
        g[0] = -0.5 * (2.0 - t) ** 2
        g[3] = 0.5 * (t - 1.0) ** 2
        g[1] = -1.0 - 2.0 * g[0] + g[3]
        g[2] = 1.0 + g[0] - 2.0 * g[3]
    return g


@ti.func
def pick(w, i):
    """``w[i]`` for a run-time ``i``, without a trip through local memory."""
    result = w[0]
    for s in ti.static(range(1, w.n)):
        result = ti.select(i == s, w[s], result)
    return result
