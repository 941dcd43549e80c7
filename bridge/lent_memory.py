"""torch's memory for a stage's arrays: nothing is copied at the stage's edge, and torch's allocator does the rest.

On CUDA Taichi's own pool zeroes every block, frees only at a synchronisation, and its sort is slower than torch's.
Taichi launches on the default stream of CUDA; another stream of torch's is made to wait.
"""

import functools
import weakref
from math import prod
from typing import Any

import taichi as ti
import torch
from taichi.lang import impl

from bridge.runtime import current
from kernels.arrays import lend_from
from kernels.launch import take_tensors_of
from kernels.lock import launch_lock
from kernels.sort import MAX_INT

DTYPES = {ti.f32: torch.float32, ti.f64: torch.float64, ti.i16: torch.int16, ti.i32: torch.int32, ti.i64: torch.int64}
ARRAY_TYPES = {ours: theirs for theirs, ours in DTYPES.items()}
TYPES = {
    theirs: (ours, ours.itemsize, [f"lent {theirs.to_string()} {ndim}" for ndim in range(9)])
    for theirs, ours in DTYPES.items()
}
"""torch's type, its bytes, and by number of dimensions what a kernel is compiled for (kernels/launch.py)."""

SMALL_SORT = 4096
"""Up to so many keys torch sorts faster on the CPU than our kernels, whose passes are launches."""

SHORT_BITS = 14
"""Keys of so few bits are sorted as int16, on CUDA in half the passes; the number beyond the last key fits too."""


class TorchArray:
    """What a kernel of kernels/launch.py takes for an array: a contiguous tensor, allocated when it is first used.

    An array that gets its values from a tensor adopts that tensor; one that becomes an output is that output. Its
    gradient, if it has one, is made when it is first asked for.
    """

    __slots__ = (
        *("_count", "_grad", "_program", "_type", "_zeroed"),
        *("bytes", "device", "dtype", "kind", "needs_grad", "shape", "values"),
    )

    def __init__(self, dtype, shape: tuple[int, ...], lender: "TorchMemory", zeroed: bool, needs_grad: bool = False):
        self._type, item_bytes, kinds = TYPES[dtype]
        self.shape, self.needs_grad, self.device, self.kind = shape, needs_grad, lender.device, kinds[len(shape)]
        self._zeroed, self._count, self.dtype = zeroed, prod(shape), dtype
        self.bytes = self._count * item_bytes
        self.values: torch.Tensor | None = None
        """The tensor, if there is one already."""
        self._grad: TorchArray | None = None
        self._program = lender.program  # kernels.arrays.is_alive reads it

    @property
    def grad(self) -> "TorchArray | None":
        """Its gradient, zero at first; None if it has none."""
        if self._grad is None and self.needs_grad:
            self._grad = TorchArray(self.dtype, self.shape, _MEMORY[self.device], zeroed=True)
        return self._grad

    @property
    def tensor(self) -> torch.Tensor:
        """The values; what Taichi itself takes for the array."""
        if self.values is None:
            make = torch.zeros if self._zeroed else torch.empty
            self.values = make(self.shape, dtype=self._type, device=self.device)
        return self.values

    @property
    def untouched(self) -> bool:
        """Whether the array is zero and has no memory yet."""
        return self.values is None and self._zeroed

    def leave_uncleared(self) -> None:
        """Start with arbitrary values instead of zeros."""
        self._zeroed = False

    def adopt(self, tensor: torch.Tensor) -> None:
        """Have the values of ``tensor``, without a copy where its type, device and layout allow."""
        count = tensor.numel()
        if count != self._count:
            if not count:
                return  # Taichi has no empty arrays: the array stays as it is
            raise ValueError(f"adopt: the tensor has shape {tuple(tensor.shape)}, the array {self.shape}")
        if tensor.requires_grad:
            tensor = tensor.detach()
        if tensor.dtype != self._type or tensor.device.type != self.device or not tensor.is_contiguous():
            tensor = tensor.to(self.device, self._type).contiguous()
        self.values = tensor

    def forget(self) -> None:
        """Become zero without touching the tensor, which others may hold."""
        self.values, self._zeroed = None, True

    def fill(self, value: float) -> None:
        if self.values is None:
            self._zeroed = True
        if self.values is not None or value != 0:
            self.tensor.fill_(value)

    def __getitem__(self, index):
        return self.tensor[index].item()

    def from_numpy(self, values) -> None:
        self.adopt(torch.tensor(values, dtype=self._type, device=self.device))

    def to_numpy(self):
        return self.tensor.cpu().numpy()


class TorchMemory:
    """Lends arrays (kernels/arrays.py), sorts and sums (kernels/sort.py)."""

    def __init__(self, device: str):
        self.device = device
        self.program = lambda: None
        self.dtype = torch.float32
        """The type of reals."""

    def serve(self, program, dtype: torch.dtype) -> None:
        """From now on arrays are those of Taichi's ``program``, whose reals are of ``dtype``."""
        if self.program() is not program:
            self.program, self.dtype = weakref.ref(program), dtype

    def array(self, real: bool, shape: tuple[int, ...], zeroed: bool, needs_grad: bool = False) -> Any:
        return TorchArray(ARRAY_TYPES[self.dtype if real else torch.int32], shape, self, zeroed, needs_grad)

    def sorts(self, n: int) -> bool:
        """Whether torch sorts ``n`` keys faster than our own kernels."""
        return self.device == "cuda" or n <= SMALL_SORT

    def key_array(self, n: int, bits: int) -> Any:
        """See kernels/sort.py."""
        return TorchArray(ti.i16 if bits <= SHORT_BITS else ti.i32, (n,), self, zeroed=False)

    def radix_sort(self, keys: TorchArray, values: TorchArray | None, bits: int) -> tuple[TorchArray, TorchArray]:
        """See kernels/sort.py; ``keys`` and ``values`` are left as they are."""
        ordered, order = _sorted(keys.tensor, None if values is None else values.tensor)
        return self._adopted(ordered), self._adopted(order)

    def running_sums(self, values: TorchArray, order: TorchArray) -> TorchArray:
        """See kernels/sort.py."""
        return self._adopted(_running_sums(values.tensor, order.tensor))

    def exclusive_scan(self, values: TorchArray, offsets: TorchArray, n: int) -> None:
        """See kernels/sort.py."""
        offsets.adopt(_scanned(values.tensor, n))

    def run_starts(self, keys: TorchArray, runs: int) -> TorchArray:
        """See kernels/sort.py."""
        return self._adopted(_run_starts(keys.tensor, runs))

    def _adopted(self, tensor: torch.Tensor) -> TorchArray:
        array = TorchArray(ARRAY_TYPES[tensor.dtype], tuple(tensor.shape), self, zeroed=False)
        array.values = tensor
        return array


class TensorMemory(TorchMemory):
    """The same, but that the arrays are tensors and nothing more: less to do for the host. They have no gradients."""

    def array(self, real: bool, shape: tuple[int, ...], zeroed: bool, needs_grad: bool = False) -> torch.Tensor:
        assert not needs_grad, "a tensor has no gradient array"
        dtype = self.dtype if real else torch.int32
        return (torch.zeros if zeroed else torch.empty)(shape, dtype=dtype, device=self.device)

    def key_array(self, n: int, bits: int) -> torch.Tensor:
        return torch.empty(n, dtype=torch.int16 if bits <= SHORT_BITS else torch.int32, device=self.device)

    def radix_sort(self, keys, values, bits: int):
        return _sorted(keys, values)

    def running_sums(self, values, order):
        return _running_sums(values, order)

    def exclusive_scan(self, values, offsets, n: int) -> None:
        offsets.copy_(_scanned(values, n))

    def run_starts(self, keys, runs: int):
        return _run_starts(keys, runs)


def _sorted(keys: torch.Tensor, values: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    ordered, order = torch.sort(keys, stable=True)
    return ordered, order if values is None else values.index_select(0, order)


def _running_sums(values: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    return torch.cumsum(values.view(-1).index_select(0, order), 0)


def _scanned(values: torch.Tensor, n: int) -> torch.Tensor:
    sums = torch.cumsum(values[:n], 0).clamp_(max=MAX_INT)
    return torch.nn.functional.pad(sums.to(torch.int32), (1, 0))


def _run_starts(keys: torch.Tensor, runs: int) -> torch.Tensor:
    return torch.searchsorted(keys, _numbers_to(runs, keys.dtype, keys.device), out_int32=True)


@functools.lru_cache(maxsize=8)
def _numbers_to(n: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """0, 1, … n."""
    return torch.arange(n + 1, dtype=dtype, device=device)


class launches:
    """Launch a stage's kernels: alone, and on arrays of torch's where kernels read its memory (CPU and CUDA).

    Args:
        tensors: those arrays are plain tensors (``TensorMemory``).
    """

    __slots__ = ("_before", "_memories", "_stream")

    def __init__(self, tensors: bool = False):
        self._memories = _TENSORS if tensors else _MEMORY

    def __enter__(self) -> None:
        launch_lock.acquire()
        try:
            runtime = current()
            backend = runtime.backend
            shared = backend == "cpu" or (backend == "cuda" and _has_cuda())
            memory = self._memories[backend] if shared else None
            if memory is not None:
                memory.serve(impl.get_runtime().prog, runtime.dtype)
            self._stream = _side_stream() if memory is not None and backend == "cuda" else None
            if self._stream is not None:
                torch.cuda.default_stream().wait_stream(self._stream)
            self._before = lend_from(memory)
        except BaseException:
            launch_lock.release()
            raise

    def __exit__(self, *exception) -> None:
        try:
            lend_from(self._before)
            if self._stream is not None:
                self._stream.wait_stream(torch.cuda.default_stream())
        finally:
            launch_lock.release()


@functools.cache
def _has_cuda() -> bool:
    """Whether torch was built for CUDA too."""
    return torch.cuda.is_available()


def _side_stream() -> torch.cuda.Stream | None:
    """torch's stream, if it is not the default stream, on which Taichi launches."""
    # The stream's bare address takes a tenth of the time of torch.cuda.current_stream().
    if torch._C._cuda_getCurrentRawStream(torch._C._cuda_getDevice()) == 0:
        return None
    return torch.cuda.current_stream()


_MEMORY = {device: TorchMemory(device) for device in ("cpu", "cuda")}
_TENSORS: dict[str, TorchMemory] = {device: TensorMemory(device) for device in ("cpu", "cuda")}
take_tensors_of(torch.Tensor)
