"""Nearest neighbours and neighbours within a radius: exact, on every backend, for any distribution of points.

The points are sorted along a Morton curve, 2^20 cells an axis, and cut into leaves of ``LEAF`` points; the leaves are
those of a complete binary tree of bounding boxes, node 1 the root, nodes 2i and 2i + 1 the children of i (as the
linear BVH of Lauterbach et al. 2009, with fixed topology). Unlike a grid, that asks for no cell size, so clusters,
planes and far-off points do no harm. Building is linear in the number of points and repeats bit for bit. No Taichi
autodiff passes through: which points are neighbours is piecewise constant.
"""

import taichi as ti

from configs.errors import InputError
from kernels.arrays import int_array, real_array
from kernels.linalg import load_vec3, store_vec3
from kernels.sort import exclusive_scan, radix_sort

LEAF = 8
"""Points in a leaf."""
CHUNK = 1024
"""Points of which one thread takes the bounding box."""
MAX_K = 64
"""Most neighbours that ``nearest`` gives."""
MORTON_BITS = 10
"""Bits an axis in each of the two halves of a Morton code: 30 bits fit a non-negative int32."""
FAR = 1e18
"""Corner of the boxes of empty leaves; its square is a float32 still."""
SLACK = 1.0 - 1e-6
"""Distances to boxes are taken this factor smaller, so that rounding never hides a neighbour."""


class NeighbourTree:
    """Search tree over the first ``n`` of ``points [N, 3]``, which must be finite. The points are copied.

    Raises:
        InputError: n is 0.
    """

    def __init__(self, points: ti.Ndarray, n: int):
        if n < 1:
            raise InputError("NeighbourTree: there are no points; expected at least 1")
        self.n = n
        self.leaves = 1
        while self.leaves * LEAF < n:
            self.leaves *= 2
        self.order = _morton_order(points, n)
        """The points along the curve; leaf l holds order[l LEAF : (l + 1) LEAF]."""
        self.points = real_array(n, 3)
        """The points in that order."""
        self.low, self.high = real_array(2 * self.leaves, 3), real_array(2 * self.leaves, 3)
        """Corners of each node's box."""
        _leaf_boxes(points, self.order, n, self.leaves, self.points, self.low, self.high)
        nodes = self.leaves // 2
        while nodes:
            _inner_boxes(nodes, self.low, self.high)
            nodes //= 2

    def nearest(self, queries: ti.Ndarray, count: int, k: int) -> tuple[ti.Ndarray, ti.Ndarray]:
        """The ``k`` nearest points of each of the first ``count`` of ``queries [Q, 3]``; a point is its own neighbour.

        Returns:
            Indices int32 [count k] and distances [count k]: those of query q are at q k … (q + 1) k, nearest first,
            ties by index.

        Raises:
            InputError: k is not in 1 … 64, or larger than the number of points.
        """
        if not 1 <= k <= min(MAX_K, self.n):
            raise InputError(f"nearest: k is {k}; expected 1 to {MAX_K}, at most the number of points, {self.n}")
        index, distance = int_array(count * k), real_array(count * k)
        _nearest(queries, count, k, *self._arrays(), index, distance)
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
        nothing, none = int_array(1), real_array(1)
        _within(queries, count, radius, *self._arrays(), False, counts, start, nothing, none)
        exclusive_scan(counts, start, count)
        total = int(start[count])
        if total == 2**31 - 1:
            raise InputError(f"within: more than {total - 1} neighbours within {radius}; expected a smaller radius")
        index, distance = int_array(total), real_array(total)
        _within(queries, count, radius, *self._arrays(), True, counts, start, index, distance)
        if ordered:
            _sort_segments(count, start, index, distance)
        return start, index, distance

    def _arrays(self):
        return self.points, self.order, self.low, self.high, self.n, self.leaves


def _morton_order(points: ti.Ndarray, n: int) -> ti.Ndarray:
    """Indices of the points along the curve: sorted by the lower half of the code, then, stably, by the upper."""
    coarse, fine, order = int_array(n), int_array(n), int_array(n)
    chunks = (n + CHUNK - 1) // CHUNK
    _morton_codes(points, n, chunks, real_array(chunks + 1, 6), coarse, fine, order)
    _, order = radix_sort(fine, order, n, 3 * MORTON_BITS)
    keys = int_array(n)
    _gather(coarse, order, n, keys)
    return radix_sort(keys, order, n, 3 * MORTON_BITS)[1]


@ti.kernel
def _morton_codes(
    points: ti.types.ndarray(),
    n: ti.i32,
    chunks: ti.i32,
    boxes: ti.types.ndarray(),
    coarse: ti.types.ndarray(),
    fine: ti.types.ndarray(),
    order: ti.types.ndarray(),
):
    """Both halves of each point's Morton code in the bounding cube; ``boxes`` is space for the chunks' boxes."""
    for chunk in range(chunks):
        low = load_vec3(points, chunk * CHUNK)
        high = low
        for i in range(chunk * CHUNK, ti.min((chunk + 1) * CHUNK, n)):
            low, high = ti.min(low, load_vec3(points, i)), ti.max(high, load_vec3(points, i))
        for a in ti.static(range(3)):
            boxes[chunk, a], boxes[chunk, 3 + a] = low[a], high[a]
    for _ in range(1):
        low = load_vec3(boxes, 0)
        high = low
        for chunk in range(chunks):
            low = ti.min(low, load_vec3(boxes, chunk))
            high = ti.max(high, ti.Vector([boxes[chunk, 3], boxes[chunk, 4], boxes[chunk, 5]]))
        store_vec3(boxes, chunks, low)
        boxes[chunks, 3] = (high - low).max()
    for i in range(n):
        order[i] = i
        extent = boxes[chunks, 3]
        place = load_vec3(points, i) - load_vec3(boxes, chunks)
        if extent > 0.0:
            place = place / extent
        side = 1 << MORTON_BITS
        cells = place * (side * side)
        upper, lower = 0, 0
        for a in ti.static(range(3)):
            c = ti.min(ti.cast(cells[a], ti.i32), side * side - 1)
            upper |= _spread(c >> MORTON_BITS) << a
            lower |= _spread(c & (side - 1)) << a
        coarse[i], fine[i] = upper, lower


@ti.func
def _spread(bits):
    """The lowest ten bits, two zeros after each."""
    v = bits
    v = (v | (v << 16)) & 0x030000FF
    v = (v | (v << 8)) & 0x0300F00F
    v = (v | (v << 4)) & 0x030C30C3
    return (v | (v << 2)) & 0x09249249


@ti.kernel
def _gather(source: ti.types.ndarray(), order: ti.types.ndarray(), n: ti.i32, target: ti.types.ndarray()):
    for i in range(n):
        target[i] = source[order[i]]


@ti.kernel
def _leaf_boxes(
    points: ti.types.ndarray(),
    order: ti.types.ndarray(),
    n: ti.i32,
    leaves: ti.i32,
    ordered: ti.types.ndarray(),
    low: ti.types.ndarray(),
    high: ti.types.ndarray(),
):
    for leaf in range(leaves):
        a, b = ti.Vector([FAR, FAR, FAR]), ti.Vector([-FAR, -FAR, -FAR])
        for i in range(leaf * LEAF, ti.min((leaf + 1) * LEAF, n)):
            at = load_vec3(points, order[i])
            store_vec3(ordered, i, at)
            a, b = ti.min(a, at), ti.max(b, at)
        store_vec3(low, leaves + leaf, a)
        store_vec3(high, leaves + leaf, b)


@ti.kernel
def _inner_boxes(nodes: ti.i32, low: ti.types.ndarray(), high: ti.types.ndarray()):
    for node in range(nodes, 2 * nodes):
        store_vec3(low, node, ti.min(load_vec3(low, 2 * node), load_vec3(low, 2 * node + 1)))
        store_vec3(high, node, ti.max(load_vec3(high, 2 * node), load_vec3(high, 2 * node + 1)))


@ti.func
def _box_distance(low: ti.template(), high: ti.template(), node, at):
    """Squared distance to a node's box, never larger than that to a point in it."""
    d = ti.max(load_vec3(low, node) - at, at - load_vec3(high, node), at * 0.0)
    return d.dot(d) * SLACK


@ti.func
def _after(node):
    """The node to visit once the subtree of ``node`` is done, depth first from left to right; 0 at the end."""
    v = node
    while v > 1 and (v & 1) == 1:
        v >>= 1
    return ti.select(v > 1, v + 1, 0)


@ti.func
def _insert(index: ti.template(), distance: ti.template(), first, found, k, i, square):
    """Offer neighbour i to the k best from ``first`` on, a heap once it is full; returns how many there are then."""
    if found < k:
        index[first + found], distance[first + found] = i, square
        if found == k - 1:
            for turn in range(k // 2):
                _sift(index, distance, first, k // 2 - 1 - turn, k)
    elif square < distance[first] or (square == distance[first] and i < index[first]):
        index[first], distance[first] = i, square
        _sift(index, distance, first, 0, k)
    return ti.min(found + 1, k)


@ti.kernel
def _nearest(
    queries: ti.types.ndarray(),
    count: ti.i32,
    k: ti.i32,
    points: ti.types.ndarray(),
    order: ti.types.ndarray(),
    low: ti.types.ndarray(),
    high: ti.types.ndarray(),
    n: ti.i32,
    leaves: ti.i32,
    index: ti.types.ndarray(),
    distance: ti.types.ndarray(),
):
    """Depth first, the nearer child first; a bit of ``trail`` for each level says that this is the second one."""
    for q in range(count):
        at = load_vec3(queries, q)
        node, trail, found, worst = 1, 0, 0, FAR * FAR
        while node > 0:
            near = _box_distance(low, high, node, at) <= worst
            if near and node < leaves:
                left, right = _box_distance(low, high, 2 * node, at), _box_distance(low, high, 2 * node + 1, at)
                node = 2 * node + ti.cast(right < left, ti.i32)
                trail <<= 1
            else:
                if near:
                    first = (node - leaves) * LEAF
                    for entry in range(first, ti.min(first + LEAF, n)):
                        d = load_vec3(points, entry) - at
                        square = d.dot(d)
                        if square <= worst:
                            found = _insert(index, distance, q * k, found, k, order[entry], square)
                            if found == k:
                                worst = distance[q * k]
                while node > 1 and (trail & 1) == 1:
                    node, trail = node >> 1, trail >> 1
                trail |= 1
                node = ti.select(node > 1, node ^ 1, 0)
        _sort_heap(index, distance, q * k, k)
        for slot in range(q * k, (q + 1) * k):
            distance[slot] = ti.sqrt(distance[slot])


@ti.kernel
def _within(
    queries: ti.types.ndarray(),
    count: ti.i32,
    radius: float,
    points: ti.types.ndarray(),
    order: ti.types.ndarray(),
    low: ti.types.ndarray(),
    high: ti.types.ndarray(),
    n: ti.i32,
    leaves: ti.i32,
    store: ti.i32,
    counts: ti.types.ndarray(),
    start: ti.types.ndarray(),
    index: ti.types.ndarray(),
    distance: ti.types.ndarray(),
):
    """Count the neighbours of each query, or store them from ``start`` on."""
    for q in range(count):
        at = load_vec3(queries, q)
        node, found = 1, 0
        while node > 0:
            if _box_distance(low, high, node, at) > radius * radius:
                node = _after(node)
            elif node < leaves:
                node = 2 * node
            else:
                first = (node - leaves) * LEAF
                for entry in range(first, ti.min(first + LEAF, n)):
                    length = (load_vec3(points, entry) - at).norm()
                    if length <= radius:
                        if store != 0:
                            index[start[q] + found], distance[start[q] + found] = order[entry], length
                        found += 1
                node = _after(node)
        counts[q] = found


@ti.kernel
def _sort_segments(count: ti.i32, start: ti.types.ndarray(), index: ti.types.ndarray(), distance: ti.types.ndarray()):
    for q in range(count):
        first, size = start[q], start[q + 1] - start[q]
        for turn in range(size // 2):
            _sift(index, distance, first, size // 2 - 1 - turn, size)
        _sort_heap(index, distance, first, size)


@ti.func
def _sort_heap(index: ti.template(), distance: ti.template(), first, size):
    """Take the largest off the heap, again and again."""
    for turn in range(1, size):
        _swap(index, distance, first, first + size - turn)
        _sift(index, distance, first, 0, size - turn)


@ti.func
def _sift(index: ti.template(), distance: ti.template(), first, hole, size):
    """Let the entry at ``hole`` sink in the heap, largest on top, of ``size`` entries from ``first`` on."""
    i, d = index[first + hole], distance[first + hole]
    parent, child = hole, 2 * hole + 1
    while child < size:
        c, far = index[first + child], distance[first + child]
        if child + 1 < size:
            c2, far2 = index[first + child + 1], distance[first + child + 1]
            if far2 > far or (far2 == far and c2 > c):
                child += 1
                c, far = c2, far2
        if far > d or (far == d and c > i):
            index[first + parent], distance[first + parent] = c, far
            parent = child
            child = 2 * parent + 1
        else:
            child = size
    index[first + parent], distance[first + parent] = i, d


@ti.func
def _swap(index: ti.template(), distance: ti.template(), a, b):
    i, d = index[a], distance[a]
    index[a], distance[a] = index[b], distance[b]
    index[b], distance[b] = i, d
