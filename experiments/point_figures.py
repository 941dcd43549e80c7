"""Figures of point clouds: side by side, and the distributions of their coordinates."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from configs.upsample import FigureConfig
from experiments.figures import save_figure

BINS = 48
_SHOWN = 30_000
"""Points of a cloud that are drawn: an even choice of them."""


def draw_clouds(path: Path, clouds: Mapping[str, np.ndarray], config: FigureConfig) -> None:
    """Clouds [M, 3] side by side in equal frames, each under its name, coloured by the distance from its middle."""
    everything = np.concatenate(list(clouds.values()))
    low, high = everything.min(axis=0), everything.max(axis=0)
    half = max(float((high - low).max()) / 2, 1e-9)
    figure = Figure(figsize=(3.4 * len(clouds), 3.6), layout="constrained")
    for number, (name, points) in enumerate(clouds.items()):
        axis = figure.add_subplot(1, len(clouds), number + 1, projection="3d")
        points = points[:: -(-len(points) // _SHOWN)]
        radius = np.linalg.norm(points - points.mean(axis=0), axis=1)
        axis.scatter(*points.T, c=radius, s=config.ptsize, cmap="viridis", linewidths=0)
        for set_limits, middle in zip((axis.set_xlim, axis.set_ylim, axis.set_zlim), (low + high) / 2, strict=True):
            set_limits(middle - half, middle + half)
        axis.set_box_aspect((1, 1, 1))
        axis.set_title(f"{name}: {len(clouds[name])} points", fontsize=9, y=1.04)  # left to itself it is cut off
        axis.tick_params(labelsize=6)
    save_figure(figure, path, config.dpi)


def draw_axis_histogram(path: Path, clouds: Mapping[str, np.ndarray], config: FigureConfig) -> None:
    """Histograms of x, y and z, one line a cloud [M, 3], as shares of its points."""
    figure = Figure(figsize=(9.0, 2.6), layout="constrained")
    axes = figure.subplots(1, 3)
    everything = np.concatenate(list(clouds.values()))
    for number, (axis, letter) in enumerate(zip(axes, "xyz", strict=True)):
        edges = np.histogram_bin_edges(everything[:, number], BINS)
        for name, points in clouds.items():
            shares = np.histogram(points[:, number], edges)[0] / len(points)
            axis.stairs(shares, edges, label=name)
        axis.set_xlabel(letter)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("share of the points")
    axes[0].legend(frameon=False, fontsize=8)
    save_figure(figure, path, config.dpi)
