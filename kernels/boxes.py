"""Bounding boxes of a complete binary tree over points in order: node 1 the root, 2i and 2i + 1 the children of i.

Six numbers a node in one array: lower corner, upper corner. Three numbers a point in another.
"""

import taichi as ti

from kernels.launch import prepared

FAR = 1e18
"""Corner of the boxes of empty leaves; its square is a float32 still."""
SLACK = 1.0 - 1e-6
"""Distances to boxes are taken this factor smaller, and bounds larger, so that rounding never hides a neighbour."""
LEVELS = 5
"""Levels of the tree that one launch fills."""


@ti.func
def point(points: ti.template(), i):
    return ti.Vector([points[3 * i], points[3 * i + 1], points[3 * i + 2]])


@ti.func
def _low(boxes: ti.template(), node):
    return ti.Vector([boxes[6 * node], boxes[6 * node + 1], boxes[6 * node + 2]])


@ti.func
def _high(boxes: ti.template(), node):
    return ti.Vector([boxes[6 * node + 3], boxes[6 * node + 4], boxes[6 * node + 5]])


@ti.func
def store_box(boxes: ti.template(), node, low, high):
    for a in ti.static(range(3)):
        boxes[6 * node + a], boxes[6 * node + 3 + a] = low[a], high[a]


@ti.func
def box_distance(boxes: ti.template(), node, at):
    """Squared distance to a node's box, never larger than that to a point in it."""
    d = ti.max(_low(boxes, node) - at, at - _high(boxes, node), at * 0.0)
    return d.dot(d) * SLACK


def fill_inner_boxes(boxes: ti.Ndarray, leaves: int) -> None:
    """The boxes of all nodes but the leaves, from theirs; ``leaves`` is a power of 2."""
    nodes = leaves // 2
    while nodes:
        _inner_boxes(nodes, boxes)
        nodes >>= LEVELS


@prepared
@ti.kernel
def _inner_boxes(nodes: ti.i32, boxes: ti.types.ndarray(ndim=1)):
    """A level of ``nodes`` nodes and those above it."""
    for level in ti.static(range(LEVELS)):
        for node in range(nodes >> level, 2 * (nodes >> level)):
            left, right = 2 * node, 2 * node + 1
            low, high = ti.min(_low(boxes, left), _low(boxes, right)), ti.max(_high(boxes, left), _high(boxes, right))
            store_box(boxes, node, low, high)
