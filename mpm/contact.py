"""How a velocity answers a surface: sticky, slip, or separate with Coulomb friction; and the exact adjoint.

With n the unit normal that points away from the obstacle, u the surface's velocity and r = v − u = (r·n) n + t:

- sticky: v' = u;
- slip: v' = u + t;
- separate: v' = v where r·n ≥ 0 (leaving); else v' = u + max(0, 1 + μ (r·n) / |t|) t: the surface takes the approach
  away, and friction at most μ times as much of the tangential part (Coulomb; as in Stomakhin et al. 2013).

docs/method.md 3.3 and 6.
"""

import taichi as ti

from mpm.constants import WALL_NONE, WALL_SEPARATE, WALL_STICKY


@ti.func
def friction_factor(approach, tangent, friction):
    """What friction leaves of the tangential velocity, and whether it slides at all; ``approach`` = r·n < 0."""
    speed, limit = tangent.norm(), -friction * approach
    factor, slides = 0.0, False
    if limit == 0.0:
        factor, slides = 1.0, True  # at any speed, 0 too
    elif speed > limit:
        factor, slides = 1.0 - limit / speed, True
    return factor, slides


@ti.func
def respond(v, u, n, friction, kind):
    """The velocity after contact with a surface of condition ``kind`` (mpm.constants.WALLS)."""
    out = v
    r = v - u
    approach = r.dot(n)
    if kind == WALL_STICKY:
        out = u
    elif kind == WALL_SEPARATE:
        if approach < 0.0:
            tangent = r - approach * n
            factor, _ = friction_factor(approach, tangent, friction)
            out = u + factor * tangent
    elif kind != WALL_NONE:
        out = v - approach * n
    return out


@ti.func
def respond_adjoint(v, u, n, friction, kind, out_bar):
    """dL/dv, dL/du, dL/dn and dL/d(friction) from dL/d(``respond``)."""
    v_bar, u_bar, n_bar = out_bar, 0.0 * out_bar, 0.0 * out_bar
    friction_bar = 0.0
    r = v - u
    approach = r.dot(n)
    if kind == WALL_STICKY:
        v_bar, u_bar = 0.0 * out_bar, out_bar
    elif kind == WALL_SEPARATE:
        if approach < 0.0:
            v_bar, n_bar, friction_bar = _slide_adjoint(r, n, friction, out_bar)
            u_bar = out_bar - v_bar
    elif kind != WALL_NONE:
        along = out_bar.dot(n)
        v_bar = out_bar - along * n
        u_bar = along * n
        n_bar = -along * r - approach * out_bar
    return v_bar, u_bar, n_bar, friction_bar


@ti.func
def _slide_adjoint(r, n, friction, out_bar):
    """Adjoint of factor · t by r, n and friction, where r approaches; all 0 where it sticks."""
    r_bar, n_bar, friction_bar = 0.0 * out_bar, 0.0 * out_bar, 0.0
    approach = r.dot(n)
    tangent = r - approach * n
    factor, slides = friction_factor(approach, tangent, friction)
    if slides:
        speed = tangent.norm()
        tangent_bar, approach_bar = factor * out_bar, 0.0
        if speed > 0.0:  # 0 only without friction, where the factor is constant
            along = out_bar.dot(tangent)  # dL/d(factor)
            tangent_bar -= along * friction * approach / (speed * speed * speed) * tangent
            friction_bar = along * approach / speed
            approach_bar = along * friction / speed
        approach_bar -= tangent_bar.dot(n)
        r_bar = tangent_bar + approach_bar * n
        n_bar = approach_bar * r - approach * tangent_bar
    return r_bar, n_bar, friction_bar
