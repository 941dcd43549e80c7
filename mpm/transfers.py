"""Particle–grid transfers of MLS-MPM with APIC's affine term, and their adjoints, one particle at a time.

G2P: v' = Σ w v_i,  C = k Σ w v_i dᵀ,  with d = x_i − x_p (Hu et al., "A Moving Least Squares Material Point Method",
2018, eq. 29; Jiang et al., "APIC", 2015). Here are the gathers; mpm.scatter has P2G and the scatter of G2P's adjoint.
The loops over the inner axes are unrolled, the outer one runs.
"""

import taichi as ti

from mpm.bspline import first_node, pick, weight_slopes, weights
from mpm.constants import INERTIA, ORIGIN, SIZE, SPACING
from mpm.grid import NUMBERS, first_number, numbers_vec3


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
    """v' = Σ w v_i and C = k Σ w v_i dᵀ.

    Summed up along rows, rows along planes, with distances from the stencil's node (1, 1, 1), then from the particle.
    """
    first, t, wx, wy, wz = stencil(x, constants, nodes)
    zero = ti.Vector([0.0, 0.0, 0.0])
    v, vx, vy, vz = zero, zero, zero, zero  # Σ w v_i, Σ w v_i d_axis / h
    for i in range(nodes):
        plane, plane_y, plane_z = zero, zero, zero
        for j in ti.static(range(nodes)):
            number = first_number(row_start(first, i, j, domain))
            row, row_z = zero, zero
            for k in ti.static(range(nodes)):
                v_i = wz[k] * numbers_vec3(grid, number + NUMBERS * k)
                row += v_i
                row_z += (k - 1) * v_i
            plane += wy[j] * row
            plane_y += ((j - 1) * wy[j]) * row
            plane_z += wy[j] * row_z
        w = pick(wx, i)
        v += w * plane
        vx += ((i - 1) * w) * plane
        vy += w * plane_y
        vz += w * plane_z
    scale = constants[INERTIA] * constants[SPACING]
    s = t - 1.0
    return v, scale * ti.Matrix.cols([vx - s[0] * v, vy - s[1] * v, vz - s[2] * v])


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
            number = first_number(row_start(first, i, j, domain))
            wx_i, wy_j = pick(wx, i), pick(wy, j)
            column = v_bar + (k_inertia * h) * ((i - t[0]) * column_of(c_bar, 0) + (j - t[1]) * column_of(c_bar, 1))
            value, slope_z = 0.0, 0.0
            for k in ti.static(range(nodes)):
                seed = column + (k_inertia * h * (k - t[2])) * column_of(c_bar, 2)
                dot = seed.dot(numbers_vec3(grid, number + NUMBERS * k))
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
    per_x, per_y, per_z = h * column_of(affine, 0), h * column_of(affine, 1), h * column_of(affine, 2)
    at_first = momentum - t[0] * per_x - t[1] * per_y - t[2] * per_z
    zero = ti.Vector([0.0, 0.0, 0.0])
    x_bar, p_bar, px, py, pz = zero, zero, zero, zero, zero
    m_bar = 0.0
    for i in range(nodes):
        plane_momentum = at_first + i * per_x
        value, slope_y, slope_z, m_plane = 0.0, 0.0, 0.0, 0.0
        plane, plane_y, plane_z = zero, zero, zero
        for j in ti.static(range(nodes)):
            number = first_number(row_start(first, i, j, domain))
            row_momentum = plane_momentum + j * per_y
            value_row, slope_row, m_row = 0.0, 0.0, 0.0
            row, row_z = zero, zero
            for k in ti.static(range(nodes)):
                m_i, p_i = grid_bar[number + NUMBERS * k], numbers_vec3(grid_bar, number + NUMBERS * k)
                dot = m * m_i + p_i.dot(row_momentum + k * per_z)
                value_row += wz[k] * dot
                slope_row += gz[k] * dot
                m_row += wz[k] * m_i
                row += wz[k] * p_i
                row_z += ((k - 1) * wz[k]) * p_i
            value += wy[j] * value_row
            slope_y += gy[j] * value_row
            slope_z += wy[j] * slope_row
            m_plane += wy[j] * m_row
            plane += wy[j] * row
            plane_y += ((j - 1) * wy[j]) * row
            plane_z += wy[j] * row_z
        w = pick(wx, i)
        x_bar += ti.Vector([pick(gx, i) * value, w * slope_y, w * slope_z])
        m_bar += w * m_plane
        p_bar += w * plane
        px += ((i - 1) * w) * plane
        py += w * plane_y
        pz += w * plane_z
    s = t - 1.0
    affine_bar = h * ti.Matrix.cols([px - s[0] * p_bar, py - s[1] * p_bar, pz - s[2] * p_bar])
    return x_bar / h - affine.transpose() @ p_bar, m_bar, p_bar, affine_bar


@ti.func
def column_of(a, j: ti.template()):
    """Column ``j`` of a 3×3 matrix."""
    return ti.Vector([a[0, j], a[1, j], a[2, j]])
