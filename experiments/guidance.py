"""``python -m scripts.guidance MESH…``: what render guidance does for morphs, beside physics alone.

Every target is reached from the same source by both configurations, with several seeds (of the particles' jitter), and
measured with ``diffmpm evaluate``'s measures; a run that is there, finished and as configured, is not run again. The
result is a table of means and spreads with the share by which guidance lowers what lies above each measure's floor.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bridge import runtime
from configs.errors import InputError
from configs.load import dump_config, load_config
from experiments.evaluate import FinishedRun, common_frames, measure_run, read_run
from experiments.outputs import write_json

VARIANTS = ("morph_physics", "morph_rendered")
MEASURES = {"silhouette_error": "silhouette error", "silhouette_iou": "silhouette IoU", "chamfer": "Chamfer"}
"""Measures of the table that have a spread, and their titles."""
TABLE_WIDTH = 130


def run_missing(folder: Path, variant: str, seed: int, overrides: Sequence[str], console: Console) -> None:
    """Run a configuration unless ``folder`` holds its finished run.

    Raises:
        InputError: it is wrong, or the run failed; what it said is on the screen.
    """
    settings = [f"seed={seed}", *overrides]
    if _is_finished(folder, dump_config(load_config(variant, settings))):
        return
    console.print(f"diffmpm run {variant} {' '.join(settings)} --output {folder}", highlight=False, soft_wrap=True)
    command = [sys.executable, "-m", "experiments.cli", "run", variant, *settings, "--output", str(folder)]
    if code := subprocess.run(command).returncode:
        raise InputError(f"{folder}: the run ended with exit code {code}")


def _is_finished(folder: Path, config: str) -> bool:
    """Whether the folder holds a whole run of just this configuration."""
    metrics, stored = folder / "metrics.json", folder / "config.yaml"
    if not (metrics.is_file() and stored.is_file()):
        return False
    return json.loads(metrics.read_text())["finished"] and stored.read_text() == config


def measure(folders: Sequence[Path]) -> list[dict[str, dict]]:
    """End and floor of runs towards one target."""
    runs: list[FinishedRun] = [read_run(folder) for folder in folders]
    frames = common_frames(runs)
    return [measure_run(run, frames[run.mesh[0].tobytes()]) for run in runs]


def summary(rows: Sequence[dict[str, dict]]) -> dict[str, dict[str, float]]:
    """Mean, sample standard deviation and mean floor of each measure over the seeds; the most pieces."""
    result = {}
    for name in MEASURES:
        values = np.array([row["end"][name] for row in rows])
        spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
        floor = float(np.mean([row["floor"][name] for row in rows]))
        result[name] = {"mean": float(values.mean()), "spread": spread, "floor": floor}
    return result | {"pieces": {"most": max(row["end"]["pieces"] for row in rows)}}


def lowered(before: dict[str, float], after: dict[str, float], above_floor: bool) -> float:
    """Share by which the mean fell, of itself or of what lies above the floor."""
    floor = before["floor"] if above_floor else 0.0
    return (before["mean"] - after["mean"]) / (before["mean"] - floor)


def main(arguments: list[str] | None = None) -> int:
    """Run what is missing, measure, print, write guidance.json."""
    parser = argparse.ArgumentParser(prog="python -m scripts.guidance", description=__doc__)
    parser.add_argument("targets", nargs="+", metavar="MESH", help="target meshes: files or packaged names")
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0, 1, … of every configuration (default: 3)")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="replaces values in all runs")
    parser.add_argument("--jitter", type=float, default=0.5, help="of the source's particles (default: 0.5 spacings)")
    parser.add_argument("--output", type=Path, default=Path("outputs/guidance"), metavar="DIR")
    args = parser.parse_args(arguments)
    try:
        _run(args, Console(width=TABLE_WIDTH))
    except InputError as error:
        print(f"guidance: {error}", file=sys.stderr)
        return 2
    return 0


def _run(args: argparse.Namespace, console: Console) -> None:
    if args.seeds < 1:
        raise InputError(f"--seeds is {args.seeds}; expected at least 1")
    report = {}
    for target in args.targets:
        folders = {
            (variant, seed): args.output / Path(target).stem / f"{variant}_{seed}"
            for variant in VARIANTS
            for seed in range(args.seeds)
        }
        for (variant, seed), folder in folders.items():
            overrides = [f"target.mesh={target}", f"source.jitter={args.jitter}", *args.set]
            run_missing(folder, variant, seed, overrides, console)
        runtime.current()
        rows = dict(zip(folders, measure(list(folders.values())), strict=True))
        means = {v: summary([row for (variant, _), row in rows.items() if variant == v]) for v in VARIANTS}
        report[Path(target).stem] = {
            "runs": {f"{variant}_{seed}": row for (variant, seed), row in rows.items()},
            "summary": means,
        }
        write_json(args.output / "guidance.json", report)
    console.print(_table({target: entry["summary"] for target, entry in report.items()}, args.seeds))


def _table(means: dict[str, dict], seeds: int) -> Table:
    table = Table(title=f"mean ± standard deviation of {seeds} seeds (floor)")
    table.add_column("target")
    for title in (*MEASURES.values(), "most pieces"):
        for variant in VARIANTS:
            table.add_column(f"{title}, {variant.removeprefix('morph_')}", justify="right")
    table.add_column("error above floor lowered by", justify="right")
    table.add_column("Chamfer lowered by", justify="right")
    for target, of in means.items():
        physics, guided = (of[variant] for variant in VARIANTS)
        cells = [_cell(entry[name]) for name in MEASURES for entry in (physics, guided)]
        cells += [str(entry["pieces"]["most"]) for entry in (physics, guided)]
        error = lowered(physics["silhouette_error"], guided["silhouette_error"], above_floor=True)
        chamfer = lowered(physics["chamfer"], guided["chamfer"], above_floor=False)
        table.add_row(target, *cells, f"{error:.1%}", f"{chamfer:.1%}")
    return table


def _cell(entry: dict[str, float]) -> str:
    return f"{entry['mean']:.4f} ± {entry['spread']:.4f} ({entry['floor']:.4f})"
