"""The upsampler as a torch module: particles in, surface Gaussians out."""

from dataclasses import dataclass
from numbers import Real

import numpy as np
import torch
from torch import Tensor, nn

from bridge.checks import expect_finite, expect_shape
from bridge.exchange import load, to_torch
from bridge.lent_memory import launches
from bridge.memory import expect_fits
from bridge.once_differentiable import once_differentiable
from bridge.runtime import current
from bridge.surface import Surface, SurfaceHistory, children_from, graph_from
from configs.errors import InputError
from configs.render import RenderConfig
from configs.upsample import UpsampleConfig
from kernels.lock import launch_lock
from upsample.deformation_graph import build_graph
from upsample.detection import Surface as Detected
from upsample.detection import surface_weight, typical_spacing
from upsample.gaussians import Gaussians, deform_gaussians, deform_gaussians_grad
from upsample.interpolation import Interpolation, interpolate, interpolate_grad
from upsample.limits import Limits, limit_covariances, limit_covariances_grad
from upsample.sampling import Body, carried, sample_children
from upsample.sampling import Children as NumpyChildren
from upsample.selection import select, soft_weights

NUMBERS = 40
"""About how many each of the k_F carriers of a child takes in its layout."""


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

    ``sigma0``, ``thickness`` and ``opacity`` are 0-d tensors of the module, ``colors`` is [1, 3], or [M, 3] if
    learnable: parameters where ``config.learnable`` says so, else buffers. Gradients reach them, x and F; what
    ``detect`` finds is detached.

    Args:
        config: sizes relative to the particle spacing, opacity, surface threshold, layout.
        spacing: distance between neighbouring particles at rest, unit length; None estimates it from x and F at each
            detection.
        color: red, green, blue of all Gaussians, at first if they are learnable.
    """

    sigma0: Tensor
    thickness: Tensor
    opacity: Tensor
    colors: Tensor

    def __init__(
        self,
        config: UpsampleConfig | None = None,
        spacing: float | None = None,
        color: tuple[float, float, float] = RenderConfig().particle_color,
    ):
        super().__init__()
        runtime = current()
        self.config = config or UpsampleConfig()
        if spacing is not None and not (isinstance(spacing, Real) and 0 < spacing < float("inf")):
            raise InputError(f"SurfaceUpsampler: spacing is {spacing!r}; expected a positive length")
        self.spacing = spacing
        values = {name: getattr(self.config, name) for name in ("sigma0", "thickness", "opacity")}
        values = {name: torch.tensor(value, dtype=runtime.dtype) for name, value in values.items()}
        # one colour for all, or, to learn them, one for each
        rows = (self.config.M or 1) if "colors" in self.config.learnable else 1
        values["colors"] = torch.tensor([color], dtype=runtime.dtype).repeat(rows, 1)
        for name, value in values.items():
            if name in self.config.learnable:
                self.register_parameter(name, nn.Parameter(value))
            else:
                self.register_buffer(name, value)

    def detect(self, x: Tensor, F: Tensor | None = None, history: SurfaceHistory | None = None) -> Surface:
        """Find the surface of the shape ``x [N, 3]``, and lay the M Gaussians out; nothing here is differentiated.

        Args:
            x: positions at rest.
            F: deformation gradients [N, 3, 3], where x is not the rest shape of F; None is the identity.
            history: of earlier detections of the same particles, updated: weights are averaged, the selection has
                hysteresis, and children whose parents are surface particles still stay as they are.

        Raises:
            InputError: shapes, values that are not finite, no particles, det F ≤ 0; one particle, or coincident ones,
                if the spacing is not given. With M: fewer than k_F particles, or as many that coincide.
        """
        _check(x, F)
        if history is not None:
            if not isinstance(history, SurfaceHistory):
                raise InputError(
                    f"SurfaceUpsampler: history is a {type(history).__name__}; expected a SurfaceHistory, "
                    "which from_state_dict makes of a saved one"
                )
            history.expect(len(x))
        x, F = x.detach(), None if F is None else F.detach()
        body, rest, growth = self.body(x, F)
        with launches():
            weight, normals = surface_weight(body.x, rest * growth, self.config.k_surface)
            selection = select(weight, self.config, history.selection if history else None)
            (index,) = np.nonzero(selection.selected)
            weights = soft_weights(selection, self.config.soft_tau)
            found = Detected(index.astype(np.int32), normals[index], weights, rest * growth)
            surface = self._lay_out(body, found, rest, history.surface if history else None).to(x)
        if history is not None:
            history.selection, history.surface = selection, surface
        return surface

    def body(self, x: Tensor, F: Tensor | None) -> tuple[Body, float, float]:
        """The particles in float64, their spacing at rest, and how much longer lengths are now."""
        positions = x.cpu().double().numpy()
        if len(x) == 1 and self.spacing is None:
            raise InputError(
                "SurfaceUpsampler: x has one particle, and no neighbour tells its spacing; expected spacing as a number"
            )
        if len(x) > 1 and not np.ptp(positions, axis=0).any():
            raise InputError(
                f"SurfaceUpsampler: x has all {len(x)} particles in one place; expected distinct positions"
            )
        deformations = np.tile(np.eye(3), (len(x), 1, 1)) if F is None else F.cpu().double().numpy()
        det = np.linalg.det(deformations)
        if not (det > 0).all():
            raise InputError(f"SurfaceUpsampler: det F is {det.min():.3g} at particle {det.argmin()}; expected > 0")
        growth = float(np.cbrt(np.median(det)))
        rest = self.spacing or typical_spacing(positions) / growth
        return Body(positions, deformations, rest**3 * det), rest, growth

    def _lay_out(self, body: Body, found: Detected, rest: float, earlier: Surface | None) -> Surface:
        children, points, count = None, body.x[found.index], self.config.M
        if count is not None:
            numbers, largest = NUMBERS * count * self.config.k_F, 3 * count * self.config.k_F
            expect_fits("SurfaceUpsampler", lambda: f"M = {count} Gaussians", numbers, largest, "lower M or k_F")
            kept = None if earlier is None or earlier.children is None else earlier.children.numpy()
            if kept is not None and not self._alike(kept):
                kept = None
            children = sample_children(body, found, count, self.config, kept)
            points = carried(children, body, self.config)
        graph = graph_from(build_graph(body.x, points, self.config.ed)) if self.config.ed.enabled else None
        # n ~ cof(F) n0, so n0 ~ Fᵀ n
        normals = torch.from_numpy(np.einsum("mji,mj->mi", body.F[found.index], found.normals))
        return Surface(
            torch.from_numpy(found.index).long(),
            nn.functional.normalize(normals, dim=1),
            rest,
            None if children is None else children_from(children),
            graph,
        )

    def _alike(self, children: NumpyChildren) -> bool:
        """Whether they were laid out as this module does, so that they can stay."""
        scored = self.config.selection != "fixed"
        return children.weights.shape == (self.config.M, self.config.k_F) and (children.scores is not None) == scored

    def forward(self, x: Tensor, F: Tensor, surface: Surface | None = None) -> Splats:
        """Gaussians of the particles at positions ``x [N, 3]`` with deformation gradients ``F [N, 3, 3]``.

        Args:
            surface: what ``detect`` found at rest; None detects anew at this x, so that the number of Gaussians may
                change from call to call.
        """
        _check(x, F)
        surface = self.detect(x, F) if surface is None else surface.to(x)
        _check_surface(surface, len(x))
        means, covars, normals = self._deform(x, F, surface)
        m = len(means)
        opacities = self.opacity.clamp(0, 1).to(means).expand(m)
        if len(self.colors) not in (1, m):
            raise InputError(f"SurfaceUpsampler: surface has {m} children; the module has {len(self.colors)} colours")
        colors = self.colors.to(means).expand(m, 3)
        return Splats(means, covars, opacities, colors, normals)

    def covariances(self, F: Tensor, surface: Surface) -> Tensor:
        """The covariances [M, 3, 3] of ``forward`` alone, without positions: where only F has changed, or is asked."""
        expect_shape("SurfaceUpsampler", "F", F, ("N", 3, 3))
        expect_finite("SurfaceUpsampler", "F", F)
        surface = surface.to(F)
        _check_surface(surface, len(F))
        return self._deform(None, F, surface)[1]

    def _deform(self, x: Tensor | None, F: Tensor, surface: Surface) -> tuple[Tensor, Tensor, Tensor]:
        """Means, covariances, normals; the means are 0 without x."""
        children, sizes = surface.children, torch.as_tensor(surface.spacing, dtype=F.dtype, device=F.device)
        positions = x is not None
        x = F.new_zeros(len(F), 3) if x is None else x
        if children is None:
            m, index, rest_normals = len(surface.index), surface.index, surface.rest_normals
        else:
            m, rest_normals, sizes = len(children.parents), children.rest_normals, children.sizes
        if children is not None or surface.graph is not None:
            particles_F = F
            if children is None:
                x, F = x[index], F[index]
            else:
                shares = children.shares(self.config)
                x, F = _Interpolate.apply(children.neighbours, shares, children.offsets, x, F, positions)
            F = F if surface.graph is None else surface.graph.smooth(particles_F)
            index = torch.arange(m, device=x.device)
        sigma = (self.sigma0.to(x) * sizes).expand(m)
        thickness = (torch.ones_like(self.thickness) if self.config.covariance == "stretch" else self.thickness).to(x)
        thickness = thickness.expand(m)
        aligned = self.config.covariance == "surface"
        means, covars, normals = _Deform.apply(index, rest_normals, x, F, sigma, thickness, aligned)
        if self.config.max_anisotropy is not None or self.config.max_growth is not None:
            covars = _Limit.apply(covars, sigma, thickness, self.config.max_anisotropy, self.config.max_growth)
        return means, covars, normals


def _check_surface(surface: Surface, n: int) -> None:
    named = surface.index if surface.children is None else surface.children.neighbours
    if len(named) and not 0 <= int(named.min()) <= int(named.max()) < n:
        raise InputError(f"SurfaceUpsampler: surface names particle {int(named.max())}; x has {n}")
    if surface.graph is not None and len(surface.graph.particle_nodes) != n:
        raise InputError(
            f"SurfaceUpsampler: surface has a graph of {len(surface.graph.particle_nodes)} particles; x has {n}"
        )


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
    def forward(ctx, index, rest_normals, x, F, sigma, thickness, aligned):
        n, m = len(x), len(index)
        with launch_lock:
            current()
            g = Gaussians(n, m, aligned)
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
        return None, None, *bars_in, None


def _inputs(g: Gaussians):
    return g.x, g.F, g.sigma, g.thickness


def _outputs(g: Gaussians):
    return g.means, g.covars, g.normals


class _Interpolate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, neighbours, weights, offsets, x, F, positions):
        n, (m, k) = len(x), neighbours.shape
        with launch_lock:
            current()
            c = Interpolation(n, m, k, positions, weighing=ctx.needs_input_grad[1])
            tensors = (neighbours, weights, offsets, x, F)
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
            if c.weighing:
                c.weights.grad.fill(0)
            interpolate_grad(c)
            bars = to_torch(c.x.grad, (c.n, 3), x_bar.device), to_torch(c.F.grad, (c.n, 3, 3), x_bar.device)
            weights_bar = to_torch(c.weights.grad, (c.m, c.k), x_bar.device) if c.weighing else None
        return None, weights_bar, None, *bars, None


class _Limit(torch.autograd.Function):
    @staticmethod
    def forward(ctx, covars, sigma, thickness, max_anisotropy, max_growth):
        with launch_lock:
            current()
            c = Limits(len(covars), max_anisotropy, max_growth)
            for tensor, array in zip((covars, sigma, thickness), (c.covars, c.sigma, c.thickness), strict=True):
                load(tensor, array)
            limit_covariances(c)
            ctx.limits = c
            return to_torch(c.limited, tuple(covars.shape), covars.device)

    @staticmethod
    @once_differentiable
    def backward(ctx, limited_bar):
        _ = ctx.saved_tensors  # raises if the graph was freed
        c = ctx.limits
        with launch_lock:
            load(limited_bar, c.limited.grad)
            for array in (c.covars, c.sigma, c.thickness):
                array.grad.fill(0)
            limit_covariances_grad(c)
            device, m = limited_bar.device, c.m
            bars = to_torch(c.covars.grad, (m, 3, 3), device), to_torch(c.sigma.grad, (m,), device)
            return *bars, to_torch(c.thickness.grad, (m,), device), None, None
