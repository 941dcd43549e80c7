"""Curves of losses in a corner of a picture."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np

FIRST, OTHERS = (200, 60, 20), matplotlib.colormaps["tab10"]
"""Colour of the first curve, and colours of those after it."""
PAPER = 245
MARGIN = 8
"""Between the curves' box and the picture's edge. Unit: pixel."""


def curve_color(number: int) -> tuple[int, int, int]:
    """Red, green, blue, 0 to 255."""
    if number == 0:
        return FIRST
    red, green, blue, _ = OTHERS((number - 1) % 10, bytes=True)
    return int(red), int(green), int(blue)


def draw_curves(image: np.ndarray, curves: Mapping[str, Sequence[float]]) -> None:
    """Draw curves of equally many values, the last at the right, into the lower right of ``image``, uint8 [H, W, 3].

    The smallest value of all is at the bottom, the largest at the top, on a logarithmic scale; what is not positive is
    left out, unless nothing is.
    """
    y = np.array(list(curves.values()), np.float64)
    height, width = image.shape[0] // 5, image.shape[1] // 3
    if not y.size or not np.isfinite(y).any() or min(height, width) <= 2 * MARGIN:
        return
    if (y > 0).any():
        y = np.log(np.where(y > 0, y, np.nan))
    box = image[-height - MARGIN : -MARGIN, -width - MARGIN : -MARGIN]
    box[:] = (0.2 * box + 0.8 * PAPER).astype(np.uint8)
    low, high = np.nanmin(y), np.nanmax(y)
    for number in reversed(range(len(y))):  # the first lies over the others
        share = (y[number] - low) / (high - low) if high > low else np.where(np.isfinite(y[number]), 0.5, np.nan)
        _draw(box, share, curve_color(number))


def _draw(box: np.ndarray, share: np.ndarray, color: tuple[int, int, int]) -> None:
    """One curve of heights 0 to 1; NaN is a gap."""
    height, width = box.shape[:2]
    across = np.interp(np.linspace(0, len(share) - 1, width), np.arange(len(share)), share)
    rows = (1 - across) * (height - 1)
    for column, (one, other) in enumerate(zip(rows, np.append(rows[1:], rows[-1]), strict=True)):
        if np.isfinite(one) and np.isfinite(other):
            box[round(min(one, other)) : round(max(one, other)) + 1, column] = color
