"""The folder of a run: what it is made of, and how each file is written."""

import dataclasses
import json
import math
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bridge.mpm_state import MPMState
from bridge.runtime import Runtime
from bridge.upsampler import Splats
from configs.errors import InputError
from configs.experiment import ExperimentConfig
from configs.load import dump_config
from configs.upsample import FigureConfig
from experiments.atomic import replacing
from experiments.figures import draw_losses, draw_panels
from experiments.images import Video
from experiments.point_figures import draw_axis_histogram, draw_clouds
from experiments.versions import versions
from render.point_file import save_gaussians, save_points
from render.splat_file import save_splats

_ROOT = Path(__file__).parent.parent


class RunFolder:
    """Writes the files of a run; each is whole or not there, and may be written again.

    Raises:
        InputError: the folder cannot be made.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"output {self.path}: cannot be made: {error.strerror}; expected a folder") from error

    def write_config(self, config: ExperimentConfig) -> None:
        """config.yaml: every value that the run used, defaults and overrides included."""
        self._write_text("config.yaml", dump_config(config))

    def write_versions(self, runtime: Runtime) -> None:
        """versions.json: libraries, backend, device, and the commit if the code is a checkout."""
        where = {
            "backend": runtime.backend,
            "dtype": str(runtime.dtype).removeprefix("torch."),
            "deterministic": runtime.deterministic,
            "device": _device(runtime.backend),
            "git_commit": _git_commit(),
        }
        self._write_json("versions.json", {**versions(), **where})

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        """metrics.json: numbers, texts, lists, mappings, dataclasses; what is not finite becomes null."""
        self._write_json("metrics.json", metrics)

    def write_particles(self, state: MPMState) -> None:
        """particles_final.npz: x [N, 3], v [N, 3], C, F and F_total [N, 3, 3], and internal [N, Q] if there is one."""
        parts = {name: value for name, value in state.inputs().items() if value is not None}
        arrays: dict[str, Any] = {name: value.detach().cpu().numpy() for name, value in parts.items()}
        with replacing(self.path / "particles_final.npz") as temporary:
            np.savez_compressed(temporary, **arrays)

    def write_frame(self, number: int, arrays: Mapping[str, Any]) -> None:
        """frames/NNNN.npz; the first, number 0, clears those of an earlier run away."""
        frames = self.path / "frames"
        frames.mkdir(exist_ok=True)
        if number == 0:
            for old in [*frames.glob("[0-9]*.npz"), *frames.glob("[0-9]*.png")]:
                old.unlink()
        with replacing(frames / f"{number:04d}.npz") as temporary:
            np.savez_compressed(temporary, **arrays)

    def frame_image(self, number: int) -> Path:
        """frames/NNNN.png: the picture of a recorded frame."""
        return self.path / "frames" / f"{number:04d}.png"

    def later_frames(self, count: int) -> list[Path]:
        """Files of recorded frames from number ``count`` on."""
        return [path for path in (self.path / "frames").glob("[0-9]*.*") if int(path.stem) >= count]

    def write_splats(self, splats: Splats) -> None:
        """splats_final.ply: the Gaussians in the standard 3DGS layout."""
        values = (splats.means, splats.covars, splats.opacities, splats.colors, splats.normals)
        with replacing(self.path / "splats_final.ply") as temporary:
            save_splats(temporary, *(value.detach().cpu().numpy() for value in values))

    def write_surface(self, start: Splats, end: Splats, png: FigureConfig) -> None:
        """What ``upsample.png`` asks for.

        surface_final.ply: points with normals; gaussians_final.npz: the same Gaussians by their covariances;
        points.png, axis_histogram.png: the points at the start and at the end.
        """
        names = ("means", "covars", "colors", "opacities", "normals")
        values = {name: getattr(end, name).detach().cpu().numpy() for name in names}
        normals = values.pop("normals")
        with replacing(self.path / "surface_final.ply") as temporary:
            save_points(temporary, values["means"], normals)
        with replacing(self.path / "gaussians_final.npz") as temporary:
            save_gaussians(temporary, **values)
        clouds = {"start": start.means.detach().cpu().numpy(), "end": values["means"]}
        draw_clouds(self.path / "points.png", clouds, png)
        draw_axis_histogram(self.path / "axis_histogram.png", clouds, png)

    def write_before_after(self, panels: Mapping[str, Any]) -> None:
        """before_after.png: images [H, W, 3] side by side, each under its name."""
        draw_panels(self.path / "before_after.png", panels)

    def write_losses(self, curves: Mapping[str, Sequence[float]], episodes: Sequence[int] = ()) -> None:
        """loss.png: ``experiments.figures.draw_losses``."""
        draw_losses(self.path / "loss.png", curves, episodes)

    def video(self, fps: float) -> Video:
        """render.mp4, to be filled frame by frame and closed (a context manager)."""
        return Video(self.path / "render.mp4", fps)

    def _write_json(self, name: str, content: Mapping[str, Any]) -> None:
        write_json(self.path / name, content)

    def _write_text(self, name: str, text: str) -> None:
        write_text(self.path / name, text)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Numbers, texts, lists, mappings, dataclasses; what is not finite becomes null."""
    write_text(path, json.dumps(_plain(content), indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """A text file in UTF-8."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _plain(value: Any) -> Any:
    """What JSON can hold."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _device(backend: str) -> str:
    if backend == "cuda" and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return "chosen by the driver" if backend == "vulkan" else _processor()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _git_commit() -> str | None:
    """The commit of the code, marked where it was changed since; None outside a checkout."""
    if not (_ROOT / ".git").exists():
        return None
    command = ["git", "-C", str(_ROOT), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
