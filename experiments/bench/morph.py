"""Physics-only morphing beside the method's reference implementation: ``python -m scripts.bench morph FILE.npz``.

The file holds what that implementation started from and reached: ``source_x [N, 3]``, ``source_vol [N]``,
``target_mass [nx, ny, nz]`` (node (0, 0, 0) at −(n − 1) / 2 each, spacing 1), and the mass loss at the end of each of
its episodes, ``loss_final``. Here the same particles morph towards the same nodal masses, with its material, time step
and kernel and with the drag, the smoothing of F, the objective and the optimiser of a preset. A forward and an adjoint
step count as one evaluation each.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

import bridge
from bridge.diffmpm import DiffMPM
from bridge.mass_matching import mass_matching_loss
from bridge.upsampler import SurfaceUpsampler
from configs.errors import InputError
from configs.load import load_config
from configs.loss import IMAGE_TERMS
from configs.morph import MorphConfig
from experiments.morph_episode import at_rest, episode_optimizer, next_start
from experiments.morph_objective import MorphObjective
from experiments.morph_scene import MassTarget, MorphScene
from experiments.outputs import write_json
from experiments.versions import versions
from mpm.particles import Particles

DT, DENSITY, YOUNGS_MODULUS, POISSONS_RATIO, J_MIN, BULK_VISCOSITY = 1 / 120, 75.0, 1.4e5, 0.2, 0.6, 0.25
"""The reference's, in its units."""
MASS = DENSITY * 0.5**3
"""Of a particle: two a cell along each axis."""
REFERENCE = {"loss": 45.7, "evaluations": 16_200, "seconds": 810.0, "kinetic_energy": 49_707.0}
"""Its lowest loss in 40 episodes; evaluations, wall-clock time on two idle cores and energy of all 40."""
TABLE_WIDTH = 110


@dataclass(frozen=True)
class Progress:
    """Where the morph is at the end of an episode."""

    episode: int
    """From 1."""
    loss: float
    """Mass loss."""
    evaluations: int
    """Forward and adjoint steps so far."""
    seconds: float
    cpu_seconds: float
    """Of all threads."""
    kinetic_energy: float
    """½ m Σ‖v‖²."""
    smallest_det: float
    largest_det: float
    """Of the solver's F."""


class ReferenceMorph:
    """The morph of the file's particles by a preset's settings."""

    def __init__(self, config: MorphConfig, data: dict[str, np.ndarray]):
        self.config = in_reference_units(config, data["target_mass"].shape)
        self.target_mass = torch.tensor(data["target_mass"], dtype=torch.float32)
        self.scene = _scene(data, self.target_mass, self.config)
        self.state = at_rest(self.scene.particles.x)
        upsampler = SurfaceUpsampler(self.config.upsample, self.scene.spacing, self.config.render.particle_color)
        self.objective = MorphObjective(self.config, self.scene, DiffMPM(self.config.mpm), upsampler)
        self.adjoints = 0

    def run(self, budget: int, goal: float, max_energy: float) -> Iterator[Progress]:
        """Episode after episode, until loss and energy are no higher than wanted, or the evaluations are spent."""
        began, cpu, last_lr = time.perf_counter(), time.process_time(), None
        for episode in range(self.config.optimize.episodes):
            self.objective.begin_episode(self.state, episode)
            optimizer = episode_optimizer(self.config, self.objective, last_lr)
            for _ in range(self.config.optimize.iterations):
                self.adjoints += 1
                if not optimizer.update().accepted or self.evaluations >= budget:
                    break
            last_lr, end = optimizer.lr, optimizer.current.state
            self.state = next_start(self.config, episode, end)
            loss = self.loss
            seconds = time.perf_counter() - began, time.process_time() - cpu
            yield self._progress(episode, loss, *seconds)
            if self.evaluations >= budget or (loss <= goal and self.kinetic_energy <= max_energy):
                break

    @property
    def evaluations(self) -> int:
        """Forward and adjoint steps so far."""
        return (self.objective.rollouts + self.adjoints) * self.config.optimize.steps

    @property
    def loss(self) -> float:
        """The reference's mass loss of the state, whatever the objective's contrast is."""
        mass = self.scene.particles.mass
        return float(mass_matching_loss(self.state.x, mass, self.target_mass, self.config.mpm))

    @property
    def kinetic_energy(self) -> float:
        """½ m Σ‖v‖² of the state."""
        return 0.5 * MASS * float(self.state.v.double().square().sum())

    def _progress(self, episode: int, loss: float, seconds: float, cpu_seconds: float) -> Progress:
        det = torch.linalg.det(self.state.F)
        energy, dets = self.kinetic_energy, (float(det.min()), float(det.max()))
        return Progress(episode + 1, loss, self.evaluations, seconds, cpu_seconds, energy, *dets)


def free_particles_loss(morph: ReferenceMorph, iterations: int = 300, lr: float = 0.1) -> float:
    """Mass loss that the start's particles reach when each moves as it likes, but for their centre.

    Stresses move no centre of mass: controls, from rest, are not expected to do better. A local minimum, no proof.
    """
    mass, start = morph.scene.particles.mass, morph.scene.particles.x
    x = start.clone().requires_grad_()
    adam = torch.optim.Adam([x], lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, iterations)
    for _ in range(iterations):
        loss = mass_matching_loss(x, mass, morph.target_mass, morph.config.mpm)
        (gradient,) = torch.autograd.grad(loss, x)
        x.grad = gradient - gradient.mean(0)
        adam.step()
        schedule.step()
        with torch.no_grad():
            x -= x.mean(0) - start.mean(0)
    return float(mass_matching_loss(x.detach(), mass, morph.target_mass, morph.config.mpm))


def in_reference_units(config: MorphConfig, nodes: tuple[int, ...]) -> MorphConfig:
    """The preset with the reference's grid, kernel, material and time step; per step its drag is that of the preset."""
    settings = config.mpm.model_dump() | {
        "grid": {"origin": [-(n - 1) / 2 for n in nodes], "spacing": 1.0, "size": list(nodes)},
        "kernel": "cubic",
        "dt": DT,
        "drag": config.mpm.drag * config.mpm.step_dt / DT,
        "material": {
            "law": "fixed_corotated",
            "youngs_modulus": YOUNGS_MODULUS,
            "poissons_ratio": POISSONS_RATIO,
            "density": DENSITY,
        },
        "j_min": J_MIN,
        "bulk_viscosity": BULK_VISCOSITY,
    }
    return config.model_copy(update={"mpm": type(config.mpm).model_validate(settings)})


def _scene(data: dict[str, np.ndarray], target_mass: Tensor, config: MorphConfig) -> MorphScene:
    """Particles and nodal masses alone; the mass loss and the physics need no more."""
    x, volume = (torch.tensor(data[name], dtype=torch.float32) for name in ("source_x", "source_vol"))
    scale = config.loss.mass.full_cell / DENSITY
    none, no_image = np.zeros((0, 3)), torch.zeros(0, 1, 1)
    return MorphScene(
        particles=Particles(x, torch.full((len(x),), MASS), volume),
        spacing=0.5,
        target_mesh=(none, none),
        target_points=none,
        target_surface=(none, none),
        target_masses={"mass": MassTarget(config.mpm, target_mass * scale, scale)},
        views=[],
        target_alpha=no_image,
        target_depth=no_image,
        target_rgb=None,
    )


def _read(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    with np.load(path) as data:
        if missing := {"source_x", "source_vol", "target_mass"} - set(data.files):
            raise InputError(f"{path}: {', '.join(sorted(missing))} missing")
        return dict(data)


def main(arguments: list[str]) -> int:
    """Print the course and the comparison."""
    parser = argparse.ArgumentParser(prog="python -m scripts.bench morph", description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE.npz", help="what the reference started from")
    parser.add_argument("--preset", default="morph_physics", help="preset or YAML file (default: morph_physics)")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="replaces values of the preset")
    parser.add_argument("--evaluations", type=int, default=REFERENCE["evaluations"], help="budget (default: 16200)")
    parser.add_argument("--goal", type=float, default=0.0, help="mass loss at which to stop (default: 0)")
    parser.add_argument("--bound", action="store_true", help="also what free particles reach whose centre stays")
    parser.add_argument("--output", type=Path, help="folder for comparison.json and particles.npz")
    args = parser.parse_args(arguments)
    try:
        _run(args)
    except InputError as error:
        print(f"bench morph: {error}", file=sys.stderr)
        return 2
    return 0


def _run(args: argparse.Namespace) -> None:
    data = _read(args.file)
    config = load_config(args.preset, args.set)
    if (
        not isinstance(config, MorphConfig)
        or any(name in (*IMAGE_TERMS, "fine_mass") for name, _ in config.loss.terms())
        or not config.loss.mass.weight
    ):
        raise InputError(f"{args.preset}: expected a morph by mass and without images")
    bridge.init("cpu")
    morph, console, course = ReferenceMorph(config, data), Console(width=TABLE_WIDTH), []
    for progress in morph.run(args.evaluations, args.goal, REFERENCE["kinetic_energy"] / 2):
        course.append(progress)
        console.print(
            f"episode {progress.episode}: loss {progress.loss:.1f}, {progress.evaluations} evaluations, kinetic energy "
            f"{progress.kinetic_energy:.0f}, det F {progress.smallest_det:.2f} to {progress.largest_det:.2f}, "
            f"{progress.seconds:.0f} s, {progress.cpu_seconds:.0f} s of CPU"
        )
    console.print(_table(course[-1]))
    bound = free_particles_loss(morph) if args.bound else None
    if bound is not None:
        console.print(f"free particles whose centre stays reach {bound:.1f}")
    if args.output:
        args.output.mkdir(parents=True, exist_ok=True)
        report = {
            "versions": versions(),
            "reference": REFERENCE,
            "bound": bound,
            "course": [asdict(progress) for progress in course],
        }
        write_json(args.output / "comparison.json", report)
        arrays = {name: getattr(morph.state, name).numpy() for name in ("x", "v", "F")}
        np.savez(args.output / "particles.npz", **arrays)


def _table(last: Progress) -> Table:
    table = Table(title="physics-only morph")
    table.add_column("")
    for title in ("reference", "diffmpm", "ratio"):
        table.add_column(title, justify="right")
    for name, reference in REFERENCE.items():
        value = getattr(last, name)
        row = (f"{reference:,.1f}", f"{value:,.1f}", f"{value / reference:.2f}")
        table.add_row(name.replace("_", " "), *row)
    return table
