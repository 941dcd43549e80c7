"""What the 32 threads of a warp do together. CUDA only, and float32 only: a lane passes on 32 bits.

Call with all threads of the warp on the same path.
"""

import taichi as ti

WARP = 32
LEVELS = 5
EVERY_LANE = 0xFFFFFFFF


@ti.func
def votes(predicate):
    """Bit l is set where ``predicate`` (0 or 1) is not 0 in lane l."""
    return ti.simt.warp.ballot(predicate)


@ti.func
def any_lane(predicate):
    """Whether ``predicate`` is not 0 in any lane."""
    return ti.simt.warp.any_nonzero(ti.u32(EVERY_LANE), predicate)


@ti.func
def first_vote(mask):
    """Number of the lowest bit set in a mask that is not 0."""
    return WARP - 1 - ti.math.clz(mask & (-mask))


@ti.func
def across(value, bit):
    """``value`` of the lane whose number differs in ``bit``."""
    bits = ti.simt.warp.shfl_xor_i32(ti.u32(EVERY_LANE), ti.bit_cast(value, ti.i32), bit)
    return ti.bit_cast(bits, ti.f32)


@ti.func
def int_from_lane(value, lane):
    """An ``int32`` of lane ``lane``."""
    return ti.simt.warp.shfl_sync_i32(ti.u32(EVERY_LANE), value, lane)


@ti.func
def from_lane(value, lane):
    """``value`` of lane ``lane``."""
    return ti.bit_cast(int_from_lane(ti.bit_cast(value, ti.i32), lane), ti.f32)


@ti.func
def lane_sum(value):
    """Sum over the warp, in every lane."""
    total = value
    for level in ti.static(range(LEVELS)):
        total += across(total, 1 << level)
    return total


@ti.func
def lane_max(value):
    """Largest ``int32`` of the warp, in every lane."""
    largest = value
    for level in ti.static(range(LEVELS)):
        largest = ti.max(largest, ti.simt.warp.shfl_xor_i32(ti.u32(EVERY_LANE), largest, 1 << level))
    return largest


@ti.func
def lane_min(value):
    """Smallest ``int32`` of the warp, in every lane."""
    smallest = value
    for level in ti.static(range(LEVELS)):
        smallest = ti.min(smallest, ti.simt.warp.shfl_xor_i32(ti.u32(EVERY_LANE), smallest, 1 << level))
    return smallest


def _sizes(count: int) -> list[int]:
    """How many values a lane holds at each level of ``spread_sums``."""
    sizes = [count]
    for _ in range(LEVELS):
        sizes.append((sizes[-1] + 1) // 2)
    return sizes


@ti.func
def spread_sums(values, lane, count: ti.template()):
    """Sums over the warp of ``count`` values, at most 32, that every lane holds: each lane is left with one of them.

    At each level two lanes share the values they hold and keep the sums of one half each: for 10 values 12 exchanges,
    where ten sums apart take 50. ``kept_sum`` says whose sum a lane has.
    """
    held = values
    for level in ti.static(range(LEVELS)):
        size, half = ti.static(_sizes(count)[level], _sizes(count)[level + 1])
        upper = (lane & (16 >> level)) != 0
        for i in ti.static(range(half)):
            second = 0.0
            if ti.static(i + half < size):
                second = held[i + half]
            kept, sent = ti.select(upper, second, held[i]), ti.select(upper, held[i], second)
            held[i] = kept + across(sent, 16 >> level)
    return held[0]


@ti.func
def kept_sum(lane, count: ti.template()):
    """Which of ``count`` sums ``spread_sums`` leaves with a lane; -1: none."""
    first, end = 0, count
    for level in ti.static(range(LEVELS)):
        half = ti.static(_sizes(count)[level + 1])
        if lane & (16 >> level) != 0:
            first += half
        else:
            end = ti.min(end, first + half)
    if first >= end:
        first = -1
    return first
