"""From the camera's frame to the image: pinhole, orthographic and fisheye cameras, and their Jacobians.

With focal lengths f, principal point k and (x, y, z) in the camera's frame (x right, y down, z forward):

    pinhole    u = K (x/z, y/z, 1)           (skew in K moves the pixel and is left out of J, as in gsplat)
    ortho      u = f (x, y) + k
    fisheye    u = f (x, y) θ/r + k          r = |(x, y)|, θ = atan2(r, z): equidistant

J is the derivative of u by (x, y, z). That of the pinhole is taken no further outside the image than the guard band
(Zwicker et al., "EWA splatting", 2002, eq. 29; render/constants.py). The fisheye's, with q = 1 / (r² + z²),
a = z q / r² and b = θ / r³, is f_x (x² a + y² b, x y (a - b), -x q) and f_y (x y (a - b), y² a + x² b, -y q).
"""

import taichi as ti

from render.constants import ATAN_TERMS, FISHEYE_EPS, GUARD_BAND

CAMERA_MODELS = ("pinhole", "ortho", "fisheye")
"""The names; kernels are compiled for an index into them."""

PINHOLE, ORTHO, FISHEYE = range(3)


@ti.func
def guarded_offset(offset, centre, size):
    """A pixel offset from the principal point ``centre``, brought back into the guard band around the image."""
    return ti.max(-GUARD_BAND * size - centre, ti.min((1.0 + GUARD_BAND) * size - centre, offset))


@ti.func
def polar_angle(r, z):
    """atan2(r, z) for r > 0, to the last digits: Vulkan allows its own an error of 4096 roundings.

    Three times tan(θ/2) = tan θ / (1 + sqrt(1 + tan² θ)), then the power series.
    """
    t = r / (z + ti.sqrt(r * r + z * z))
    for _ in ti.static(range(2)):
        t = t / (1.0 + ti.sqrt(1.0 + t * t))
    series = 0.0
    for i in ti.static(range(ATAN_TERMS)):
        n = ti.static(ATAN_TERMS - 1 - i)
        series = ti.static((-1.0) ** n / (2 * n + 1)) + t * t * series
    return 8.0 * t * series


@ti.func
def fisheye_radius(p):
    """r, kept from 0: the fisheye's formulas divide by it."""
    return ti.sqrt(p[0] * p[0] + p[1] * p[1]) + FISHEYE_EPS


@ti.func
def fisheye_factors(p):
    """x² (kept from 0), r², q, a and b of the module's docstring."""
    x2 = p[0] * p[0] + FISHEYE_EPS
    r2 = x2 + p[1] * p[1]
    q = 1.0 / (r2 + p[2] * p[2])
    r = fisheye_radius(p)
    return ti.Vector([x2, r2, q, p[2] * q / r2, polar_angle(r, p[2]) / (r * r2)])


@ti.func
def pixel_at(model: ti.template(), p, f, axes, k):
    """The pixel u that sees ``p``. ``axes`` is the upper left 2×2 block of K, ``f`` its diagonal."""
    u = ti.Vector([p[0], p[1]])
    if ti.static(model == PINHOLE):
        u = axes @ u / p[2] + k
    elif ti.static(model == ORTHO):
        u = f * u + k
    else:
        r = fisheye_radius(p)
        u = f * u * polar_angle(r, p[2] + FISHEYE_EPS) / r + k
    return u


@ti.func
def jacobian_rows(model: ti.template(), p, f, k, width, height):
    """The two rows of J at ``p``."""
    row_x, row_y = ti.Vector([f[0], 0.0, 0.0]), ti.Vector([0.0, f[1], 0.0])
    if ti.static(model == PINHOLE):
        x, y, z = p[0], p[1], p[2]
        row_x = ti.Vector([f[0], 0.0, -guarded_offset(f[0] * x / z, k[0], width)]) / z
        row_y = ti.Vector([0.0, f[1], -guarded_offset(f[1] * y / z, k[1], height)]) / z
    elif ti.static(model == FISHEYE):
        x, y = p[0], p[1]
        t = fisheye_factors(p)
        x2, q, a, b = t[0], t[2], t[3], t[4]
        row_x = f[0] * ti.Vector([x2 * a + y * y * b, x * y * (a - b), -x * q])
        row_y = f[1] * ti.Vector([x * y * (a - b), y * y * a + x2 * b, -y * q])
    return row_x, row_y
