"""The reference system's classes and functions, as its users know them (docs/reference_api.md).

A point cloud is simulated in layers of time steps; ``CompGraph.run_optimization`` finds control deformation gradients
that bring its nodal mass to the target's. Unlike there, what comes out leads on to the controls and the material.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bridge.controls import ControlOptimizer, Evaluation
from bridge.diffmpm import DiffMPM
from bridge.mass_matching import interpolate_node_mass, mass_matching_loss, rasterize_particle_mass
from bridge.mpm_state import MPMState
from bridge.points import load_points
from configs.errors import InputError
from configs.mpm import MPMConfig

Vec3 = tuple[float, float, float]


@dataclass
class OptInput:
    """Settings under the reference's names; its defaults. Units are the user's own, consistent ones."""

    mpm_input_mesh_path: str = ""
    """Mesh of the start."""
    mpm_target_mesh_path: str = ""
    """Mesh of the end."""
    grid_dx: float = 1.0
    """Distance of the grid's nodes. Unit: length."""
    grid_min_point: Vec3 = (-16.0, -16.0, -16.0)
    """Node (0, 0, 0). Unit: length."""
    grid_max_point: Vec3 = (16.0, 16.0, 16.0)
    """The last node. Unit: length."""
    points_per_cell_cuberoot: int = 2
    """Particles along an edge of a cell."""
    lam: float = 38888.89
    """Lamé's first parameter. Unit: pressure."""
    mu: float = 58333.3
    """Shear modulus. Unit: pressure."""
    p_density: float = 75.0
    """Mass per volume."""
    dt: float = 1 / 120
    """Time step. Unit: time."""
    drag: float = 0.5
    """Damping. Unit: 1 / time."""
    f_ext: Vec3 = (0.0, 0.0, 0.0)
    """Acceleration of all matter. Unit: length / time²."""
    num_animations: int = 2
    """Episodes, each from the end of the one before."""
    num_timesteps: int = 10
    """Layers of an episode, the start included: one more than its time steps."""
    control_stride: int = 1
    """Time steps of a control interval; divides the time steps of an episode."""
    max_gd_iters: int = 1
    """Updates for each control interval; all intervals are updated together."""
    max_ls_iters: int = 10
    """Halvings of the step length before an update gives up."""
    initial_alpha: float = 0.01
    """Largest step length, in entries of the control deformation gradient."""
    gd_tol: float = 1e-4
    """An episode ends when the gradient is smaller than this share of its first one."""
    smoothing_factor: float = 0.955
    """γ: the share of the old F that a step keeps."""
    current_episodes: int = 0
    """Episodes that have been run; ``run_optimization`` counts on."""


@dataclass
class Grid:
    """A background grid of nx × ny × nz nodes, ``dx`` apart, from ``min_point`` on; holds nodal mass after ``p2g``."""

    nx: int
    ny: int
    nz: int
    dx: float
    min_point: Vec3
    mass: Tensor | None = field(default=None, repr=False)
    """Nodal mass [nx, ny, nz]."""

    def config(self, **settings) -> MPMConfig:
        """The solver's configuration on this grid: cubic splines, the reference's stabilisers."""
        grid = {"origin": tuple(map(float, self.min_point)), "spacing": self.dx, "size": (self.nx, self.ny, self.nz)}
        return MPMConfig.model_validate({"grid": grid, "kernel": "cubic", **settings})


class PointCloud:
    """Particles of one layer."""

    def __init__(self, x: Tensor, mass: Tensor, volume: Tensor, state: MPMState | None = None):
        self.x, self.mass, self.volume = x, mass, volume
        """Positions [N, 3], masses [N], rest volumes [N]."""
        self.state = state

    def get_positions_torch(self, requires_grad: bool = False) -> Tensor:
        """Positions [N, 3]; with ``requires_grad`` in the graph of the controls, and keeping their own ``.grad``."""
        return self._torch(self.x, requires_grad)

    def get_def_grads_total_torch(self, requires_grad: bool = False) -> Tensor:
        """The material's deformation gradients [N, 3, 3] since the episode's start, likewise."""
        F = torch.eye(3).to(self.x).expand(len(self.x), 3, 3) if self.state is None else self.state.F_total
        return self._torch(F, requires_grad)

    def get_positions(self) -> np.ndarray:
        """Positions [N, 3]."""
        return self.get_positions_torch().cpu().numpy()

    def get_def_grads_total(self) -> np.ndarray:
        """Deformation gradients [N, 3, 3]."""
        return self.get_def_grads_total_torch().cpu().numpy()

    @staticmethod
    def _torch(value: Tensor, requires_grad: bool) -> Tensor:
        if not requires_grad:
            return value.detach().clone()
        if value.requires_grad:
            value.retain_grad()
            return value
        return value.detach().clone().requires_grad_()


def load_point_cloud_from_obj(path: str | Path, opt: OptInput) -> PointCloud:
    """Particles on a lattice of pitch ``grid_dx / points_per_cell_cuberoot`` inside a mesh."""
    particles = load_points(path, opt.grid_dx / opt.points_per_cell_cuberoot, opt.p_density)
    return PointCloud(particles.x, particles.mass, particles.volume)


def p2g(points: PointCloud, grid: Grid) -> None:
    """``grid.mass`` becomes the nodal mass of the points."""
    grid.mass = rasterize_particle_mass(points.x.detach(), points.mass, grid.config())


def calculate_point_cloud_volumes(points: PointCloud, grid: Grid) -> None:
    """Rest volumes from the density of the nodal mass, V = m h³ / Σ w m_i; ``grid.mass`` becomes the nodal mass.

    As in the reference. Volumes of particles at the surface come out too large: there the cells are half empty.
    """
    p2g(points, grid)
    assert grid.mass is not None
    density = interpolate_node_mass(points.x.detach(), grid.mass, grid.config()) / grid.dx**3
    points.volume = torch.where(density > 0, points.mass / density.clamp_min(1e-30), torch.zeros_like(density))


def calculate_lame_parameters(E: float, nu: float) -> tuple[float, float]:
    """λ and μ of Young's modulus and Poisson's ratio. Unit: that of E."""
    if not -1 < nu < 0.5:
        raise InputError(f"calculate_lame_parameters: nu is {nu}; expected above -1 and below 0.5")
    return E * nu / ((1 + nu) * (1 - 2 * nu)), E / (2 * (1 + nu))


class CompGraph:
    """Layers of a simulation, and the optimisation of their controls.

    Args:
        points: the start.
        grid: where it is simulated.
        target_grid: the same nodes with the nodal mass of the target (``p2g`` or ``calculate_point_cloud_volumes``).
    """

    def __init__(self, points: PointCloud, grid: Grid, target_grid: Grid):
        if target_grid.mass is None:
            raise InputError("CompGraph: target_grid has no mass; expected p2g(target_points, target_grid) before")
        if tuple(target_grid.mass.shape) != (grid.nx, grid.ny, grid.nz):
            raise InputError(
                f"CompGraph: target_grid has {tuple(target_grid.mass.shape)} nodes; "
                f"expected {(grid.nx, grid.ny, grid.nz)}"
            )
        self.points, self.grid, self.target_mass = points, grid, target_grid.mass
        self.start = MPMState(points.x.detach(), None, None, None, None)  # type: ignore[arg-type]
        """The state from which the last episode started."""
        self.controls: Tensor | None = None
        """Control deformation gradients of the last episode [S, N, 3, 3], a leaf that asks for gradients."""
        self.lam, self.mu = (torch.nn.Parameter(torch.zeros(()).to(points.x)) for _ in range(2))
        """The material of the last optimisation, leaves likewise."""
        self.losses: list[float] = []
        """Mass loss after every update."""
        self._layers: list[MPMState] = []

    def run_optimization(self, opt: OptInput) -> None:
        """``num_animations`` episodes; the last one's layers are then ``get_point_cloud``'s."""
        steps = opt.num_timesteps - 1
        if steps < 1 or steps % opt.control_stride:
            raise InputError(
                f"OptInput: num_timesteps is {opt.num_timesteps}, control_stride {opt.control_stride}; expected at "
                "least 2 layers, and a stride that divides the time steps between them"
            )
        config = self.grid.config(
            dt=opt.dt,
            drag=opt.drag,
            gravity=opt.f_ext,
            f_smoothing=opt.smoothing_factor,
            j_min=0.6,
            bulk_viscosity=0.25,
        )
        with torch.no_grad():
            self.lam.fill_(opt.lam)
            self.mu.fill_(opt.mu)
        sim = DiffMPM(config, lam=self.lam.detach(), mu=self.mu.detach())
        for episode in range(opt.num_animations):
            if episode:
                self.start = self._layers[-1].detach()
            self._optimize_episode(sim, opt, steps)
            opt.current_episodes += 1
            self._layers = self._play(sim, self.controls, steps, record_every=1).frames or []
        self._layers = self._play(DiffMPM(config, lam=self.lam, mu=self.mu), self.controls, steps, 1).frames or []

    def _optimize_episode(self, sim: DiffMPM, opt: OptInput, steps: int) -> None:
        intervals = steps // opt.control_stride
        controls = torch.zeros(intervals, len(self.points.x), 3, 3).to(self.points.x)

        def evaluate(dF: Tensor) -> Evaluation:
            state = self._play(sim, dF, steps)
            loss = mass_matching_loss(state.x, self.points.mass, self.target_mass, sim.config)
            return Evaluation(loss, {"mass": float(loss.detach())}, state)

        optimizer = ControlOptimizer(evaluate, controls, opt.initial_alpha, max_halvings=opt.max_ls_iters)
        first = None
        for _ in range(opt.max_gd_iters * intervals):
            norm = float(optimizer.gradient.norm())
            first = norm if first is None else first
            if norm <= opt.gd_tol * first or not optimizer.update().accepted:
                break
            self.losses.append(float(optimizer.current.total.detach()))
        self.controls = optimizer.controls.detach().requires_grad_()

    def _play(self, sim: DiffMPM, controls: Tensor | None, steps: int, record_every: int | None = None) -> MPMState:
        s, p = self.start, self.points
        return sim(
            s.x, s.v, s.C, s.F, dF=controls, steps=steps, mass=p.mass, volume=p.volume, record_every=record_every
        )

    def get_num_layers(self) -> int:
        """Layers of the last episode, its start included."""
        return len(self._layers) + 1

    def get_point_cloud(self, layer: int) -> PointCloud:
        """The particles of a layer; 0 is the start of the last episode."""
        if not 0 <= layer < self.get_num_layers():
            raise InputError(f"get_point_cloud: layer is {layer}; expected 0 to {self.get_num_layers() - 1}")
        state = self._layers[layer - 1] if layer else None
        return PointCloud(self.start.x if state is None else state.x, self.points.mass, self.points.volume, state)
