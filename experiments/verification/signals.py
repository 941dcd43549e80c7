"""Numbers read off a time series."""

import numpy as np


def zero_crossings(t: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Times at which y changes its sign, by linear interpolation between samples; a zero at the first is left out."""
    before = np.flatnonzero((y[:-1] * y[1:] < 0) | ((y[1:] == 0) & (y[:-1] != 0)))
    return t[before] + (t[before + 1] - t[before]) * y[before] / (y[before] - y[before + 1])


def peak(x: np.ndarray, y: np.ndarray) -> float:
    """Position of the largest y, by the parabola through it and its neighbours (samples need not be equidistant)."""
    top = int(np.clip(np.argmax(y), 1, len(y) - 2))
    a, b, _ = np.polyfit(x[top - 1 : top + 2] - x[top], y[top - 1 : top + 2], 2)
    return float(x[top] - b / (2 * a))


def slope(x: np.ndarray, y: np.ndarray) -> float:
    """Exponent p of the best fit y ∝ x^p."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])
