"""What a full gradient costs beside the forward alone: ``python -m scripts.bench gradient``.

The objective of a morph, physics to pixels, at the controls 0 of its first episode. Times are medians in one process.
Memory is the peak beyond what the process held after the scene was made and a small morph had loaded the kernels; each
figure comes from a process of its own, since arrays of ended rollouts are kept for the next ones.
"""

import argparse
import ctypes
import gc
import json
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import taichi as ti
import torch
from rich.console import Console
from rich.table import Table

from bridge import runtime
from bridge.diffmpm import DiffMPM
from bridge.upsampler import SurfaceUpsampler
from configs.errors import InputError
from configs.load import load_config
from configs.morph import MorphConfig
from experiments.morph_episode import at_rest
from experiments.morph_objective import MorphObjective
from experiments.morph_scene import build_scene
from experiments.versions import versions

PARTS = ("none", "forward", "both")
"""Nothing kept for a gradient, what a gradient needs kept, and the gradient too."""
SMALL = ("source.points_per_cell=1", "target.points_per_cell=1", "optimize.steps=2", "optimize.control_stride=1")
BALANCE = "loss.render_share=null"
"""Balancing takes a gradient before an episode begins, whose arrays would hide what the measured one takes."""
TABLE_WIDTH = 110


@dataclass(frozen=True)
class Cost:
    """One configuration."""

    config: str
    particles: int
    steps: int
    forward_ms: float
    """Forward alone, nothing kept for a gradient."""
    both_ms: float
    """Forward and backward, recomputation included."""
    forward_mb: float
    """Peak memory of a forward with gradients enabled."""
    both_mb: float
    """Peak memory of forward and backward."""


def objective_of(config: MorphConfig) -> MorphObjective:
    """The objective of the first episode."""
    scene = build_scene(config)
    upsampler = SurfaceUpsampler(config.upsample, scene.spacing, config.render.particle_color)
    objective = MorphObjective(config, scene, DiffMPM(config.mpm), upsampler)
    objective.begin_episode(at_rest(scene.particles.x))
    return objective


def evaluate(objective: MorphObjective, part: str) -> None:
    """One of ``PARTS`` at the controls 0."""
    assert objective.start is not None
    o, x = objective.config.optimize, objective.start.x
    controls = x.new_zeros(o.steps // o.control_stride, len(x), 3, 3, requires_grad=part != "none")
    with torch.set_grad_enabled(part != "none"):
        total = objective(controls).total
    if part == "both":
        total.backward()
    ti.sync()


def median_ms(objective: MorphObjective, part: str, repeats: int) -> float:
    """Median time of ``part``; the first turn, which compiles, is left out."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        evaluate(objective, part)
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[1:])


def peak_mb(name: str, overrides: list[str], part: str) -> float:
    """Memory that ``part`` takes, measured in this process, which must be fresh."""
    for kind in PARTS:
        evaluate(objective_of(_config(name, [*overrides, *SMALL])), kind)
    objective = objective_of(_config(name, overrides))
    gc.collect()
    if runtime.current().backend == "cuda":
        before = _device_used()
        evaluate(objective, part)
        return (_device_used() - before) / 2**20
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts afresh
    before = _status("VmRSS")
    evaluate(objective, part)
    return (_status("VmHWM") - before) / 2**10


def _device_used() -> int:
    """Taichi's and torch's pools included; both keep what they took."""
    free, total = torch.cuda.mem_get_info()
    return total - free


def _status(key: str) -> int:
    """A line of the kernel's report on this process. Unit: KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1])


def measure(name: str, overrides: list[str], backend: str, repeats: int) -> Cost:
    """Times here, memory in processes of their own."""
    config = _config(name, overrides)
    objective = objective_of(config)
    forward, both = (median_ms(objective, part, repeats) for part in ("none", "both"))
    command = [sys.executable, "-m", "scripts.bench", "gradient", "--backend", backend, "--configs", name]
    memory = [
        float(subprocess.run([*command, "--memory", part, "--set", *overrides], **_CAPTURED).stdout.split()[-1])
        for part in ("forward", "both")
    ]
    return Cost(name, len(objective.scene.particles.x), config.optimize.steps, forward, both, *memory)


_CAPTURED: dict = {"check": True, "stdout": subprocess.PIPE, "text": True}


def _config(name: str, overrides: list[str]) -> MorphConfig:
    config = load_config(name, [BALANCE, *overrides])
    if not isinstance(config, MorphConfig):
        raise InputError(f"{name}: a configuration of task {config.task}; expected morph")
    return config


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(prog="python -m scripts.bench gradient", description=__doc__)
    parser.add_argument("--configs", nargs="+", default=["morph_physics", "morph_rendered"], help="of task morph")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="replaces values of each of them")
    parser.add_argument("--backend", default="auto", help="auto, cpu, cuda (default: auto)")
    parser.add_argument("--repeats", type=int, default=7, help="runs of which the median is taken (default: 7)")
    parser.add_argument("--output", type=Path, help="where the numbers go, as JSON")
    parser.add_argument("--memory", choices=PARTS, help="print the MiB that one evaluation takes, no more")
    args = parser.parse_args(arguments)
    try:
        _run(args)
    except InputError as error:
        print(f"bench gradient: {error}", file=sys.stderr)
        return 2
    return 0


def _run(args: argparse.Namespace) -> None:
    backend = runtime.init(args.backend).backend
    if args.memory:
        print(peak_mb(args.configs[0], args.set, args.memory))
        return
    costs = [measure(name, args.set, backend, args.repeats) for name in args.configs]
    Console(width=TABLE_WIDTH).print(_table(costs, f"{backend}, medians of {args.repeats}"))
    if args.output:
        report = {"backend": backend, "versions": versions(), "results": [asdict(cost) for cost in costs]}
        args.output.write_text(json.dumps(report, indent=2) + "\n")


def _table(costs: list[Cost], title: str) -> Table:
    table = Table(title=title)
    table.add_column("configuration")
    for column in ("particles", "steps", "forward ms", "both ms", "ratio", "forward MiB", "both MiB", "ratio"):
        table.add_column(column, justify="right")
    for c in costs:
        times = (f"{c.forward_ms:.0f}", f"{c.both_ms:.0f}", f"{c.both_ms / c.forward_ms:.2f}")
        memory = (f"{c.forward_mb:.0f}", f"{c.both_mb:.0f}", f"{c.both_mb / c.forward_mb:.2f}")
        table.add_row(c.config, f"{c.particles:,}", str(c.steps), *times, *memory)
    return table
