"""The nearest points with a warp for each query: for CUDA in float32; kernels/neighbours.py has the tree.

The best so far lie in the lanes' registers, sorted, one or two a lane. The warp takes five levels of the binary tree
at once: each lane has the box of one of the 32 nodes there, the nearest is visited first. Of the 32 points below a
node of the lowest such level, a group, each lane measures one; those near enough are inserted one after the other.
Nothing is remembered on the way down: back from a node, the warp goes on with the sibling that follows in the order of
distance.

A warp answers ``RUN`` queries along the curve in turn: no neighbour of the next is farther than the farthest of those
just found.
"""

import taichi as ti

from kernels.boxes import FAR, SLACK, box_distance, point
from kernels.launch import prepared
from kernels.linalg import load_vec3
from kernels.warps import LEVELS, WARP, first_vote, from_lane, int_from_lane, lane_max, lane_min, votes

GROUP = WARP
"""Points of a group: those below a node of the level that has a node for each of them."""
RUN = 8
"""Queries that a warp answers one after the other."""
BLOCK = 128
"""Threads of a block."""
NONE = 2**31 - 1
"""Key of what need not be visited, index of what is not there."""


def top_level(groups: int) -> int:
    """Nodes of the highest level that a warp visits; from it on it is five levels down, again and again."""
    while groups > WARP:
        groups //= WARP
    return groups


@prepared
@ti.kernel
def nearest_by_warp(
    slots: ti.template(),
    queries: ti.types.ndarray(ndim=2),
    visits: ti.types.ndarray(ndim=1),
    count: ti.i32,
    k: ti.i32,
    guessed: ti.i32,
    lists: ti.types.ndarray(ndim=1),
    points: ti.types.ndarray(ndim=1),
    order: ti.types.ndarray(ndim=1),
    boxes: ti.types.ndarray(ndim=1),
    n: ti.i32,
    groups: ti.i32,
    top: ti.i32,
    ranks: ti.types.ndarray(ndim=1),
    index: ti.types.ndarray(ndim=1),
    distance: ti.types.ndarray(ndim=1),
):
    """Answer all queries; ``k`` is at most 32 ``slots``. The other arguments are those of kernels/neighbours.py."""
    ti.loop_config(block_dim=BLOCK)
    for thread in range((count + RUN - 1) // RUN * WARP):
        lane, start = thread % WARP, thread // WARP * RUN
        near, square = ti.Vector([NONE] * ti.static(slots)), ti.Vector([0.0] * ti.static(slots))
        for turn in range(start, ti.min(start + RUN, count)):
            q = visits[turn]
            at, bound = load_vec3(queries, q), FAR * FAR
            if guessed != 0 or turn > start:
                farthest = 0.0
                for s in ti.static(range(slots)):
                    if s * WARP + lane < k:
                        known = near[s]
                        if guessed != 0:
                            known = lists[q * k + s * WARP + lane]
                        farthest = ti.max(farthest, (point(points, ranks[known]) - at).norm_sqr())
                bound = _distance_of(lane_max(_key_of(farthest))) / SLACK
            for s in ti.static(range(slots)):
                near[s], square[s] = NONE, FAR * FAR
            _search(slots, near, square, at, k, bound, lane, points, order, boxes, n, groups, top)
            for s in ti.static(range(slots)):
                if s * WARP + lane < k:
                    index[q * k + s * WARP + lane] = near[s]
                    distance[q * k + s * WARP + lane] = ti.sqrt(square[s])


@ti.func
def _key_of(distance):
    """Bits of a number that is not negative: they sort as the number does."""
    return ti.bit_cast(distance, ti.i32)


@ti.func
def _distance_of(key):
    return ti.bit_cast(key, ti.f32)


@ti.func
def _search(
    slots: ti.template(),
    near: ti.template(),
    square: ti.template(),
    at,
    k,
    bound,
    lane,
    points: ti.template(),
    order: ti.template(),
    boxes: ti.template(),
    n,
    groups,
    top,
):
    """The k nearest of the points whose squared distance to ``at`` is at most ``bound``.

    ``first`` is the first of the nodes that the lanes have, ``back`` the lane whose node was just done with (-1: none).
    A node's key is the distance to its box, rounded down, with the lane in the lowest five bits.
    """
    first, back, worst = top, -1, bound
    while first > 0:
        key = NONE
        if first > top or lane < top:
            key = (_key_of(box_distance(boxes, first + lane, at)) & -WARP) | lane
        if back >= 0:
            done = int_from_lane(key, back)
            key = ti.select(key > done, key, NONE)
        nearest = lane_min(key)
        if first >= groups:
            while nearest <= (_key_of(worst) | (WARP - 1)):
                group = first - groups + (nearest & (WARP - 1))
                _offer_group(slots, near, square, at, worst, lane, group, points, order, n)
                worst = ti.min(worst, _kth(slots, square, k))
                key = ti.select(key == nearest, NONE, key)
                nearest = lane_min(key)
        if nearest <= (_key_of(worst) | (WARP - 1)):
            first, back = (first + (nearest & (WARP - 1))) << LEVELS, -1
        else:
            parent = first >> LEVELS
            above = ti.select(parent < 2 * top, top, parent & -WARP)
            back = parent - above
            first = ti.select(first == top, 0, above)


@ti.func
def _kth(slots: ti.template(), square: ti.template(), k):
    """The k-th least squared distance."""
    kth = from_lane(square[0], (k - 1) & (WARP - 1))
    if ti.static(slots > 1):
        later = from_lane(square[1], (k - 1) & (WARP - 1))
        kth = ti.select(k > WARP, later, kth)
    return kth


@ti.func
def _offer_group(
    slots: ti.template(),
    near: ti.template(),
    square: ti.template(),
    at,
    worst,
    lane,
    group,
    points: ti.template(),
    order: ti.template(),
    n,
):
    """Insert those of a group's points that are near enough."""
    entry = group * GROUP + lane
    d, i = FAR * FAR, NONE
    if entry < n:
        d, i = (point(points, entry) - at).norm_sqr(), order[entry]
    mask = votes(ti.cast(d <= worst, ti.i32) & ti.cast(entry < n, ti.i32))
    while mask != 0:
        voter = first_vote(mask)
        mask = mask & (mask - 1)
        _insert(slots, near, square, lane, int_from_lane(i, voter), from_lane(d, voter))


@ti.func
def _insert(slots: ti.template(), near: ti.template(), square: ti.template(), lane, i, d):
    """Put (d, i) in its place among the sorted; those behind move up by one lane, the last is lost."""
    i_below, d_below = ti.Vector([0] * ti.static(slots)), ti.Vector([0.0] * ti.static(slots))
    below = (lane - 1) & (WARP - 1)
    for s in ti.static(range(slots)):
        i_below[s], d_below[s] = int_from_lane(near[s], below), from_lane(square[s], below)
    for s in ti.static(range(slots)):
        i_before, d_before = i_below[s], d_below[s]
        if lane == 0:
            i_before, d_before = -1, -1.0
            if ti.static(s > 0):
                i_before, d_before = i_below[s - 1], d_below[s - 1]
        stays = _precedes(square[s], near[s], d, i)
        fits = _precedes(d_before, i_before, d, i)
        near[s] = ti.select(stays, near[s], ti.select(fits, i, i_before))
        square[s] = ti.select(stays, square[s], ti.select(fits, d, d_before))


@ti.func
def _precedes(d, i, other_d, other_i):
    return (d < other_d) | ((d == other_d) & (i < other_i))
