"""The standard 3DGS ``.ply`` layout (Kerbl et al., SIGGRAPH 2023): its columns and what is stored in them.

One vertex a Gaussian, all float32: position, normal (0 in trained scenes), colour as spherical harmonics (``f_dc``, and
``f_rest`` channel by channel), logit of the opacity, logarithms of the scales, quaternion (w, x, y, z).
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from plyfile import PlyData, PlyElement, PlyParseError

from configs.errors import InputError

OPACITY_MARGIN = 1e-6
"""Opacities 0 and 1 have no finite logit; they are stored this far inside."""

SCALE_MIN = 1e-10
"""Smallest scale stored, unit length: a flat Gaussian has no finite logarithm."""

NORMAL = ("nx", "ny", "nz")
"""Properties that a file may lack."""

LOGIT_MAX = 80.0
"""Logits beyond it are opacities 0 and 1 in float32, and their exponentials overflow."""


def write_ply(path: Path, means, quats, scales, opacities, sh_coeffs, normals, text: bool) -> None:
    """Write arrays [N, 3], [N, 4], [N, 3], [N], [N, K, 3], [N, 3]; ``text`` is ascii."""
    n = len(means)
    inside = np.asarray(opacities, np.float64).clip(OPACITY_MARGIN, 1.0 - OPACITY_MARGIN)
    rest_count = 3 * (sh_coeffs.shape[1] - 1)
    rest = np.asarray(sh_coeffs)[:, 1:].transpose(0, 2, 1).reshape(n, rest_count)
    columns = [means, normals, sh_coeffs[:, 0], rest, np.log(inside / (1.0 - inside))[:, None]]
    columns += [np.log(np.maximum(scales, SCALE_MIN)), quats]
    table = np.ascontiguousarray(np.concatenate(columns, axis=1, dtype="<f4"))
    vertices = table.view([(name, "<f4") for name in _names(rest_count)])[:, 0]
    PlyData([PlyElement.describe(vertices, "vertex")], text=text, byte_order="<").write(str(path))


def read_ply(path: Path) -> dict[str, NDArray[np.float32]]:
    """The arrays of ``write_ply`` by name, of any degree of spherical harmonics, binary or ascii.

    Raises:
        InputError: not a PLY file, truncated, properties missing.
    """
    try:
        vertices = PlyData.read(str(path), mmap=False)["vertex"]
    except (PlyParseError, KeyError, ValueError, OSError, MemoryError) as error:  # a foreign count asks for any memory
        raise InputError(f"load_splats: {path} is not a readable 3DGS .ply file ({error})") from None
    names = set(vertices.data.dtype.names)
    rest_count = sum(name.startswith("f_rest_") for name in names)
    missing = [name for name in _names(rest_count) if name not in names and name not in NORMAL]
    if missing:
        raise InputError(f"load_splats: {path} lacks {', '.join(missing)}; expected the 3DGS layout")
    if rest_count % 3:
        raise InputError(f"load_splats: {path} has {rest_count} properties f_rest_*; expected three channels")

    def columns(*wanted: str) -> NDArray[np.float32]:
        return np.stack([np.asarray(vertices[name], np.float32) for name in wanted], axis=1)

    coeffs = [columns(*(f"f_dc_{i}" for i in range(3)))[:, None]]
    if rest_count:
        rest = columns(*(f"f_rest_{i}" for i in range(rest_count)))
        coeffs.append(rest.reshape(len(rest), 3, rest_count // 3).transpose(0, 2, 1))
    logits = columns("opacity")[:, 0].clip(-LOGIT_MAX, LOGIT_MAX)
    with np.errstate(over="ignore"):
        scales = np.exp(columns(*(f"scale_{i}" for i in range(3))))
    normals = columns(*NORMAL) if names.issuperset(NORMAL) else np.zeros((len(logits), 3), np.float32)
    normals[~np.isfinite(normals).all(axis=1)] = 0  # most programs leave them unused
    return dict(
        means=columns("x", "y", "z"),
        quats=columns(*(f"rot_{i}" for i in range(4))),
        scales=scales,
        opacities=np.reciprocal(1 + np.exp(-logits)),
        sh_coeffs=np.concatenate(coeffs, axis=1),
        normals=normals,
    )


def _names(rest_count: int) -> list[str]:
    """Property names in the order of the layout."""
    return [
        *("x", "y", "z"),
        *NORMAL,
        *(f"f_dc_{i}" for i in range(3)),
        *(f"f_rest_{i}" for i in range(rest_count)),
        "opacity",
        *(f"scale_{i}" for i in range(3)),
        *(f"rot_{i}" for i in range(4)),
    ]
