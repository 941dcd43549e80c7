"""torch's memory for a stage's arrays: nothing is copied at the stage's edge, and torch's allocator does the rest.

On CUDA Taichi's own pool zeroes every block, frees only at a synchronisation, and its sort is slower than torch's.
Taichi launches on the default stream of CUDA; another stream of torch's is made to wait.
"""

import contextlib
import functools
import weakref
from collections.abc import Iterator

import taichi as ti
import torch
from taichi.lang import impl

from bridge.runtime import current
from kernels.arrays import lent_by
from kernels.lock import launch_lock
from kernels.sort import MAX_INT

DTYPES = {ti.f32: torch.float32, ti.f64: torch.float64, ti.i32: torch.int32}
SHORT_BITS = 15
"""Keys of so few bits are sorted as int16, in half the passes."""


class TorchArray:
    """What a kernel of kernels/launch.py takes for an array: a contiguous tensor, allocated when it is first used.

    An array that gets its values from a tensor adopts that tensor; one that becomes an output is that output.
    """

    def __init__(self, dtype, shape: tuple[int, ...], device: str, zeroed: bool):
        self.dtype, self.shape, self.grad = dtype, shape, None
        self._device, self._zeroed = device, zeroed
        self._tensor: torch.Tensor | None = None
        self._program = weakref.ref(impl.get_runtime().prog)  # kernels.arrays.is_alive reads it

    @property
    def tensor(self) -> torch.Tensor:
        """The values; what Taichi itself takes for the array."""
        if self._tensor is None:
            make = torch.zeros if self._zeroed else torch.empty
            self._tensor = make(self.shape, dtype=DTYPES[self.dtype], device=self._device)
        return self._tensor

    @property
    def untouched(self) -> bool:
        """Whether the array is zero and has no memory yet."""
        return self._tensor is None and self._zeroed

    def leave_uncleared(self) -> None:
        """Start with arbitrary values instead of zeros."""
        self._zeroed = False

    def adopt(self, tensor: torch.Tensor) -> None:
        """Have the values of ``tensor``, without a copy where its type, device and layout allow."""
        dtype = DTYPES[self.dtype]
        if tensor.requires_grad:
            tensor = tensor.detach()
        if tensor.dtype != dtype or tensor.device.type != self._device or not tensor.is_contiguous():
            tensor = tensor.to(self._device, dtype).contiguous()
        self._tensor = tensor

    def forget(self) -> None:
        """Become zero without touching the tensor, which others may hold."""
        self._tensor, self._zeroed = None, True

    def fill(self, value: float) -> None:
        if self._tensor is None:
            self._zeroed = True
        if self._tensor is not None or value != 0:
            self.tensor.fill_(value)

    def __getitem__(self, index):
        return self.tensor[index].item()

    def from_numpy(self, values) -> None:
        self.adopt(torch.tensor(values, dtype=DTYPES[self.dtype], device=self._device))

    def to_numpy(self):
        return self.tensor.cpu().numpy()

    def bind(self, context, slot) -> None:
        """Hand the array to a launch."""
        tensor = self.tensor
        size = tensor.element_size() * tensor.numel()
        context.set_arg_external_array_with_shape(slot, tensor.data_ptr(), size, self.shape, 0)


class TorchMemory:
    """Lends arrays (kernels/arrays.py), and sorts and sums on CUDA."""

    def __init__(self, device: str):
        self.device, self.sorts = device, device == "cuda"

    def array(self, dtype, shape: tuple[int, ...], zeroed: bool) -> TorchArray:
        return TorchArray(dtype, shape, self.device, zeroed)

    def radix_sort(self, keys, values, n: int, bits: int):
        """See kernels/sort.py; ``keys`` and ``values`` are left as they are."""
        ordered = keys.tensor[:n].to(torch.int16) if bits <= SHORT_BITS else keys.tensor[:n]
        ordered, order = torch.sort(ordered, stable=True)
        sorted_keys, sorted_values = (self.array(ti.i32, (n,), zeroed=False) for _ in range(2))
        sorted_keys.adopt(ordered)
        sorted_values.adopt(values.tensor[order])
        return sorted_keys, sorted_values

    def exclusive_scan(self, values, offsets, n: int) -> None:
        """See kernels/sort.py."""
        sums = torch.cumsum(values.tensor[:n], 0).clamp_(max=MAX_INT)
        offsets.adopt(torch.nn.functional.pad(sums.to(torch.int32), (1, 0)))


@contextlib.contextmanager
def launches() -> Iterator[None]:
    """Launch a stage's kernels: alone, and on arrays of torch's where kernels read its memory (CPU and CUDA)."""
    with launch_lock:
        backend = current().backend
        if backend == "vulkan" or (backend == "cuda" and not _has_cuda()):
            yield
            return
        with _on_default_stream() if backend == "cuda" else contextlib.nullcontext(), lent_by(_MEMORY[backend]):
            yield


@functools.cache
def _has_cuda() -> bool:
    """Whether torch was built for CUDA too."""
    return torch.cuda.is_available()


@contextlib.contextmanager
def _on_default_stream() -> Iterator[None]:
    stream = torch.cuda.current_stream()
    if stream.cuda_stream == 0:
        yield
        return
    default = torch.cuda.default_stream()
    default.wait_stream(stream)
    yield
    stream.wait_stream(default)


_MEMORY = {device: TorchMemory(device) for device in ("cpu", "cuda")}
