"""What ran: versions of diffmpm, Python, the libraries and the platform."""

import platform
from importlib.metadata import PackageNotFoundError, version

LIBRARIES = ("taichi", "torch", "numpy", "trimesh", "pydantic", "omegaconf", "imageio", "plyfile", "matplotlib")


def versions() -> dict[str, str]:
    """Name to version; asks no library to load."""
    return {
        "diffmpm": _version("diffmpm"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{library: _version(library) for library in LIBRARIES},
    }


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"
