"""Task ``morph``: find controls that turn one shape into another, episode after episode."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from bridge import runtime
from bridge.controls import EVERY, ControlOptimizer, Evaluation, Update
from bridge.diffmpm import DiffMPM
from bridge.mpm_state import MPMState
from bridge.simulation_error import SimulationError
from bridge.upsampler import SurfaceUpsampler
from configs.morph import MorphConfig
from experiments.broken_run import BrokenRun
from experiments.checkpoint import Checkpoint, settings_of
from experiments.episode_files import write_episode
from experiments.event_file import EventFile
from experiments.metrics import TargetComparison
from experiments.morph_episode import at_rest, episode_optimizer, next_start
from experiments.morph_film import MorphFilm
from experiments.morph_objective import MorphObjective
from experiments.morph_scene import MorphScene, build_scene
from experiments.outputs import RunFolder
from experiments.progress import RunProgress
from experiments.views import frame_around


def run(config: MorphConfig, output: Path, resume: bool = False, watch: bool = False) -> None:
    """Run the morph and fill the folder ``output``; with ``resume`` go on from the checkpoint there.

    ``watch`` opens a window on it.

    Raises:
        InputError: the configuration does not make a simulation, or there is no checkpoint of it; nothing has been
            computed.
        BrokenRun: the state broke; the last good state has been written.
    """
    torch.manual_seed(config.seed)
    active = runtime.init(config.runtime.backend, getattr(torch, config.runtime.dtype), config.runtime.deterministic)
    scenes = [build_scene(stage) for stage in config.stages]
    checkpoint = Checkpoint.load(output, config) if resume else None
    folder = RunFolder(output)
    morph = Morph(config, scenes, folder)
    progress = RunProgress(config.episodes * config.optimize.updates, morph.title(0))
    film = MorphFilm(config, scenes[-1], morph.objective.surface_of, folder)
    with contextlib.ExitStack() as stack:
        if watch:  # first: where no window can be opened, nothing is written
            stack.enter_context(_watch(morph, output))
        folder.write_config(config)
        folder.write_versions(active)
        stack.enter_context(film)
        events = stack.enter_context(EventFile(folder.path))
        stack.enter_context(progress)
        try:
            morph.run(film, progress, events, checkpoint)
        finally:  # also after an interruption or a broken state: what is there is written
            morph.write(film)


@contextlib.contextmanager
def _watch(morph: "Morph", output: Path) -> Iterator[None]:
    """A window that shows the morph while it runs."""
    from experiments.viewer.watch import MorphWatch

    watch = morph.watch = MorphWatch(morph.config, morph.scenes[-1], morph.sim, morph.state, output)
    try:
        yield
    finally:
        watch.close()


class Morph:
    """The chained episodes of one run; its state is always the last good one."""

    def __init__(self, config: MorphConfig, scenes: list[MorphScene], folder: RunFolder):
        self.config, self.scenes, self.folder = config, scenes, folder
        scene = scenes[0]
        self.sim = DiffMPM(config.mpm)
        self.upsampler = SurfaceUpsampler(config.upsample, scene.spacing, config.render.particle_color)
        self.objective = MorphObjective(config, scene, self.sim, self.upsampler)
        self.state = at_rest(scene.particles.x)
        self.frames = 0
        """Recorded frames so far."""
        self.iterations: list[dict] = []
        self.failure: str | None = None
        self.watch: Callable[[ControlOptimizer, dict[str, float]], None] | None = None
        """Called after each iteration with the optimiser and its losses, the objective before its weighted terms."""
        self.lr: float | None = None
        self.started = time.perf_counter()

    def title(self, episode: int) -> str:
        """Where the run is, for the progress bar."""
        return f"episode {episode + 1}/{self.config.episodes}"

    def run(
        self, film: MorphFilm, progress: RunProgress, events: EventFile, checkpoint: Checkpoint | None = None
    ) -> None:
        """All episodes, or those that the checkpoint has left."""
        self.events = events
        film.start(self.state)
        if checkpoint is None:
            self._record_frames([self.state], film)
        else:
            self._restore(checkpoint, film)
        for episode in range(checkpoint.episode if checkpoint else 0, self.config.episodes):
            try:
                self._episode(episode, film, progress, checkpoint)
            except SimulationError as error:
                iteration = len(self.iterations)
                self.failure = f"episode {episode + 1}, iteration {iteration + 1}: {error}"
                raise BrokenRun(f"{self.failure}. The state before this episode is written.") from error
            checkpoint = None

    def _restore(self, checkpoint: Checkpoint, film: MorphFilm) -> None:
        self.state = MPMState(**{name: value.to(self.state.x) for name, value in checkpoint.start.items()})  # type: ignore[arg-type]
        self.iterations, self.frames = checkpoint.iterations, checkpoint.frames
        self.started -= checkpoint.seconds
        film.replay(self.frames)
        film.end_episode(self.state)
        for number, entry in enumerate(self.iterations):
            self.events.add(number, _scalars(entry))

    def _episode(
        self, episode: int, film: MorphFilm, progress: RunProgress, checkpoint: Checkpoint | None = None
    ) -> None:
        o = self.config.optimize
        optimizer = self._optimizer(episode, checkpoint)
        done = [entry for entry in self.iterations if entry["episode"] == episode]
        progress.skip_to(episode * o.updates + len(done))
        over = bool(done) and not done[-1]["accepted"] and not o.sweeps
        for number in range(len(done), 0 if over else o.updates):
            began = time.perf_counter()
            before = optimizer.current
            update = optimizer.update(self._active(number))
            self._record(episode, optimizer, update, before, time.perf_counter() - began)
            progress.advance(self.title(episode), _losses(self.iterations[-1]))
            if self.watch:
                last = self.iterations[-1]
                self.watch(optimizer, {"objective": last["objective"], **last["terms"]})
            if self.config.output.checkpoints and len(self.iterations) % self.config.output.checkpoints == 0:
                self._checkpoint(episode, optimizer).save(self.folder.path)
            if not update.accepted and not o.sweeps:
                break
        self.lr = optimizer.lr
        progress.skip_to((episode + 1) * o.updates)
        progress.note()
        frames = self._play(optimizer)
        self._record_frames(frames, film)
        if self.config.output.episodes and (episode + 1) % self.config.output.episodes == 0:
            self._write_episode(episode, frames[-1], film)
        self.state = next_start(self.config, episode, frames[-1])
        film.end_episode(self.state)

    def _active(self, number: int) -> slice:
        """The control intervals that the episode's update of that number changes."""
        o = self.config.optimize
        if not o.sweeps:
            return EVERY
        interval = number // o.iterations % (o.steps // o.control_stride)
        return slice(interval, interval + 1)

    def _optimizer(self, episode: int, checkpoint: Checkpoint | None) -> ControlOptimizer:
        """For one episode, fresh or as it was at the checkpoint."""
        o = self.config.optimize
        self.objective.scene = self.scenes[episode // o.episodes]
        self.objective.begin_episode(self.state, episode % o.episodes)
        controls = checkpoint.optimizer["controls"] if checkpoint else None
        optimizer = episode_optimizer(self.config, self.objective, self.lr, controls)
        if checkpoint:
            optimizer.restore(checkpoint.optimizer)
            self.objective.rollouts = checkpoint.rollouts
        return optimizer

    def _checkpoint(self, episode: int, optimizer: ControlOptimizer) -> Checkpoint:
        return Checkpoint(
            settings=settings_of(self.config),
            episode=episode,
            start={name: value for name, value in self.state.inputs().items() if value is not None},
            optimizer=optimizer.state(),
            iterations=self.iterations,
            frames=self.frames,
            rollouts=self.objective.rollouts,
            seconds=time.perf_counter() - self.started,
        )

    def _play(self, optimizer: ControlOptimizer) -> list[MPMState]:
        """The episode's recorded frames, from the controls that it ended with."""
        with torch.no_grad():
            every = min(self.config.output.every, self.config.optimize.steps)
            return self.objective.simulate(optimizer.controls.detach(), record_every=every).frames or []

    def _record_frames(self, frames: list[MPMState], film: MorphFilm) -> None:
        """Positions, velocities, deformations and the picture of each."""
        for frame in frames:
            arrays = {"x": frame.x, "v": frame.v, "F": frame.F}
            self.folder.write_frame(self.frames, {name: value.cpu().numpy() for name, value in arrays.items()})
            film.add_frame(self.frames, frame)
            self.frames += 1

    def _write_episode(self, episode: int, end: MPMState, film: MorphFilm) -> None:
        before = film.splats(replace(self.state, F_total=torch.eye(3).to(end.x).expand_as(end.F)))
        mass = self.iterations[-1]["terms"].get("mass")
        write_episode(self.folder.path, episode, film, before, film.splats(end), end, mass)

    def _record(
        self, episode: int, optimizer: ControlOptimizer, update: Update, before: Evaluation, seconds: float
    ) -> None:
        """An iteration's line of metrics.json; ``shares`` of its terms in what the objective fell by sum to 1."""
        after, fell = optimizer.current.terms, sum(before.terms.values()) - sum(optimizer.current.terms.values())
        shares = {name: (before.terms[name] - value) / fell for name, value in after.items()} if fell else {}
        self.iterations.append(
            {
                "episode": episode,
                "objective": float(optimizer.current.total.detach()),
                "terms": after,
                "shares": shares,
                "seconds": seconds,
                **asdict(update),
            }
        )
        self.events.add(len(self.iterations) - 1, _scalars(self.iterations[-1]))

    def write(self, film: MorphFilm) -> None:
        """All files of the last good state."""
        folder = self.folder
        folder.write_particles(self.state)
        folder.write_metrics(
            {
                "finished": self.failure is None and self._completed(),
                "failure": self.failure,
                **self._shape_metrics(),
                "rollouts": self.objective.rollouts,
                "seconds": time.perf_counter() - self.started,
                "iterations": self.iterations,
            }
        )
        names = sorted({name for entry in self.iterations for name in entry["terms"]})
        curves = {"objective": [entry["objective"] for entry in self.iterations]}
        if len(names) > 1:
            curves |= {name: [entry["terms"].get(name, np.nan) for entry in self.iterations] for name in names}
        starts = [
            i for i, e in enumerate(self.iterations) if i == 0 or e["episode"] != self.iterations[i - 1]["episode"]
        ]
        folder.write_losses(curves, starts)
        film.write_last(folder, self.state)

    def _completed(self) -> bool:
        return bool(self.iterations) and self.iterations[-1]["episode"] == self.config.episodes - 1

    def _shape_metrics(self) -> dict:
        """The end, the start and the floor, measured in one frame."""
        scene = self.scenes[-1]
        x = {"start": scene.particles.x, "end": self.state.x}
        clouds = {name: value.detach().cpu().double().numpy() for name, value in x.items()}
        frame = frame_around(scene.target_mesh[0], *clouds.values(), margin=scene.spacing)
        comparison = TargetComparison(*scene.target_mesh, scene.spacing, frame)
        surfaces = {"end": self.objective.surface_of(self.state.x), "start": self.upsampler.detect(x["start"])}
        measured = {
            name: asdict(comparison.measure(cloud, surfaces[name].index.cpu().numpy()))
            for name, cloud in clouds.items()
        }
        return {**measured, "floor": asdict(comparison.floor())}


def _losses(entry: dict) -> str:
    """An iteration's line of metrics.json in short."""
    terms = "  ".join(f"{name} {value:.4g}" for name, value in entry["terms"].items())
    return f"objective {entry['objective']:.5g}  {terms}"


def _scalars(entry: dict) -> dict[str, float]:
    """An iteration's numbers for TensorBoard."""
    terms = {f"terms/{name}": value for name, value in entry["terms"].items()}
    shares = {f"shares/{name}": value for name, value in entry["shares"].items()}
    return {"objective": entry["objective"], "lr": entry["lr"], "seconds": entry["seconds"], **terms, **shares}
