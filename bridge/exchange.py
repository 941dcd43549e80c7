"""torch tensors to Taichi arrays and back: the only place where data crosses."""

import ctypes

import taichi as ti
import torch
from taichi.lang import impl

from bridge.lent_memory import DTYPES, TorchArray
from bridge.runtime import Runtime, current
from kernels.arrays import copy, int_array, is_alive, lender, real_array, runs_on_cpu

ENDED = "bridge.reset() has ended the runtime of this module or graph; build it anew"


def from_torch(tensor: torch.Tensor, needs_grad: bool = False) -> ti.Ndarray:
    """A new Taichi array with the values of ``tensor``: reals in the runtime's type, integers ``int32``."""
    real = tensor.dtype.is_floating_point
    array = real_array(*tensor.shape, needs_grad=needs_grad) if real else int_array(*tensor.shape)
    load(tensor, array)
    return array


def put(tensor: torch.Tensor, shape: tuple[int, ...] | None = None) -> torch.Tensor | ti.Ndarray:
    """What kernels read in a tensor's place, in a shape that differs by extents of 1.

    Within ``launches(tensors=True)``; the tensor itself where its type, device and layout allow.
    """
    memory = lender()
    if memory is None:
        return from_torch(tensor.detach().view(tensor.shape if shape is None else shape))
    dtype = memory.dtype if tensor.is_floating_point() else torch.int32
    if tensor.dtype != dtype or tensor.device.type != memory.device or not tensor.is_contiguous():
        tensor = tensor.to(memory.device, dtype).contiguous()
    if not tensor.numel():
        return tensor.new_zeros([max(extent, 1) for extent in shape or tensor.shape])  # Taichi has no empty arrays
    return tensor if shape is None or tensor.shape == shape else tensor.view(shape)


def incoming(gradient: torch.Tensor | None, shape: tuple[int, ...]) -> torch.Tensor | ti.Ndarray:
    """``put`` of the gradient of an output; zeros where nothing depends on it."""
    return real_array(*shape) if gradient is None else put(gradient, shape)


def take(array: torch.Tensor | ti.Ndarray, shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """The other way: the tensor ``shape`` on ``device`` that an array of ``launches(tensors=True)`` is or becomes."""
    if not isinstance(array, torch.Tensor):
        return to_torch(array, shape, device)
    tensor = array if array.device.type == device.type else array.to(device)
    if tensor.shape == shape:
        return tensor
    return tensor.new_empty(shape) if 0 in shape else tensor.view(shape).data  # no view: torch lets nobody change those


def load(tensor: torch.Tensor, array: ti.Ndarray) -> None:
    """Copy ``tensor`` into an array of the same shape but for extents of 1; an array of torch's memory adopts it."""
    if isinstance(array, TorchArray):
        array.adopt(tensor)
        return
    if not tensor.numel():
        return
    shape = tuple(array.shape)
    if tuple(tensor.shape) != shape:
        if [extent for extent in tensor.shape if extent > 1] != [extent for extent in shape if extent > 1]:
            raise ValueError(f"load: the tensor has shape {tuple(tensor.shape)}, the array {shape}")
        tensor = tensor.reshape(shape)
    expect_alive(array)
    if runs_on_cpu():
        _shared_view(array).copy_(tensor.detach())
    else:
        dtype = current().dtype if tensor.dtype.is_floating_point else torch.int32
        # detach: Taichi would allocate and fill the .grad of a leaf that requires gradients.
        copy(tensor.detach().to(dtype).contiguous(), array)


def to_torch(array: ti.Ndarray, shape: tuple[int, ...], device: torch.device | str) -> torch.Tensor:
    """A tensor ``shape`` on ``device`` with the values of ``array`` (a zero extent has no values).

    New, but for an array of torch's memory, which it shares.
    """
    if isinstance(array, TorchArray):
        return _reshaped(array.tensor.detach(), shape, device)
    dtype = current().dtype if array.dtype in (ti.f32, ti.f64) else torch.int32
    if 0 in shape:
        return torch.empty(shape, dtype=dtype, device=device)
    expect_alive(array)
    if runs_on_cpu():
        tensor = _shared_view(array).to(device, copy=True)
    else:
        tensor = torch.empty(tuple(array.shape), dtype=dtype, device=device)
        copy(array, tensor)
    return tensor if tensor.shape == shape else tensor.reshape(shape)


def _reshaped(tensor: torch.Tensor, shape: tuple[int, ...], device: torch.device | str) -> torch.Tensor:
    """The tensor on ``device``; one without values if the shape has none."""
    if tensor.device.type != torch.device(device).type:
        tensor = tensor.to(device)
    if tensor.shape == shape:
        return tensor
    return tensor.new_empty(shape) if 0 in shape else tensor.view(shape)


def hand_over(array: ti.Ndarray, shape: tuple[int, ...], device: torch.device | str) -> torch.Tensor:
    """``to_torch`` of an array that is read no more: it keeps no memory of torch's."""
    if isinstance(array, TorchArray):
        tensor = _reshaped(array.tensor, shape, device).data  # no view: torch lets nobody change those in place
    else:
        tensor = to_torch(array, shape, device)
    clear(array)
    return tensor


def clear(array: ti.Ndarray) -> None:
    """Set the array to zero; one of torch's memory leaves its tensor to whoever else holds it."""
    if isinstance(array, TorchArray):
        array.forget()
    else:
        expect_alive(array)
        array.fill(0)


def expect_alive(array: ti.Ndarray) -> None:
    """Raise ``RuntimeError`` if the array's runtime has ended."""
    if not is_alive(array):
        raise RuntimeError(ENDED)


def expect_runtime(runtime: Runtime) -> None:
    """Raise ``RuntimeError`` if the runtime of a stage's forward has ended."""
    if current() is not runtime:
        raise RuntimeError(ENDED)


def _shared_view(array: ti.Ndarray) -> torch.Tensor:
    """The memory of an array of the CPU runtime as a tensor, valid while the array lives: no launch, no index sums."""
    dtype = DTYPES[array.dtype]
    count = 1
    for extent in array.shape:
        count *= extent
    address = impl.get_runtime().prog.get_ndarray_data_ptr_as_int(array.arr)
    buffer = (ctypes.c_char * (count * dtype.itemsize)).from_address(address)
    return torch.frombuffer(buffer, dtype=dtype).view(array.shape)
