"""Scenes of Gaussians in files: the standard 3DGS ``.ply``, and our own ``.npz``, which keeps every number as it is."""

import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from configs.errors import InputError
from render.harmonic_basis import MAX_DEGREE, basis_size
from render.splat_ply import read_ply, write_ply

SH_C0 = 0.28209479177387814
"""The constant spherical harmonic, 1 / (2 sqrt(pi)): colour = 0.5 + SH_C0 f_dc."""

VARIANCE_MIN = 1e-20
"""Smallest variance taken from a covariance, unit length²."""

VIEWER_SH_DEGREE = 3
"""Viewers expect the coefficients of this degree, zero or not."""

SUFFIXES = (".ply", ".npz")


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
    """Spherical harmonics [N, (degree + 1)², 3], the ``colors`` of ``rasterization`` with ``sh_degree``."""
    normals: NDArray[np.float32] = None  # type: ignore[assignment]
    """Of the surface that they lie on [N, 3]; 0 where there is none, and for all if they are not given."""

    def __post_init__(self):
        if self.normals is None:
            object.__setattr__(self, "normals", np.zeros(np.shape(self.means), np.float32))

    @property
    def colors(self) -> NDArray[np.float32]:
        """Red, green, blue [N, 3] without the part that depends on the direction; not clipped."""
        return 0.5 + np.float32(SH_C0) * self.sh_coeffs[:, 0]

    @property
    def sh_degree(self) -> int:
        """Degree of the spherical harmonics."""
        return round(self.sh_coeffs.shape[1] ** 0.5) - 1


def save_scene(path: str | Path, scene: SplatFile, text: bool = False) -> None:
    """Write a scene as ``.ply`` or ``.npz``, by the name's end.

    A ``.ply`` moves opacities 0 and 1 inwards by 1e-6 and scales of 0 to 1e-10, which have no finite logarithm.

    Args:
        text: an ascii ``.ply``.

    Raises:
        InputError: another ending, shapes that do not fit, values that are not finite, opacities outside [0, 1],
            scales below 0.
    """
    path = _path("save_scene", path)
    _check("save_scene", scene)
    if path.suffix.lower() == ".ply":
        write_ply(path, **asdict(scene), text=text)
    else:
        arrays: dict[str, Any] = {name: np.asarray(value, np.float32) for name, value in asdict(scene).items()}
        with open(path, "wb") as file:  # given a name, NumPy appends its own ending to others
            np.savez_compressed(file, **arrays)


def load_splats(path: str | Path) -> SplatFile:
    """Read a ``.ply`` in the standard layout, binary or ascii, or an ``.npz`` of ``save_scene``.

    Raises:
        InputError: no such file, another ending, foreign, truncated, arrays missing, not finite or out of range.
    """
    path = _path("load_splats", path)
    if not path.is_file():
        raise InputError(f"load_splats: {path} does not exist")
    scene = SplatFile(**(read_ply(path) if path.suffix.lower() == ".ply" else _read_npz(path)))
    _check(f"load_splats: {path}", scene)
    return scene


def save_splats(
    path: str | Path,
    means: ArrayLike,
    covars: ArrayLike,
    opacities: ArrayLike,
    colors: ArrayLike,
    normals: ArrayLike | None = None,
) -> None:
    """Write Gaussians given by covariances and plain colours.

    Args:
        means: [N, 3]. covars: [N, 3, 3]. opacities: [N] in [0, 1]. colors: red, green, blue [N, 3].
        normals: of their surface [N, 3].

    Raises:
        InputError: shapes that do not fit, values that are not finite.
    """
    means, covars = np.asarray(means, np.float64), np.asarray(covars, np.float64)
    opacities, colors = np.asarray(opacities, np.float64), np.asarray(colors, np.float64)
    n = len(means)
    for name, value, shape in (("covars", covars, (n, 3, 3)), ("colors", colors, (n, 3))):
        if value.shape != shape:
            raise InputError(f"save_splats: {name} has shape {value.shape}; expected {shape}")
        if not np.isfinite(value).all():
            raise InputError(f"save_splats: {name} has values that are not finite")
    coeffs = np.zeros((n, basis_size(VIEWER_SH_DEGREE), 3))
    coeffs[:, 0] = (colors - 0.5) / SH_C0
    save_scene(path, SplatFile(means, *quaternions_and_scales(covars), opacities, coeffs, normals))  # type: ignore[arg-type]


def _path(owner: str, path: str | Path) -> Path:
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{owner}: {path} ends with {path.suffix!r}; expected {' or '.join(SUFFIXES)}")
    return path


def _read_npz(path: Path) -> dict[str, NDArray[np.float32]]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            needed = [name for name in SplatFile.__dataclass_fields__ if name != "normals" or name in arrays]
            return {name: np.asarray(arrays[name], np.float32) for name in needed}
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"load_splats: {path} is not a readable scene ({error})") from None


def _check(owner: str, scene: SplatFile) -> None:
    """Raise unless the shapes fit, all values are finite, opacities in [0, 1] and scales not negative."""
    n, bases = len(scene.means), np.shape(scene.sh_coeffs)[1] if np.ndim(scene.sh_coeffs) == 3 else 0
    if bases not in [basis_size(degree) for degree in range(MAX_DEGREE + 1)]:
        shape = np.shape(scene.sh_coeffs)
        raise InputError(
            f"{owner}: sh_coeffs has shape {shape}; expected (N, (degree + 1)², 3), degree 0 to {MAX_DEGREE}"
        )
    shapes = {
        "means": (n, 3),
        "quats": (n, 4),
        "scales": (n, 3),
        "opacities": (n,),
        "sh_coeffs": (n, bases, 3),
        "normals": (n, 3),
    }
    for name, shape in shapes.items():
        value = np.asarray(getattr(scene, name))
        if value.shape != shape:
            raise InputError(f"{owner}: {name} has shape {value.shape}; expected {shape}")
        if not np.isfinite(value).all():
            first = tuple(int(i) for i in np.argwhere(~np.isfinite(value))[0])
            raise InputError(f"{owner}: {name} is not finite, first at index {first}")
    for name, low, high in (("opacities", 0.0, 1.0), ("scales", 0.0, np.inf)):
        value = np.asarray(getattr(scene, name))
        outside = np.argwhere((value < low) | (value > high))
        if len(outside):
            first = tuple(int(i) for i in outside[0])
            raise InputError(f"{owner}: {name} is {value[first]:.4g} at index {first}; expected {low:g} to {high:g}")


def quaternions_and_scales(covars: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotations (w, x, y, z) [N, 4] and standard deviations [N, 3] of covariances [N, 3, 3], by eigen-decomposition."""
    variances, axes = np.linalg.eigh(0.5 * (covars + covars.transpose(0, 2, 1)))
    axes = axes * np.where(np.linalg.det(axes) < 0, -1.0, 1.0)[:, None, None]  # eigh may return a reflection
    return quaternions(axes), np.sqrt(variances.clip(VARIANCE_MIN))


def quaternions(r: NDArray[np.float64]) -> NDArray[np.float64]:
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
