"""The project's own shapes as signed distance functions: +y is up, faces look along +z, about one unit high."""

import numpy as np

from scripts.surface_nets import Field


def length(v: np.ndarray) -> np.ndarray:
    return np.linalg.norm(v, axis=-1)


def ball(center, radius: float) -> Field:
    return lambda p: length(p - center) - radius


def ellipsoid(center, radii, pitch: float = 0.0, roll: float = 0.0) -> Field:
    """Turned about x by ``pitch``, then about z by ``roll`` (degrees). First-order distance: exact on the surface."""
    turn, radii = _turn(pitch, roll), np.asarray(radii, float)

    def field(p):
        q = (p - np.asarray(center)) @ turn
        near = np.maximum(length(q / radii**2), 1e-9)
        return length(q / radii) * (length(q / radii) - 1) / near

    return field


def capsule(a, b, radius: float) -> Field:
    """A ball swept from ``a`` to ``b``."""
    a, b = np.asarray(a, float), np.asarray(b, float)

    def field(p):
        t = np.clip((p - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
        return length(p - a - t[:, None] * (b - a)) - radius

    return field


def rounded_box(half, radius: float) -> Field:
    def field(p):
        q = np.abs(p) - (np.asarray(half) - radius)
        return length(np.maximum(q, 0)) + np.minimum(q.max(axis=-1), 0) - radius

    return field


def ring(major: float, minor: float) -> Field:
    """A torus around the y axis."""
    return lambda p: np.hypot(np.hypot(p[:, 0], p[:, 2]) - major, p[:, 1]) - minor


def union(*fields: Field, blend: float) -> Field:
    """Smooth union: the quadratic polynomial minimum, which rounds the joint over a width ``blend``."""

    def field(p):
        total = fields[0](p)
        for other in fields[1:]:
            value = other(p)
            overlap = np.maximum(blend - np.abs(total - value), 0) / blend
            total = np.minimum(total, value) - overlap**2 * blend / 4
        return total

    return field


def mirrored(field: Field) -> Field:
    """A part at x > 0 and its image at x < 0."""
    return lambda p: field(np.column_stack([np.abs(p[:, 0]), p[:, 1:]]))


def rabbit() -> Field:
    """Sitting: body, head, two upright ears, haunches, paws and tail."""
    body = union(
        ellipsoid((0, 0.34, -0.06), (0.24, 0.29, 0.31), pitch=25),
        ellipsoid((0, 0.42, 0.10), (0.17, 0.22, 0.17)),
        mirrored(ellipsoid((0.16, 0.23, -0.13), (0.13, 0.20, 0.22))),
        mirrored(capsule((0.16, 0.09, -0.12), (0.18, 0.09, 0.17), 0.08)),
        mirrored(capsule((0.08, 0.36, 0.18), (0.07, 0.09, 0.27), 0.08)),
        blend=0.12,
    )
    head = union(
        ellipsoid((0, 0.74, 0.20), (0.18, 0.175, 0.20)),
        ellipsoid((0, 0.69, 0.33), (0.11, 0.10, 0.12)),
        mirrored(ellipsoid((0.10, 1.06, 0.10), (0.09, 0.27, 0.08), pitch=-14, roll=-17)),
        blend=0.06,
    )
    return union(body, head, ball((0, 0.26, -0.40), 0.12), blend=0.06)


def duck() -> Field:
    """Swimming: body with a raised tail, neck, head, bill and two wings."""
    return union(
        ellipsoid((0, 0.28, -0.05), (0.29, 0.26, 0.42)),
        ellipsoid((0, 0.43, -0.40), (0.14, 0.11, 0.19), pitch=35),
        capsule((0, 0.40, 0.20), (0, 0.72, 0.22), 0.14),
        ball((0, 0.84, 0.24), 0.19),
        ellipsoid((0, 0.79, 0.45), (0.12, 0.075, 0.13)),
        mirrored(ellipsoid((0.27, 0.34, -0.10), (0.06, 0.14, 0.24), pitch=12)),
        blend=0.09,
    )


def letter() -> Field:
    """R, with strokes as thick as deep."""
    stem = capsule((-0.25, -0.42, 0), (-0.25, 0.42, 0), 0.1)
    bars = [capsule((-0.25, y, 0), (0.02, y, 0), 0.1) for y in (0.42, -0.02)]
    leg = capsule((-0.02, -0.02, 0), (0.24, -0.42, 0), 0.1)
    return union(stem, *bars, leg, _half_ring((0.02, 0.20), 0.22, 0.1), blend=0.015)


def _half_ring(center, major: float, minor: float) -> Field:
    """The right half of a torus in the plane z = 0, with round ends."""

    def field(p):
        x, y = p[:, 0] - center[0], p[:, 1] - center[1]
        radial = np.where(x > 0, np.hypot(x, y) - major, np.hypot(x, np.abs(y) - major))
        return np.hypot(radial, p[:, 2]) - minor

    return field


def _turn(pitch: float, roll: float) -> np.ndarray:
    a, b = np.radians([pitch, roll])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    return about_z @ about_x


SHAPES: dict[str, Field] = {
    "box": rounded_box((0.5, 0.5, 0.5), 0.1),
    "duck": duck(),
    "letter": letter(),
    "rabbit": rabbit(),
    "sphere": ball((0, 0, 0), 0.5),
    "torus": ring(0.35, 0.15),
}
