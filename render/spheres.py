"""Opaque spheres with a depth buffer: quick pictures of particles. Not differentiable.

Each sphere is drawn as the disk of radius r f / z around its projected centre, with a sphere's depth and normal: exact
in the middle of the image, a little too round at its edges.
"""

import taichi as ti

from kernels.arrays import int_array, real_array, runs_on_cpu, runs_on_cuda
from kernels.linalg import load_vec3

NEAREST = 1e-3
"""Spheres whose centre is nearer are left out, as a share of the largest depth."""
DEPTH_LEVELS = 2.0e9
"""Steps of the depth buffer, which is of 32-bit integers: atomic minima of those exist everywhere."""
SAME_DEPTH = 512
"""Steps within which two spheres are equally near; the one of smaller index is seen, so that pictures repeat."""
EMPTY = 2147483647


class SphereImage:
    """Taichi arrays of one picture of ``n`` spheres with ``height`` × ``width`` pixels.

    Inputs: ``x [N, 3]``, ``radii [N]``, ``camera [17]``: rotation (row by row) and translation of world to camera,
    fx, fy, cx, cy and the largest depth. Outputs: ``index [H, W]``, the sphere that a pixel sees or −1; ``depth
    [H, W]``, 0 where there is none; ``normal [H, W, 3]`` in the world.
    """

    def __init__(self, n: int, width: int, height: int):
        self.n, self.width, self.height = n, width, height
        self.x, self.radii, self.camera = real_array(n, 3), real_array(n), real_array(17)
        self.nearest = int_array(height, width)
        self.index = int_array(height, width)
        self.depth = real_array(height, width)
        self.normal = real_array(height, width, 3)


def draw_spheres(image: SphereImage) -> None:
    """Fill the outputs from the inputs."""
    _draw(image.x, image.radii, image.camera, image.n, image.nearest, image.index, image.depth, image.normal)


def _threads() -> int:
    """``block_dim`` of the loops over spheres.

    Mesa's Vulkan driver for the CPU takes eight turns at once. In a larger block it ends the inner loops of all when
    those of some eight end, or there are none: parts of spheres, or whole ones, were missing (Mesa 22.3.6).
    """
    return 512 if runs_on_cpu() else 128 if runs_on_cuda() else 8


@ti.func
def _to_camera(x, camera: ti.template()):
    rotation = ti.Matrix([[camera[3 * i + j] for j in range(3)] for i in range(3)])
    return rotation @ x + ti.Vector([camera[9], camera[10], camera[11]])


@ti.func
def _disk(c, radius, camera: ti.template()):
    """Centre and radii of the disk in the image. Unit: pixel."""
    center = ti.Vector([camera[12] * c[0] / c[2] + camera[14], camera[13] * c[1] / c[2] + camera[15]])
    return center, ti.Vector([camera[12], camera[13]]) * radius / c[2]


@ti.func
def _height(i, j, center, size):
    """How far the sphere's surface stands out of its centre's plane at pixel (row i, column j), in radii; negative
    outside. A sphere smaller than a pixel covers the one that holds its centre.
    """
    offset = (ti.Vector([j + 0.5, i + 0.5]) - center) / ti.max(size, 0.71)
    rest = 1.0 - offset.dot(offset)
    result = -1.0
    if rest >= 0.0:
        result = ti.sqrt(rest)
    return result


@ti.func
def _level(c, radius, height, camera: ti.template()):
    return ti.cast((c[2] - radius * height) / camera[16] * DEPTH_LEVELS, ti.i32)


@ti.func
def _span(center, size, extent):
    """First pixel, and the one after the last, of a disk along one axis."""
    reach = ti.max(size, 0.71)
    first = ti.max(ti.cast(ti.floor(center - reach), ti.i32), 0)
    return first, ti.min(ti.cast(ti.ceil(center + reach), ti.i32) + 1, extent)


@ti.func
def _is_drawn(c, camera: ti.template()):
    return c[2] > NEAREST * camera[16] and c[2] < 0.99 * camera[16]


@ti.kernel
def _draw(
    x: ti.types.ndarray(ndim=2),
    radii: ti.types.ndarray(ndim=1),
    camera: ti.types.ndarray(ndim=1),
    n: ti.i32,
    nearest: ti.types.ndarray(ndim=2),
    index: ti.types.ndarray(ndim=2),
    depth: ti.types.ndarray(ndim=2),
    normal: ti.types.ndarray(ndim=3),
):
    for pixel in ti.grouped(nearest):
        nearest[pixel] = EMPTY
        index[pixel] = EMPTY
    ti.loop_config(block_dim=ti.static(_threads()))
    for p in range(n):
        c = _to_camera(load_vec3(x, p), camera)
        if _is_drawn(c, camera):
            center, size = _disk(c, radii[p], camera)
            left, right = _span(center[0], size[0], nearest.shape[1])
            top, bottom = _span(center[1], size[1], nearest.shape[0])
            for i in range(top, bottom):
                for j in range(left, right):
                    height = _height(i, j, center, size)
                    if height >= 0.0:
                        level = _level(c, radii[p], height, camera)
                        if level < nearest[i, j]:  # most are hidden; atomics are slow
                            ti.atomic_min(nearest[i, j], level)
    ti.loop_config(block_dim=ti.static(_threads()))
    for p in range(n):
        c = _to_camera(load_vec3(x, p), camera)
        if _is_drawn(c, camera):
            center, size = _disk(c, radii[p], camera)
            left, right = _span(center[0], size[0], nearest.shape[1])
            top, bottom = _span(center[1], size[1], nearest.shape[0])
            for i in range(top, bottom):
                for j in range(left, right):
                    height = _height(i, j, center, size)
                    # a difference, not a sum: EMPTY is the largest integer
                    level = _level(c, radii[p], height, camera) - SAME_DEPTH
                    if height >= 0.0 and level <= nearest[i, j] and p < index[i, j]:
                        ti.atomic_min(index[i, j], p)
    for i, j in nearest:
        p = index[i, j]
        depth[i, j] = 0.0
        outward = ti.Vector([0.0, 0.0, 0.0])
        if p == EMPTY:
            index[i, j] = -1
        else:
            c = _to_camera(load_vec3(x, p), camera)
            center, size = _disk(c, radii[p], camera)
            height = _height(i, j, center, size)
            depth[i, j] = c[2] - radii[p] * height
            flat = (ti.Vector([j + 0.5, i + 0.5]) - center) / ti.max(size, 0.71)
            seen = ti.Vector([flat[0], flat[1], -height])
            rotation = ti.Matrix([[camera[3 * a + b] for b in range(3)] for a in range(3)])
            outward = rotation.transpose() @ seen
        for k in ti.static(range(3)):
            normal[i, j, k] = outward[k]
