"""How fast the rasterizer is: ``python -m scripts.bench render``.

Medians of forward and of backward of the mode asked for, one camera, gradients to all five tensors of the Gaussians.
Where gsplat can be imported on the same device it runs in the same process on the same scenes.
"""

import argparse
import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import taichi as ti
import torch
from rich.console import Console
from rich.table import Table

import bridge
from configs.errors import InputError
from experiments.bench.scenes import SCENES, BenchScene, find_scenes, make_scene
from experiments.versions import versions

CPU_SCENES = ("shell-20k-256x256", "cloud-20k-256x256")
LEAVES = ("means", "quats", "scales", "opacities", "colors")
MIB = 2**20
TABLE_WIDTH = 120
"""Characters of the table, also where the output is no terminal."""


@dataclass(frozen=True)
class Measurement:
    """One rasterizer on one scene."""

    scene: str
    rasterizer: str
    forward_ms: float
    """Median."""
    backward_ms: float
    """Median."""
    total_ms: float
    """Median of forward and backward together."""
    cpu_ms: float | None
    """Median processor time of both, all threads added up: other work on the machine changes it little. None on a GPU,
    whose host is busy while it waits."""
    tile_hits: int
    """Entries of the tile lists: the work that a pass is linear in."""
    device_mib: float | None
    """Device memory in use during a forward and backward beyond what was in use before; None on the CPU."""


def measure(
    scene: BenchScene, name: str, draw: Callable[..., Any], device: str, mode: str, repeats: int
) -> Measurement:
    """Time ``draw``, a function with gsplat's arguments."""
    arguments = make_scene(scene, device)
    leaves = [arguments[leaf] for leaf in LEAVES]
    before = _used(device)
    forward, backward, processor, hits, used = [], [], [], 0, 0
    for _ in range(repeats + 2):
        start, processor_start = _now(device), time.process_time()
        images, alphas, meta = draw(**arguments, render_mode=mode, packed=False)
        middle = _now(device)
        torch.autograd.grad(images.sum() + alphas.sum(), leaves)
        forward.append(middle - start)
        backward.append(_now(device) - middle)
        processor.append(time.process_time() - processor_start)
        hits, used = len(meta["flatten_ids"]), max(used, _used(device) - before)
    forward, backward, processor = forward[2:], backward[2:], processor[2:]  # the first ones compile and allocate
    total = [f + b for f, b in zip(forward, backward, strict=True)]
    medians = {
        f"{part}_ms": 1e3 * statistics.median(times)
        for part, times in (("forward", forward), ("backward", backward), ("total", total))
    }
    memory, cpu = (used / MIB, None) if device == "cuda" else (None, 1e3 * statistics.median(processor))
    return Measurement(scene=scene.name, rasterizer=name, tile_hits=hits, device_mib=memory, cpu_ms=cpu, **medians)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(prog="scripts.bench render", description=__doc__)
    parser.add_argument("--scenes", nargs="+", metavar="NAME", help=f"of {', '.join(SCENES)} (default: by the device)")
    parser.add_argument("--backend", default="auto", choices=("auto", "cpu", "cuda", "vulkan"))
    parser.add_argument("--mode", default="RGB+ED", help="render_mode (default: RGB+ED)")
    parser.add_argument("--repeats", type=int, default=10, metavar="N", help="timed passes (default: 10)")
    parser.add_argument("--deterministic", action="store_true", help="bit-equal repeats: one CPU thread")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the numbers go, as JSON")
    args = parser.parse_args(arguments)
    try:
        _run(args)
    except InputError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0


def _run(args: argparse.Namespace) -> None:
    if args.repeats < 1:
        raise InputError(f"--repeats is {args.repeats}; expected at least 1")
    scenes = find_scenes(args.scenes) if args.scenes else None
    runtime = bridge.init(args.backend, deterministic=args.deterministic)
    device = "cuda" if runtime.backend == "cuda" else "cpu"
    if scenes is None:
        scenes = find_scenes([*SCENES] if device == "cuda" else [*CPU_SCENES])
    rasterizers = {"diffmpm": bridge.rasterization, **_gsplat(device)}
    results = []
    for scene in scenes:
        for name, draw in rasterizers.items():
            results.append(measure(scene, name, draw, device, args.mode, args.repeats))
    console = Console()
    console.width = max(console.width, TABLE_WIDTH)
    console.print(_table(results, f"{args.mode}, {runtime.backend}, median of {args.repeats}"))
    if args.output:
        report = {"backend": runtime.backend, "device": _device(device), "mode": args.mode, "repeats": args.repeats}
        report |= {"versions": versions(), "results": [asdict(result) for result in results]}
        args.output.write_text(json.dumps(report, indent=2) + "\n")


def _gsplat(device: str) -> dict[str, Callable[..., Any]]:
    """gsplat's function, where it can run."""
    if device != "cuda":
        return {}
    try:
        gsplat = importlib.import_module("gsplat")
    except ImportError:
        return {}
    return {f"gsplat {gsplat.__version__}": gsplat.rasterization}


def _table(results: list[Measurement], title: str) -> Table:
    table = Table(title=title)
    times = ("forward ms", "backward ms", "total ms", "CPU ms")
    for column in ("scene", "rasterizer", *times, "tile hits", "ns a hit", "MiB"):
        table.add_column(column, justify="left" if column in ("scene", "rasterizer") else "right")
    for r in results:
        values = (r.forward_ms, r.backward_ms, r.total_ms, r.cpu_ms)
        shown = ["" if value is None else f"{value:.2f}" for value in values]
        per_hit = f"{1e6 * (r.total_ms if r.cpu_ms is None else r.cpu_ms) / max(r.tile_hits, 1):.1f}"
        memory = "" if r.device_mib is None else f"{r.device_mib:.0f}"
        table.add_row(r.scene, r.rasterizer, *shown, f"{r.tile_hits:,}", per_hit, memory)
    return table


def _now(device: str) -> float:
    ti.sync()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def _used(device: str) -> int:
    """Bytes of device memory in use, Taichi's pool and torch's cache included."""
    if device != "cuda":
        return 0
    free, total = torch.cuda.mem_get_info()
    return total - free


def _device(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else f"{torch.get_num_threads()} CPU threads"


if __name__ == "__main__":
    sys.exit(main())
