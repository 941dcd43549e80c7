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
from taichi.lang.kernel_impl import Kernel, template


def prepared(kernel: Callable[..., None]) -> Callable[..., None]:
    """The same kernel, quicker to launch: ``@prepared`` above ``@ti.kernel``.

    All its arguments are ``ti.ndarray``s, arrays that a lender made (kernels/arrays.py), numbers or template values,
    given by position, and it returns nothing. Under a tape that records it, in debug mode, and given anything else,
    Taichi's own call does the work.
    """
    primal: Kernel = kernel._primal  # type: ignore[attr-defined]
    plans: dict[tuple, _Plan] = {}
    templates = [isinstance(argument.annotation, template) for argument in primal.arguments]

    @functools.wraps(kernel)
    def launch(*arguments) -> None:
        runtime = impl.get_runtime()
        if runtime.target_tape and not runtime.grad_replaced:
            kernel(*map(_unwrapped, arguments))
            return
        signature = tuple([value if fixed else _type(value) for value, fixed in zip(arguments, templates, strict=True)])
        plan = plans.get(signature)
        if plan is None or plan.program() is not runtime.prog:
            if None in signature or runtime.prog is None or impl.current_cfg().debug:
                kernel(*map(_unwrapped, arguments))
                return
            plan = plans[signature] = _Plan(primal, arguments)
        plan.launch(runtime.prog, arguments)

    return launch


def _type(argument) -> str | tuple | type | None:
    """What a compiled kernel depends on; None for what no plan is made for."""
    kinds = getattr(argument, "kinds", None)
    if kinds is not None:
        return kinds[argument.grad is None]
    if isinstance(argument, Ndarray):
        return argument.element_type, len(argument.shape), argument.grad is None
    kind = type(argument)
    if kind is bool:
        return int
    if kind is int or kind is float:
        return kind
    return ("lent", argument.dtype, len(argument.shape)) if hasattr(argument, "bind") else None


def _unwrapped(argument):
    """What Taichi itself takes for an argument."""
    return argument.tensor if hasattr(argument, "bind") else argument


class _Plan:
    """A kernel compiled for arguments of certain types, in one runtime."""

    def __init__(self, primal: Kernel, arguments: tuple):
        program = impl.get_runtime().prog
        compiled = primal.compiled_kernels[primal.ensure_compiled(*map(_unwrapped, arguments))]
        self.program = weakref.ref(program)
        self._new_context = compiled.make_launch_context
        self._code = program.compile_kernel(program.config(), program.get_device_caps(), compiled)
        self._setters: list[tuple[Callable, tuple[int]] | None] = []
        slot = 0  # Taichi counts the arguments that are not compiled in
        for value, argument in zip(arguments, primal.arguments, strict=True):
            fixed = isinstance(argument.annotation, template)
            self._setters.append(None if fixed else (_SETTERS[_kind(value, argument.annotation)], (slot,)))
            slot += not fixed

    def launch(self, program, arguments: tuple) -> None:
        """Hand the arguments over and go. (A context is good for one launch: CUDA's replaces its own pointers.)"""
        context = self._new_context()
        for setter, value in zip(self._setters, arguments, strict=True):
            if setter is not None:
                setter[0](context, setter[1], value)
        program.launch_kernel(self._code, context)


def _kind(value, annotation) -> str:
    if isinstance(value, Ndarray):
        return "array" if value.grad is None else "array with gradient"
    if hasattr(value, "bind"):
        return "lent array"
    return "real" if annotation in (ti.f16, ti.f32, ti.f64) or annotation is float else "integer"


_SETTERS: dict[str, Callable] = {
    "array": lambda context, index, array: context.set_arg_ndarray(index, array.arr),
    "array with gradient": lambda context, index, array: context.set_arg_ndarray_with_grad(
        index, array.arr, array.grad.arr
    ),
    "lent array": lambda context, index, array: array.bind(context, index),
    "integer": lambda context, index, number: context.set_arg_int(index, number),
    "real": lambda context, index, number: context.set_arg_float(index, float(number)),
}
