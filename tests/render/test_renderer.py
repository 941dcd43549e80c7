"""GSRenderer3DGS: matrices of the 3DGS convention, depth, normals."""

import numpy as np
import pytest
import torch

from bridge.rasterization import rasterization
from bridge.renderer import GSRenderer3DGS, shortest_axes
from configs.errors import InputError
from render.cameras import look_at
from tests.directional import directional_error

WIDTH, HEIGHT, TAN = 40, 30, (0.6, 0.45)
EYE = (0.5, -0.4, -3.0)


def projection(cx=WIDTH / 2, cy=HEIGHT / 2, near=0.1, far=100.0):
    """The 3DGS projection matrix P for column vectors."""
    p = np.zeros((4, 4))
    p[0, 0], p[1, 1] = 1 / TAN[0], 1 / TAN[1]
    p[0, 2], p[1, 2] = 2 * cx / WIDTH - 1, 2 * cy / HEIGHT - 1
    p[2, 2], p[2, 3], p[3, 2] = far / (far - near), -far * near / (far - near), 1
    return p


def make_renderer(**principal):
    view = look_at(EYE).T
    return GSRenderer3DGS(WIDTH, HEIGHT, *TAN, view, view @ projection(**principal).T, EYE, "cpu")


def scene(n=30):
    a = 0.2 * torch.randn(n, 3, 3, dtype=torch.float64)
    return 0.5 * torch.randn(n, 3, dtype=torch.float64), a @ a.mT + 1e-3 * torch.eye(3, dtype=torch.float64)


def test_equals_rasterization():
    mu, cov = scene()
    renderer = make_renderer()
    out = renderer.render(mu, cov, opacity=torch.full((30, 1), 0.7))
    K = torch.tensor([[20 / TAN[0], 0, 20], [0, 15 / TAN[1], 15], [0, 0, 1]], dtype=torch.float64)
    images, alphas, _ = rasterization(
        mu,
        None,
        None,
        torch.full((30,), 0.7, dtype=torch.float64),
        renderer.particle_color.expand(30, 3),
        torch.from_numpy(look_at(EYE))[None],
        K[None],
        WIDTH,
        HEIGHT,
        backgrounds=torch.ones(1, 3, dtype=torch.float64),
        covars=cov,
        render_mode="RGB+ED",
    )
    assert {name: tuple(value.shape) for name, value in out.items()} == {
        "image": (3, HEIGHT, WIDTH),
        "alpha": (1, HEIGHT, WIDTH),
        "depth": (1, HEIGHT, WIDTH),
        "normal": (3, HEIGHT, WIDTH),
    }
    torch.testing.assert_close(torch.cat([out["image"], out["depth"]]), images[0].permute(2, 0, 1), rtol=0, atol=1e-6)
    torch.testing.assert_close(out["alpha"], alphas[0].permute(2, 0, 1), rtol=0, atol=1e-6)
    assert (out["depth"][out["alpha"] == 0] == 0).all()
    assert (out["alpha"] == 0).any()


def test_principal_point_comes_from_the_projection():
    assert make_renderer(cx=13.0, cy=21.0).K[:2, 2].tolist() == pytest.approx([13, 21])
    with pytest.warns(UserWarning, match="projmatrix does not fit"):
        GSRenderer3DGS(WIDTH, HEIGHT, *TAN, look_at(EYE).T, np.eye(4), EYE, "cpu")


def test_the_camera_stands_where_its_matrix_says():
    np.testing.assert_allclose(make_renderer().eye, EYE, atol=1e-12)
    with pytest.warns(UserWarning, match=r"campos is \[9\.0, 0\.0, 0\.0\], but viewmatrix stands at"):
        GSRenderer3DGS(WIDTH, HEIGHT, *TAN, look_at(EYE).T, None, (9, 0, 0))


def test_normals_face_the_camera_in_the_world_frame():
    normal = torch.nn.functional.normalize(torch.tensor([0.3, -0.2, -1.0], dtype=torch.float64), dim=0)
    disc = 0.25 * torch.eye(3, dtype=torch.float64) - 0.2499 * torch.outer(normal, normal)
    out = make_renderer().render(torch.zeros(1, 3, dtype=torch.float64), disc[None])
    row, column = HEIGHT // 2, WIDTH // 2
    alpha = out["alpha"][0, row, column]
    torch.testing.assert_close(out["normal"][:, row, column], alpha * normal, rtol=0, atol=1e-12)
    assert out["normal"].abs().max() <= 1


def test_numpy_and_no_gaussians():
    out = make_renderer().render(np.zeros((0, 3)), np.zeros((0, 3, 3)), return_torch=False)
    assert isinstance(out["image"], np.ndarray)
    assert (out["image"] == 1).all()
    assert (out["alpha"] == 0).all()


def test_gradients_reach_means_and_covariances_even_of_balls():
    mu, cov = scene(5)
    cov[0] = 0.04 * torch.eye(3, dtype=torch.float64)
    mu, cov = mu.requires_grad_(), cov.requires_grad_()
    out = make_renderer().render(mu, cov)
    sum((value**2).sum() for value in out.values()).backward()
    for leaf in (mu, cov):
        assert torch.isfinite(leaf.grad).all()
        assert (leaf.grad.abs().sum(dim=tuple(range(1, leaf.ndim))) > 0).all()


def test_normals_differentiate():
    _, cov = scene(10)
    towards, seeds = torch.randn(10, 3, dtype=torch.float64), torch.randn(10, 3, dtype=torch.float64)
    assert directional_error(lambda cov: (shortest_axes(cov, towards) * seeds).sum(), {"cov": cov}, "cov") <= 1e-6


def test_mistakes_are_named():
    with pytest.raises(InputError, match="tanfovx is 0"):
        GSRenderer3DGS(WIDTH, HEIGHT, 0, 1, np.eye(4))
    with pytest.raises(InputError, match="tanfovy is 'wide'"):
        GSRenderer3DGS(WIDTH, HEIGHT, 1, "wide", np.eye(4))
    with pytest.raises(InputError, match=r"height is 30\.5; expected a whole number of pixels"):
        GSRenderer3DGS(WIDTH, 30.5, 1, 1, np.eye(4))
    with pytest.raises(InputError, match=r"viewmatrix ends with the column .*; expected 0, 0, 0, 1"):
        GSRenderer3DGS(WIDTH, HEIGHT, 1, 1, look_at(EYE))
    with pytest.raises(InputError, match="viewmatrix is singular"):
        GSRenderer3DGS(WIDTH, HEIGHT, 1, 1, np.diag([1, 1, 0, 1]))
    with pytest.raises(InputError, match=r"viewmatrix has shape \(3, 4\)"):
        GSRenderer3DGS(WIDTH, HEIGHT, 1, 1, np.eye(4)[:3])
    with pytest.raises(InputError, match=r"cov has shape \(2, 6\)"):
        make_renderer().render(np.zeros((2, 3)), np.zeros((2, 6)))
    with pytest.raises(InputError, match="mu is not finite"):
        make_renderer().render(np.full((2, 3), np.nan), np.zeros((2, 3, 3)))
    with pytest.raises(InputError, match=r"opacity has shape \(2, 3\); expected \(2, 1\)"):
        make_renderer().render(np.zeros((2, 3)), np.zeros((2, 3, 3)), opacity=np.ones((2, 3)))
    with pytest.raises(InputError, match="device meta2 cannot be used"):
        GSRenderer3DGS(WIDTH, HEIGHT, 1, 1, np.eye(4), device="meta2")
