"""The reference system's call sequence, with its import lines changed, on the project's own meshes."""

import numpy as np
import pytest
import torch

import bridge
from bridge import GSRenderer3DGS, default_cfg, synthesize_runtime_surface
from configs.errors import InputError
from configs.mesh import MESH_FOLDER
from render.cameras import look_at

SPHERE, DUCK = (MESH_FOLDER / f"{name}.obj" for name in ("sphere", "duck"))


def _opt():
    opt = bridge.OptInput()
    opt.mpm_input_mesh_path, opt.mpm_target_mesh_path = str(SPHERE), str(DUCK)
    opt.grid_dx, opt.grid_min_point, opt.grid_max_point = 0.25, (-2.0, -2.0, -2.0), (2.0, 2.0, 2.0)
    opt.lam, opt.mu = bridge.calculate_lame_parameters(1e3, 0.2)
    opt.dt, opt.num_animations, opt.num_timesteps, opt.max_gd_iters = 0.01, 2, 6, 1
    return opt


def _graph(opt):
    n = round((opt.grid_max_point[0] - opt.grid_min_point[0]) / opt.grid_dx) + 1
    input_grid, target_grid = (bridge.Grid(n, n, n, opt.grid_dx, opt.grid_min_point) for _ in range(2))
    input_pc = bridge.load_point_cloud_from_obj(opt.mpm_input_mesh_path, opt)
    target_pc = bridge.load_point_cloud_from_obj(opt.mpm_target_mesh_path, opt)
    bridge.calculate_point_cloud_volumes(input_pc, input_grid)
    bridge.calculate_point_cloud_volumes(target_pc, target_grid)
    return bridge.CompGraph(input_pc, input_grid, target_grid)


@pytest.mark.runtime("cpu", "float32")
def test_the_reference_example():
    opt = _opt()
    cg = _graph(opt)
    cg.run_optimization(opt)
    assert opt.current_episodes == 2
    assert cg.losses[-1] < 0.9 * cg.losses[0]
    pc = cg.get_point_cloud(cg.get_num_layers() - 1)
    x_t = pc.get_positions_torch(requires_grad=True)
    F_t = pc.get_def_grads_total_torch(requires_grad=True)
    np.testing.assert_array_equal(pc.get_positions(), x_t.detach().numpy())
    np.testing.assert_array_equal(pc.get_def_grads_total(), F_t.detach().numpy())

    cfg = default_cfg()
    cfg["differentiable"] = True
    cfg["M"] = 3000
    result = synthesize_runtime_surface(x_t, F_t, cfg, differentiable=True, return_torch=True)
    mu_t, cov_t = result["points"], result["cov"]
    viewmatrix = look_at((0, 0, 4.0)).T
    projection = np.array([[1 / 0.7, 0, 0, 0], [0, 1 / 0.7, 0, 0], [0, 0, 1, -0.01], [0, 0, 1, 0]])
    renderer = GSRenderer3DGS(
        width=48,
        height=48,
        tanfovx=0.7,
        tanfovy=0.7,
        viewmatrix=viewmatrix,
        projmatrix=viewmatrix @ projection.T,
        campos=np.array([0, 0, 4.0]),
        device="cpu",
    )
    out = renderer.render(mu_t, cov_t, return_torch=True)
    loss = torch.nn.functional.mse_loss(out["image"], torch.zeros(3, 48, 48))
    loss.backward()
    for tensor in (x_t, F_t, mu_t, cg.controls, cg.lam, cg.mu):
        assert tensor.grad is not None
        assert 0 < float(tensor.grad.norm()) < float("inf")


@pytest.mark.runtime("cpu", "float32")
def test_layers():
    opt = _opt()
    cg = _graph(opt)
    cg.run_optimization(opt)
    assert cg.get_num_layers() == opt.num_timesteps
    start = cg.get_point_cloud(0).get_positions()
    moved = [np.abs(cg.get_point_cloud(layer).get_positions() - start).max() for layer in range(6)]
    assert moved[0] == 0
    assert np.all(np.diff(moved) > 0)
    with pytest.raises(InputError, match="layer is 6; expected 0 to 5"):
        cg.get_point_cloud(6)


def test_volumes_are_those_of_the_cells_inside():
    """Deep inside a lattice of 8 particles a cell the estimate is the lattice volume, at the surface it is larger."""
    opt = _opt()
    n, opt.grid_dx = 41, 0.1
    grid = bridge.Grid(n, n, n, opt.grid_dx, opt.grid_min_point)
    pc = bridge.load_point_cloud_from_obj(SPHERE, opt)
    lattice = (opt.grid_dx / 2) ** 3
    bridge.calculate_point_cloud_volumes(pc, grid)
    deepest = pc.x.norm(dim=1).argmin()
    assert float(pc.volume[deepest]) == pytest.approx(lattice, rel=0.05)
    assert float(pc.volume.max()) > 1.2 * lattice
    assert float(grid.mass.sum()) == pytest.approx(float(pc.mass.sum()), rel=1e-6)


def test_mistakes():
    grid = bridge.Grid(9, 9, 9, 0.25, (-1.0, -1.0, -1.0))
    pc = bridge.PointCloud(torch.zeros(1, 3), torch.ones(1), torch.ones(1))
    with pytest.raises(InputError, match="target_grid has no mass"):
        bridge.CompGraph(pc, grid, bridge.Grid(9, 9, 9, 0.25, (-1.0, -1.0, -1.0)))
    with pytest.raises(InputError, match=r"nu is 0\.5"):
        bridge.calculate_lame_parameters(1.0, 0.5)
