"""How many pieces a cloud of particles has fallen into, and how much space it fills."""

from itertools import product

import numpy as np

REACH = 2.0
"""Particles closer than this hang together, in initial particle spacings: a grid cell at 8 particles per cell."""
BALL = 0.75
"""Radius of a particle's ball, as in the silhouettes, in initial particle spacings."""
_PITCH = 0.3


def count_pieces(x: np.ndarray, spacing: float) -> int:
    """Connected components of the particles ``x [N, 3]``, joined where they are closer than ``REACH``."""
    a, b = _close_pairs(np.asarray(x, np.float64) / (REACH * spacing))
    label = np.arange(len(x))
    while True:  # every component takes on its smallest label: neighbours' minimum, then the label's own label
        new = label.copy()
        np.minimum.at(new, a, label[b])
        np.minimum.at(new, b, label[a])
        new = new[new]
        if (new == label).all():
            return len(np.unique(label))
        label = new


def ball_volume(x: np.ndarray, spacing: float) -> float:
    """Volume of the union of balls around the particles ``x [N, 3]``. Unit: initial particle spacing³.

    Counted on a lattice of three tenths of the spacing: in step with no lattice of particles, which would bias it.
    """
    points = np.asarray(x, np.float64) / (_PITCH * spacing)
    radius, first = BALL / _PITCH, np.round(points)
    steps = range(-int(radius) - 1, int(radius) + 2)
    filled = []
    for offset in product(steps, repeat=3):
        if sum(max(abs(o) - 0.5, 0) ** 2 for o in offset) > radius**2:
            continue  # farther than any particle that rounds to the middle
        lattice = first + offset
        inside = ((lattice - points) ** 2).sum(axis=1) <= radius**2
        filled.append(_keys(lattice[inside].astype(np.int64)))
    # sorted, not hashed as np.unique does it, which takes three times as long
    keys = np.sort(np.concatenate(filled))
    return (1 + np.count_nonzero(np.diff(keys))) * _PITCH**3


def _close_pairs(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of points closer than 1, found cell by cell."""
    cells = np.floor(x).astype(np.int64)
    order = np.argsort(_keys(cells), kind="stable")
    x, cells = x[order], cells[order]
    keys = _keys(cells)
    pairs = []
    for offset in [o for o in product((-1, 0, 1), repeat=3) if o >= (0, 0, 0)]:
        wanted = _keys(cells + offset)
        start, end = np.searchsorted(keys, wanted, "left"), np.searchsorted(keys, wanted, "right")
        count = end - start
        a = np.repeat(np.arange(len(x)), count)
        b = np.repeat(start - np.cumsum(count) + count, count) + np.arange(count.sum())
        close = ((x[a] - x[b]) ** 2).sum(axis=1) < 1
        pairs.append((order[a[close]], order[b[close]]))
    return tuple(np.concatenate(side) for side in zip(*pairs, strict=True))  # type: ignore[return-value]


def _keys(cells: np.ndarray) -> np.ndarray:
    """One integer for each lattice point [P, 3]; those within ± 2²⁰ are told apart."""
    i, j, k = (cells + (1 << 20)).T
    return (i << 42) | (j << 21) | k
