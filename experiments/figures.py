"""Figures of a run, drawn without a display."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments.atomic import replacing
from experiments.images import to_bytes

_GREY = "#777777"


def draw_panels(path: Path, panels: Mapping[str, Any]) -> None:
    """Images [H, W, 3] side by side, each under its name."""
    images = {name: to_bytes(image) for name, image in panels.items()}
    height = 3.6
    widths = [height * image.shape[1] / image.shape[0] for image in images.values()]
    figure = Figure(figsize=(sum(widths) + 0.1 * (len(widths) + 1), height + 0.45), layout="constrained")
    axes = figure.subplots(1, len(images), squeeze=False, width_ratios=widths)[0]
    for axis, (name, image) in zip(axes, images.items(), strict=True):
        axis.imshow(image)
        axis.set_title(name, fontsize=11)
        axis.set_xticks([])
        axis.set_yticks([])
        for spine in axis.spines.values():
            spine.set_color("#cccccc")
    save_figure(figure, path)


def draw_losses(path: Path, curves: Mapping[str, Sequence[float]], episodes: Sequence[int] = ()) -> None:
    """Losses over the iterations of a run, on a logarithmic scale where all are positive.

    Args:
        curves: name to one value an iteration, NaN where there is none; the first is drawn heavier.
        episodes: iterations at which an episode begins, marked by thin lines.
    """
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axis = figure.subplots()
    for start in episodes:
        axis.axvline(start, color="#e4e4e4", linewidth=0.8, zorder=0)
    for number, (name, values) in enumerate(curves.items()):
        marker = "o" if len(values) < 2 else None
        axis.plot(np.asarray(values, float), label=name, linewidth=1.2 if number else 2.2, marker=marker)
    finite = np.concatenate([np.ravel(np.asarray(values, float)) for values in curves.values()] or [np.zeros(0)])
    finite = finite[np.isfinite(finite)]
    if finite.size and (finite > 0).all():
        axis.set_yscale("log")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_xlabel("iteration" + (" (grey lines: a new episode)" if len(episodes) else ""))
    axis.set_ylabel("weighted loss")
    axis.grid(axis="y", color="#eeeeee")
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(colors=_GREY, which="both")
    if curves:
        axis.legend(frameon=False)
    save_figure(figure, path)


def save_figure(figure: Figure, path: Path, dpi: int = 120) -> None:
    """Write a figure without a display."""
    FigureCanvasAgg(figure)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=dpi)
