"""Where a step's time goes: each kernel's share of it and of the machine's copy bandwidth (``bench mpm --kernels``)."""

import time
from collections import defaultdict
from dataclasses import dataclass

import taichi as ti
from rich.table import Table
from taichi.lang import impl

from kernels.arrays import scratch_array
from mpm.rollout import Rollout, copy_state
from mpm.solver import Solver, run, run_adjoint

PROFILER = "TI_KERNEL_PROFILER"
"""Taichi reads this variable when it starts; its profiler slows launches down, so these are runs of their own."""
MOVED = {"stress": 31, "step": 83, "adjoint_step": 193, "finish": 53}
"""Numbers that a kernel reads or writes for each particle of an elastic law, at the least: what it shares with other
particles, the grid above all, not counted. Where the stress is compiled into the step, it has those of both."""
COPIED = 1 << 27
"""Numbers copied to find the bandwidth."""


@dataclass(frozen=True)
class KernelTime:
    """One kernel, all its loops together, or one loop of several."""

    name: str
    ms_per_step: float
    bandwidth_share: float | None
    """Of the copy bandwidth, by ``MOVED``."""


def copy_bandwidth() -> float:
    """Bytes read and written per second by a copy of 512 MiB."""
    source, target = scratch_array(COPIED), scratch_array(COPIED)
    best = float("inf")
    for _ in range(5):
        ti.sync()
        start = time.perf_counter()
        copy_state(source, target)
        ti.sync()
        best = min(best, time.perf_counter() - start)
    return 2 * 4 * COPIED / best


def kernel_times(solver: Solver, rollout: Rollout) -> list[KernelTime]:
    """Kernels of a rollout forward and backward, the slowest first; compiled before, Taichi's profiler on."""
    bandwidth = copy_bandwidth()
    profiler = impl.get_runtime().prog
    profiler.sync_kernel_profiler()
    profiler.clear_kernel_profiler()
    run(solver, rollout)
    run_adjoint(solver, rollout)
    profiler.sync_kernel_profiler()
    profiler.update_kernel_profiler()
    total: dict[str, float] = defaultdict(float)
    loops: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for record in profiler.get_kernel_profiler_records():
        kernel, _, task = record.name.rpartition("_kernel_")
        name, ms = kernel.rsplit("_c", 1)[0], record.kernel_time / rollout.steps
        total[name] += ms
        if task.endswith("range_for"):
            loops[name][int(task.split("_")[0])] += ms
    moved = _moved(solver)
    times = [KernelTime(name, ms, _share(moved.get(name), ms, rollout.n, bandwidth)) for name, ms in total.items()]
    for name, tasks in loops.items():
        if len(tasks) > 1:
            numbered = enumerate(sorted(tasks), start=1)
            times += [KernelTime(f"{name}, loop {number}", tasks[task], None) for number, task in numbered]
    return sorted(times, key=lambda time: -time.ms_per_step)


def _moved(solver: Solver) -> dict[str, int]:
    """``MOVED`` as the solver's kernels are put together."""
    moved = dict(MOVED)
    if solver.inlined:
        moved["step"] += moved["stress"]
        if solver.inlined.stress_adjoint:
            moved["adjoint_step"] += moved["finish"]
    return moved


def _share(moved: int | None, ms: float, n: int, bandwidth: float) -> float | None:
    return 4 * moved * n / (1e-3 * ms) / bandwidth if moved else None


def kernel_table(times: list[KernelTime], title: str) -> Table:
    """A row a kernel."""
    table = Table(title=title)
    for column in ("kernel", "ms per step", "share of copy bandwidth"):
        table.add_column(column)
    for t in times:
        share = "" if t.bandwidth_share is None else f"{100 * t.bandwidth_share:.0f} %"
        table.add_row(t.name, f"{t.ms_per_step:.4f}", share)
    return table
