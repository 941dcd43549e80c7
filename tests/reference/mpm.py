"""A plain torch twin of one MLS-MPM step: every particle against every node, autograd for the adjoint."""

import torch

from configs.mpm import FACES, MPMConfig


def step(state: dict, dF, mass, volume, lam, mu, gravity, config: MPMConfig) -> dict:
    """One step of docs/method.md; ``state`` maps x, v, C, F, F_total to tensors."""
    x, v, C, F = (state[key] for key in ("x", "v", "C", "F"))
    eye = torch.eye(3, dtype=x.dtype)
    a = F if dF is None else F + dF
    nodes = node_positions(config, x.dtype)
    w, d = weights(x, nodes, config), nodes[None] - x[:, None]
    k = (4 if config.kernel == "quadratic" else 3) / config.grid.spacing**2

    stress = kirchhoff_stress(a, lam, mu, config.material.law)
    stress = stress + config.bulk_viscosity * trace(C)[:, None, None] * eye
    affine = -k * config.dt * volume[:, None, None] * stress + mass[:, None, None] * C
    momentum = mass[:, None] * v * (1 - config.dt * config.drag)
    node_mass = (w * mass[:, None]).sum(0)
    node_momentum = (w[..., None] * (momentum[:, None] + torch.einsum("pij,pnj->pni", affine, d))).sum(0)

    has_mass = node_mass > 0
    node_v = torch.zeros_like(node_momentum)
    node_v[has_mass] = node_momentum[has_mass] / node_mass[has_mass, None] + config.dt * gravity
    node_v = apply_walls(node_v, config)

    new_v = torch.einsum("pn,ni->pi", w, node_v)
    c_raw = k * torch.einsum("pn,ni,pnj->pij", w, node_v, d)
    c = trust_scale(a, c_raw, config)[:, None, None] * c_raw
    increment = eye + config.dt * c
    gamma = config.f_smoothing
    return {
        "x": x + config.dt * new_v,
        "v": new_v,
        "C": c,
        "F": (1 - gamma) * increment @ a + gamma * F,
        "F_total": increment @ state["F_total"],
    }


def node_positions(config: MPMConfig, dtype) -> torch.Tensor:
    """[nodes, 3], z fastest."""
    axes = [
        o + config.grid.spacing * torch.arange(n, dtype=dtype)
        for o, n in zip(config.grid.origin, config.grid.size, strict=True)
    ]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3)


def weights(x, nodes, config: MPMConfig) -> torch.Tensor:
    """[N, nodes]: the tensor-product B-spline by its textbook formula."""
    u = ((nodes[None] - x[:, None]) / config.grid.spacing).abs()
    if config.kernel == "quadratic":
        n = torch.where(u < 0.5, 0.75 - u**2, torch.where(u < 1.5, 0.5 * (1.5 - u) ** 2, 0 * u))
    else:
        n = torch.where(u < 1, u**3 / 2 - u**2 + 2 / 3, torch.where(u < 2, (2 - u) ** 3 / 6, 0 * u))
    return n.prod(-1)


def kirchhoff_stress(f, lam, mu, law: str) -> torch.Tensor:
    """[N, 3, 3]."""
    eye = torch.eye(3, dtype=f.dtype)
    lam, mu = lam.expand(len(f))[:, None, None], mu.expand(len(f))[:, None, None]
    j = torch.linalg.det(f)[:, None, None]
    if law == "neo_hookean":
        return mu * (f @ f.mT - eye) + lam * torch.log(j) * eye
    if law == "hencky":
        values, vectors = torch.linalg.eigh(f @ f.mT)
        strain = vectors @ torch.diag_embed(torch.log(values) / 2) @ vectors.mT
        return 2 * mu * strain + lam * trace(strain)[:, None, None] * eye
    return 2 * mu * (f - rotation(f)) @ f.mT + lam * (j - 1) * j * eye


def rotation(f) -> torch.Tensor:
    """Polar factor by Newton's iteration, which autograd goes through exactly (no singular value differences)."""
    r = f
    for _ in range(14):
        r = 0.5 * (r + torch.linalg.inv(r).mT)
    return r


def trust_scale(a, c_raw, config: MPMConfig) -> torch.Tensor:
    """[N]."""
    tr = trace(c_raw)
    if config.j_min is None:
        return torch.ones_like(tr)
    j0 = torch.linalg.det(a).clamp_min(1e-6)
    s = (config.j_min / j0 - 1) / (config.dt * tr).clamp_max(-1e-6)
    return torch.where(tr < 0, s.clamp(0, 1), torch.ones_like(tr))


def apply_walls(node_v, config: MPMConfig) -> torch.Tensor:
    """Each face stops what its word says within its layers of nodes; a later face may stop more."""
    size, thickness = config.grid.size, config.boundary.thickness
    index = torch.stack(torch.meshgrid(*(torch.arange(n) for n in size), indexing="ij"), dim=-1).reshape(-1, 3)
    for f, face in enumerate(FACES):
        axis, upper = divmod(f, 2)
        kind = getattr(config.boundary, face)
        near = index[:, axis] >= size[axis] - thickness if upper else index[:, axis] < thickness
        if kind == "none":
            continue
        stopped = torch.zeros_like(node_v, dtype=torch.bool)
        if kind == "sticky":
            stopped[near] = True
        else:
            entering = node_v[:, axis] > 0 if upper else node_v[:, axis] < 0
            stopped[:, axis] = near & (entering if kind == "separate" else torch.ones_like(near))
        node_v = torch.where(stopped, torch.zeros_like(node_v), node_v)
    return node_v


def trace(m) -> torch.Tensor:
    return m.diagonal(dim1=-2, dim2=-1).sum(-1)


def mass_loss(x, mass, target, config: MPMConfig, outside_weight: float = 1.0) -> torch.Tensor:
    """The mass-matching loss of docs/method.md."""
    c = (weights(x, node_positions(config, x.dtype), config) * mass[:, None]).sum(0)
    t = target.reshape(-1)
    scaled = c * (t.sum() + 1e-6) / (c.sum() + 1e-6)
    shift = 1 + 1e-4
    outside = torch.where(t <= 1e-12, outside_weight, 1.0)
    log_term = 0.5 * outside * (torch.log(scaled + shift) - torch.log(t + shift)) ** 2
    return (log_term + (1e-3 - scaled).clamp_min(0) ** 2).sum()
