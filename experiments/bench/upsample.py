"""How good and how fast the upsampler is: ``python -m scripts.bench upsample``.

Quality: meshes scaled to one volume and filled with particles, M Gaussians on each; distances in particle spacings
between the Gaussians and samples of the mesh. Open rims and features thinner than two spacings are left out: particles
of that spacing do not know them. Speed: a cube of particles, the layout and one evaluation with its gradient.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import taichi as ti
import torch
from rich.console import Console
from rich.table import Table

import bridge
from bridge.exchange import from_torch
from bridge.lent_memory import launches
from configs.errors import InputError
from configs.load import load_config
from configs.mesh import mesh_path
from configs.upsample import UpsampleConfig
from experiments.metrics import sample_faces
from experiments.versions import versions
from kernels.arrays import from_numpy
from kernels.neighbours import NeighbourTree
from mpm.interior import open_edges, weld
from mpm.mesh import load_mesh
from mpm.particles import fill_mesh, mesh_volume

Clock = Callable[[], float]

MESHES = ("sphere", "torus", "rabbit", "duck", "box", "letter")
VOLUME, SPACING = 1381.2, 0.5
"""Of every mesh, and of the particles: about 11,000 of them."""
SAMPLES = 400_000
TABLE_WIDTH = 130
"""Characters of the tables, also where the output is no terminal."""
THIN = 2.0
"""Spacings: thinner features, and what is nearer to an open rim, are left out."""


REACH = 0.8
"""Spacings between such a ball and what counts as the surface of a body that holds it."""


@dataclass(frozen=True)
class Quality:
    """One mesh; lengths in particle spacings."""

    mesh: str
    particles: int
    distance: float
    """Mean distance from a Gaussian to the mesh."""
    hole: float
    """Largest distance from a sample of the mesh to its nearest Gaussian."""
    variation: float
    """Standard deviation over mean of the distances from Gaussians to their nearest one."""
    left_out: float
    """Share of the mesh's area that is not looked at."""
    hole_anywhere: float
    """``hole`` with nothing left out."""
    layout_s: float


def measure_quality(name: str, count: int, config: UpsampleConfig) -> Quality:
    """Lay ``count`` Gaussians out on a mesh, packaged or a file, and compare."""
    vertices, faces = scaled_mesh(name)
    x = torch.from_numpy(fill_mesh(vertices, faces, SPACING))
    upsampler = bridge.SurfaceUpsampler(config.model_copy(update={"M": count}), spacing=SPACING)
    F = torch.eye(3, dtype=x.dtype).expand(len(x), 3, 3)
    start = time.perf_counter()
    surface = upsampler.detect(x)
    seconds = time.perf_counter() - start
    points = upsampler(x, F, surface).means.detach().double().numpy()
    samples, seen = visible_samples(vertices, faces)
    hole, _ = nearest(samples, points, 1)
    distance, sample = nearest(points, samples, 1)
    looked_at = seen[sample[:, 0]]
    among, _ = nearest(points, points, 2)
    among = among[looked_at, 1]
    return Quality(
        Path(name).stem,
        len(x),
        float(distance[looked_at].mean()) / SPACING,
        float(hole[seen].max()) / SPACING,
        float(among.std() / among.mean()),
        1 - float(seen.mean()),
        float(hole.max()) / SPACING,
        seconds,
    )


def scaled_mesh(name: str) -> tuple[np.ndarray, np.ndarray]:
    """A mesh with the volume ``VOLUME``, centred."""
    vertices, faces = load_mesh(mesh_path(name))
    vertices = (vertices - vertices.mean(axis=0)) * np.cbrt(VOLUME / mesh_volume(vertices, faces))
    return vertices, faces


def visible_samples(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Samples of the mesh [S, 3], and which of them count [S].

    Balls ``THIN`` spacings across that touch a sample from inside and fit into the body make up its opening. A sample
    farther than ``REACH`` from all of them belongs to a thinner feature; edges and corners of a box are nearer. What is
    within ``THIN`` spacings of an open edge does not count either.
    """
    samples, of_face = sample_faces(vertices, faces, SAMPLES)
    a, b, c = vertices[faces].transpose(1, 0, 2)
    normals = np.cross(b - a, c - a)
    normals = (normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12))[of_face]
    if _signed_volume(vertices, faces) < 0:
        normals = -normals
    radius = THIN * SPACING / 2
    centres = samples - radius * normals
    centres = centres[nearest(centres, samples, 1)[0][:, 0] >= 0.95 * radius]
    seen = nearest(samples, centres, 1)[0][:, 0] - radius <= REACH * SPACING
    rims = _rims(vertices, faces)
    if len(rims):
        seen &= nearest(samples, rims, 1)[0][:, 0] > THIN * SPACING
    return samples, seen


def _signed_volume(vertices, faces) -> float:
    a, b, c = (vertices[faces] - vertices.mean(axis=0)).transpose(1, 0, 2)
    return float((a * np.cross(b, c)).sum())


def _rims(vertices, faces) -> np.ndarray:
    """Points on the open edges, at most half a spacing apart."""
    vertices, faces = weld(vertices, faces)
    ends = vertices[open_edges(faces)]
    if not len(ends):
        return np.zeros((0, 3))
    steps = int(np.ceil(2 * np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1).max() / SPACING)) + 1
    t = np.linspace(0, 1, steps)[:, None, None]
    return ((1 - t) * ends[:, 0] + t * ends[:, 1]).reshape(-1, 3)


def nearest(points: np.ndarray, others: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances and indices [P, k] of the k nearest of the others."""
    tree = NeighbourTree(from_numpy(others), len(others))
    index, distance = tree.nearest(from_numpy(points), len(points), k)
    return distance.to_numpy().reshape(-1, k), index.to_numpy().reshape(-1, k)


@dataclass(frozen=True)
class Speed:
    """N particles in a cube, M Gaussians; medians, compilation left out."""

    particles: int
    gaussians: int
    surface_ms: float
    """Detection of the surface particles alone."""
    layout_ms: float
    """That, and a layout without equalisation."""
    detect_ms: float
    """That, and equalisation."""
    redetect_ms: float
    """With the history of an equal shape: the children stay."""
    forward_ms: float
    both_ms: float
    """Forward and backward."""
    covariances_ms: float
    """The covariances alone, forward."""
    search_ms: float
    """The 32 nearest particles of each Gaussian."""


def measure_speed(
    particles: int, count: int, config: UpsampleConfig, device: str, repeats: int, clock: Clock = time.perf_counter
) -> Speed:
    """Medians over ``repeats`` runs."""
    edge = round(particles ** (1 / 3))
    x = torch.tensor(np.argwhere(np.ones((edge, edge, -(-particles // edge**2)), bool))[:particles]).float().to(device)
    F = torch.eye(3, device=device).repeat(len(x), 1, 1)
    x.requires_grad_(), F.requires_grad_()
    config = config.model_copy(update={"M": count})
    plain = config.model_copy(update={"post_equalize": config.post_equalize.model_copy(update={"enabled": False})})
    bare = config.model_copy(update={"M": None})
    upsampler, simple, detector = (bridge.SurfaceUpsampler(c, spacing=1.0).to(device) for c in (config, plain, bare))
    history = bridge.SurfaceHistory()
    surface = upsampler.detect(x, history=history)
    queries, points = (from_torch(t.detach()) for t in (upsampler(x, F, surface).means, x))

    def both():
        splats = upsampler(x, F, surface)
        (splats.means.sum() + splats.covars.sum()).backward()

    def search():
        with launches():
            NeighbourTree(points, len(x)).nearest(queries, count, 32)

    few = max(1, repeats // 4)
    return Speed(
        len(x),
        count,
        _time(lambda: detector.detect(x), few, clock),
        _time(lambda: simple.detect(x), few, clock),
        _time(lambda: upsampler.detect(x), few, clock),
        _time(lambda: upsampler.detect(x, history=history), few, clock),
        _time(lambda: upsampler(x, F, surface), repeats, clock),
        _time(both, repeats, clock),
        _time(lambda: upsampler.covariances(F, surface), repeats, clock),
        _time(search, repeats, clock),
    )


def _time(work: Callable[[], object], repeats: int, clock: Clock) -> float:
    """Median milliseconds."""
    times = []
    for turn in range(repeats + 1):  # the first compiles
        ti.sync()
        start = clock()
        work()
        ti.sync()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        if turn:
            times.append(1e3 * (clock() - start))
    return statistics.median(times)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print tables, write them as JSON where asked."""
    parser = argparse.ArgumentParser(prog="python -m scripts.bench upsample", description=__doc__)
    parser.add_argument("--backend", default="auto", help="auto, cpu, cuda, vulkan (default: auto)")
    parser.add_argument("--meshes", nargs="*", default=list(MESHES), help="packaged names or files; none: no quality")
    parser.add_argument("--gaussians", type=int, default=50_000, help="M of the quality table (default: 50000)")
    parser.add_argument(
        "--speed", default="50000/180000", help="N/M of the speed table; 0: none (default: 50000/180000)"
    )
    parser.add_argument("--repeats", type=int, default=8, help="runs of which the median is taken (default: 8)")
    parser.add_argument("--cpu-time", action="store_true", help="of all threads, not the wall's: on shared machines")
    parser.add_argument("--set", nargs="*", default=[], help="keys of the upsample section, as post_equalize.iters=12")
    parser.add_argument("--json", type=Path, help="file for the results")
    args = parser.parse_args(arguments)
    try:
        _run(args)
    except InputError as error:
        print(f"bench upsample: {error}", file=sys.stderr)
        return 2
    return 0


def _run(args: argparse.Namespace) -> None:
    runtime = bridge.init(args.backend)
    config = load_config("sphere_to_rabbit", [f"upsample.{item}" for item in args.set]).upsample
    console = Console(width=TABLE_WIDTH)
    results: dict[str, Any] = {"versions": versions(), "backend": runtime.backend}
    quality = [measure_quality(mesh, args.gaussians, config) for mesh in args.meshes]
    if quality:
        console.print(_table(f"{args.gaussians} Gaussians; distances in particle spacings", quality))
    speed = []
    if args.speed != "0":
        n, m = (int(number) for number in args.speed.split("/"))
        device = "cuda" if runtime.backend == "cuda" else "cpu"
        clock = time.process_time if args.cpu_time else time.perf_counter
        speed = [measure_speed(n, m, config, device, args.repeats, clock)]
        console.print(_table("milliseconds of CPU time" if args.cpu_time else "milliseconds", speed))
    if args.json:
        results |= {"quality": [asdict(row) for row in quality], "speed": [asdict(row) for row in speed]}
        args.json.write_text(json.dumps(results, indent=2) + "\n")


def _table(title: str, rows: list) -> Table:
    table = Table(title=title)
    for name in asdict(rows[0]):
        table.add_column(name.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in asdict(row).values()))
    return table
