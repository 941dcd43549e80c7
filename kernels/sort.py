"""Prefix sum and stable radix sort, in plain kernels that run alike on CPU, CUDA and Vulkan.

Taichi's own ``PrefixSumExecutor`` and ``parallel_sort`` are missing on the CPU or wrong on Vulkan. Work is cut into
chunks, one thread a chunk; a chunk keeps the order of its elements, so the sort is stable and repeats bit for bit.
"""

import math

import taichi as ti

from kernels.arrays import heavy_block_dim, int_array, int_scratch_array, lender, runs_on_cpu, turns_each
from kernels.launch import prepared

CHUNK = 1024
"""Most elements that a thread handles one after the other. Lavapipe ends serial loops after 65,536 turns: 6.7e7
elements."""
SHORTEST = 32
"""Fewest, but for the last."""

DIGIT_BITS = 8
"""Bits sorted in a pass: 256 counters a chunk fit a first-level cache."""

DIGITS = 1 << DIGIT_BITS
MAX_INT = 2**31 - 1


def exclusive_scan(values: ti.Ndarray, offsets: ti.Ndarray, n: int) -> None:
    """``offsets[i] = values[0] + … + values[i-1]`` for i = 0 … n; ``offsets`` has n + 1 entries.

    Values are non-negative ``int32``. A sum beyond 2³¹ − 1 is stored as 2³¹ − 1 at the end: the caller can tell.
    """
    if lender() is not None and lender().sorts(n):
        lender().exclusive_scan(values, offsets, n)
        return
    _scan_chunks(False, values, offsets, n)


def _scan_chunks(inclusive: bool, values: ti.Ndarray, sums: ti.Ndarray, n: int) -> None:
    chunk_size = _chunk_size(n)
    chunks = (n + chunk_size - 1) // chunk_size
    _scan(inclusive, values, sums, int_array(chunks), n, chunks, chunk_size)


def running_sums(values: ti.Ndarray, order: ti.Ndarray) -> ti.Ndarray:
    """Sums of the values taken in a given order, each up to and with its own [n].

    A sum beyond 2³¹ − 1 is at least 2³¹ − 1.

    Args:
        values: non-negative ``int32`` [C, N]. order: indices into them, counted in memory's order [n].
    """
    if lender() is not None:
        return lender().running_sums(values, order)
    n = order.shape[0]
    ordered, sums = int_scratch_array(n), int_scratch_array(n)
    _permute(n, values, values.shape[-1], order, ordered)
    _scan_chunks(True, ordered, sums, n)
    return sums


def run_starts(keys: ti.Ndarray, runs: int) -> ti.Ndarray:
    """Where each of the keys 0 … runs starts, or would start, in an array of sorted integers [runs + 1]."""
    if lender() is not None:
        return lender().run_starts(keys, runs)
    starts = int_scratch_array(runs + 1)
    _find_starts(keys, runs, starts)
    return starts


def key_array(n: int, bits: int) -> ti.Ndarray:
    """A new array for ``n`` keys of so many bits, contents arbitrary: of short integers where those sort faster."""
    if lender() is not None and lender().sorts(n):
        return lender().key_array(n, bits)
    return int_scratch_array(n)


def radix_sort(keys: ti.Ndarray, values: ti.Ndarray | None, n: int, bits: int) -> tuple[ti.Ndarray, ti.Ndarray]:
    """Sort pairs by the lowest ``bits`` bits of their non-negative ``int32`` keys; equal keys keep their order.

    Args:
        keys: as ``key_array`` makes them, or ``int32``.
        values: None stands for 0, 1, … n - 1: the result is the order of the keys.

    Returns:
        The arrays with the sorted keys and values. The arrays passed in are overwritten; they may be the ones returned.
    """
    if n > 0 and lender() is not None and lender().sorts(n):
        return lender().radix_sort(keys, values, bits)
    if values is None:
        values = int_scratch_array(n)
        _count_up(n, values)
    if n == 0:
        return keys, values
    chunk_size = _chunk_size(n)
    chunks = (n + chunk_size - 1) // chunk_size
    counts, totals = int_array(chunks, DIGITS), int_array(DIGITS)
    spare_keys, spare_values = int_scratch_array(n), int_scratch_array(n)
    for shift in range(0, bits, DIGIT_BITS):
        _radix_pass(keys, values, spare_keys, spare_values, counts, totals, n, chunks, chunk_size, shift)
        keys, values, spare_keys, spare_values = spare_keys, spare_values, keys, values
    return keys, values


def _chunk_size(n: int) -> int:
    """Elements of a chunk. A GPU has a thread for each of many short ones; whoever adds them up does so serially."""
    return CHUNK if runs_on_cpu() else min(CHUNK, max(SHORTEST, math.isqrt(n)))


@prepared
@ti.kernel
def _count_up(n: ti.i32, numbers: ti.types.ndarray(ndim=1)):
    for i in range(n):
        numbers[i] = i


@prepared
@ti.kernel
def _permute(
    n: ti.i32,
    values: ti.types.ndarray(ndim=2),
    row_length: ti.i32,
    order: ti.types.ndarray(ndim=1),
    permuted: ti.types.ndarray(ndim=1),
):
    for i in range(n):
        permuted[i] = values[order[i] // row_length, order[i] % row_length]


@prepared
@ti.kernel
def _find_starts(keys: ti.types.ndarray(ndim=1), runs: ti.i32, starts: ti.types.ndarray(ndim=1)):
    for run in range(runs + 1):
        low, high = 0, keys.shape[0]
        while low < high:
            middle = low + (high - low) // 2
            if keys[middle] < run:
                low = middle + 1
            else:
                high = middle
        starts[run] = low


@prepared
@ti.kernel
def _scan(
    inclusive: ti.template(),
    values: ti.types.ndarray(ndim=1),
    sums: ti.types.ndarray(ndim=1),
    chunk_sums: ti.types.ndarray(ndim=1),
    n: ti.i32,
    chunks: ti.i32,
    chunk_size: ti.i32,
):
    turns = ti.static(turns_each())
    ti.loop_config(block_dim=ti.static(heavy_block_dim()))
    for turn in range(chunks * turns):
        if turn % turns != 0:
            continue
        chunk = turn // turns
        total = 0
        for i in range(chunk * chunk_size, ti.min((chunk + 1) * chunk_size, n)):
            total += ti.min(values[i], MAX_INT - total)
        chunk_sums[chunk] = total
    for _ in range(1):
        running = 0
        for chunk in range(chunks):
            total = chunk_sums[chunk]
            chunk_sums[chunk] = running
            running += ti.min(total, MAX_INT - running)
        if ti.static(not inclusive):
            sums[n] = running
    ti.loop_config(block_dim=ti.static(heavy_block_dim()))
    for turn in range(chunks * turns):
        if turn % turns != 0:
            continue
        chunk = turn // turns
        running = chunk_sums[chunk]
        for i in range(chunk * chunk_size, ti.min((chunk + 1) * chunk_size, n)):
            value = ti.min(values[i], MAX_INT - running)
            if ti.static(inclusive):
                sums[i] = running + value
            else:
                sums[i] = running
            running += value


@prepared
@ti.kernel
def _radix_pass(
    keys: ti.types.ndarray(ndim=1),
    values: ti.types.ndarray(ndim=1),
    sorted_keys: ti.types.ndarray(ndim=1),
    sorted_values: ti.types.ndarray(ndim=1),
    counts: ti.types.ndarray(ndim=2),
    totals: ti.types.ndarray(ndim=1),
    n: ti.i32,
    chunks: ti.i32,
    chunk_size: ti.i32,
    shift: ti.i32,
):
    turns = ti.static(turns_each())
    ti.loop_config(block_dim=ti.static(heavy_block_dim()))
    for turn in range(chunks * turns):
        if turn % turns != 0:
            continue
        chunk = turn // turns
        for digit in range(DIGITS):
            counts[chunk, digit] = 0
        for i in range(chunk * chunk_size, ti.min((chunk + 1) * chunk_size, n)):
            digit = (keys[i] >> shift) & (DIGITS - 1)
            counts[chunk, digit] = counts[chunk, digit] + 1
    # Where each chunk's share of a digit starts, among the elements of that digit.
    for digit in range(DIGITS):
        running = 0
        for chunk in range(chunks):
            count = counts[chunk, digit]
            counts[chunk, digit] = running
            running += count
        totals[digit] = running
    ti.loop_config(block_dim=ti.static(heavy_block_dim()))
    for turn in range(chunks * turns):
        if turn % turns != 0:
            continue
        chunk = turn // turns
        smaller = 0
        for digit in range(DIGITS):
            counts[chunk, digit] = counts[chunk, digit] + smaller
            smaller += totals[digit]
        for i in range(chunk * chunk_size, ti.min((chunk + 1) * chunk_size, n)):
            digit = (keys[i] >> shift) & (DIGITS - 1)
            place = counts[chunk, digit]
            counts[chunk, digit] = place + 1
            sorted_keys[place] = keys[i]
            sorted_values[place] = values[i]
