"""Particle–grid transfers of MLS-MPM with APIC's affine term, and their adjoints, one particle at a time.

G2P: v' = Σ w v_i,  C = k Σ w v_i dᵀ,  with d = x_i − x_p (Hu et al., "A Moving Least Squares Material Point Method",
2018, eq. 29; Jiang et al., "APIC", 2015). Here are the gathers; mpm.scatter has P2G and the scatter of G2P's adjoint.
The loops over the inner axes are unrolled, the outer one runs.
"""

import taichi as ti

from mpm.bspline import first_node, pick, weight_slopes, weights
from mpm.constants import INERTIA, ORIGIN, SIZE, SPACING
from mpm.grid import node_vec3


@ti.func
def cell_coordinate(x, constants: ti.template()):
    """Position in cells from node (0, 0, 0)."""
    origin = ti.Vector([constants[ORIGIN + c] for c in ti.static(range(3))])
    return (x - origin) * (1.0 / constants[SPACING])  # one division instead of three


@ti.func
def stencil(x, constants: ti.template(), nodes: ti.template()):
    """First node and the weights along each axis."""
    u = cell_coordinate(x, constants)
    first = first_node(u, nodes)
    t = u - first
    return first, t, weights(t[0], nodes), weights(t[1], nodes), weights(t[2], nodes)


@ti.func
def is_inside(x, domain: ti.template(), constants: ti.template(), nodes: ti.template()):
    """Whether all nodes that the particle touches exist.

    The node indices themselves are compared: with fast arithmetic a NaN passes any comparison of reals, while as an
    integer it is out of every grid (CPU) or harmless (GPU).
    """
    first = first_node(cell_coordinate(x, constants), nodes)
    inside = True
    for axis in ti.static(range(3)):
        if first[axis] < 0 or first[axis] + nodes > domain[SIZE + axis]:
            inside = False
    return inside


@ti.func
def _cell_limits(domain: ti.template(), axis: ti.template(), nodes: ti.template()):
    """Smallest and largest coordinate, in cells, of what is held inside: a thousandth of a cell from the edge."""
    shift = ti.static(0.5 if nodes == 3 else 1.0)
    return shift + 0.001, domain[SIZE + axis] - nodes + 1 + shift - 0.001


@ti.func
def hold_inside(x, domain: ti.template(), constants: ti.template(), nodes: ti.template()):
    """The nearest position inside the grid."""
    u = cell_coordinate(x, constants)
    held = x
    for axis in ti.static(range(3)):
        low, high = _cell_limits(domain, axis, nodes)
        if u[axis] < low:
            held[axis] = constants[ORIGIN + axis] + low * constants[SPACING]
        elif u[axis] > high:
            held[axis] = constants[ORIGIN + axis] + high * constants[SPACING]
    return held


@ti.func
def hold_inside_adjoint(x, held_bar, domain: ti.template(), constants: ti.template(), nodes: ti.template()):
    """dL/dx of ``hold_inside``: nothing along an axis that holds."""
    u = cell_coordinate(x, constants)
    x_bar = held_bar
    for axis in ti.static(range(3)):
        low, high = _cell_limits(domain, axis, nodes)
        if u[axis] < low or u[axis] > high:
            x_bar[axis] = 0.0
    return x_bar


@ti.func
def row_start(first, i, j, domain: ti.template()):
    """Number of the first node of row (i, j) of the stencil; the row's nodes follow it in memory."""
    return ((first[0] + i) * domain[SIZE + 1] + first[1] + j) * domain[SIZE + 2] + first[2]


@ti.func
def g2p(grid: ti.template(), constants: ti.template(), domain: ti.template(), x, nodes: ti.template()):
    """v' = Σ w v_i and C = k Σ w v_i dᵀ."""
    first, t, wx, wy, wz = stencil(x, constants, nodes)
    v = ti.Vector([0.0, 0.0, 0.0])
    vx, vy, vz = v, v, v  # Σ w v_i d_axis / h
    for i in range(nodes):
        for j in ti.static(range(nodes)):
            row = row_start(first, i, j, domain)
            v_row, v_row_z = ti.Vector([0.0, 0.0, 0.0]), ti.Vector([0.0, 0.0, 0.0])
            for k in ti.static(range(nodes)):
                v_i = wz[k] * node_vec3(grid, row + k)
                v_row += v_i
                v_row_z += (k - t[2]) * v_i
            wxy = pick(wx, i) * pick(wy, j)
            v += wxy * v_row
            vx += (wxy * (i - t[0])) * v_row
            vy += (wxy * (j - t[1])) * v_row
            vz += wxy * v_row_z
    scale = constants[INERTIA] * constants[SPACING]
    return v, scale * ti.Matrix.cols([vx, vy, vz])


@ti.func
def g2p_adjoint(
    grid: ti.template(), constants: ti.template(), domain: ti.template(), x, v_bar, c_bar, v_new, nodes: ti.template()
):
    """Gather dL/dx from dL/dv' and dL/dC (docs/method.md 6). ``v_new`` is v'."""
    first, t, wx, wy, wz = stencil(x, constants, nodes)
    gx, gy, gz = weight_slopes(t[0], nodes), weight_slopes(t[1], nodes), weight_slopes(t[2], nodes)
    h = constants[SPACING]
    k_inertia = constants[INERTIA]
    x_bar = ti.Vector([0.0, 0.0, 0.0])
    for i in range(nodes):
        for j in ti.static(range(nodes)):
            row = row_start(first, i, j, domain)
            wx_i, wy_j = pick(wx, i), pick(wy, j)
            column = v_bar + (k_inertia * h) * ((i - t[0]) * column_of(c_bar, 0) + (j - t[1]) * column_of(c_bar, 1))
            value, slope_z = 0.0, 0.0
            for k in ti.static(range(nodes)):
                seed = column + (k_inertia * h * (k - t[2])) * column_of(c_bar, 2)
                dot = seed.dot(node_vec3(grid, row + k))
                value += wz[k] * dot
                slope_z += gz[k] * dot
            x_bar += ti.Vector([pick(gx, i) * wy_j * value, wx_i * pick(gy, j) * value, wx_i * wy_j * slope_z])
    return x_bar / h - k_inertia * (c_bar.transpose() @ v_new)


@ti.func
def p2g_adjoint(
    grid_bar: ti.template(),
    constants: ti.template(),
    domain: ti.template(),
    x,
    m,
    momentum,
    affine,
    nodes: ti.template(),
):
    """Gather dL/dx, and Σ w m̄_i, Σ w p̄_i, Σ w p̄_i dᵀ, the gradients of m, momentum and affine."""
    first, t, wx, wy, wz = stencil(x, constants, nodes)
    gx, gy, gz = weight_slopes(t[0], nodes), weight_slopes(t[1], nodes), weight_slopes(t[2], nodes)
    h = constants[SPACING]
    wz_z = ti.Vector([wz[k] * (k - t[2]) for k in ti.static(range(nodes))])
    per_x, per_y, per_z = h * column_of(affine, 0), h * column_of(affine, 1), h * column_of(affine, 2)
    at_first = momentum - t[0] * per_x - t[1] * per_y - t[2] * per_z
    zero = ti.Vector([0.0, 0.0, 0.0])
    x_bar, p_bar, px, py, pz = zero, zero, zero, zero, zero
    m_bar = 0.0
    for i in range(nodes):
        for j in ti.static(range(nodes)):
            row = row_start(first, i, j, domain)
            wx_i, wy_j = pick(wx, i), pick(wy, j)
            row_momentum = at_first + i * per_x + j * per_y
            value, slope_z, m_row = 0.0, 0.0, 0.0
            p_row, p_row_z = zero, zero
            for k in ti.static(range(nodes)):
                node = row + k
                m_i, p_i = grid_bar[4 * node], node_vec3(grid_bar, node)
                dot = m * m_i + p_i.dot(row_momentum + k * per_z)
                value += wz[k] * dot
                slope_z += gz[k] * dot
                m_row += wz[k] * m_i
                p_row += wz[k] * p_i
                p_row_z += wz_z[k] * p_i
            wxy = wx_i * wy_j
            x_bar += ti.Vector([pick(gx, i) * wy_j * value, wx_i * pick(gy, j) * value, wxy * slope_z])
            m_bar += wxy * m_row
            p_bar += wxy * p_row
            px += (wxy * (i - t[0])) * p_row
            py += (wxy * (j - t[1])) * p_row
            pz += wxy * p_row_z
    affine_bar = h * ti.Matrix.cols([px, py, pz])
    return x_bar / h - affine.transpose() @ p_bar, m_bar, p_bar, affine_bar


@ti.func
def column_of(a, j: ti.template()):
    """Column ``j`` of a 3×3 matrix."""
    return ti.Vector([a[0, j], a[1, j], a[2, j]])
