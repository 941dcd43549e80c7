"""Whether numbers are finite, told from their bits: with fast arithmetic a NaN passes any comparison of reals."""

import taichi as ti

from kernels.arrays import real_dtype


@ti.func
def is_finite(x):
    """Whether a real is neither infinite nor NaN."""
    exponent, all_ones = 0, 1
    if ti.static(real_dtype() == ti.f64):
        exponent, all_ones = ti.cast((ti.bit_cast(x, ti.i64) >> 52) & 0x7FF, ti.i32), 0x7FF
    else:
        exponent, all_ones = (ti.bit_cast(x, ti.i32) >> 23) & 0xFF, 0xFF
    return exponent != all_ones
