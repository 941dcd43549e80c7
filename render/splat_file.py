"""Scenes of Gaussians in the standard 3DGS ``.ply`` layout (Kerbl et al., SIGGRAPH 2023).

One vertex a Gaussian, all float32: position, an unused normal, colour as spherical harmonics (``f_dc``, ``f_rest``),
logit of the opacity, logarithms of the scales, quaternion (w, x, y, z).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from plyfile import PlyData, PlyElement, PlyParseError

from configs.errors import InputError

SH_C0 = 0.28209479177387814
"""The constant spherical harmonic, 1 / (2 sqrt(pi)): colour = 0.5 + SH_C0 f_dc."""

OPACITY_MARGIN = 1e-6
"""Opacities 0 and 1 have no finite logit; they are stored this far inside."""

VARIANCE_MIN = 1e-20
"""Smallest variance stored, unit length²: a flat Gaussian has no finite logarithm."""

VIEWER_SH_DEGREE = 3
"""Viewers expect the coefficients of this degree, zero or not."""


@dataclass(frozen=True)
class SplatFile:
    """N Gaussians, as ``bridge.rasterization`` takes them; float32."""

    means: NDArray[np.float32]
    """[N, 3]. Unit: length."""
    quats: NDArray[np.float32]
    """Rotations (w, x, y, z) [N, 4]."""
    scales: NDArray[np.float32]
    """Standard deviations along the rotated axes [N, 3]. Unit: length."""
    opacities: NDArray[np.float32]
    """[N] in [0, 1]."""
    sh_coeffs: NDArray[np.float32]
    """Spherical harmonics [N, K, 3]."""

    @property
    def colors(self) -> NDArray[np.float32]:
        """Red, green, blue [N, 3] without the part that depends on the direction; not clipped."""
        return 0.5 + np.float32(SH_C0) * self.sh_coeffs[:, 0]


def save_splats(
    path: str | Path,
    means: ArrayLike,
    covars: ArrayLike,
    opacities: ArrayLike,
    colors: ArrayLike,
) -> None:
    """Write Gaussians given by covariances.

    Args:
        means: [N, 3]. covars: [N, 3, 3]. opacities: [N] in [0, 1]. colors: red, green, blue [N, 3].

    Raises:
        InputError: shapes that do not fit.
    """
    means, covars = np.asarray(means, np.float64), np.asarray(covars, np.float64)
    opacities, colors = np.asarray(opacities, np.float64), np.asarray(colors, np.float64)
    n = len(means)
    expected = {"means": (n, 3), "covars": (n, 3, 3), "opacities": (n,), "colors": (n, 3)}
    given = {"means": means, "covars": covars, "opacities": opacities, "colors": colors}
    for name, shape in expected.items():
        if given[name].shape != shape:
            raise InputError(f"save_splats: {name} has shape {given[name].shape}; expected {shape}")
    quats, scales = quaternions_and_scales(covars)
    inside = opacities.clip(OPACITY_MARGIN, 1.0 - OPACITY_MARGIN)
    rest = np.zeros((n, 3 * (VIEWER_SH_DEGREE + 1) ** 2 - 3))
    columns = [means, np.zeros((n, 3)), (colors - 0.5) / SH_C0, rest]
    columns += [np.log(inside / (1.0 - inside))[:, None], np.log(scales), quats]
    table = np.concatenate(columns, axis=1).astype("<f4")
    vertices = table.view([(name, "<f4") for name in _names(rest.shape[1])])[:, 0]
    PlyData([PlyElement.describe(vertices, "vertex")], byte_order="<").write(str(path))


def load_splats(path: str | Path) -> SplatFile:
    """Read a ``.ply`` in the standard layout, binary or ascii, of any degree of spherical harmonics.

    Raises:
        InputError: no such file, not a PLY file, truncated, properties missing.
    """
    try:
        vertices = PlyData.read(str(path), mmap=False)["vertex"]
    except FileNotFoundError:
        raise InputError(f"load_splats: {path} does not exist") from None
    except (PlyParseError, KeyError, ValueError, OSError) as error:
        raise InputError(f"load_splats: {path} is not a readable 3DGS .ply file ({error})") from None
    names = set(vertices.data.dtype.names)
    rest_count = sum(name.startswith("f_rest_") for name in names)
    missing = [name for name in _names(rest_count) if name not in names and name not in ("nx", "ny", "nz")]
    if missing or rest_count % 3:
        raise InputError(f"load_splats: {path} lacks {', '.join(missing) or 'f_rest_*'}; expected the 3DGS layout")

    def columns(*wanted: str) -> NDArray[np.float32]:
        return np.stack([np.asarray(vertices[name], np.float32) for name in wanted], axis=1)

    dc = columns(*(f"f_dc_{i}" for i in range(3)))[:, None]
    sh_coeffs = dc
    if rest_count:
        rest = columns(*(f"f_rest_{i}" for i in range(rest_count)))
        sh_coeffs = np.concatenate([dc, rest.reshape(len(dc), 3, rest_count // 3).transpose(0, 2, 1)], axis=1)
    return SplatFile(
        means=columns("x", "y", "z"),
        quats=columns(*(f"rot_{i}" for i in range(4))),
        scales=np.exp(columns(*(f"scale_{i}" for i in range(3)))),
        opacities=np.reciprocal(1 + np.exp(-columns("opacity")[:, 0])),
        sh_coeffs=sh_coeffs,
    )


def quaternions_and_scales(covars: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotations (w, x, y, z) [N, 4] and standard deviations [N, 3] of covariances [N, 3, 3], by eigen-decomposition."""
    variances, axes = np.linalg.eigh(0.5 * (covars + covars.transpose(0, 2, 1)))
    axes = axes * np.where(np.linalg.det(axes) < 0, -1.0, 1.0)[:, None, None]  # eigh may return a reflection
    return _quaternions(axes), np.sqrt(variances.clip(VARIANCE_MIN))


def _quaternions(r: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit quaternions of rotation matrices: q qᵀ is linear in R, and its largest row divides without cancellation."""
    m = r.transpose(1, 2, 0)
    trace = m[0, 0] + m[1, 1] + m[2, 2]
    outer = np.empty((4, 4, len(r)))
    outer[0, 0] = 1.0 + trace
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        outer[i + 1, i + 1] = 1.0 + 2.0 * m[i, i] - trace
        outer[0, i + 1] = outer[i + 1, 0] = m[k, j] - m[j, k]
        outer[i + 1, j + 1] = outer[j + 1, i + 1] = m[i, j] + m[j, i]
    largest = outer[range(4), range(4)].argmax(axis=0)
    q = outer[largest, :, np.arange(len(r))]
    return q / np.linalg.norm(q, axis=1, keepdims=True)


def _names(rest_count: int) -> list[str]:
    """Property names in the order of the layout."""
    return [
        *("x", "y", "z", "nx", "ny", "nz"),
        *(f"f_dc_{i}" for i in range(3)),
        *(f"f_rest_{i}" for i in range(rest_count)),
        "opacity",
        *(f"scale_{i}" for i in range(3)),
        *(f"rot_{i}" for i in range(4)),
    ]
