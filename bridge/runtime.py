"""The only place that starts Taichi: ``ti.init`` resets every field and array alive."""

import contextlib
import platform
import weakref
from dataclasses import dataclass

import taichi as ti
import torch
from taichi.lang import impl

from bridge.worker_threads import one_on_each_core
from configs.errors import InputError
from kernels.lock import launch_lock

BACKENDS = ("auto", "cpu", "cuda", "vulkan")
_DTYPES = {torch.float32: ti.f32, torch.float64: ti.f64}


@dataclass(frozen=True)
class Runtime:
    """What the running Taichi runtime serves."""

    backend: str
    """``cpu``, ``cuda`` or ``vulkan``."""
    dtype: torch.dtype
    """``torch.float32`` or ``torch.float64``."""
    deterministic: bool
    """Repeats are equal bit for bit."""


_current: Runtime | None = None
_program: weakref.ref | None = None
"""Taichi's program that ``_current`` describes."""


def init(
    backend: str = "auto",
    dtype: torch.dtype = torch.float32,
    deterministic: bool = False,
    debug: bool = False,
) -> Runtime:
    """Start Taichi, or return the runtime that already serves these wishes.

    Args:
        backend: ``auto`` (CUDA if there is one, else the CPU), ``cpu``, ``cuda`` or ``vulkan``.
        dtype: ``torch.float32`` or ``torch.float64`` (for gradient checks) in all kernels.
        deterministic: repeats are equal bit for bit: the CPU, with one thread. ``auto`` is then the CPU.
        debug: Taichi's bounds checks and assertions (CPU), slow.

    Raises:
        InputError: unknown or unavailable backend, unknown dtype.
        RuntimeError: a runtime with another backend or dtype is alive.
    """
    global _current
    if backend not in BACKENDS:
        raise InputError(f"init: backend is {backend!r}; expected one of {', '.join(BACKENDS)}")
    if dtype not in _DTYPES:
        raise InputError(f"init: dtype is {dtype}; expected torch.float32 or torch.float64")
    if backend == "vulkan" and dtype == torch.float64:
        raise InputError("init: vulkan does not serve torch.float64; expected torch.float32, or cpu or cuda")
    if deterministic and backend not in ("auto", "cpu"):
        raise InputError(f"init: {backend} adds in no fixed order; deterministic=True needs backend cpu or auto")
    with launch_lock:
        if _alive():
            return _check_same(current(), backend, dtype, deterministic)
        if backend == "auto":
            backend = "cuda" if _has(ti.cuda) and not deterministic else "cpu"
        _start(backend, dtype, deterministic, debug)
        return _remember(Runtime(backend, dtype, deterministic))


def current() -> Runtime:
    """The running runtime, adopted if the user started it; ``init("auto")`` if there is none."""
    global _current
    if _current is not None and _program is not None and _program() is impl.get_runtime().prog:
        return _current
    with launch_lock:
        if not _alive():
            _current = None
            return init()
        return _remember(_adopt() if _current is None else _current)


def reset() -> None:
    """End the runtime: every stage, field and array alive becomes invalid. ``init`` may follow."""
    global _current
    with launch_lock:
        ti.reset()
        _current = None


def _remember(runtime: Runtime) -> Runtime:
    """Make ``runtime`` what ``current`` returns as long as the program of now runs."""
    global _current, _program
    _current, _program = runtime, weakref.ref(impl.get_runtime().prog)
    return runtime


def _alive() -> bool:
    return impl.get_runtime().prog is not None


def _adopt() -> Runtime:
    """Take over a runtime that the user started with ``ti.init``."""
    cfg = impl.current_cfg()
    names = {ti.x64: "cpu", ti.arm64: "cpu", ti.cuda: "cuda", ti.vulkan: "vulkan"}
    if cfg.arch not in names:
        raise InputError(f"init: Taichi runs on {cfg.arch}; expected cpu, cuda or vulkan")
    dtype = torch.float64 if cfg.default_fp == ti.f64 else torch.float32
    return Runtime(names[cfg.arch], dtype, deterministic=False)


def _check_same(runtime: Runtime, backend: str, dtype: torch.dtype, deterministic: bool) -> Runtime:
    same = backend in ("auto", runtime.backend) and dtype == runtime.dtype
    if same and (runtime.deterministic or not deterministic):
        return runtime
    raise RuntimeError(
        f"init: {backend} {dtype} (deterministic={deterministic}) was asked for while a {runtime.backend} "
        f"{runtime.dtype} (deterministic={runtime.deterministic}) runtime is alive. Call bridge.reset() first: "
        "it ends every stage alive; then call bridge.init again and build the stages anew."
    )


def _has(arch) -> bool:
    ti.set_logging_level(ti.ERROR)  # Taichi warns of every library that it looks for in vain
    return ti.lang.misc.is_arch_supported(arch)


def _start(backend: str, dtype: torch.dtype, deterministic: bool, debug: bool) -> None:
    arch = {"cpu": ti.cpu, "cuda": ti.cuda, "vulkan": ti.vulkan}[backend]
    if backend != "cpu" and not _has(arch):
        hint = " (on Debian: apt-get install mesa-vulkan-drivers)" if backend == "vulkan" else ""
        raise InputError(
            f"init: no {backend} device was found on this {platform.system()} machine{hint}; expected auto, cpu"
        )
    options = {"cpu_max_num_threads": 1} if deterministic and backend == "cpu" else {}
    workers = one_on_each_core() if backend == "cpu" else contextlib.nullcontext()
    # force_scalarize_matrix: without it the gradient of two matrix products takes 15 s to compile.
    with workers, contextlib.redirect_stdout(None):  # Taichi prints the name of the backend
        ti.init(
            arch=arch,
            default_fp=_DTYPES[dtype],
            default_ip=ti.i32,
            force_scalarize_matrix=True,
            offline_cache=True,
            log_level=ti.WARN,
            verbose=False,
            debug=debug,
            **options,
        )
