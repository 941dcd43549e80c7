"""The upsampler as a torch module: particles in, surface Gaussians out."""

from dataclasses import dataclass, replace

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


@dataclass(frozen=True)
class Surface:
    """Surface particles of a rest shape: found once, kept by the caller as long as the material keeps its topology."""

    index: Tensor
    """Which particles, int64 [M], increasing."""
    rest_normals: Tensor
    """Unit outward normals in the rest frame of F, [M, 3]."""
    spacing: float
    """Distance between neighbouring particles. Unit: length."""

    def to(self, like: Tensor) -> "Surface":
        """The same surface on the device and in the type of ``like``."""
        return replace(self, index=self.index.to(like.device), rest_normals=self.rest_normals.to(like))


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
    """One Gaussian at each surface particle, its covariance Σ = F Σ0 Fᵀ (upsample.gaussians has the equations).

    ``sigma0``, ``thickness`` and ``opacity`` are 0-d tensors of the module: parameters where ``config.learnable`` says
    so, else buffers. Gradients reach them, x and F; the choice of the surface particles is detached.

    Args:
        config: sizes relative to the particle spacing, opacity, surface threshold.
        spacing: distance between neighbouring particles, unit length; None estimates it from x at each detection.
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
        """Find the surface particles of the shape ``x [N, 3]``; nothing here is differentiated.

        Args:
            x: positions at rest.
            F: deformation gradients [N, 3, 3], where x is not the rest shape of F; None is the identity.

        Raises:
            InputError: shapes, values that are not finite, no particles; one particle, or coincident ones, if the
                spacing is not given.
        """
        _check(x, F)
        x, F = x.detach(), None if F is None else F.detach()
        positions = x.cpu().double().numpy()
        spacing = self.spacing or typical_spacing(positions)
        with launch_lock:
            current()
            found = detect_surface(positions, spacing, self.config.surface_threshold)
        index = torch.from_numpy(found.index).long().to(x.device)
        normals = torch.from_numpy(found.normals).to(x)
        if F is not None:  # n ~ cof(F) n0, so n0 ~ Fᵀ n
            normals = nn.functional.normalize(torch.einsum("mji,mj->mi", F[index].to(normals), normals), dim=1)
        return Surface(index, normals, spacing)

    def forward(self, x: Tensor, F: Tensor, surface: Surface | None = None) -> Splats:
        """Gaussians of the particles at positions ``x [N, 3]`` with deformation gradients ``F [N, 3, 3]``.

        Args:
            surface: what ``detect`` found at rest; None detects anew at this x, so that the number of Gaussians may
                change from call to call.
        """
        _check(x, F)
        surface = self.detect(x, F) if surface is None else surface.to(x)
        m = len(surface.index)
        if m and int(surface.index[-1]) >= len(x):
            raise InputError(f"SurfaceUpsampler: surface names particle {int(surface.index[-1])}; x has {len(x)}")
        sigma = (self.sigma0 * surface.spacing).to(x).expand(m)
        thickness = self.thickness.to(x).expand(m)
        means, covars, normals = _Deform.apply(surface, x, F, sigma, thickness)
        opacities = self.opacity.clamp(0, 1).to(means).expand(m)
        return Splats(means, covars, opacities, self.get_buffer("color").to(means).expand(m, 3), normals)


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
    def forward(ctx, surface, x, F, sigma, thickness):
        n, m = len(x), len(surface.index)
        with launch_lock:
            current()
            g = Gaussians(n, m)
            load(surface.index, g.index)
            load(surface.rest_normals, g.rest_normals)
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
        return None, *bars_in


def _inputs(g: Gaussians):
    return g.x, g.F, g.sigma, g.thickness


def _outputs(g: Gaussians):
    return g.means, g.covars, g.normals
