"""Taichi's worker threads, each on a core of its own.

Linux wakes a worker where it or its waker last ran, so that two of them often share a core while another idles, for as
long as a short loop takes: half the speed, at random. Where there is a worker for each core, each keeps to one.
"""

import contextlib
import os
from collections.abc import Iterator

from taichi.lang import impl

_TASKS = "/proc/self/task"
"""Linux lists a process's threads here."""


@contextlib.contextmanager
def one_on_each_core() -> Iterator[None]:
    """Within, Taichi starts on the CPU. Nothing changes for fewer workers than cores, nor outside Linux."""
    if not (hasattr(os, "sched_setaffinity") and os.path.isdir(_TASKS)):
        yield
        return
    before = _threads()
    yield
    cores, count = sorted(os.sched_getaffinity(0)), impl.current_cfg().cpu_max_num_threads
    workers = sorted(_threads() - before)[-count:]  # those before them compile
    if count == len(workers) == len(cores) > 1:
        with contextlib.suppress(OSError):  # where it is not allowed, it is only slower
            for worker, core in zip(workers, cores, strict=True):
                os.sched_setaffinity(worker, {core})


def _threads() -> set[int]:
    return {int(name) for name in os.listdir(_TASKS)}
