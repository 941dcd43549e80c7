"""Task ``simulate``: run a scene forward, frame by frame."""

import time
from pathlib import Path

import torch

from bridge import runtime
from bridge.diffmpm import DiffMPM
from bridge.mpm_state import MPMState
from bridge.simulation_error import SimulationError
from configs.errors import InputError
from configs.simulate import SimulateConfig
from experiments.broken_run import BrokenRun
from experiments.outputs import RunFolder
from experiments.progress import RunProgress
from experiments.simulate_film import SimulateFilm
from experiments.simulate_metrics import measure
from experiments.simulate_scene import SimulateScene, build_scene

NOTES = 10
"""Lines of a run in a log."""


def run(config: SimulateConfig, output: Path) -> None:
    """Run the simulation and fill the folder ``output``.

    Raises:
        InputError: the configuration does not make a simulation; nothing has been computed.
        BrokenRun: the state broke; the last good state has been written.
    """
    torch.manual_seed(config.seed)
    active = runtime.init(config.runtime.backend, getattr(torch, config.runtime.dtype), config.runtime.deterministic)
    scene = build_scene(config)
    folder = RunFolder(output)
    folder.write_config(config)
    folder.write_versions(active)
    simulation = Simulation(config, scene, folder)
    with SimulateFilm(config, scene, folder) as film, RunProgress(config.frames, "frame 0") as progress:
        try:
            simulation.run(film, progress)
        finally:  # also after an interruption or a broken state: what is there is written
            simulation.write(film)


class Simulation:
    """One run; its state is always that of the last whole frame, and no earlier one is kept."""

    def __init__(self, config: SimulateConfig, scene: SimulateScene, folder: RunFolder):
        self.config, self.scene, self.folder = config, scene, folder
        self.sim = DiffMPM(scene.mpm)
        self.eye = torch.eye(3).to(scene.x).repeat(len(scene.x), 1, 1)
        self.flows = torch.tensor([config.flows(body) for body in config.bodies])[scene.body]
        self.state = MPMState(scene.x, scene.v, torch.zeros_like(self.eye), self.eye, self.eye)
        self.frames: list[dict] = []
        self.failure: str | None = None
        self.started = time.perf_counter()

    def run(self, film: SimulateFilm, progress: RunProgress) -> None:
        """All frames, the start being number 0."""
        self._record(film)
        for frame in range(1, self.config.frames + 1):
            try:
                self.state = self._advance()
            except (SimulationError, InputError) as error:
                if frame == 1 and isinstance(error, InputError):
                    raise
                self.failure = f"frame {frame}: {error}"
                raise BrokenRun(f"{self.failure}. The frame before is written.") from error
            self._record(film)
            progress.advance(f"frame {frame}/{self.config.frames}", _short(self.frames[-1]))
            if frame % max(1, self.config.frames // NOTES) == 0:
                progress.note()

    def _advance(self) -> MPMState:
        """The state one frame later."""
        scene, inputs = self.scene, self.state.inputs()
        # nothing looks at the deformation of what flows, which grows without bound
        inputs["F_total"] = torch.where(self.flows[:, None, None], self.eye, self.state.F_total)
        with torch.no_grad():
            return self.sim(
                **inputs,
                steps=self.config.steps,
                mass=scene.mass,
                volume=scene.volume,
                material_id=scene.material_id,
                time=(len(self.frames) - 1) * self.config.frame_dt,
            )

    def _record(self, film: SimulateFilm) -> None:
        number, every = len(self.frames), self.config.output.every
        self.frames.append({"time": number * self.config.frame_dt, **measure(self.state, self.scene.mass)})
        if every and number % every == 0:
            arrays = {"x": self.state.x, "v": self.state.v, "F": self.state.F, "body": self.scene.body}
            self.folder.write_frame(number, {name: value.cpu().numpy() for name, value in arrays.items()})
        film.add_frame(self.state, self.frames[-1]["time"])

    def write(self, film: SimulateFilm) -> None:
        """All files of the last whole frame."""
        self.folder.write_particles(self.state)
        self.folder.write_metrics(
            {
                "finished": self.failure is None and len(self.frames) == self.config.frames + 1,
                "failure": self.failure,
                "dt": self.scene.mpm.dt,
                "steps_per_frame": None if self.config.mpm.dt == "auto" else self.config.steps,
                "seconds": time.perf_counter() - self.started,
                "frames": self.frames,
            }
        )
        film.write_last(self.folder, self.state)


def _short(frame: dict) -> str:
    low, high = frame["det_F"]
    return f"t {frame['time']:.3g}  kinetic energy {frame['kinetic_energy']:.4g}  det F {low:.3g} to {high:.3g}"
