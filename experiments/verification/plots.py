"""A case's panels as one picture."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from experiments.verification.case import Panel

EXACT = "#222222"


def draw(path: Path, panels: list[Panel]) -> None:
    """Panels side by side, written as PNG."""
    figure = Figure(figsize=(5.2 * len(panels), 3.8), layout="constrained")
    for axis, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _draw(axis, panel)
    FigureCanvasAgg(figure)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": ""})


def _draw(axis, panel: Panel) -> None:
    for curve in panel.curves:
        if panel.equal:
            axis.plot(curve.x, curve.y, ".", markersize=1.5, label=curve.label)
        elif curve.exact:
            axis.plot(curve.x, curve.y, "--", color=EXACT, linewidth=1.2, label=curve.label)
        else:
            axis.plot(curve.x, curve.y, "o-" if curve.points else "-", linewidth=1.5, label=curve.label)
    if panel.log:
        axis.set_xscale("log")
        axis.set_yscale("log")
        for scale in (axis.xaxis, axis.yaxis):
            scale.set_major_locator(LogLocator(subs=(1, 2, 5)))
            scale.set_major_formatter("{x:.0e}" if scale is axis.yaxis else "{x:g}")
            scale.set_minor_formatter(NullFormatter())
    if panel.equal:
        axis.set_aspect("equal")
    axis.set_title(panel.title, fontsize=11)
    axis.set_xlabel(panel.x)
    axis.set_ylabel(panel.y)
    axis.grid(color="#eeeeee")
    axis.spines[["top", "right"]].set_visible(False)
    if any(curve.label for curve in panel.curves):
        axis.legend(frameon=False, fontsize=8, markerscale=4 if panel.equal else 1)
