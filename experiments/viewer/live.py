"""A simulation that runs while it is looked at."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from bridge.diffmpm import DiffMPM
from bridge.mpm_state import MPMState
from bridge.stress import kirchhoff_stress
from bridge.upsampler import Splats
from experiments.viewer.camera import OrbitCamera
from experiments.viewer.parameter import control_of, gravity_of, material_values, parameters_of
from experiments.viewer.source import Skin, Slope
from experiments.viewer.stage import Stage
from experiments.views import View


class LiveSource:
    """Runs a stage forward, as ``diffmpm run`` does, until a slider or the mouse intervenes: from then on the time
    step is found anew for each frame (``mpm.dt: auto``), so that stiffer materials and pushes stay stable.
    """

    last: int | None = None
    seekable: bool = True
    home: OrbitCamera | None = None

    def __init__(self, stage: Stage, title: str):
        self.stage, self.title = stage, title
        self.parameters = parameters_of(stage.mpm)
        self.skin, self.slope = Skin(stage), Slope(stage)
        self.flows = torch.tensor(list(stage.flows))[stage.body]
        self.sim = DiffMPM(stage.mpm)
        self.steps = stage.steps
        self.eye = torch.eye(3).to(stage.x).repeat(len(stage.x), 1, 1)
        self._to_start()

    def _to_start(self) -> None:
        stage = self.stage
        self.number, self.time = 0, 0.0
        self.state = MPMState(stage.x, stage.v, torch.zeros_like(self.eye), self.eye, self.eye)

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

    def seek(self, number: int) -> None:
        """Frame 0 is the start; a later one is run to, an earlier one is run to from the start."""
        if number < self.number:
            self._to_start()
        while self.number < number:
            self._advance()

    def _advance(self) -> None:
        stage = self.stage
        inputs = self.state.inputs()
        # nothing looks at the deformation of what flows, which grows without bound
        inputs["F_total"] = torch.where(self.flows[:, None, None], self.eye, self.state.F_total)
        with torch.no_grad():
            self.state = self.sim(
                **inputs,
                dF=self._control(),
                steps=self.steps,
                mass=stage.mass,
                volume=stage.volume,
                material_id=stage.material_id,
                gravity=gravity_of(stage.mpm, self.parameters).to(stage.x),
                params=self._set_materials(),
                time=self.time,
            )
        self.number += 1
        self.time = self.number * stage.frame_dt

    def _control(self) -> Tensor | None:
        """That of the sliders for one frame [1, N, 3, 3]; None if they are at 0."""
        control = control_of(self.parameters).to(self.stage.x)
        return control.expand(1, len(self.eye), 3, 3).contiguous() if bool(control.any()) else None

    def _set_materials(self) -> dict[str, Tensor | float]:
        """Hand the sliders' values to the simulator; those that are not λ and μ are returned."""
        values = material_values(self.stage.mpm, self.parameters)
        if any(p.value != p.start for p in self.parameters):
            self._let_steps_vary()
        for name in ("lam", "mu"):
            if name in values:
                setattr(self.sim, name, values.pop(name))
        return dict(values)

    def _let_steps_vary(self) -> None:
        mpm = self.stage.mpm
        if self.sim.config.dt != "auto":
            self.sim = DiffMPM(mpm.model_copy(update={"dt": "auto", "frame_dt": self.stage.frame_dt}))
            self.steps = 1

    def stress(self) -> Tensor:
        """[N, 3, 3]."""
        return kirchhoff_stress(self.sim, self.state, self.stage.material_id, self._set_materials())

    def gradient(self) -> Tensor | None:
        """[N, 3], where there is a loss."""
        return self.slope.at(self.state)

    def splats(self, view: View) -> Splats:
        """On the surface of the bodies."""
        return self.skin.splats(self.state)

    def push(self, center: np.ndarray, radius: float, velocity: np.ndarray) -> bool:
        """Velocities near ``center`` [3] approach ``velocity`` [3], half of the way at a distance of ``radius``."""
        self._let_steps_vary()
        x, v = self.state.x, self.state.v
        distance = (x - torch.from_numpy(center).to(x)).norm(dim=1, keepdim=True)
        share = torch.exp2(-((distance / radius) ** 2))
        self.state = replace(self.state, v=v + share * (torch.from_numpy(velocity).to(v) - v))
        return True
