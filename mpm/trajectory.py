"""Where colliders are at given times, and how fast they move in between.

In a step that begins at time t, a collider has its pose at t, and the velocities that take it to its pose at t + dt:
v = (p(t + dt) − p(t)) / dt and the ω whose rotation exp(dt [ω]) takes R(t) to R(t + dt). Symplectic Euler moves
particles likewise: material that sticks to a collider stays where it stuck.
"""

import numpy as np

from configs.collider import ColliderConfig, CylinderConfig, PlaneConfig


def pose(collider: ColliderConfig, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions [S, 3] and rotation matrices [S, 3, 3], from the shape's own frame (mpm.shapes), at ``times`` [S]."""
    if collider.keyframes:
        positions = _interpolate(times, collider.keyframes, "position")
        rotations = rotation_matrix(np.radians(_interpolate(times, collider.keyframes, "rotation")))
    else:
        positions = np.array(collider.position) + times[:, None] * np.array(collider.velocity)
        spun = rotation_matrix(times[:, None] * np.array(collider.angular_velocity))
        rotations = spun @ rotation_matrix(np.radians(collider.rotation))
    return positions, rotations @ as_built(collider)


def _interpolate(times, keyframes, name):
    values = np.array([getattr(keyframe, name) for keyframe in keyframes])
    knots = [keyframe.time for keyframe in keyframes]
    return np.stack([np.interp(times, knots, values[:, c]) for c in range(3)], axis=-1)


def as_built(collider: ColliderConfig) -> np.ndarray:
    """The rotation [3, 3] that takes the y axis to a plane's normal or a cylinder's axis; the identity for others."""
    if not isinstance(collider, PlaneConfig | CylinderConfig):
        return np.eye(3)
    wanted = np.array(collider.normal if isinstance(collider, PlaneConfig) else collider.axis)
    wanted = wanted / np.linalg.norm(wanted)
    turn = np.cross([0.0, 1.0, 0.0], wanted)
    sine = np.linalg.norm(turn)
    angle = np.arctan2(sine, wanted[1])
    return rotation_matrix(angle * (turn / sine if sine > 0 else np.array([1.0, 0.0, 0.0])))


def rotation_matrix(vector: np.ndarray) -> np.ndarray:
    """The rotations [..., 3, 3] about the axes and by the angles of ``vector`` [..., 3] (Rodrigues)."""
    angle = np.linalg.norm(vector, axis=-1)[..., None, None]
    k = _skew(vector)
    return np.eye(3) + np.sinc(angle / np.pi) * k + 0.5 * np.sinc(angle / (2 * np.pi)) ** 2 * (k @ k)


def rotation_vector(matrix: np.ndarray) -> np.ndarray:
    """The inverse of ``rotation_matrix`` for angles below π: [..., 3]."""
    axial = 0.5 * np.stack([matrix[..., 2, 1], matrix[..., 0, 2], matrix[..., 1, 0]], axis=-1)
    axial -= 0.5 * np.stack([matrix[..., 1, 2], matrix[..., 2, 0], matrix[..., 0, 1]], axis=-1)
    sine = np.linalg.norm(axial, axis=-1, keepdims=True)
    angle = np.arctan2(sine[..., 0], 0.5 * (np.trace(matrix, axis1=-2, axis2=-1) - 1))[..., None]
    return axial * np.divide(angle, sine, out=np.ones_like(sine), where=sine > 1e-12)


def _skew(v):
    zero = np.zeros_like(v[..., 0])
    rows = [[zero, -v[..., 2], v[..., 1]], [v[..., 2], zero, -v[..., 0]], [-v[..., 1], v[..., 0], zero]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
