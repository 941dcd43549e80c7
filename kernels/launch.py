"""Cheaper launches: a kernel over arrays and numbers that remembers what it compiled.

Taichi's own call inspects every argument's annotation again and looks the kernel up by what it finds, about 10 µs an
argument. Here the arguments' types pick a plan made at the first call with such types; a launch then only hands over
pointers and numbers. Nothing is kept alive between launches but the compiled kernel, and that as long as its runtime.
"""

import functools
import operator
import weakref
from collections.abc import Callable
from typing import Any

import taichi as ti
from taichi.lang import impl
from taichi.lang._ndarray import Ndarray
from taichi.lang.kernel_impl import Kernel, template
from taichi.types.ndarray_type import NdarrayType

NUMBERS = (int, float, ti.i32, ti.i64, ti.f32, ti.f64)
"""Annotations of the numbers that a plan hands over."""

_tensor_type: Any = ()


def take_tensors_of(tensor_type: type) -> None:
    """From now on kernels take tensors of another library as arrays; they are contiguous and on the kernels' device."""
    global _tensor_type
    _tensor_type = tensor_type


def prepared(kernel: Callable[..., None]) -> Callable[..., None]:
    """The same kernel, quicker to launch: ``@prepared`` above ``@ti.kernel``.

    All its arguments are ``ti.ndarray``s, tensors (``take_tensors_of``), arrays that a lender made
    (kernels/arrays.py), numbers or template values, given by position, and it returns nothing. Under a tape that
    records it, in debug mode, and given anything else, Taichi's own call does the work; so it does for kernels that
    take vectors.
    """
    primal: Kernel = kernel._primal  # type: ignore[attr-defined]
    plans: dict[tuple, _Plan] = {}
    templates = [isinstance(argument.annotation, template) for argument in primal.arguments]
    fixed = templates.index(False) if False in templates else len(templates)
    assert not any(templates[fixed:]), f"{kernel.__name__}: template values come first"
    annotations = [argument.annotation for argument in primal.arguments[fixed:]]
    arrays = [fixed + i for i, annotation in enumerate(annotations) if isinstance(annotation, NdarrayType)]
    pick = operator.itemgetter(*arrays, arrays[-1])  # the last one twice: one alone would come without its tuple
    takes_vectors = not all(isinstance(it, NdarrayType) or it in NUMBERS for it in annotations)

    @functools.wraps(kernel)
    def launch(*arguments) -> None:
        runtime = impl.get_runtime()
        if takes_vectors or (runtime.target_tape and not runtime.grad_replaced):
            kernel(*map(_unwrapped, arguments))
            return
        signature = (*arguments[:fixed], *map(_type, pick(arguments)))
        plan = plans.get(signature)
        if plan is None or plan.program() is not runtime.prog:
            if None in signature or runtime.prog is None or impl.current_cfg().debug:
                kernel(*map(_unwrapped, arguments))
                return
            plan = plans[signature] = _Plan(primal, arguments)
        plan.launch(runtime.prog, arguments)

    return launch


def _type(array: Any) -> str | tuple | None:
    """What a compiled kernel depends on; None for what no plan is made for."""
    if isinstance(array, _tensor_type):
        return array.dtype, array.ndim
    kind = getattr(array, "kind", None)
    if kind is None and isinstance(array, Ndarray):
        return array.element_type, len(array.shape), array.grad is None
    return kind


def _unwrapped(argument: Any) -> Any:
    """What Taichi itself takes for an argument."""
    if isinstance(argument, _tensor_type):
        return argument.detach()  # one that requires gradients would be compiled for apart
    return argument.tensor.view(argument.shape) if hasattr(argument, "tensor") else argument


class _Plan:
    """A kernel compiled for arguments of certain types, in one runtime."""

    def __init__(self, primal: Kernel, arguments: tuple):
        program = impl.get_runtime().prog
        compiled = primal.compiled_kernels[primal.ensure_compiled(*map(_unwrapped, arguments))]
        self.program = weakref.ref(program)
        self._new_context = compiled.make_launch_context
        self._code = program.compile_kernel(program.config(), program.get_device_caps(), compiled)
        self._tensors: list[tuple[int, tuple[int]]] = []
        self._lent: list[tuple[int, tuple[int]]] = []
        self._integers: list[tuple[int, tuple[int]]] = []
        self._reals: list[tuple[int, tuple[int]]] = []
        self._arrays: list[tuple[int, tuple[int]]] = []
        slot = 0  # Taichi counts the arguments that are not compiled in
        for place, (value, argument) in enumerate(zip(arguments, primal.arguments, strict=True)):
            if isinstance(argument.annotation, template):
                continue
            if isinstance(value, _tensor_type):
                self._tensors.append((place, (slot,)))
            elif hasattr(value, "tensor"):
                self._lent.append((place, (slot,)))
            elif isinstance(value, Ndarray):
                self._arrays.append((place, (slot,)))
            else:
                real = argument.annotation in (ti.f16, ti.f32, ti.f64) or argument.annotation is float
                (self._reals if real else self._integers).append((place, (slot,)))
            slot += 1

    def launch(self, program, arguments: tuple) -> None:
        """Hand the arguments over and go. (A context is good for one launch: CUDA's replaces its own pointers.)"""
        context = self._new_context()
        lend = context.set_arg_external_array_with_shape
        for place, slot in self._tensors:
            tensor = arguments[place]
            lend(slot, tensor.data_ptr(), tensor.nbytes, tensor.shape, 0)
        for place, slot in self._lent:
            array = arguments[place]
            tensor = array.values if array.values is not None else array.tensor
            lend(slot, tensor.data_ptr(), array.bytes, array.shape, 0)
        set_integer, set_real = context.set_arg_int, context.set_arg_float
        for place, slot in self._integers:
            set_integer(slot, arguments[place])
        for place, slot in self._reals:
            set_real(slot, float(arguments[place]))
        for place, slot in self._arrays:
            array = arguments[place]
            if array.grad is None:
                context.set_arg_ndarray(slot, array.arr)
            else:
                context.set_arg_ndarray_with_grad(slot, array.arr, array.grad.arr)
        program.launch_kernel(self._code, context)
