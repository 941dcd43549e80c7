"""A heap of (distance, index) pairs, the largest on top, in two arrays or two local vectors; ties go by index."""

import taichi as ti


@ti.func
def offer(index: ti.template(), distance: ti.template(), found, k, i, d):
    """Offer (d, i) to the k least, a heap once there are k; returns how many there are then."""
    if found < k:
        index[found], distance[found] = i, d
        if found == k - 1:
            make_heap(index, distance, 0, k)
    elif d < distance[0] or (d == distance[0] and i < index[0]):
        sift(index, distance, 0, 0, k, i, d)
    return ti.min(found + 1, k)


@ti.func
def make_heap(index: ti.template(), distance: ti.template(), first, size):
    """Order the ``size`` entries from ``first`` on."""
    for turn in range(size // 2):
        hole = size // 2 - 1 - turn
        sift(index, distance, first, hole, size, index[first + hole], distance[first + hole])


@ti.func
def sort_heap(index: ti.template(), distance: ti.template(), first, size):
    """Take the largest off the heap, again and again: least first."""
    for turn in range(1, size):
        last = first + size - turn
        i, d = index[last], distance[last]
        index[last], distance[last] = index[first], distance[first]
        sift(index, distance, first, 0, size - turn, i, d)


@ti.func
def sift(index: ti.template(), distance: ti.template(), first, start, size, i, d):
    """Let (d, i) sink from ``start`` in the heap of ``size`` entries from ``first`` on; the entry there is lost."""
    hole, child = start, 2 * start + 1
    while child < size:
        c, far = index[first + child], distance[first + child]
        if child + 1 < size:
            c2, far2 = index[first + child + 1], distance[first + child + 1]
            if far2 > far or (far2 == far and c2 > c):
                child += 1
                c, far = c2, far2
        if far > d or (far == d and c > i):
            index[first + hole], distance[first + hole] = c, far
            hole = child
            child = 2 * hole + 1
        else:
            child = size
    index[first + hole], distance[first + hole] = i, d
