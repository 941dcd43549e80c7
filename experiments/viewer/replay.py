"""A finished run, frame by frame."""

import re
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bridge.diffmpm import DiffMPM
from bridge.mpm_state import MPMState
from bridge.stress import kirchhoff_stress
from bridge.upsampler import Splats
from configs.errors import InputError
from configs.simulate import SimulateConfig
from experiments.viewer.camera import OrbitCamera
from experiments.viewer.parameter import Parameter
from experiments.viewer.source import Skin, Slope
from experiments.viewer.stage import Stage
from experiments.views import View

FINAL = "particles_final.npz"


def frame_files(folder: Path) -> list[Path]:
    """The recorded frames of a run in their order, or its last state alone."""
    frames = sorted(folder.glob("frames/*.npz"))
    return [path for path in frames if re.fullmatch(r"\d+", path.stem)] or [
        path for path in [folder / FINAL] if path.is_file()
    ]


class ReplaySource:
    """The frames of a run's folder. A file that cannot be read is reported, and what was shown before it stays.

    Raises:
        InputError: no frame can be shown.
    """

    home: OrbitCamera | None = None

    def __init__(self, folder: Path, stage: Stage):
        self.stage, self.title = stage, folder.name
        self.files = frame_files(folder)
        self.parameters: list[Parameter] = []
        self.last: int | None = len(self.files) - 1
        self.seekable = self.last > 0
        self.skin, self.slope = Skin(stage), Slope(stage)
        self._balance: DiffMPM | None = None
        if not self.files:
            raise InputError(f"view: {folder} has no frames; expected frames/NNNN.npz or {FINAL}")
        self._seek_the_first_whole()

    def _seek_the_first_whole(self) -> None:
        for number in range(len(self.files)):
            try:
                self.seek(number)
            except InputError as error:
                problem = error
            else:
                return
        raise problem

    def seek(self, number: int) -> None:
        """Show a frame of the folder, 0 to ``last``."""
        self.number = min(max(number, 0), len(self.files) - 1)
        name, config = self.files[self.number].stem, self.stage.config
        frame = int(name) if name.isdigit() else self.number
        self.time = frame * config.frame_dt if isinstance(config, SimulateConfig) else float(frame)
        self.state = self._read(self.files[self.number])

    def _read(self, path: Path) -> MPMState:
        n = len(self.stage.x)
        shapes = {"x": (n, 3), "v": (n, 3), "F": (n, 3, 3)}
        try:
            with np.load(path, allow_pickle=False) as arrays:
                names = [*shapes, *(name for name in ("F_total", "internal") if name in arrays)]
                values = {name: torch.from_numpy(arrays[name]).to(self.stage.x) for name in names}
        except KeyError as error:
            raise InputError(f"view: {path.name} is no frame: {error.args[0]}; in {path.parent}") from None
        except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile):
            raise InputError(f"view: {path.name} is not a readable frame; in {path.parent}") from None
        for name, shape in shapes.items():
            if tuple(values[name].shape) != shape:
                raise InputError(f"view: {path.name}: {name} has shape {tuple(values[name].shape)}; expected {shape}")
            if not bool(torch.isfinite(values[name]).all()):
                raise InputError(f"view: {path.name}: {name} is not finite; in {path.parent}")
        x, v, F = (values[name] for name in shapes)
        return MPMState(x, v, torch.zeros_like(F), F, values.get("F_total", F), values.get("internal"))

    @property
    def x(self) -> Tensor:
        """[N, 3]."""
        return self.state.x

    @property
    def radii(self) -> Tensor:
        """[N]."""
        return self.stage.radii

    def base_colors(self) -> Tensor:
        """[N, 3]."""
        return self.stage.particle_colors

    def stress(self) -> Tensor:
        """[N, 3, 3], without what the rate of deformation adds, which frames do not hold."""
        self._balance = self._balance or DiffMPM(self.stage.mpm)
        return kirchhoff_stress(self._balance, self.state, self.stage.material_id)

    def gradient(self) -> Tensor | None:
        """[N, 3], where there is a loss."""
        return self.slope.at(self.state)

    def splats(self, view: View) -> Splats:
        """On the surface of the bodies."""
        return self.skin.splats(self.state)

    def push(self, center: np.ndarray, radius: float, velocity: np.ndarray) -> bool:
        """The past cannot be pushed."""
        return False
