"""Particles as opaque spheres: pictures in milliseconds, without gradients."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bridge.checks import expect_shape
from bridge.exchange import load, to_torch
from bridge.runtime import current
from kernels.lock import launch_lock
from render.spheres import SphereImage, draw_spheres

OWNER = "sphere_image"


@dataclass(frozen=True)
class SpherePicture:
    """What one pinhole camera sees of spheres."""

    index: Tensor
    """The sphere that a pixel shows, int64 [H, W]; −1 for none."""
    depth: Tensor
    """[H, W]; 0 for none. Unit: length."""
    normal: Tensor
    """Unit outward normals in the world [H, W, 3]; 0 for none."""


def sphere_image(
    x: Tensor, radii: Tensor, viewmat: np.ndarray, K: np.ndarray, width: int, height: int
) -> SpherePicture:
    """Draw spheres; of those equally near, the one of smaller index is seen.

    Args:
        x: centres [N, 3], unit length; those that are not finite are not drawn. radii: [N]. Unit: length.
        viewmat: world to camera [4, 4], OpenCV's axes. K: intrinsics [3, 3] without skew. Unit: pixel.

    Raises:
        InputError: shapes that do not fit.
    """
    expect_shape(OWNER, "x", x, ("N", 3))
    expect_shape(OWNER, "radii", radii, (len(x),))
    dtype = current().dtype
    x, radii = (value.detach().to(dtype).contiguous() for value in (x, radii))
    eye = torch.tensor(viewmat[:3], dtype=dtype, device=x.device)
    depth = x @ eye[2, :3] + eye[2, 3]
    whole = torch.isfinite(depth)
    x = torch.where(whole[:, None], x, x.new_tensor(viewmat[2, :3] * -1e6 + _eye(viewmat)))  # behind the camera
    far = 1.1 * float((depth + radii)[whole].max()) if bool(whole.any()) else 1.0
    numbers = [*viewmat[:3, :3].reshape(-1), *viewmat[:3, 3], K[0, 0], K[1, 1], K[0, 2], K[1, 2], max(far, 1e-6)]
    with launch_lock:
        image = SphereImage(len(x), width, height)
        load(x, image.x)
        load(radii, image.radii)
        load(torch.tensor(np.array(numbers), dtype=dtype, device=x.device), image.camera)
        draw_spheres(image)
        index, depth, normal = (
            to_torch(array, tuple(array.shape), x.device) for array in (image.index, image.depth, image.normal)
        )
    return SpherePicture(index.long(), depth, normal)


def _eye(viewmat: np.ndarray) -> np.ndarray:
    return -viewmat[:3, :3].T @ viewmat[:3, 3]
