"""The mass-matching loss as a torch function, and the nodal mass that makes its target."""

import torch
from torch import Tensor

from bridge.checks import expect_shape
from bridge.exchange import from_torch, load, to_torch
from bridge.once_differentiable import once_differentiable
from bridge.runtime import current
from configs.errors import InputError
from configs.mpm import MPMConfig
from kernels.arrays import scratch_array
from kernels.lock import launch_lock
from mpm.bspline import NODES
from mpm.mass_loss import (
    EMPTY,
    MassLoss,
    _mass_loss_grad,
    grid_constants,
    interpolate_nodes,
    mass_loss,
    rasterize_mass,
)

_WEIGHTS = ("outside_weight", "excess_weight", "rim_weight", "excess_unit")


def rasterize_particle_mass(x: Tensor, mass: Tensor, config: MPMConfig) -> Tensor:
    """Nodal mass [nx, ny, nz] of particles ``x [N, 3]`` of ``mass [N]``; not differentiable."""
    current()
    expect_shape("rasterize_particle_mass", "x", x, ("N", 3))
    expect_shape("rasterize_particle_mass", "mass", mass, (x.shape[0],))
    with launch_lock:
        node_mass = scratch_array(*config.grid.size)
        rasterize_mass(
            from_torch(x),
            from_torch(mass),
            x.shape[0],
            node_mass,
            grid_constants(config.grid),
            NODES[config.kernel],
        )
        return to_torch(node_mass, config.grid.size, x.device)


def interpolate_node_mass(x: Tensor, node_mass: Tensor, config: MPMConfig) -> Tensor:
    """Nodal mass [nx, ny, nz] at particles ``x [N, 3]``, Σ_i w_ip m_i, [N]; not differentiable."""
    current()
    expect_shape("interpolate_node_mass", "x", x, ("N", 3))
    expect_shape("interpolate_node_mass", "node_mass", node_mass, tuple(config.grid.size))
    with launch_lock:
        constants, nodes = grid_constants(config.grid), NODES[config.kernel]
        values = interpolate_nodes(from_torch(x), x.shape[0], from_torch(node_mass), constants, nodes)
        return to_torch(values, (x.shape[0],), x.device)


def mass_matching_loss(
    x: Tensor,
    mass: Tensor,
    target_mass: Tensor,
    config: MPMConfig,
    outside_weight: float = 1.0,
    excess_weight: float = 1.0,
    rim_weight: float = 1.0,
    excess_unit: float = 0.0,
) -> Tensor:
    """Logarithmic difference of nodal masses, summed over all nodes (Xu et al., TVCG 2025; docs/method.md).

    Args:
        x: positions [N, 3]. mass: [N]. target_mass: nodal mass [nx, ny, nz] of the target.
        outside_weight: weight of nodes that the target leaves empty.
        excess_weight: weight of those of the target's nodes that hold more than it does.
        rim_weight: weight of nodes that the target hardly fills; up to its fullest node it rises to 1 with the mass.
        excess_unit: mass of which the excess in the target's nodes is counted in shares; 0 counts it by the logarithm.

    Returns:
        0-d tensor; gradients to ``x`` and ``mass`` are those of this very value.
    """
    current()
    expect_shape("mass_matching_loss", "x", x, ("N", 3))
    expect_shape("mass_matching_loss", "mass", mass, (x.shape[0],))
    expect_shape("mass_matching_loss", "target_mass", target_mass, tuple(config.grid.size))
    for name, value in zip(_WEIGHTS, (outside_weight, excess_weight, rim_weight, excess_unit), strict=True):
        if value < 0:
            raise InputError(f"mass_matching_loss: {name} is {value}; expected at least 0")
    share = target_mass / target_mass.max().clamp_min(EMPTY)
    inside = rim_weight + (1 - rim_weight) * share
    weight = torch.where(target_mass <= EMPTY, outside_weight, inside)
    return _MassMatching.apply(x, mass, target_mass, weight, config, excess_weight, excess_unit)


class _MassMatching(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, mass, target_mass, weight, config, excess_weight, excess_unit):
        with launch_lock:
            buffers = MassLoss(config.grid, config.kernel, x.shape[0], excess_weight, excess_unit)
            load(x, buffers.x)
            load(mass, buffers.mass)
            load(target_mass, buffers.target)
            load(weight, buffers.weight)
            mass_loss(buffers)
            loss = to_torch(buffers.loss, (1,), x.device)
        ctx.buffers = buffers
        return loss[0]

    @staticmethod
    @once_differentiable
    def backward(ctx, loss_bar):
        _ = ctx.saved_tensors  # raises if the graph was freed
        b = ctx.buffers
        with launch_lock:
            load(loss_bar.reshape(1), b.loss.grad)
            b.x.grad.fill(0)
            b.mass.grad.fill(0)
            _mass_loss_grad(b)
            x_bar = to_torch(b.x.grad, (b.n, 3), loss_bar.device)
            mass_bar = to_torch(b.mass.grad, (b.n,), loss_bar.device)
        return x_bar, mass_bar, None, None, None, None, None
