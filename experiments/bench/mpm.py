"""How fast the physics is: ``python -m scripts.bench mpm``.

An elastic cube of 8 particles per cell in free flight, quadratic or cubic splines: medians over whole rollouts of the
time of one step, forward and forward + backward (the gradient by the initial state, controls, material and gravity),
and of a baseline in DiffTaichi's style, in the same process.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import taichi as ti
import torch
from rich.console import Console
from rich.table import Table

import bridge
from bridge import runtime
from configs.errors import InputError
from configs.mpm import MPMConfig
from experiments.bench.mpm_baseline import DiffTaichiStyle
from experiments.bench.mpm_kernels import PROFILER, kernel_table, kernel_times
from experiments.versions import versions
from mpm.constants import make_constants
from mpm.rollout import Rollout
from mpm.solver import Solver, run, run_adjoint
from mpm.state import F_TOTAL, INTERNAL, F, V, X

Clock = Callable[[], float]
"""Reads seconds."""
CPU_CASES, GPU_CASES = ("30/64",), ("46/64", "100/128")
"""Particles along an edge of the cube / nodes along an edge of the grid."""
TABLE_WIDTH = 110
"""Characters of the table, also where the output is no terminal."""
DT_SIZE, LAM, MU, DENSITY = 1e-4, 4e4, 6e4, 1000.0


@dataclass(frozen=True)
class Measurement:
    """One simulator on one cube."""

    simulator: str
    particles: int
    grid: int
    """Nodes along an edge."""
    first_gradient_s: float
    """The first forward and backward, compilation included."""
    forward_ms: float
    """One step, median."""
    both_ms: float
    """One step forward and backward, median."""
    device_bytes: int | None = None
    """GPU memory in use at the end, less that before the first case. Taichi's pool keeps what earlier cases took:
    measure from small to large."""

    @property
    def rate(self) -> float:
        """Particle steps forward and backward per second."""
        return 1e3 * self.particles / self.both_ms


def cube(edge: int, grid: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions and velocities [N, 3] of a cube in the middle of the unit cube."""
    spacing = 0.5 / grid
    axis = (np.arange(edge) - (edge - 1) / 2) * spacing + 0.5
    x = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3).astype(np.float32)
    v = 0.1 * np.random.default_rng(0).standard_normal(x.shape).astype(np.float32)
    return x, v


def make_rollout(solver: Solver, x: np.ndarray, v: np.ndarray, steps: int, intervals: int) -> Rollout:
    """The cube as a rollout of ours."""
    n, h = len(x), solver.config.grid.spacing
    rollout = solver.rollout(n=n, steps=steps, intervals=intervals)
    state = np.zeros((INTERNAL, n), np.float32)
    state[X : X + 3], state[V : V + 3] = x.T, v.T
    state[F : F + 9] = state[F_TOTAL : F_TOTAL + 9] = np.eye(3).reshape(9, 1)
    rollout.initial.from_numpy(state.reshape(-1))
    rows = [h**3 / 8 * DENSITY, h**3 / 8, LAM, MU]
    rollout.material.from_numpy(np.repeat(np.array(rows, np.float32), n))
    rollout.constants.from_numpy(make_constants(solver.config, DT_SIZE).astype(np.float32))
    return rollout


def make_solver(grid: int, law: str, kernel: str) -> Solver:
    """A solver on ``grid``³ nodes over the unit cube."""
    config = MPMConfig.model_validate(
        {
            "grid": {"origin": (0, 0, 0), "spacing": 1 / grid, "size": (grid, grid, grid)},
            "kernel": kernel,
            "dt": DT_SIZE,
            "material": {"law": law},
            "memory_budget_mb": 1e5,
        }
    )
    return Solver(config)


def measure_ours(
    edge: int, grid: int, law: str, kernel: str, steps: int, repeats: int, clock: Clock = time.perf_counter
) -> Measurement:
    """diffmpm on the cube."""
    solver = make_solver(grid, law, kernel)
    x, v = cube(edge, grid)
    rollout = make_rollout(solver, x, v, steps, intervals=max(1, steps // 5))

    def backward():
        rollout.frames[-1].grad.fill(1.0)
        run_adjoint(solver, rollout)

    name = f"diffmpm {law}, {kernel}"
    measured = _time(name, len(x), grid, steps, repeats, clock, lambda: run(solver, rollout), backward)
    return replace(measured, device_bytes=_device_bytes())


def _device_bytes() -> int | None:
    """Memory of the GPU in use, by whatever; None on other backends."""
    if runtime.current().backend != "cuda":
        return None
    free, total = torch.cuda.mem_get_info()
    return total - free


def measure_baseline(edge: int, grid: int, steps: int, repeats: int, clock: Clock = time.perf_counter) -> Measurement:
    """The baseline on the cube."""
    x, v = cube(edge, grid)
    baseline = DiffTaichiStyle(len(x), steps, grid, DT_SIZE, LAM, MU, DENSITY)
    baseline.start(x, v)
    return _time("DiffTaichi style", len(x), grid, steps, repeats, clock, baseline.forward, baseline.backward)


def _time(
    name: str,
    n: int,
    grid: int,
    steps: int,
    repeats: int,
    clock: Clock,
    forward: Callable[[], None],
    backward: Callable[[], None],
) -> Measurement:
    forwards, both = [], []
    for _ in range(repeats + 1):
        start = _read(clock)
        forward()
        middle = _read(clock)
        backward()
        forwards.append(middle - start)
        both.append(_read(clock) - start)
    forward_ms, both_ms = (1e3 * statistics.median(times[1:]) / steps for times in (forwards, both))
    return Measurement(name, n, grid, both[0], forward_ms, both_ms)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(prog="scripts.bench mpm", description=__doc__)
    parser.add_argument("--cases", nargs="+", metavar="EDGE/GRID", help="cubes of EDGE³ particles on GRID³ nodes")
    parser.add_argument("--backend", default="auto", choices=("auto", "cpu", "cuda", "vulkan"))
    parser.add_argument("--law", default="fixed_corotated", help="material law (default: fixed_corotated)")
    parser.add_argument("--kernel", default="quadratic", choices=("quadratic", "cubic"))
    parser.add_argument("--steps", type=int, default=20, metavar="N", help="steps of a rollout (default: 20)")
    parser.add_argument("--repeats", type=int, default=7, metavar="N", help="timed rollouts (default: 7)")
    parser.add_argument("--baseline", action="store_true", help="also time a baseline in DiffTaichi's style")
    parser.add_argument(
        "--cpu-time", action="store_true", help="time of all threads together, which loads hardly change"
    )
    parser.add_argument("--kernels", action="store_true", help="show where the time goes, by kernel, instead")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the numbers go, as JSON")
    args = parser.parse_args(arguments)
    try:
        _run(args)
    except (InputError, ValueError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0


def _run(args: argparse.Namespace) -> None:
    if args.kernels:
        os.environ[PROFILER] = "1"
    backend = bridge.init(args.backend).backend
    cases = args.cases or (GPU_CASES if backend == "cuda" else CPU_CASES)
    results, before = [], _device_bytes()
    for case in cases:
        edge, grid = (int(number) for number in case.split("/"))
        if args.kernels:
            _show_kernels(edge, grid, args)
            continue
        how = (args.steps, args.repeats, time.process_time if args.cpu_time else time.perf_counter)
        ours = measure_ours(edge, grid, args.law, args.kernel, *how)
        if ours.device_bytes is not None and before is not None:
            ours = replace(ours, device_bytes=ours.device_bytes - before)
        results.append(ours)
        if args.baseline:
            results.append(measure_baseline(edge, grid, *how))
    if args.kernels:
        return
    console, of = Console(), ", CPU time" if args.cpu_time else ""
    console.width = max(console.width, TABLE_WIDTH)
    console.print(_table(results, f"MPM, {backend}, median of {args.repeats} rollouts of {args.steps} steps{of}"))
    if args.output:
        report = {"backend": backend, "steps": args.steps, "repeats": args.repeats, "versions": versions()}
        report["results"] = [asdict(result) | {"rate": result.rate} for result in results]
        args.output.write_text(json.dumps(report, indent=2) + "\n")


def _show_kernels(edge: int, grid: int, args: argparse.Namespace) -> None:
    solver = make_solver(grid, args.law, args.kernel)
    rollout = make_rollout(solver, *cube(edge, grid), args.steps, intervals=1)
    run(solver, rollout)
    run_adjoint(solver, rollout)
    title = f"{edge**3:,} particles, {grid}³ nodes, {args.law}, {args.kernel}"
    Console(width=TABLE_WIDTH).print(kernel_table(kernel_times(solver, rollout), title))


def _table(results: list[Measurement], title: str) -> Table:
    table = Table(title=title)
    table.add_column("simulator")
    for column in (
        "particles",
        "grid",
        "first gradient s",
        "forward ms",
        "both ms",
        "both / forward",
        "M steps/s",
        "B/particle",
    ):
        table.add_column(column, justify="right")
    for r in results:
        numbers = (f"{r.first_gradient_s:.1f}", f"{r.forward_ms:.3f}", f"{r.both_ms:.3f}")
        ratios = (f"{r.both_ms / r.forward_ms:.2f}", f"{r.rate / 1e6:.2f}")
        memory = "" if r.device_bytes is None else f"{r.device_bytes / r.particles:,.0f}"
        table.add_row(r.simulator, f"{r.particles:,}", f"{r.grid}³", *numbers, *ratios, memory)
    return table


def _read(clock: Clock) -> float:
    """The time when all launched kernels are done."""
    ti.sync()
    return clock()


if __name__ == "__main__":
    sys.exit(main())
