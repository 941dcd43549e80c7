"""The adjoint of render/camera_models.py, derived by hand; its symbols, and ``_bar`` for the loss's derivatives.

J depends on the point and on the intrinsics; in the guard band the pinhole's J02 = -(edge - cx) / z depends on z and
cx alone. Each function returns the gradients of the point, of the 2×2 block of K and of the principal point.
"""

import taichi as ti

from render.camera_models import FISHEYE, ORTHO, PINHOLE, fisheye_factors, fisheye_radius, guarded_offset, polar_angle
from render.constants import FISHEYE_EPS


@ti.func
def camera_adjoint(model: ti.template(), p, f, axes, k, width, height, pixel_bar, row_x_bar, row_y_bar):
    """From the gradients of ``pixel_at`` and ``jacobian_rows`` to those of (p, axes, k)."""
    p_bar, axes_bar, k_bar = 0.0 * p, 0.0 * axes, pixel_bar
    if ti.static(model == PINHOLE):
        u = _pinhole_row_adjoint(p[0], p[2], f[0], k[0], width, row_x_bar, 0)
        v = _pinhole_row_adjoint(p[1], p[2], f[1], k[1], height, row_y_bar, 1)
        ray = ti.Vector([p[0], p[1]]) / p[2]
        ray_bar = axes.transpose() @ pixel_bar
        p_bar = ti.Vector([u[0], v[0], u[1] + v[1]])
        p_bar += ti.Vector([ray_bar[0], ray_bar[1], -ray.dot(ray_bar)]) / p[2]
        axes_bar = pixel_bar.outer_product(ray) + ti.Matrix([[u[2], 0.0], [0.0, v[2]]])
        k_bar += ti.Vector([u[3], v[3]])
    elif ti.static(model == ORTHO):
        p_bar = ti.Vector([f[0] * pixel_bar[0], f[1] * pixel_bar[1], 0.0])
        axes_bar[0, 0] = p[0] * pixel_bar[0] + row_x_bar[0]
        axes_bar[1, 1] = p[1] * pixel_bar[1] + row_y_bar[1]
    elif ti.static(model == FISHEYE):
        scaled = ti.Vector([f[0] * pixel_bar[0], f[1] * pixel_bar[1]])
        p_bar = _fisheye_pixel_adjoint(p, scaled) + _fisheye_rows_adjoint(p, f[0] * row_x_bar, f[1] * row_y_bar)
        stretch = polar_angle(fisheye_radius(p), p[2] + FISHEYE_EPS) / fisheye_radius(p)
        t = fisheye_factors(p)
        x, y, x2, q, a, b = p[0], p[1], t[0], t[2], t[3], t[4]
        row_x = ti.Vector([x2 * a + y * y * b, x * y * (a - b), -x * q])
        row_y = ti.Vector([x * y * (a - b), y * y * a + x2 * b, -y * q])
        axes_bar[0, 0] = x * stretch * pixel_bar[0] + row_x.dot(row_x_bar)
        axes_bar[1, 1] = y * stretch * pixel_bar[1] + row_y.dot(row_y_bar)
    return p_bar, axes_bar, k_bar


@ti.func
def _pinhole_row_adjoint(x, z, f, centre, size, row_bar, axis: ti.template()):
    """Gradients by (x, z, f, c) of row ``axis`` of the pinhole's J, whose coordinate is f x/z + c."""
    offset = f * x / z
    guarded = guarded_offset(offset, centre, size)
    guarded_bar = -row_bar[2] / z
    z_bar = (guarded * row_bar[2] - f * row_bar[axis]) / (z * z)
    bars = ti.Vector([0.0, z_bar, row_bar[axis] / z, -guarded_bar])
    if guarded == offset:
        bars = ti.Vector([f, -offset, x, 0.0]) * (guarded_bar / z) + ti.Vector([0.0, z_bar, row_bar[axis] / z, 0.0])
    return bars


@ti.func
def _radial(p, r_bar):
    """Gradient of (x, y, z) from that of r; none on the axis, where r has no derivative."""
    length = ti.sqrt(p[0] * p[0] + p[1] * p[1])
    factor = 0.0
    if length > 0:
        factor = r_bar / length
    return ti.Vector([factor * p[0], factor * p[1], 0.0])


@ti.func
def _fisheye_pixel_adjoint(p, bar):
    """Gradient of p from that of (x, y) θ/r."""
    r, z = fisheye_radius(p), p[2] + FISHEYE_EPS
    theta, squared = polar_angle(r, z), r * r + z * z
    stretch_bar = p[0] * bar[0] + p[1] * bar[1]
    r_bar = stretch_bar * (z / squared - theta / r) / r
    return ti.Vector([bar[0] * theta / r, bar[1] * theta / r, -stretch_bar / squared]) + _radial(p, r_bar)


@ti.func
def _fisheye_rows_adjoint(p, bar_x, bar_y):
    """Gradient of p from those of the rows of J without focal lengths, in reverse through their factors."""
    x, y, z = p[0], p[1], p[2]
    t = fisheye_factors(p)
    x2, r2, q, a, b, r = t[0], t[1], t[2], t[3], t[4], fisheye_radius(p)
    cross_bar = bar_x[1] + bar_y[0]
    a_bar = x2 * bar_x[0] + x * y * cross_bar + y * y * bar_y[1]
    b_bar = y * y * bar_x[0] - x * y * cross_bar + x2 * bar_y[1]
    q_bar = -x * bar_x[2] - y * bar_y[2] + a_bar * z / r2
    theta_bar = b_bar / (r * r2)
    squared = r * r + z * z
    r_bar = theta_bar * z / squared - b_bar * b / r
    r2_bar = -(a_bar * a + b_bar * b) / r2 - q * q * q_bar
    x2_bar = a * bar_x[0] + b * bar_y[1] + r2_bar
    y2_bar = b * bar_x[0] + a * bar_y[1] + r2_bar
    xy_bar = (a - b) * cross_bar
    p_bar = _radial(p, r_bar)
    p_bar[0] += 2.0 * x * x2_bar + y * xy_bar - q * bar_x[2]
    p_bar[1] += 2.0 * y * y2_bar + x * xy_bar - q * bar_y[2]
    p_bar[2] += a_bar * q / r2 - theta_bar * r / squared - 2.0 * z * q * q * q_bar
    return p_bar
