"""Joints between arrays and fields under ``ti.ad.Tape``.

Stages keep their data in arrays; Taichi's own autodiff is right on every backend for fields only. A user who
writes a loss kernel for the tape copies the stage's output into a field first.
"""

import taichi as ti

from kernels.arrays import accumulate, copy


@ti.kernel
def _array_to_field(source: ti.types.ndarray(), target: ti.template()):
    for index in ti.grouped(target):
        target[index] = source[index]


@ti.kernel
def _add_field_to_array(source: ti.template(), target: ti.types.ndarray()):
    for index in ti.grouped(source):
        target[index] += source[index]


@ti.ad.grad_replaced
def copy_to_field(array, field):
    """``field = array``; under a tape the field's gradient is added to ``array.grad``."""
    _array_to_field(array, field)


@ti.ad.grad_for(copy_to_field)
def _copy_to_field_grad(array, field):
    _add_field_to_array(field.grad, array.grad)


@ti.ad.grad_replaced
def link(source, target):
    """``target = source`` between stages; under a tape ``target.grad`` is added to ``source.grad``."""
    copy(source, target)


@ti.ad.grad_for(link)
def _link_grad(source, target):
    accumulate(target.grad, source.grad)
