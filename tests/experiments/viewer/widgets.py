"""Finds checkboxes, buttons and sliders in a screenshot with widgets, by their blue."""

from dataclasses import dataclass

import numpy as np

BOX, SLIDER = 24, 120
"""A checkbox is narrower, a slider is wider, a button is between. Unit: pixel."""
BLUE = 35
"""How much more blue than red they are, of 255."""


@dataclass(frozen=True)
class Widget:
    """One of them, in pixels (column, row) of the window."""

    kind: str
    left: float
    right: float
    row: float
    handle: float
    """Column of a slider's handle."""

    @property
    def middle(self) -> tuple[float, float]:
        """Of a box or a button."""
        return (self.left + self.right) / 2, self.row

    @property
    def grip(self) -> tuple[float, float]:
        """Where a slider is taken hold of."""
        return self.handle, self.row

    @property
    def low(self) -> tuple[float, float]:
        """The left end of a slider."""
        return self.left + 2, self.row

    @property
    def high(self) -> tuple[float, float]:
        """The right end of a slider."""
        return self.right - 2, self.row


def find_widgets(image: np.ndarray, left: int, right: int, kind: str) -> list[Widget]:
    """The ``box``, ``button`` or ``slider`` of a panel between two columns of a screenshot [H, W, 3], from above."""
    panel = image[:, left:right].astype(int)
    blue = panel[..., 2] - panel[..., 0] > BLUE
    edges = np.flatnonzero(np.diff(np.concatenate([[False], blue.any(axis=1), [False]]).astype(int)))
    found = [_widget(panel, blue, top, bottom, left) for top, bottom in edges.reshape(-1, 2)]
    return [widget for widget in found if widget.kind == kind]


def _widget(panel: np.ndarray, blue: np.ndarray, top: int, bottom: int, left: int) -> Widget:
    columns = np.flatnonzero(blue[top:bottom].any(axis=0))
    first, last = int(columns[0]), int(columns[-1])
    width = last - first + 1
    kind = "box" if width < BOX else "slider" if width > SLIDER else "button"
    if first == 0 or first > SLIDER:  # the title, or the corner that changes the panel's size
        kind = "frame"
    bright = panel[top:bottom, first : last + 1, 2].sum(axis=0)
    handle = first + float(np.flatnonzero(bright > 0.9 * bright.max()).mean())
    return Widget(kind, left + first, left + last, (top + bottom - 1) / 2, left + handle)
