"""Taichi arrays: allocation in the runtime's floating-point type, copies, zeroing.

Stages keep their data in ``ti.ndarray``: kernels compile once for every size, and the memory is freed
with the object. ``needs_grad=True`` gives an array a twin, ``array.grad``, that the hand-written
adjoints read or add to. After ``lend_from`` the arrays of a stage are another library's memory instead; only kernels
of kernels/launch.py take those.
"""

import sys
import weakref
from typing import Any

import numpy as np
import taichi as ti
from taichi._lib import core as taichi_core
from taichi.lang import impl
from taichi.lang._ndarray import Ndarray, ScalarNdarray
from taichi.lang.enums import Layout

from kernels.launch import prepared
from kernels.spares import Spares

_lender: Any = None


def lend_from(lender):
    """From now on arrays come from ``lender.array(real, shape, zeroed, needs_grad)``, and sorting and sums from it.

    Under ``kernels.lock.launch_lock``: the lender is the program's. None: Taichi's own memory. Returns who lent before.
    """
    global _lender
    before, _lender = _lender, lender
    return before


def lender():
    """Who lends arrays now; None: nobody."""
    return _lender


_spares = Spares()


def claim_untouched(arrays) -> bool:
    """Whether all of ``arrays`` are lent and nothing was written to them yet: then the caller's kernel clears them.

    It spares a launch for each, and a pass over memory.
    """
    untouched = all(getattr(array, "untouched", False) for array in arrays)
    if untouched:
        for array in arrays:
            array.leave_uncleared()
    return untouched


class _Config:
    """What the running runtime was started with: Taichi takes its time to say."""

    def __init__(self, program):
        cfg = impl.current_cfg()
        self.default_fp, self.on_cpu, self.on_cuda = cfg.default_fp, cfg.arch in (ti.x64, ti.arm64), cfg.arch == ti.cuda
        self.program = None if program is None else weakref.ref(program)


_config: _Config | None = None


def _current_config() -> _Config:
    global _config
    program = impl.get_runtime().prog
    if _config is None or _config.program is None or _config.program() is not program:
        _config = _Config(program)
    return _config


def real_dtype():
    """The floating-point type of the running Taichi runtime (``ti.f32`` or ``ti.f64``)."""
    return _current_config().default_fp


def runs_on_cpu() -> bool:
    """Whether kernels run on the CPU: few threads with caches of their own, no shared memory."""
    return _current_config().on_cpu


def runs_on_cuda() -> bool:
    """Whether kernels run on CUDA, which has warps."""
    return _current_config().on_cuda


TURNS_OF_A_CPU_THREAD = 512
"""Taichi gives a CPU thread at least this many neighbouring turns of a loop, whatever ``block_dim`` says. A loop over
fewer things, each a lot of work, takes as many turns for each, all but one of them empty, or one thread does it all."""


def turns_each() -> int:
    """Turns of a loop that each of a few things takes, each a lot of work: 1 on a GPU."""
    return TURNS_OF_A_CPU_THREAD if runs_on_cpu() else 1


def heavy_block_dim() -> int:
    """``block_dim`` of a loop whose every turn is a lot of work (a tile, a chunk of an array)."""
    return 1 if runs_on_cpu() else 128


def real_array(*shape: int, needs_grad: bool = False) -> ti.Ndarray:
    """A new zero-filled array of the runtime's floating-point type."""
    return _allocated(True, shape, True, needs_grad)


def scratch_array(*shape: int, needs_grad: bool = False) -> ti.Ndarray:
    """A new array of the runtime's floating-point type with arbitrary contents: the kernels write before they read.

    Its gradient, if it has one, is zero.
    """
    return _allocated(True, shape, False, needs_grad)


def vector_array(components: int, size: int) -> ti.Ndarray:
    """A new zero-filled array of ``size`` vectors of real numbers, in Taichi's own memory."""
    return ti.Vector.ndarray(components, real_dtype(), max(size, 1))


def int_scratch_array(*shape: int) -> ti.Ndarray:
    """The same of ``int32``."""
    return _allocated(False, shape, False, False)


def int_array(*shape: int) -> ti.Ndarray:
    """A new zero-filled ``int32`` array."""
    return _allocated(False, shape, True, False)


def _allocated(real, shape, zeroed, needs_grad):
    if _lender is not None:
        return _lender.array(real, _extents(shape), zeroed, needs_grad)
    gradient = _allocated(real, shape, True, False) if needs_grad else None
    array = _Array(real_dtype() if real else ti.i32, _extents(shape), zeroed)
    if gradient is not None:
        array._set_grad(gradient)
    return array


class _Array(ScalarNdarray):
    """``ti.ndarray`` on memory that is used again (kernels.spares), without the Python traceback that Taichi formats
    for each, which takes 0.1 ms and more."""

    def __init__(self, dtype, shape, zeroed):
        Ndarray.__init__(self)
        self.dtype = self.element_type = dtype
        program = impl.get_runtime().prog
        self._program = weakref.ref(program)
        self._spare = (dtype.to_string(), tuple(shape))
        self.arr = _spares.take(program, self._spare)
        is_new = self.arr is None
        if is_new:
            self.arr = program.create_ndarray(
                dtype, shape, layout=Layout.NULL, zero_fill=zeroed, dbg_info=taichi_core.DebugInfo("")
            )
        self.shape = self._spare[1]
        kind = f"{self._spare[0]} {len(shape)}"
        self._kinds = f"{kind} with gradient", kind
        if zeroed and not (is_new and (runs_on_cpu() or runs_on_cuda())):
            self.fill(0)

    @property
    def kind(self) -> str:
        """What kernels are compiled for. (Words compare faster than Taichi's types.)"""
        return self._kinds[self.grad is None]

    def __del__(self, finalizing=sys.is_finalizing):
        # Memory of a runtime that has ended is no spare for the next, which may have some at the same address.
        if not finalizing() and is_alive(self):
            _spares.give(impl.get_runtime().prog, self._spare, self.arr)


def is_alive(array: ti.Ndarray) -> bool:
    """Whether the runtime in which the array was made still runs; reading another crashes."""
    program = array._program()
    return program is not None and program is impl.get_runtime().prog


def _extents(shape):
    # Taichi cannot allocate an empty array: a zero extent becomes one, and kernels get the true count.
    return shape if all(shape) else tuple([max(extent, 1) for extent in shape])


def from_numpy(values, needs_grad: bool = False) -> ti.Ndarray:
    """A new array holding ``values``; floats become the runtime's type, integers ``int32``."""
    values = np.asarray(values)
    array = _allocated(np.issubdtype(values.dtype, np.floating), values.shape, True, needs_grad)
    if values.size:
        fill_from_numpy(array, values)
    return array


def fill_from_numpy(array: ti.Ndarray, values: np.ndarray) -> None:
    """``array = values``, in the array's type; equal shapes."""
    array.from_numpy(np.ascontiguousarray(values, dtype=ti.lang.util.to_numpy_type(array.dtype)))


def to_numpy(array) -> np.ndarray:
    """The values of an array, whoever made it."""
    return array.to_numpy() if hasattr(array, "to_numpy") else array.cpu().numpy()


@prepared
@ti.kernel
def copy(source: ti.types.ndarray(), target: ti.types.ndarray()):
    """``target = source``; equal shapes."""
    for index in ti.grouped(target):
        target[index] = source[index]


@prepared
@ti.kernel
def accumulate(source: ti.types.ndarray(), target: ti.types.ndarray()):
    """``target += source``; equal shapes."""
    for index in ti.grouped(target):
        target[index] += source[index]
