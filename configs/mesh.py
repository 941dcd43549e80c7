"""``source`` and ``target``: a mesh, its placement, and how densely it is filled with particles."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from configs.base import Count, Positive, Real, Section, Vec3

MESH_FOLDER = Path(str(files("configs") / "meshes"))


def packaged_meshes() -> list[str]:
    """Names of the meshes that come with diffmpm."""
    return sorted(path.stem for path in MESH_FOLDER.glob("*.obj"))


def mesh_path(name: str) -> Path:
    """The file of a mesh that a configuration names."""
    return MESH_FOLDER / f"{name}.obj" if name in packaged_meshes() else Path(name)


def find_mesh(mesh: str, info: ValidationInfo) -> str:
    """The whole path of a mesh file as YAML names it, or the name of one of the project's own meshes."""
    folders = [Path.cwd(), *(info.context or {}).get("folders", [])]
    for path in (Path(folder, mesh) for folder in folders):
        if path.is_file():
            return str(path.resolve())
    if mesh in packaged_meshes():
        return mesh
    raise ValueError(f"no such file: {mesh}; expected a mesh file or one of {', '.join(packaged_meshes())}")


MeshName = Annotated[str, AfterValidator(find_mesh)]
"""A mesh file, from the working directory or from the YAML's own folder, or one of the project's own meshes."""


class MeshConfig(Section):
    """A triangle mesh that becomes particles: scaled about its bounding box's centre, then moved."""

    mesh: MeshName
    """Path of an OBJ, PLY, STL, OFF or GLB file, from the working directory or from the YAML's own folder; or the
    name of one of the project's own meshes."""
    points_per_cell: Count = 8
    """Particles per grid cell; their spacing is the grid's divided by the cube root of this. Unit: none."""
    scale: Positive | None = None
    """Uniform factor about the centre of the bounding box; null is 1. Unit: none."""
    extent: Positive | None = None
    """Longest side of the bounding box after scaling, instead of ``scale``; null is off. Unit: length."""
    volume: Positive | Literal["source"] | None = None
    """Enclosed volume after scaling, instead of ``scale``; source, for a target, is the source's. null is off.
    Unit: length³."""
    center: Vec3 | None = None
    """Where the centre of the bounding box is put; null leaves it where the file has it. Unit: length."""
    centroid: Vec3 | Literal["source"] | None = None
    """Where the centre of mass is put, instead of ``center``; source, for a target, is the source's. Stresses move no
    centre of mass: controls can hardly reach a target that has it elsewhere. Unit: length."""
    jitter: Annotated[Real, Field(ge=0, le=1)] = 0.0
    """Seeded random offset of each particle along each axis, up to ± half of this. Unit: particle spacings."""

    @property
    def path(self) -> Path:
        """The mesh file."""
        return mesh_path(self.mesh)

    @model_validator(mode="after")
    def _one_size(self):
        given = [name for name in ("scale", "extent", "volume") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are given; expected one of them")
        if self.center is not None and self.centroid is not None:
            raise ValueError("center and centroid are given; expected one of them")
        return self
