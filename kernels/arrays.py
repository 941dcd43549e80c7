"""Taichi arrays: allocation in the runtime's floating-point type, copies, zeroing.

Stages keep their data in ``ti.ndarray``: kernels compile once for every size, and the memory is freed
with the object. ``needs_grad=True`` gives an array a twin, ``array.grad``, that the hand-written
adjoints read or add to.
"""

import weakref

import numpy as np
import taichi as ti
from taichi._lib import core as taichi_core
from taichi.lang import impl
from taichi.lang._ndarray import Ndarray, ScalarNdarray
from taichi.lang.enums import Layout


def real_dtype():
    """The floating-point type of the running Taichi runtime (``ti.f32`` or ``ti.f64``)."""
    return impl.current_cfg().default_fp


def runs_on_cpu() -> bool:
    """Whether kernels run on the CPU: few threads with caches of their own, no shared memory."""
    return impl.current_cfg().arch in (ti.x64, ti.arm64)


def heavy_block_dim() -> int:
    """``block_dim`` of a loop whose every turn is a lot of work (a tile, a chunk of an array).

    On the CPU it is the number of turns that a thread takes at once, 512 unless told: fewer turns run on one thread.
    """
    return 1 if runs_on_cpu() else 128


def real_array(*shape: int, needs_grad: bool = False) -> ti.Ndarray:
    """A new zero-filled array of the runtime's floating-point type."""
    return _zeroed(real_dtype(), shape, needs_grad)


def scratch_array(*shape: int) -> ti.Ndarray:
    """A new array of the runtime's floating-point type with arbitrary contents: the kernels write before they read."""
    return _Array(real_dtype(), _extents(shape))


def int_array(*shape: int) -> ti.Ndarray:
    """A new zero-filled ``int32`` array."""
    return _zeroed(ti.i32, shape, False)


def _zeroed(dtype, shape, needs_grad):
    array = _Array(dtype, _extents(shape))
    array.fill(0)
    if needs_grad:
        array._set_grad(_zeroed(dtype, shape, False))
    return array


class _Array(ScalarNdarray):
    """``ti.ndarray`` without the Python traceback that Taichi formats for each, which takes 0.1 ms and more."""

    def __init__(self, dtype, shape):
        Ndarray.__init__(self)
        self.dtype = self.element_type = dtype
        self.arr = impl.get_runtime().prog.create_ndarray(
            dtype, shape, layout=Layout.NULL, zero_fill=True, dbg_info=taichi_core.DebugInfo("")
        )
        self.shape = tuple(self.arr.shape)
        self._program = weakref.ref(impl.get_runtime().prog)

    def __del__(self):
        # An array that outlives its runtime must not free one of the next, which may lie at the same address.
        if impl is not None and is_alive(self):
            impl.get_runtime().prog.delete_ndarray(self.arr)


def is_alive(array: ti.Ndarray) -> bool:
    """Whether the runtime in which the array was made still runs; reading another crashes."""
    program = array._program()
    return program is not None and program is impl.get_runtime().prog


def _extents(shape):
    # Taichi cannot allocate an empty array: a zero extent becomes one, and kernels get the true count.
    return tuple(max(int(extent), 1) for extent in shape)


def from_numpy(values, needs_grad: bool = False) -> ti.Ndarray:
    """A new array holding ``values``; floats become the runtime's type, integers ``int32``."""
    values = np.asarray(values)
    dtype = real_dtype() if np.issubdtype(values.dtype, np.floating) else ti.i32
    array = _zeroed(dtype, values.shape, needs_grad)
    if values.size:
        array.from_numpy(np.ascontiguousarray(values, dtype=ti.lang.util.to_numpy_type(dtype)))
    return array


@ti.kernel
def copy(source: ti.types.ndarray(), target: ti.types.ndarray()):
    """``target = source``; equal shapes."""
    for index in ti.grouped(target):
        target[index] = source[index]


@ti.kernel
def accumulate(source: ti.types.ndarray(), target: ti.types.ndarray()):
    """``target += source``; equal shapes."""
    for index in ti.grouped(target):
        target[index] += source[index]
