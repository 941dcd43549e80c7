"""Nearest neighbours and neighbours within a radius: exact, on every backend, for any distribution of points.

The points are sorted along a Morton curve and cut into leaves of ``LEAF`` points; the leaves are those of a complete
binary tree of bounding boxes, node 1 the root, nodes 2i and 2i + 1 the children of i (as the linear BVH of Lauterbach
et al. 2009, with fixed topology). Unlike a grid, that asks for no cell size, so clusters, planes and far-off points do
no harm. Building is linear in the number of points and repeats bit for bit. No Taichi autodiff passes through: which
points are neighbours is piecewise constant.

Queries are answered in the order of the curve too. Every ``STEP``-th goes first; those between need not look beyond
the farthest of the neighbours that it found, which are near them as well. That holds for any queries, and is what
makes the search fast: little is offered that does not stay.

On CUDA in float32 a warp answers a query instead (kernels/nearest_by_warp.py), with the same tree.
"""

import taichi as ti

from configs.errors import InputError
from kernels.arrays import int_array, int_scratch_array, real_dtype, runs_on_cuda, scratch_array
from kernels.boxes import FAR, SLACK, box_distance, fill_inner_boxes, point, store_box
from kernels.heap import make_heap, offer, sort_heap
from kernels.launch import prepared
from kernels.linalg import load_vec3
from kernels.morton import bounding_cube, morton_order
from kernels.nearest_by_warp import GROUP, nearest_by_warp, top_level
from kernels.sort import exclusive_scan
from kernels.warps import WARP

LEAF = 8
"""Points in a leaf."""
MAX_K = 64
"""Most neighbours that ``nearest`` gives."""
STEP = 4
"""Along the curve, every STEP-th of the queries left to answer goes first."""
STRIDES = (STEP * STEP, STEP, 1)
"""From the first ones, which start from nothing, to the last."""


class NeighbourTree:
    """Search tree over the first ``n`` of ``points [N, 3]``, which are copied; points and queries must be finite.

    Raises:
        InputError: n is 0.
    """

    def __init__(self, points: ti.Ndarray, n: int):
        if n < 1:
            raise InputError("NeighbourTree: there are no points; expected at least 1")
        self.n = n
        self.leaves = GROUP // LEAF
        while self.leaves * LEAF < n:
            self.leaves *= 2
        self.cube = bounding_cube(points, n)
        self.order = morton_order(points, n, self.cube)
        """Indices of the points along the curve; leaf l holds order[l LEAF : (l + 1) LEAF]."""
        self.points = scratch_array(3 * n)
        """The points in that order, three numbers each."""
        self.ranks = int_scratch_array(n)
        """Where each point is in that order."""
        self.boxes = scratch_array(2 * self.leaves * 6)
        """Each node's box: lower corner, upper corner."""
        _leaf_boxes(points, self.order, n, self.leaves, self.points, self.ranks, self.boxes)
        fill_inner_boxes(self.boxes, self.leaves)

    def nearest(
        self,
        queries: ti.Ndarray,
        count: int,
        k: int,
        guess: ti.Ndarray | None = None,
        by_warp: bool | None = None,
    ) -> tuple[ti.Ndarray, ti.Ndarray]:
        """The ``k`` nearest points of each of the first ``count`` of ``queries [Q, 3]``; a point is its own neighbour.

        ``guess [count k]``, the indices that a similar search gave, makes it faster; the result is the same. Those of a
        query must be distinct. ``by_warp`` says whether a query is answered by a warp (kernels/nearest_by_warp.py) or a
        thread; None: by a warp where that is possible, on CUDA in float32.

        Returns:
            Indices int32 [count k] and distances [count k]: those of query q are at q k … (q + 1) k, nearest first,
            ties by index.

        Raises:
            InputError: k is not in 1 … 64, or larger than the number of points.
        """
        if not 1 <= k <= min(MAX_K, self.n):
            raise InputError(f"nearest: k is {k}; expected 1 to {MAX_K}, at most the number of points, {self.n}")
        index, distance = int_scratch_array(count * k), scratch_array(count * k)
        if not count:
            return index, distance
        if by_warp is None:
            by_warp = runs_on_cuda() and real_dtype() == ti.f32
        request = queries, self._visits(queries, count), count, k
        guessed, lists = guess is not None, index if guess is None else guess
        results = self.ranks, index, distance
        if by_warp:
            slots, groups = (k + WARP - 1) // WARP, self.leaves * LEAF // GROUP
            tree = self.points, self.order, self.boxes, self.n, groups, top_level(groups)
            nearest_by_warp(slots, *request, guessed, lists, *tree, *results)
            return index, distance
        for stride in (1,) if guessed else STRIDES:
            _nearest(*request, stride, guessed, lists, *self._arrays(), *results)
        return index, distance

    def within(
        self, queries: ti.Ndarray, count: int, radius: float, ordered: bool = True
    ) -> tuple[ti.Ndarray, ti.Ndarray, ti.Ndarray]:
        """All points at most ``radius`` away from each of the first ``count`` of ``queries [Q, 3]``.

        Returns:
            start int32 [count + 1], indices int32 [E], distances [E]: those of query q are at start[q] … start[q + 1],
            nearest first, ties by index; in an order of the tree's, and sooner, if not ``ordered``.

        Raises:
            InputError: radius is not positive; more than 2³¹ − 2 neighbours in all.
        """
        if not 0 < radius < float("inf"):
            raise InputError(f"within: radius is {radius}; expected a positive length")
        counts, start = int_array(count), int_array(count + 1)
        nothing, none = int_array(1), scratch_array(1)
        visits = self._visits(queries, count) if count else nothing
        _within(queries, visits, count, radius, *self._arrays(), False, counts, start, nothing, none)
        exclusive_scan(counts, start, count)
        total = int(start[count])
        if total == 2**31 - 1:
            raise InputError(f"within: more than {total - 1} neighbours within {radius}; expected a smaller radius")
        index, distance = int_scratch_array(total), scratch_array(total)
        _within(queries, visits, count, radius, *self._arrays(), True, counts, start, index, distance)
        if ordered:
            _sort_segments(count, start, index, distance)
        return start, index, distance

    def _visits(self, queries: ti.Ndarray, count: int) -> ti.Ndarray:
        """The order in which queries are answered: those side by side take the same paths, through the same caches."""
        return morton_order(queries, count, self.cube, coarse=True)

    def _arrays(self):
        return self.points, self.order, self.boxes, self.n, self.leaves


@prepared
@ti.kernel
def _leaf_boxes(
    points: ti.types.ndarray(ndim=2),
    order: ti.types.ndarray(ndim=1),
    n: ti.i32,
    leaves: ti.i32,
    ordered: ti.types.ndarray(ndim=1),
    ranks: ti.types.ndarray(ndim=1),
    boxes: ti.types.ndarray(ndim=1),
):
    for leaf in range(leaves):
        low, high = ti.Vector([FAR, FAR, FAR]), ti.Vector([-FAR, -FAR, -FAR])
        for i in range(leaf * LEAF, ti.min((leaf + 1) * LEAF, n)):
            at = load_vec3(points, order[i])
            ranks[order[i]] = i
            for a in ti.static(range(3)):
                ordered[3 * i + a] = at[a]
            low, high = ti.min(low, at), ti.max(high, at)
        store_box(boxes, leaves + leaf, low, high)


@ti.func
def _after(node):
    """The node to visit once the subtree of ``node`` is done, depth first from left to right; 0 at the end."""
    v = node
    while v > 1 and (v & 1) == 1:
        v >>= 1
    return ti.select(v > 1, v + 1, 0)


@prepared
@ti.kernel
def _nearest(
    queries: ti.types.ndarray(ndim=2),
    visits: ti.types.ndarray(ndim=1),
    count: ti.i32,
    k: ti.i32,
    stride: ti.i32,
    guessed: ti.i32,
    lists: ti.types.ndarray(ndim=1),
    points: ti.types.ndarray(ndim=1),
    order: ti.types.ndarray(ndim=1),
    boxes: ti.types.ndarray(ndim=1),
    n: ti.i32,
    leaves: ti.i32,
    ranks: ti.types.ndarray(ndim=1),
    index: ti.types.ndarray(ndim=1),
    distance: ti.types.ndarray(ndim=1),
):
    """Answer every ``stride``-th query along the curve, but for those that larger strides have answered.

    No neighbour is farther than the farthest of any k points: those that ``lists`` has for the query if they are
    guessed, else for the one before it that was answered already.
    """
    for turn in range((count + stride - 1) // stride):
        first = guessed == 0 and stride == STEP * STEP
        if first or guessed != 0 or turn % STEP != 0:
            q, leader = visits[turn * stride], visits[(turn - turn % STEP) * stride]
            at, bound = load_vec3(queries, q), FAR * FAR
            if not first:
                bound = 0.0
                row = ti.select(guessed != 0, q, leader)
                for slot in range(row * k, (row + 1) * k):
                    bound = ti.max(bound, (point(points, ranks[lists[slot]]) - at).norm_sqr() / SLACK)
            _search(at, q * k, k, bound, points, order, boxes, n, leaves, index, distance)


@ti.func
def _search(
    at,
    first,
    k,
    bound,
    points: ti.template(),
    order: ti.template(),
    boxes: ti.template(),
    n,
    leaves,
    index: ti.template(),
    distance: ti.template(),
):
    """The k nearest of the points whose squared distance to ``at`` is at most ``bound``, stored from ``first`` on.

    Depth first, the nearer child first; a bit of ``trail`` for each level says that this is the second one. ``gap`` is
    the squared distance to the node's box. The heap is the thread's own memory, which a GPU keeps in its caches.
    """
    near, square = ti.Vector([0] * MAX_K), ti.Vector([0.0] * MAX_K)
    node, trail, found, gap, worst = 1, 0, 0, 0.0, bound
    while node > 0:
        if gap <= worst and node < leaves:
            left, right = box_distance(boxes, 2 * node, at), box_distance(boxes, 2 * node + 1, at)
            node, gap = 2 * node + ti.cast(right < left, ti.i32), ti.min(left, right)
            trail <<= 1
        else:
            if gap <= worst:
                start = (node - leaves) * LEAF
                for entry in range(start, ti.min(start + LEAF, n)):
                    s = (point(points, entry) - at).norm_sqr()
                    if s <= worst:
                        found = offer(near, square, found, k, order[entry], s)
                        if found == k:
                            worst = square[0]
            while node > 1 and (trail & 1) == 1:
                node, trail = node >> 1, trail >> 1
            trail |= 1
            node = ti.select(node > 1, node ^ 1, 0)
            gap = box_distance(boxes, node, at)
    sort_heap(near, square, 0, k)
    for slot in range(k):
        index[first + slot], distance[first + slot] = near[slot], ti.sqrt(square[slot])


@prepared
@ti.kernel
def _within(
    queries: ti.types.ndarray(ndim=2),
    visits: ti.types.ndarray(ndim=1),
    count: ti.i32,
    radius: float,
    points: ti.types.ndarray(ndim=1),
    order: ti.types.ndarray(ndim=1),
    boxes: ti.types.ndarray(ndim=1),
    n: ti.i32,
    leaves: ti.i32,
    store: ti.i32,
    counts: ti.types.ndarray(ndim=1),
    start: ti.types.ndarray(ndim=1),
    index: ti.types.ndarray(ndim=1),
    distance: ti.types.ndarray(ndim=1),
):
    """Count the neighbours of each query, or store them from ``start`` on."""
    for visit in range(count):
        q = visits[visit]
        at = load_vec3(queries, q)
        node, found, place = 1, 0, start[q]
        while node > 0:
            if box_distance(boxes, node, at) > radius * radius:
                node = _after(node)
            elif node < leaves:
                node = 2 * node
            else:
                first = (node - leaves) * LEAF
                for entry in range(first, ti.min(first + LEAF, n)):
                    length = (point(points, entry) - at).norm()
                    if length <= radius:
                        if store != 0:
                            index[place + found], distance[place + found] = order[entry], length
                        found += 1
                node = _after(node)
        counts[q] = found


@prepared
@ti.kernel
def _sort_segments(
    count: ti.i32,
    start: ti.types.ndarray(ndim=1),
    index: ti.types.ndarray(ndim=1),
    distance: ti.types.ndarray(ndim=1),
):
    for q in range(count):
        first, size = start[q], start[q + 1] - start[q]
        make_heap(index, distance, first, size)
        sort_heap(index, distance, first, size)
