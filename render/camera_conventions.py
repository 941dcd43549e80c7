"""Cameras in the conventions of NeRF's Blender scenes and of COLMAP, to and from ours.

Ours (render/cameras.py): world to camera, x right, y down, z forward, the first pixel's centre at (0.5, 0.5). COLMAP's
is the same; it stores the rotation as a quaternion. Blender's matrices lead from the camera to the world, with
x right, y up and the view along -z.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from configs.errors import InputError
from render.splat_file import quaternions

BLENDER_AXES = np.diag([1.0, -1.0, -1.0, 1.0])
"""Between OpenCV's and OpenGL's camera axes; its own inverse."""

COLMAP_MODELS = {"SIMPLE_PINHOLE": 3, "PINHOLE": 4}
"""COLMAP's camera models without distortion, and their numbers of parameters."""


def viewmats_from_blender(transforms: ArrayLike) -> NDArray[np.float64]:
    """``viewmats`` [..., 4, 4] from ``transform_matrix`` entries [..., 4, 4] of a NeRF ``transforms.json``.

    Raises:
        InputError: another shape, or matrices without an inverse.
    """
    return _inverse(
        "viewmats_from_blender", "transforms", _matrices("viewmats_from_blender", transforms) @ BLENDER_AXES
    )


def blender_from_viewmats(viewmats: ArrayLike) -> NDArray[np.float64]:
    """The inverse of ``viewmats_from_blender``."""
    return _inverse("blender_from_viewmats", "viewmats", _matrices("blender_from_viewmats", viewmats)) @ BLENDER_AXES


def intrinsics_from_angle(width: int, height: int, camera_angle_x: float) -> NDArray[np.float64]:
    """``K`` [3, 3] of square pixels from NeRF's ``camera_angle_x``, the horizontal field of view in radians."""
    if not 0 < camera_angle_x < np.pi:
        raise InputError(f"intrinsics_from_angle: camera_angle_x is {camera_angle_x}; expected radians in (0, pi)")
    focal = 0.5 * width / np.tan(0.5 * camera_angle_x)
    return np.array([[focal, 0.0, 0.5 * width], [0.0, focal, 0.5 * height], [0.0, 0.0, 1.0]])


def viewmats_from_colmap(qvecs: ArrayLike, tvecs: ArrayLike) -> NDArray[np.float64]:
    """``viewmats`` [..., 4, 4] from the quaternions (w, x, y, z) [..., 4] and translations [..., 3] of images.txt.

    Raises:
        InputError: shapes that do not fit, or a quaternion of length 0.
    """
    q, t = np.asarray(qvecs, np.float64), np.asarray(tvecs, np.float64)
    if q.shape[-1:] != (4,) or t.shape != (*q.shape[:-1], 3):
        raise InputError(f"viewmats_from_colmap: shapes {q.shape} and {t.shape}; expected (..., 4) and (..., 3)")
    length = np.linalg.norm(q, axis=-1, keepdims=True)
    if not (length > 0).all():
        raise InputError("viewmats_from_colmap: a quaternion has length 0; expected rotations (w, x, y, z)")
    w, v = (q / length)[..., :1, None], (q / length)[..., 1:]
    cross = np.cross(np.eye(3), v[..., None, :])  # rows e_i × v: the matrix of v × ·
    viewmats = np.zeros((*q.shape[:-1], 4, 4))
    viewmats[..., :3, :3] = (2 * w * w - 1) * np.eye(3) + 2 * v[..., :, None] * v[..., None, :] + 2 * w * cross
    viewmats[..., :3, 3], viewmats[..., 3, 3] = t, 1.0
    return viewmats


def colmap_from_viewmats(viewmats: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Quaternions (w, x, y, z) [..., 4], w at least 0, and translations [..., 3]: COLMAP's of our ``viewmats``."""
    v = _matrices("colmap_from_viewmats", viewmats)
    q = quaternions(v[..., :3, :3].reshape(-1, 3, 3)).reshape(*v.shape[:-2], 4)
    signs = np.where(q[..., :1] < 0, -1.0, 1.0)
    return signs * q, v[..., :3, 3].copy()


def intrinsics_from_colmap(model: str, params: Sequence[float]) -> NDArray[np.float64]:
    """``K`` [3, 3] of a line of cameras.txt: SIMPLE_PINHOLE (f, cx, cy) or PINHOLE (fx, fy, cx, cy).

    Raises:
        InputError: a model with distortion, or another number of parameters.
    """
    if model not in COLMAP_MODELS:
        expected = ", ".join(COLMAP_MODELS)
        raise InputError(f"intrinsics_from_colmap: model is {model!r}; expected {expected}: undistort the images first")
    if len(params) != COLMAP_MODELS[model]:
        raise InputError(f"intrinsics_from_colmap: {model} has {COLMAP_MODELS[model]} parameters; got {len(params)}")
    fx, fy, cx, cy = (params[0], *params) if model == "SIMPLE_PINHOLE" else params
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]], dtype=np.float64)


def _matrices(owner: str, values: ArrayLike) -> NDArray[np.float64]:
    matrices = np.asarray(values, np.float64)
    if matrices.shape[-2:] != (4, 4):
        raise InputError(f"{owner}: matrices have shape {matrices.shape}; expected (..., 4, 4)")
    return matrices


def _inverse(owner: str, name: str, matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    try:
        return np.asarray(np.linalg.inv(matrices), np.float64)
    except np.linalg.LinAlgError:
        raise InputError(f"{owner}: {name} has a singular matrix; expected rotations and translations") from None
