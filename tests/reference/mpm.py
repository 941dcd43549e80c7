"""A plain torch twin of one MLS-MPM step: every particle against every node, autograd for the adjoint."""

import torch

from configs.mpm import FACES, MPMConfig


def step(state: dict, dF, mass, volume, parameters: dict, gravity, config: MPMConfig) -> dict:
    """One step of docs/method.md; ``state`` and ``parameters`` map names to tensors."""
    x, v, C, F = (state[key] for key in ("x", "v", "C", "F"))
    eye = torch.eye(3, dtype=x.dtype)
    a = F if dF is None else F + dF
    nodes = node_positions(config, x.dtype)
    w, d = weights(x, nodes, config), nodes[None] - x[:, None]
    k = (4 if config.kernel == "quadratic" else 3) / config.grid.spacing**2

    law = config.material.law
    stress = kirchhoff_stress(a, C, parameters, law)
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
    trial = (1 - gamma) * increment @ a + gamma * F
    elastic, internal = flow(trial, state["internal"], parameters, law, config.dt)
    return {
        "x": x + config.dt * new_v,
        "v": new_v,
        "C": c,
        "F": elastic,
        "F_total": increment @ state["F_total"],
        "internal": internal,
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


def kirchhoff_stress(f, c, parameters: dict, law: str) -> torch.Tensor:
    """[N, 3, 3]."""
    eye = torch.eye(3, dtype=f.dtype)
    p = {name: value.expand(len(f))[:, None, None] for name, value in parameters.items()}
    j = torch.linalg.det(f)[:, None, None]
    if law == "fluid":
        pressure = p["bulk_modulus"] / p["gamma"] * (j ** -p["gamma"] - 1)
        return -pressure * j * eye + 2 * p["dynamic_viscosity"] * j * deviator((c + c.mT) / 2)
    lam, mu = p["lam"], p["mu"]
    if law == "fixed_corotated":
        return 2 * mu * (f - rotation(f)) @ f.mT + lam * (j - 1) * j * eye
    if law == "neo_hookean":
        return mu * (f @ f.mT - eye) + lam * torch.log(j) * eye
    strain = log_strain(f)
    return 2 * mu * strain + lam * trace(strain)[:, None, None] * eye


def flow(f, internal, parameters: dict, law: str, dt: float):
    """F and the internal variables [N, Q] after the return map."""
    eye, n = torch.eye(3, dtype=f.dtype), len(f)
    if law == "fluid":
        return torch.linalg.det(f)[:, None, None] ** (1 / 3) * eye, internal
    if law not in ("von_mises", "drucker_prager", "herschel_bulkley"):
        return f, internal
    p = {name: value.expand(n) for name, value in parameters.items()}
    strain = log_strain(f)
    dev, tr = deviator(strain), trace(strain)
    size, mu = dev.norm(dim=(1, 2)), p["mu"]
    if law == "von_mises":
        excess = 2 * mu * size - (2 / 3) ** 0.5 * (p["yield_stress"] + p["hardening"] * internal[:, 0])
        amount = excess.clamp_min(0) / (2 * mu + 2 / 3 * p["hardening"])
        returned = strain - (amount / size)[:, None, None] * dev
        internal = internal + (2 / 3) ** 0.5 * amount[:, None]
    elif law == "herschel_bulkley":
        trial = (2 * mu * size - (2 / 3) ** 0.5 * p["yield_stress"]).clamp_min(0)
        excess = _newton(trial, 2 * mu * dt, p["consistency"], 1 / p["exponent"])
        returned = strain - ((trial - excess) / (2 * mu * size))[:, None, None] * dev
    else:
        sine, cosine = torch.sin(torch.deg2rad(p["friction_angle"])), torch.cos(torch.deg2rad(p["friction_angle"]))
        alpha, bulk = (2 / 3) ** 0.5 * 2 * sine / (3 - sine), 3 * p["lam"] + 2 * mu
        tip = 3 * p["cohesion"] * cosine / (sine * bulk)
        tr = tr + p["volume_correction"] * internal[:, 0]
        excess = (size + alpha * bulk * (tr - tip) / (2 * mu)).clamp_min(0)
        shear = (1 - excess / size)[:, None, None] * dev
        kept = torch.where(tr >= tip, tip, tr)
        returned = torch.where((tr >= tip)[:, None, None], 0 * shear, shear) + (kept / 3)[:, None, None] * eye
        internal = (p["volume_correction"] * (tr - kept))[:, None]
    return torch.linalg.matrix_exp(returned - strain) @ f, internal


def _newton(trial, rate, consistency, power):
    """y + rate (y / consistency)^power = trial, by bisection, then one Newton step that carries the gradient."""
    low, high = torch.zeros_like(trial), trial.detach()
    for _ in range(60):
        y = (low + high) / 2
        above = y + rate.detach() * (y / consistency.detach()) ** power.detach() > trial.detach()
        low, high = torch.where(above, low, y), torch.where(above, y, high)
    y = (low + high) / 2
    term = rate * (y / consistency) ** power
    slope = (1 + rate * power * (y / consistency) ** (power - 1) / consistency).detach()
    return y - (y + term - trial) / slope


def log_strain(f) -> torch.Tensor:
    """½ ln(F Fᵀ) by inverse scaling and squaring, which autograd goes through at equal eigenvalues too."""
    root, halvings = f @ f.mT, 7
    for _ in range(halvings):
        root = _square_root(root)
    e = root - torch.eye(3, dtype=f.dtype)
    power, series = e, torch.zeros_like(e)
    for k in range(1, 11):
        series = series - (-1) ** k * power / k
        power = power @ e
    return 2 ** (halvings - 1) * series


def _square_root(a) -> torch.Tensor:
    """Denman and Beavers' iteration."""
    y, z = a, torch.eye(3, dtype=a.dtype).expand_as(a)
    for _ in range(9):
        y, z = (y + torch.linalg.inv(z)) / 2, (z + torch.linalg.inv(y)) / 2
    return y


def deviator(m) -> torch.Tensor:
    return m - trace(m)[:, None, None] / 3 * torch.eye(3, dtype=m.dtype)


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


def mass_loss(
    x,
    mass,
    target,
    config: MPMConfig,
    outside_weight: float = 1.0,
    excess_weight: float = 1.0,
    rim_weight: float = 1.0,
    excess_unit: float = 0.0,
) -> torch.Tensor:
    """The mass-matching loss of docs/method.md."""
    c = (weights(x, node_positions(config, x.dtype), config) * mass[:, None]).sum(0)
    t = target.reshape(-1)
    scaled = c * (t.sum() + 1e-6) / (c.sum() + 1e-6)
    shift = 1 + 1e-4
    outside, excess = torch.full_like(t, outside_weight), torch.where(scaled > t, excess_weight, 1.0)
    inside = excess * (rim_weight + (1 - rim_weight) * t / t.max())
    weight = torch.where(t <= 1e-12, outside, inside)
    difference = torch.log(scaled + shift) - torch.log(t + shift)
    if excess_unit:
        linear = (scaled - t) / (excess_unit + shift)
        difference = torch.where((t > 1e-12) & (scaled > t), linear, difference)
    return (0.5 * weight * difference**2 + (1e-3 - scaled).clamp_min(0) ** 2).sum()
