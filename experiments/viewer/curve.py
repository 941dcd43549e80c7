"""A curve of losses in a corner of a picture."""

from collections.abc import Sequence

import numpy as np

INK, PAPER = np.array([200, 60, 20]), 245
MARGIN = 8
"""Between the curve's box and the picture's edge. Unit: pixel."""


def draw_curve(image: np.ndarray, values: Sequence[float]) -> None:
    """Draw ``values``, the last at the right, into the lower right of ``image``, uint8 [H, W, 3].

    The smallest is at the bottom, the largest at the top; on a logarithmic scale if all are positive.
    """
    y = np.asarray(values, np.float64)
    y = y[np.isfinite(y)]
    height, width = image.shape[0] // 5, image.shape[1] // 3
    if not len(y) or min(height, width) <= 2 * MARGIN:
        return
    y = np.log(y) if (y > 0).all() else y
    box = image[-height - MARGIN : -MARGIN, -width - MARGIN : -MARGIN]
    box[:] = (0.2 * box + 0.8 * PAPER).astype(np.uint8)
    across = np.interp(np.linspace(0, len(y) - 1, width), np.arange(len(y)), y)
    low, high = y.min(), y.max()
    share = (across - low) / (high - low) if high > low else np.full(width, 0.5)
    rows = np.round((1 - share) * (height - 1)).astype(int)
    for column, (one, other) in enumerate(zip(rows, np.append(rows[1:], rows[-1]), strict=True)):
        box[min(one, other) : max(one, other) + 1, column] = INK
