"""The reference system's function: its keys, its history, covariances on points that stay."""

from typing import Any

import numpy as np
import pytest
import torch

from bridge.runtime_surface import default_cfg, synthesize_runtime_surface
from bridge.surface import SurfaceHistory
from configs.errors import InputError
from tests.upsample.test_children import ball, eyes
from tests.upsample.test_gaussians import block

REFERENCE_KEYS = {"M", "sigma0", "thickness", "k_surface", "thr_percentile", "soft_tau", "hysteresis", "ema_beta"}
REFERENCE_KEYS |= {
    "surf_jitter_alpha",
    "density_gamma",
    "k_F",
    "sampling_tau",
    "ed",
    "post_equalize",
    "smooth_normals",
    "png",
}
CHANGES: list[dict] = [
    {"thr_percentile": 30.0},
    {"k_surface": 60},
    {"surf_jitter_alpha": 0.5},
    {"smooth_normals": True},
    {"density_gamma": -1.0},
    {"post_equalize": {"enabled": False}},
    {"post_equalize": {"use_mls_projection": False, "iters": 2}},
    {"ed": {"enabled": True, "num_nodes": 30}},
    {"selection": "gumbel"},
    {"selection": "gumbel", "sampling_tau": 2.0},
    {"selection": "gumbel_hard"},
]


def test_the_keys_of_the_reference_are_there():
    cfg = default_cfg()
    assert set(cfg) >= REFERENCE_KEYS
    assert set(cfg["ed"]) == {"enabled", "num_nodes", "node_knn", "point_knn_nodes", "lambda_lap"}
    assert set(cfg["post_equalize"]) >= {"iters", "k", "step", "annealing", "radius_mul", "mls_iters", "mls_step"}
    x, _ = block()
    assert synthesize_runtime_surface(x, eyes(x), cfg)["points"].shape == (98, 3)


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_every_key_does_something(change):
    _, x = ball(1.5)
    F = eyes(x).clone()
    F[:, 0, 0] = 1 + 0.3 * x[:, 1].sin()
    usual, changed = (
        synthesize_runtime_surface(x, F, {"M": 500, **settings}, return_torch=False) for settings in ({}, change)
    )
    assert any((usual[name] != changed[name]).any() for name in usual)
    assert all(np.isfinite(value).all() for value in changed.values())


@pytest.mark.parametrize("key", ["use_faiss_ivf", "anisotropy_factor", "h_mul", "knn_tau", "smoother"])
def test_keys_that_do_nothing_are_refused_by_name(key):
    x, F = block()
    with pytest.raises(InputError, match=f"cfg has '{key}'; expected M, sigma0"):
        synthesize_runtime_surface(x, F, {key: 1})


def test_nested_keys_are_refused_by_name():
    x, F = block()
    with pytest.raises(InputError, match=r"post_equalize\.knn_tau.* unknown key"):
        synthesize_runtime_surface(x, F, {"post_equalize": {"knn_tau": 0.1}})
    with pytest.raises(InputError, match=r"ed\.num_nodes is 0"):
        synthesize_runtime_surface(x, F, {"ed": {"num_nodes": 0}})


def test_covariances_on_points_that_stay():
    _, x = ball(1.5)
    F, history = eyes(x).clone().requires_grad_(), SurfaceHistory()
    first: dict[str, Any] = synthesize_runtime_surface(x, F, {"M": 500}, history=history)
    A = torch.diag(torch.tensor([1.2, 1.0, 0.9]).double())
    stretched = (A @ eyes(x)).requires_grad_()
    fast: dict[str, Any] = synthesize_runtime_surface(x, stretched, {"M": 500, "fast_cov_only": True}, history=history)
    assert (fast["points"] == first["points"]).all()
    torch.testing.assert_close(fast["cov"], A @ first["cov"] @ A, rtol=1e-9, atol=1e-12)
    fast["cov"].sum().backward()
    assert stretched.grad.abs().max() > 0
    for empty in (None, SurfaceHistory()):
        with pytest.raises(InputError, match="fast_cov_only has no points to keep"):
            synthesize_runtime_surface(x, F, {"M": 500, "fast_cov_only": True}, history=empty)


def test_settings_of_another_kind():
    x, F = block()
    for cfg, problem in (
        ([1], "cfg is a list; expected a dictionary"),
        ("M", "cfg is a str; expected a dictionary"),
        ({"differentiable": "no"}, "differentiable is 'no'; expected True or False"),
        ({"fast_cov_only": 1}, "fast_cov_only is 1; expected True or False"),
        ({"spacing": "0.5"}, "spacing is '0.5'; expected a positive length"),
    ):
        with pytest.raises(InputError, match=problem):
            synthesize_runtime_surface(x, F, cfg)  # type: ignore[arg-type]


def test_errors():
    x, F = block()
    F[7] = torch.diag(torch.tensor([1.0, 1.0, -1.0]))
    with pytest.raises(InputError, match=r"det F is -1 at particle 7; expected > 0"):
        synthesize_runtime_surface(x, F)
    same = torch.zeros(40, 3, dtype=torch.float64)
    same[20:] = 5.0
    with pytest.raises(InputError, match="particles coincide"):
        synthesize_runtime_surface(same, eyes(same))
