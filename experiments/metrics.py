"""How far a shape of particles is from a target mesh: silhouettes and distances, with their floors."""

from dataclasses import dataclass

import numpy as np
import torch

from configs.errors import InputError
from experiments.pieces import ball_volume, count_pieces
from experiments.silhouette import RADIUS, mesh_silhouettes, particle_silhouettes, silhouette_error, silhouette_iou
from experiments.views import Frame, orthographic_views
from kernels.lock import launch_lock
from mpm.particles import fill_mesh
from upsample.detection import detect_surface

SAMPLES = 20_000
"""Points sampled on the target mesh for the Chamfer distance."""
_CHUNK = 1 << 24  # distances held at a time


@dataclass(frozen=True)
class ShapeMetrics:
    """Distances of one shape to the target."""

    silhouette_iou: float
    """Intersection over union, mean over the directions."""
    silhouette_iou_min: float
    """Intersection over union in the worst direction."""
    silhouette_error: float
    """Symmetric difference over the target's area, mean over the directions."""
    chamfer: float
    """Mean of the two directed mean distances. Unit: initial particle spacing."""
    hausdorff: float
    """The larger of the two directed largest distances. Unit: initial particle spacing."""
    pieces: int
    """Groups of particles out of each other's reach (``experiments.pieces``)."""
    volume: float
    """Of the union of the particles' balls. Unit: initial particle spacing³."""


class TargetComparison:
    """A target mesh, ready to be compared with particles.

    Args:
        vertices, faces: the target mesh, placed.
        spacing: initial distance between neighbouring particles. Unit: length.
        frame: what the silhouettes show; it should contain every shape that is compared (``frame_around``), and figures
            are comparable within one frame only. What is outside is not counted.
        directions: number of silhouettes.
        seed: of the points sampled on the mesh.
    """

    def __init__(self, vertices, faces, spacing: float, frame: Frame, directions: int = 12, seed: int = 0):
        self.vertices, self.faces = np.asarray(vertices, np.float64), np.asarray(faces, np.int64)
        self.spacing, self.views = spacing, orthographic_views(frame, directions)
        self.masks = mesh_silhouettes(self.vertices, self.faces, self.views)
        self.samples = sample_mesh(self.vertices, self.faces, SAMPLES, seed)

    def measure(self, x: np.ndarray, surface: np.ndarray) -> ShapeMetrics:
        """Compare particles ``x [N, 3]``, of which ``surface [M]`` (indices) are at the surface."""
        x = np.asarray(x, np.float64)
        masks = particle_silhouettes(x, RADIUS * self.spacing, self.views)
        iou = silhouette_iou(masks, self.masks)
        there, back = directed_distances(x[surface], self.samples)
        return ShapeMetrics(
            silhouette_iou=float(iou.mean()),
            silhouette_iou_min=float(iou.min()),
            silhouette_error=float(silhouette_error(masks, self.masks).mean()),
            chamfer=float(there.mean() + back.mean()) / 2 / self.spacing,
            hausdorff=float(max(there.max(), back.max())) / self.spacing,
            pieces=count_pieces(x, self.spacing),
            volume=ball_volume(x, self.spacing),
        )

    def floor(self) -> ShapeMetrics:
        """What particles filled directly into the target reach: no morph can be expected to do much better."""
        x = fill_mesh(self.vertices, self.faces, self.spacing)
        with launch_lock:
            surface = detect_surface(x, self.spacing).index
        return self.measure(x, surface)


def chamfer_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Mean of the mean distance from points ``a [P, 3]`` to the nearest of ``b [Q, 3]`` and that from b to a."""
    there, back = directed_distances(a, b)
    return float(there.mean() + back.mean()) / 2


def directed_distances(a: np.ndarray, b: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """From each of ``a [P, 3]`` to the nearest of ``b [Q, 3]``, and from each of b to the nearest of a; [P], [Q]."""
    if not (len(a) and len(b)):
        raise InputError(f"chamfer_distance: {len(a)} and {len(b)} points; expected at least one of each")
    points, others = (torch.as_tensor(np.asarray(p, np.float64)) for p in (a, b))
    return _nearest(points, others), _nearest(others, points)


def _nearest(points: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Distance from each point to the nearest of the others."""
    step = max(1, _CHUNK // len(others))
    exact = "donot_use_mm_for_euclid_dist"  # the product form loses half the digits
    chunks = [torch.cdist(chunk, others, compute_mode=exact).amin(dim=1) for chunk in points.split(step)]
    return torch.cat(chunks)


def sample_mesh(vertices: np.ndarray, faces: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Points [count, 3] spread uniformly at random over a mesh's area."""
    return sample_faces(vertices, faces, count, seed)[0]


def sample_faces(vertices: np.ndarray, faces: np.ndarray, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """``sample_mesh``, and the face [count] on which each point lies."""
    rng = np.random.default_rng(seed)
    a, b, c = vertices[faces].transpose(1, 0, 2)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    if not area.sum() > 0:
        raise InputError("sample_mesh: the mesh has no area")
    chosen = rng.choice(len(faces), size=count, p=area / area.sum())
    u, v = rng.random((2, count, 1))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    return a[chosen] + u * (b - a)[chosen] + v * (c - a)[chosen], chosen
