"""The upsampler as a torch module: particles in, surface Gaussians out."""

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from bridge.checks import expect_finite, expect_shape
from bridge.exchange import load, to_torch
from bridge.runtime import current
from configs.errors import InputError
from configs.render import RenderConfig
from configs.upsample import UpsampleConfig
from kernels.lock import launch_lock
from upsample.detection import detect_surface, typical_spacing
from upsample.gaussians import Gaussians, deform_gaussians, deform_gaussians_grad
from upsample.interpolation import Interpolation, interpolate, interpolate_grad
from upsample.sampling import sample_children


@dataclass(frozen=True)
class Children:
    """M points on the surface that move with the particles around them (upsample.interpolation has the equations)."""

    parents: Tensor
    """Particle from which each was laid out, int64 [M]."""
    neighbours: Tensor
    """Particles that carry it, int64 [M, k]."""
    weights: Tensor
    """Share of each neighbour, [M, k]; their sum is 1."""
    offsets: Tensor
    """From the neighbour to the child, in the rest frame of the neighbour's F, [M, k, 3]. Unit: length."""
    rest_normals: Tensor
    """Unit outward normals in the rest frame, [M, 3]."""
    sizes: Tensor
    """Square root of the surface area that each stands for, at rest, [M]. Unit: length."""

    def to(self, like: Tensor) -> "Children":
        """The same children on the device and in the type of ``like``."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return Children(**{k: v.to(like) if v.is_floating_point() else v.to(like.device) for k, v in values.items()})


@dataclass(frozen=True)
class Surface:
    """Surface of a rest shape: found once, kept by the caller as long as the material keeps its topology."""

    index: Tensor
    """Which particles, int64 [M], increasing."""
    rest_normals: Tensor
    """Unit outward normals in the rest frame of F, [M, 3]."""
    spacing: float
    """Distance between neighbouring particles at rest. Unit: length."""
    children: Children | None = None
    """The points of the Gaussians; None puts one at each surface particle."""

    def to(self, like: Tensor) -> "Surface":
        """The same surface on the device and in the type of ``like``."""
        children = self.children and self.children.to(like)
        return replace(
            self, index=self.index.to(like.device), rest_normals=self.rest_normals.to(like), children=children
        )

    def state_dict(self) -> dict[str, Tensor]:
        """Everything as named tensors, for ``torch.save`` or safetensors."""
        state = {"index": self.index, "rest_normals": self.rest_normals}
        state["spacing"] = torch.tensor(self.spacing, dtype=torch.float64)
        if self.children is not None:
            state |= {f"children.{field.name}": getattr(self.children, field.name) for field in fields(Children)}
        return state

    @staticmethod
    def from_state_dict(state: dict[str, Tensor]) -> "Surface":
        """The surface whose ``state_dict`` this is."""
        names = [field.name for field in fields(Children)]
        children = None
        if f"children.{names[0]}" in state:
            children = Children(**{name: state[f"children.{name}"] for name in names})
        return Surface(state["index"], state["rest_normals"], float(state["spacing"]), children)


@dataclass(frozen=True)
class Splats:
    """M Gaussians, as ``bridge.rasterization`` takes them."""

    means: Tensor
    """Positions [M, 3]. Unit: length."""
    covars: Tensor
    """Covariances [M, 3, 3], symmetric. Unit: length²."""
    opacities: Tensor
    """Opacities [M] in [0, 1]."""
    colors: Tensor
    """Red, green, blue [M, 3] in [0, 1]."""
    normals: Tensor
    """Unit outward normals [M, 3]."""


class SurfaceUpsampler(nn.Module):
    """Gaussians on the surface of the particles, each with the covariance Σ = F Σ0 Fᵀ (see upsample.gaussians).

    There is one at each surface particle, or, with ``config.M``, that many evenly on the surface, carried by the
    particles around them (upsample.sampling, upsample.interpolation).

    ``sigma0``, ``thickness`` and ``opacity`` are 0-d tensors of the module: parameters where ``config.learnable`` says
    so, else buffers. Gradients reach them, x and F; the choice of the surface particles is detached.

    Args:
        config: sizes relative to the particle spacing, opacity, surface threshold.
        spacing: distance between neighbouring particles at rest, unit length; None estimates it from x and F at each
            detection.
        color: red, green, blue of all Gaussians.
    """

    sigma0: Tensor
    thickness: Tensor
    opacity: Tensor

    def __init__(
        self,
        config: UpsampleConfig | None = None,
        spacing: float | None = None,
        color: tuple[float, float, float] = RenderConfig().particle_color,
    ):
        super().__init__()
        runtime = current()
        self.config = config or UpsampleConfig()
        if spacing is not None and not 0 < spacing < float("inf"):
            raise InputError(f"SurfaceUpsampler: spacing is {spacing}; expected a positive length")
        self.spacing = spacing
        for name in ("sigma0", "thickness", "opacity"):
            value = torch.tensor(getattr(self.config, name), dtype=runtime.dtype)
            if name in self.config.learnable:
                self.register_parameter(name, nn.Parameter(value))
            else:
                self.register_buffer(name, value)
        self.register_buffer("color", torch.tensor(color, dtype=runtime.dtype))

    def detect(self, x: Tensor, F: Tensor | None = None) -> Surface:
        """Find the surface of the shape ``x [N, 3]``, and lay the M Gaussians out; nothing here is differentiated.

        Args:
            x: positions at rest.
            F: deformation gradients [N, 3, 3], where x is not the rest shape of F; None is the identity.

        Raises:
            InputError: shapes, values that are not finite, no particles; one particle, or coincident ones, if the
                spacing is not given. With M: fewer than k_F particles, det F ≤ 0.
        """
        _check(x, F)
        x, F = x.detach(), None if F is None else F.detach()
        positions = x.cpu().double().numpy()
        det = np.ones(len(x)) if F is None else torch.linalg.det(F.cpu().double()).numpy()
        growth = float(np.cbrt(np.median(det))) if np.median(det) > 0 else 1.0  # of lengths, since rest
        rest = self.spacing or typical_spacing(positions) / growth
        with launch_lock:
            current()
            found = detect_surface(positions, rest * growth, self.config.surface_threshold)
            count = self.config.M
            children = None if count is None else self._lay_out(positions, F, rest**3 * det, found, count).to(x)
        index = torch.from_numpy(found.index).long().to(x.device)
        normals = torch.from_numpy(found.normals).to(x)
        if F is not None:  # n ~ cof(F) n0, so n0 ~ Fᵀ n
            normals = nn.functional.normalize(torch.einsum("mji,mj->mi", F[index].to(normals), normals), dim=1)
        return Surface(index, normals, rest, children)

    def _lay_out(self, x: np.ndarray, F: Tensor | None, volumes: np.ndarray, found, count: int) -> Children:
        deformations = np.tile(np.eye(3), (len(x), 1, 1)) if F is None else F.cpu().double().numpy()
        laid_out = sample_children(x, deformations, volumes, found, count, self.config.k_F, self.config.seed)
        arrays = {field.name: torch.from_numpy(getattr(laid_out, field.name)) for field in fields(Children)}
        return Children(**{k: v if v.is_floating_point() else v.long() for k, v in arrays.items()})

    def forward(self, x: Tensor, F: Tensor, surface: Surface | None = None) -> Splats:
        """Gaussians of the particles at positions ``x [N, 3]`` with deformation gradients ``F [N, 3, 3]``.

        Args:
            surface: what ``detect`` found at rest; None detects anew at this x, so that the number of Gaussians may
                change from call to call.
        """
        _check(x, F)
        surface = self.detect(x, F) if surface is None else surface.to(x)
        self._check_surface(surface, len(x))
        children, sizes = surface.children, torch.as_tensor(surface.spacing, dtype=x.dtype, device=x.device)
        if children is None:
            m, index, rest_normals = len(surface.index), surface.index, surface.rest_normals
        else:
            m, rest_normals, sizes = len(children.parents), children.rest_normals, children.sizes
            index = torch.arange(m, device=x.device)
            x, F = _Interpolate.apply(children, x, F)
        sigma = (self.sigma0.to(x) * sizes).expand(m)
        thickness = self.thickness.to(x).expand(m)
        means, covars, normals = _Deform.apply(index, rest_normals, x, F, sigma, thickness)
        opacities = self.opacity.clamp(0, 1).to(means).expand(m)
        return Splats(means, covars, opacities, self.get_buffer("color").to(means).expand(m, 3), normals)

    @staticmethod
    def _check_surface(surface: Surface, n: int) -> None:
        named = surface.index if surface.children is None else surface.children.neighbours
        if len(named) and not 0 <= int(named.min()) <= int(named.max()) < n:
            raise InputError(f"SurfaceUpsampler: surface names particle {int(named.max())}; x has {n}")


def _check(x: Tensor, F: Tensor | None) -> None:
    expect_shape("SurfaceUpsampler", "x", x, ("N", 3))
    expect_finite("SurfaceUpsampler", "x", x)
    if not len(x):
        raise InputError("SurfaceUpsampler: x has no particles; expected at least 1")
    if F is not None:
        expect_shape("SurfaceUpsampler", "F", F, (len(x), 3, 3))
        expect_finite("SurfaceUpsampler", "F", F)


class _Deform(torch.autograd.Function):
    @staticmethod
    def forward(ctx, index, rest_normals, x, F, sigma, thickness):
        n, m = len(x), len(index)
        with launch_lock:
            current()
            g = Gaussians(n, m)
            load(index, g.index)
            load(rest_normals, g.rest_normals)
            for tensor, array in zip((x, F, sigma, thickness), _inputs(g), strict=True):
                load(tensor, array)
            deform_gaussians(g)
            ctx.gaussians = g
            return tuple(to_torch(array, (m, *array.shape[1:]), x.device) for array in _outputs(g))

    @staticmethod
    @once_differentiable
    def backward(ctx, *bars):
        _ = ctx.saved_tensors  # raises if the graph was freed
        g = ctx.gaussians
        with launch_lock:
            for bar, array in zip(bars, _outputs(g), strict=True):
                load(bar, array.grad)
            for array in _inputs(g):
                array.grad.fill(0)
            deform_gaussians_grad(g)
            sizes = (g.n, g.n, g.m, g.m)
            bars_in = [
                to_torch(array.grad, (size, *array.shape[1:]), bars[0].device)
                for size, array in zip(sizes, _inputs(g), strict=True)
            ]
        return None, None, *bars_in


def _inputs(g: Gaussians):
    return g.x, g.F, g.sigma, g.thickness


def _outputs(g: Gaussians):
    return g.means, g.covars, g.normals


class _Interpolate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, children, x, F):
        n, (m, k) = len(x), children.neighbours.shape
        with launch_lock:
            current()
            c = Interpolation(n, m, k)
            tensors = (children.neighbours, children.weights, children.offsets, x, F)
            for tensor, array in zip(tensors, (c.neighbours, c.weights, c.offsets, c.x, c.F), strict=True):
                load(tensor, array)
            interpolate(c)
            ctx.interpolation = c
            return to_torch(c.child_x, (m, 3), x.device), to_torch(c.child_F, (m, 3, 3), x.device)

    @staticmethod
    @once_differentiable
    def backward(ctx, x_bar, F_bar):
        _ = ctx.saved_tensors  # raises if the graph was freed
        c = ctx.interpolation
        with launch_lock:
            load(x_bar, c.child_x.grad)
            load(F_bar, c.child_F.grad)
            c.x.grad.fill(0)
            c.F.grad.fill(0)
            interpolate_grad(c)
            bars = to_torch(c.x.grad, (c.n, 3), x_bar.device), to_torch(c.F.grad, (c.n, 3, 3), x_bar.device)
        return None, *bars
