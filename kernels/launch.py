"""Cheaper launches: a kernel over arrays and numbers that remembers what it compiled.

Taichi's own call inspects every argument's annotation again and looks the kernel up by what it finds, about 10 µs an
argument. Here the arguments' types pick a plan made at the first call with such types; a launch then only hands over
pointers and numbers. Nothing is kept alive between launches but the compiled kernel, and that as long as its runtime.
"""

import functools
import weakref
from collections.abc import Callable

import taichi as ti
from taichi.lang import impl
from taichi.lang._ndarray import Ndarray
from taichi.lang.kernel_impl import Kernel


def prepared(kernel: Callable[..., None]) -> Callable[..., None]:
    """The same kernel, quicker to launch: ``@prepared`` above ``@ti.kernel``.

    All its arguments are ``ti.ndarray``s or numbers, given by position, and it returns nothing. Under a tape that
    records it, in debug mode, and given anything else, Taichi's own call does the work.
    """
    primal: Kernel = kernel._primal  # type: ignore[attr-defined]
    plans: dict[tuple, _Plan] = {}

    @functools.wraps(kernel)
    def launch(*arguments) -> None:
        runtime = impl.get_runtime()
        if runtime.target_tape and not runtime.grad_replaced:
            kernel(*arguments)
            return
        signature = tuple(map(_type, arguments))
        plan = plans.get(signature)
        if plan is None or plan.program() is not runtime.prog:
            if None in signature or runtime.prog is None or impl.current_cfg().debug:
                kernel(*arguments)
                return
            plan = plans[signature] = _Plan(primal, arguments)
        plan.launch(runtime.prog, arguments)

    return launch


def _type(argument) -> tuple | type | None:
    """What a compiled kernel depends on; None for what no plan is made for."""
    if isinstance(argument, Ndarray):
        return argument.element_type, len(argument.shape), argument.grad is None
    kind = type(argument)
    return kind if kind is int or kind is float else None


class _Plan:
    """A kernel compiled for arguments of certain types, in one runtime."""

    def __init__(self, primal: Kernel, arguments: tuple):
        program = impl.get_runtime().prog
        compiled = primal.compiled_kernels[primal.ensure_compiled(*arguments)]
        self.program = weakref.ref(program)
        self._new_context = compiled.make_launch_context
        self._code = program.compile_kernel(program.config(), program.get_device_caps(), compiled)
        self._setters = [
            (_SETTERS[_kind(value, argument.annotation)], (index,))
            for index, (value, argument) in enumerate(zip(arguments, primal.arguments, strict=True))
        ]

    def launch(self, program, arguments: tuple) -> None:
        """Hand the arguments over and go. (A context is good for one launch: CUDA's replaces its own pointers.)"""
        context = self._new_context()
        for (set_argument, index), value in zip(self._setters, arguments, strict=True):
            set_argument(context, index, value)
        program.launch_kernel(self._code, context)


def _kind(value, annotation) -> str:
    if isinstance(value, Ndarray):
        return "array" if value.grad is None else "array with gradient"
    return "real" if annotation in (ti.f16, ti.f32, ti.f64) or annotation is float else "integer"


_SETTERS: dict[str, Callable] = {
    "array": lambda context, index, array: context.set_arg_ndarray(index, array.arr),
    "array with gradient": lambda context, index, array: context.set_arg_ndarray_with_grad(
        index, array.arr, array.grad.arr
    ),
    "integer": lambda context, index, number: context.set_arg_int(index, number),
    "real": lambda context, index, number: context.set_arg_float(index, float(number)),
}
