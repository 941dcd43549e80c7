"""A plain torch twin of contact: what surfaces do to velocities, one node after another; autograd for the adjoint."""

import torch


def respond(v, u, n, friction, kind: str) -> torch.Tensor:
    """[N, 3] velocities after contact with surfaces of velocity u and normal n (docs/method.md 3.3)."""
    if kind == "none":
        return v
    if kind == "sticky":
        return u.expand_as(v)
    r = v - u
    approach = (r * n).sum(-1, keepdim=True)
    tangent = r - approach * n
    if kind == "slip":
        return u + tangent
    moving = tangent.norm(dim=-1, keepdim=True) > 0
    speed = torch.where(moving, tangent, torch.ones_like(tangent)).norm(dim=-1, keepdim=True)
    slid = (1 + friction * approach / speed).clamp_min(0) * tangent
    return torch.where(approach < 0, u + slid, v)


def normal(shape: str, y: torch.Tensor, size) -> torch.Tensor:
    """[N, 3] outward normals at y, in the shape's frame, for points outside box and cylinder edges."""
    if shape == "plane":
        return torch.tensor([0.0, 1.0, 0.0], dtype=y.dtype).expand_as(y)
    if shape == "sphere":
        return y / y.norm(dim=-1, keepdim=True)
    nearest = y - closest(shape, y, size)
    outside = nearest.norm(dim=-1, keepdim=True) > 1e-12
    away = nearest / torch.where(outside, nearest, torch.ones_like(nearest)).norm(dim=-1, keepdim=True)
    return torch.where(outside, away, _inner_normal(shape, y, size))


def closest(shape: str, y: torch.Tensor, size) -> torch.Tensor:
    """The point of a solid box or cylinder closest to y."""
    if shape == "box":
        return torch.maximum(torch.minimum(y, size), -size)
    radial = y * torch.tensor([1.0, 0.0, 1.0], dtype=y.dtype)
    rho = radial.norm(dim=-1, keepdim=True)
    axial = y[:, 1:2].clamp(-size[1], size[1])
    inside = radial * (size[0] / rho).clamp_max(1.0)
    return torch.cat([inside[:, :1], axial, inside[:, 2:]], dim=-1)


def _inner_normal(shape, y, size):
    if shape == "box":
        axis = (y.abs() - size).argmax(-1)
        return torch.nn.functional.one_hot(axis, 3).to(y) * torch.sign(y)
    radial = y * torch.tensor([1.0, 0.0, 1.0], dtype=y.dtype)
    rho = radial.norm(dim=-1, keepdim=True)
    up = torch.sign(y[:, 1:2]) * torch.tensor([0.0, 1.0, 0.0], dtype=y.dtype)
    return torch.where(rho - size[0] > y[:, 1:2].abs() - size[1], radial / rho, up)


def distance(shape: str, y: torch.Tensor, size) -> torch.Tensor:
    """[N] signed distances."""
    if shape == "plane":
        return y[:, 1]
    if shape == "sphere":
        return y.norm(dim=-1) - size[0]
    rho = (y[:, 0] ** 2 + y[:, 2] ** 2).sqrt()
    faces = y.abs() - size if shape == "box" else torch.stack([rho - size[0], y[:, 1].abs() - size[1]], -1)
    return (y - closest(shape, y, size)).norm(dim=-1) + faces.max(-1).values.clamp_max(0)


def sampled(samples: torch.Tensor, y: torch.Tensor, origin, pitch) -> torch.Tensor:
    """[N, 4]: trilinear interpolation of samples [nx, ny, nz, 4]; far away outside them."""
    u = (y - origin) / pitch
    base = u.detach().floor().long()
    last = torch.tensor(samples.shape[:3]) - 2
    within = ((base >= 0) & (base <= last)).all(-1, keepdim=True)
    base = torch.minimum(base.clamp_min(0), last)
    t = u - base
    total = 0
    for corner in torch.cartesian_prod(*[torch.arange(2)] * 3):
        weight = torch.where(corner.bool(), t, 1 - t).prod(-1, keepdim=True)
        i, j, k = (base + corner).unbind(-1)
        total = total + weight * samples[i, j, k]
    return torch.where(within, total, torch.full_like(total, 1e9))


def collide(x, v, collider: dict) -> torch.Tensor:
    """[N, 3] velocities of nodes at x after one collider: shape, kind, size, margin, pose, motion, friction."""
    d = x - collider["position"]
    y = d @ collider["rotation"]
    if collider["shape"] == "mesh":
        values = sampled(collider["samples"], y, collider["origin"], collider["pitch"])
        phi, n = values[:, 0], values[:, 1:] / values[:, 1:].norm(dim=-1, keepdim=True)
    else:
        phi, n = (f(collider["shape"], y, collider["size"]) for f in (distance, normal))
    u = collider["velocity"] + torch.linalg.cross(collider["spin"].expand_as(d), d)
    after = respond(v, u, n @ collider["rotation"].T, collider["friction"], collider["kind"])
    return torch.where((phi <= collider["margin"])[:, None], after, v)
