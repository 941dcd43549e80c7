"""``diffmpm evaluate``: the same measures of several runs beside each other, each with its floor."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from bridge import runtime
from configs.errors import InputError
from configs.load import load_config
from configs.morph import MorphConfig
from experiments.figures import save_figure
from experiments.metrics import TargetComparison
from experiments.morph_scene import Mesh, placed_meshes
from experiments.outputs import write_json
from experiments.views import Frame, frame_around
from kernels.lock import launch_lock
from mpm.particles import fill_mesh
from upsample.detection import detect_surface

MEASURES = {
    "silhouette_iou": "silhouette IoU",
    "silhouette_error": "silhouette error",
    "chamfer": "Chamfer (spacings)",
    "hausdorff": "Hausdorff (spacings)",
    "volume_change": "volume change",
    "pieces": "pieces",
    "jitter": "jitter (spacings)",
}


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """What a run's folder says."""

    name: str
    mesh: Mesh
    spacing: float
    start: np.ndarray
    """Particles before the run [N, 3]."""
    end: np.ndarray
    """Particles after it [N, 3]."""
    frames: list[np.ndarray]
    """Recorded positions [N, 3] each; may be empty."""


def evaluate(folders: Sequence[Path], output: Path, console: Console) -> None:
    """Print a table of the runs in ``folders``; write evaluation.json and evaluation.png to ``output``.

    Raises:
        InputError: a folder holds no run of ``task: morph``.
    """
    runtime.current()
    runs = [read_run(folder) for folder in folders]
    frames = common_frames(runs)
    rows = {run.name: measure_run(run, frames[run.mesh[0].tobytes()]) for run in runs}
    output.mkdir(parents=True, exist_ok=True)
    write_json(output / "evaluation.json", rows)
    draw_bars(output / "evaluation.png", rows)
    console.print(_table(rows))


def read_run(folder: Path) -> FinishedRun:
    """The start, the end and the recorded frames of a run."""
    if not (folder / "config.yaml").is_file() or not (folder / "particles_final.npz").is_file():
        raise InputError(f"{folder}: not the folder of a run; expected config.yaml and particles_final.npz in it")
    config = load_config(folder / "config.yaml")
    if not isinstance(config, MorphConfig):
        raise InputError(f"{folder}: a run of task {config.task}; expected morph")
    source, target = placed_meshes(config.stages[-1])
    spacing = config.mpm.grid.spacing / config.source.points_per_cell ** (1 / 3)
    start = fill_mesh(*source, spacing)
    frames = [_positions(path) for path in sorted((folder / "frames").glob("[0-9]*.npz"))]
    return FinishedRun(str(folder), target, spacing, start, _positions(folder / "particles_final.npz"), frames)


def measure_run(run: FinishedRun, frame: Frame) -> dict[str, dict[str, float | None]]:
    """``end`` and ``floor``, each name of ``MEASURES`` to its number; jitter is None without recorded frames."""
    target = TargetComparison(*run.mesh, run.spacing, frame)
    with launch_lock:
        surfaces = [detect_surface(x, run.spacing).index for x in (run.start, run.end)]
    start, end = (target.measure(x, surface) for x, surface in zip((run.start, run.end), surfaces, strict=True))
    moved = jitter(run.frames, run.spacing) if len(run.frames) > 2 else None
    measured = {"end": (end, moved), "floor": (target.floor(), smooth_jitter(run) if moved is not None else None)}
    return {
        name: {**dataclasses.asdict(shape), "volume_change": shape.volume / start.volume - 1, "jitter": jittered}
        for name, (shape, jittered) in measured.items()
    }


def jitter(frames: Sequence[np.ndarray], spacing: float) -> float:
    """Mean length of the second difference of positions [N, 3] from frame to frame. Unit: particle spacing."""
    lengths = [
        np.linalg.norm(after - 2 * now + before, axis=1).mean()
        for before, now, after in zip(frames, frames[1:], frames[2:], strict=False)
    ]
    return float(np.mean(lengths)) / spacing


def smooth_jitter(run: FinishedRun) -> float:
    """The jitter of the same way made straight, speeding up and slowing down as a cosine, in as many frames."""
    first, way = run.frames[0], run.frames[-1] - run.frames[0]
    shares = (1 - np.cos(np.linspace(0, np.pi, len(run.frames)))) / 2
    length = np.linalg.norm(way, axis=1).mean() if len(first) else 0.0
    return float(np.abs(np.diff(shares, 2)).mean() * length) / run.spacing


def draw_bars(path: Path, rows: dict[str, dict]) -> None:
    """One panel a measure, one bar a run; black lines are the floors."""
    figure = Figure(figsize=(2.3 * len(MEASURES), 3.2 + 0.1 * max(map(len, rows))), layout="constrained")
    for axis, (key, title) in zip(figure.subplots(1, len(MEASURES)), MEASURES.items(), strict=True):
        values = {part: [row[part][key] for row in rows.values()] for part in ("end", "floor")}
        numbers = {part: np.array([np.nan if v is None else v for v in column]) for part, column in values.items()}
        places = np.arange(len(rows))
        axis.bar(places, numbers["end"], color=[f"C{n}" for n in places % 10])
        axis.hlines(numbers["floor"], places - 0.45, places + 0.45, color="black", linewidth=1.5)
        axis.set_xticks(places, list(rows), rotation=90, fontsize=7)
        axis.set_title(title, fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)


def common_frames(runs: Sequence[FinishedRun]) -> dict[bytes, Frame]:
    """One frame for all runs with the same target: figures are comparable within a frame only."""
    clouds: dict[bytes, list[np.ndarray]] = {}
    margin: dict[bytes, float] = {}
    for run in runs:
        key = run.mesh[0].tobytes()
        clouds.setdefault(key, [run.mesh[0]]).extend((run.start, run.end))
        margin[key] = max(margin.get(key, 0.0), run.spacing)
    return {key: frame_around(*group, margin=margin[key]) for key, group in clouds.items()}


def _positions(path: Path) -> np.ndarray:
    with np.load(path) as stored:
        return stored["x"].astype(np.float64)


def _table(rows: dict[str, dict]) -> Table:
    table = Table(caption="in brackets: the floor, particles filled directly into the target; jitter's: a smooth way")
    table.add_column("measure")
    for name in rows:
        table.add_column(name, justify="right", overflow="fold")
    for key, title in MEASURES.items():
        table.add_row(title, *(f"{_text(row['end'][key])} ({_text(row['floor'][key])})" for row in rows.values()))
    return table


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
