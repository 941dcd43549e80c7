"""What a rollout refuses before it starts: particles outside the grid or at one place, time steps too large."""

import math
from numbers import Integral

import torch
from torch import Tensor

from configs.errors import InputError
from configs.material import MaterialConfig
from configs.mpm import MPMConfig
from mpm.bspline import NODES
from mpm.stability import viscous_limit, wave_limit
from mpm.state import V


def check_counts(**counts: int | None) -> None:
    """Raise for numbers of steps that are no integers."""
    for name, value in counts.items():
        if value is not None and not isinstance(value, Integral):
            raise InputError(f"DiffMPM: {name} is {value!r}; expected an integer")


def check_places(x: Tensor, config: MPMConfig) -> None:
    """Raise for particles that the grid does not hold, unless ``config.escaped`` says what becomes of them, and for
    particles at one place."""
    x = x.detach()
    if config.escaped == "error":
        low, high = grid_limits(config)
        outside = (
            (x < torch.tensor(low, dtype=torch.float64).to(x)) | (x >= torch.tensor(high, dtype=torch.float64).to(x))
        ).any(dim=1)
        if bool(outside.any()):
            first = int(outside.nonzero()[0])
            raise InputError(
                f"DiffMPM: x has {int(outside.sum())} particles outside mpm.grid, first particle {first} at "
                f"{_text(x[first].tolist())}; expected {_text(low)} to {_text(high)}"
            )
    _check_distinct(x)


def grid_limits(config: MPMConfig) -> tuple[list[float], list[float]]:
    """Corners of the box in which all nodes that a particle touches exist. Unit: length."""
    grid, nodes = config.grid, NODES[config.kernel]
    shift = 0.5 if nodes == 3 else 1.0
    low = [origin + shift * grid.spacing for origin in grid.origin]
    high = [o + (size - nodes + 1 + shift) * grid.spacing for o, size in zip(grid.origin, grid.size, strict=True)]
    return low, high


def _check_distinct(x: Tensor) -> None:
    """Particles at one place have one key; only neighbours in the order of the keys are compared."""
    key = x.double() @ torch.tensor([1.0, math.pi, math.e**2], dtype=torch.float64, device=x.device)
    order = torch.argsort(key)
    same = (x[order[1:]] == x[order[:-1]]).all(dim=1)
    if bool(same.any()):
        at = int(same.nonzero()[0])
        pair = sorted((int(order[at]), int(order[at + 1])))
        raise InputError(
            f"DiffMPM: x has particles at one place, first {pair[0]} and {pair[1]} at {_text(x[pair[0]].tolist())}; "
            "expected distinct positions"
        )


def check_time_step(config: MPMConfig, rows: dict[str, Tensor], pushed: float = 0.0) -> None:
    """Raise if ``config.dt`` is above the stable one, or moves colliders, ``pushed`` fast, over more than a cell."""
    if not config.check_dt:
        return
    h, dt = config.grid.spacing, config.step_dt
    if pushed * dt > h:
        raise InputError(
            f"DiffMPM: mpm.colliders move {pushed * dt / h:.3g} grid cells in a step of mpm.dt; expected at most 1 "
            f"(dt at most {h / pushed:.3g}, or dt: auto, or check_dt: false)"
        )
    limit = _limit(config, rows, 0.0)
    if float(config.dt) > limit:
        raise InputError(
            f"DiffMPM: mpm.dt is {config.dt:g}; the largest stable step for this grid and material is {limit:.3g} "
            "(expected at most that, or dt: auto, or check_dt: false)"
        )


def stable_step(config: MPMConfig, rows: dict[str, Tensor], state: Tensor, gained: float, pushed: float) -> float:
    """The stable time step of particles in ``state``. Unit: time.

    Args:
        gained: speed that accelerations may add.
        pushed: speed of the colliders, which particles may take on.
    """
    n = len(rows["mass"])
    speed = float(state.reshape(-1, n)[V : V + 3].norm(dim=0).max())
    return _limit(config, rows, max(speed, pushed) + gained)


def _limit(config: MPMConfig, rows: dict[str, Tensor], speed: float) -> float:
    """The smallest limit over particles: waves of solids and fluids, diffusion of shear and bulk viscosity."""
    rows = {name: value.detach() for name, value in rows.items()}
    zero = torch.zeros_like(rows["mass"])
    density = rows["mass"] / rows["volume"]
    modulus = rows.get("lam", zero) + 2 * rows.get("mu", zero) + rows.get("bulk_modulus", zero)
    h = config.grid.spacing
    squared = float((modulus / density).max())
    viscosity = rows.get("dynamic_viscosity", zero) + config.bulk_viscosity
    limit = viscous_limit(h, float((viscosity / density).max()), 1.0)
    for material in filter(_is_users_own, config.all_materials):
        rho = material.density if len(config.all_materials) > 1 else float(density.min())
        squared = max(squared, material.wave_modulus / rho)
        limit = min(limit, viscous_limit(h, material.viscosity + config.bulk_viscosity, rho))
    return min(limit, wave_limit(h, math.sqrt(max(squared, 0.0)), speed))


def _is_users_own(material: MaterialConfig) -> bool:
    """Whether the stiffness is in no parameter that has a name of ours: then the configuration says it."""
    return not {"lam", "bulk_modulus"} & set(material.parameters)


def _text(point: list[float]) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in point) + ")"
