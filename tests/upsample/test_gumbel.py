"""Carriers chosen by Gumbel-softmax: odds, gradients, noise that stays."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch

from bridge.surface import Surface, SurfaceHistory
from configs.errors import InputError
from configs.upsample import UpsampleConfig
from tests.directional import directional_error
from tests.reference.surface import interpolated
from tests.upsample.devices import float32_devices
from tests.upsample.test_children import STRETCH, M, ball, eyes, upsampler
from tests.upsample.test_gaussians import block, weighted_sum
from upsample.gumbel import draw_scores

CHOICES = ["gumbel", "gumbel_hard"]


def scored(surface, scores):
    """The same surface with these scores [M, k]."""
    return replace(surface, children=replace(surface.children, scores=scores))


def relaxed(scores, tau=0.2):
    return torch.softmax(scores / tau, dim=1)


def one_hot(scores):
    return torch.nn.functional.one_hot(scores.argmax(dim=1), scores.shape[1]).to(scores)


@pytest.mark.parametrize(("selection", "shares"), [("gumbel", relaxed), ("gumbel_hard", one_hot)])
def test_values_are_those_of_the_twin(selection, shares):
    x, F = block()
    module = upsampler(selection=selection)
    surface = module.detect(x)
    c = surface.children
    assert c.scores.shape == (M, 16)
    wanted, _ = interpolated(x, F, c.neighbours, shares(c.scores), c.offsets)
    torch.testing.assert_close(module(x, F, surface).means, wanted, rtol=0, atol=1e-13)
    np.testing.assert_allclose(c.numpy().shares(module.config), shares(c.scores), rtol=0, atol=1e-13)
    assert not torch.allclose(wanted, upsampler()(x, F, surface).means, atol=1e-3)


@pytest.mark.parametrize("name", ["x", "F", "scores", "odds"])
def test_gradients_of_the_relaxed_choice(name):
    assert gradient_error("gumbel", name) <= 1e-6


@pytest.mark.parametrize("name", ["x", "F"])  # by its scores a hard choice has none; what stands in is tested below
def test_gradients_of_the_hard_choice(name):
    assert gradient_error("gumbel_hard", name) <= 1e-6


def gradient_error(selection, name):
    """``odds [N]`` are added to the scores of all children of which the particle is a candidate."""
    x, F = block()
    module = upsampler(selection=selection)
    surface = module.detect(x)
    near = surface.children.neighbours

    def function(x, F, scores, odds):
        return weighted_sum(module(x, F, scored(surface, scores + odds[near])))

    inputs = {"x": x, "F": F, "scores": surface.children.scores, "odds": torch.zeros(len(x)).double()}
    return directional_error(function, inputs, name)


def test_a_hard_choice_has_the_gradient_of_the_relaxed_one_there():
    x, F = block()
    module = upsampler(selection="gumbel_hard")
    surface = module.detect(x)
    c, scores = surface.children, surface.children.scores.clone().requires_grad_()
    bars = torch.randn(M, 3, generator=torch.Generator().manual_seed(2), dtype=x.dtype)
    (mine,) = torch.autograd.grad((module(x, F, scored(surface, scores)).means * bars).sum(), scores)
    # the child's position is linear in the shares, so that it matters not where they are
    means, _ = interpolated(x, F, c.neighbours, relaxed(scores), c.offsets)
    (wanted,) = torch.autograd.grad((means * bars).sum(), scores)
    assert wanted.norm() > 0
    torch.testing.assert_close(mine, wanted, rtol=0, atol=1e-11)


def test_covariances_alone_reach_the_scores():
    x, F = block()
    module = upsampler(selection="gumbel")
    surface = module.detect(x)
    leaves = [surface.children.scores.clone().requires_grad_() for _ in range(2)]
    alone = module.covariances(F, scored(surface, leaves[0]))
    whole = module(x, F, scored(surface, leaves[1])).covars
    gradients = [torch.autograd.grad((c**2).sum(), s)[0] for c, s in zip((alone, whole), leaves, strict=True)]
    assert gradients[0].norm() > 0
    assert (gradients[0] - gradients[1]).norm() <= 1e-13 * gradients[0].norm()


def test_candidates_win_as_often_as_their_odds_say():
    weights = np.tile([0.5, 0.3, 0.15, 0.05], (100_000, 1))
    surface_weights = np.tile([0.1, 0.8, 0.8, 0.4], (100_000, 1))
    wins = np.bincount(draw_scores(weights, surface_weights, 3).argmax(axis=1)) / 100_000
    odds = np.array([0.05, 0.24, 0.12, 0.02])
    np.testing.assert_allclose(wins, odds / odds.sum(), rtol=0, atol=0.006)  # four standard errors


def test_surface_particles_are_preferred():
    _, x = ball()
    surface = upsampler(M=3000, selection="gumbel_hard").detect(x)
    c = surface.children
    among = torch.isin(c.neighbours, surface.index).double()
    chosen = among.gather(1, c.scores.argmax(dim=1, keepdim=True)).mean()
    assert chosen > 0.95 > (among * c.weights).sum(dim=1).mean()


@pytest.mark.parametrize("selection", CHOICES)
def test_an_affine_motion_is_followed_exactly_and_a_still_body_stays(selection):
    x, _ = block()
    module = upsampler(selection=selection)
    surface = module.detect(x)
    rest, again = module(x, eyes(x), surface), module(x, eyes(x), surface)
    assert (rest.means == again.means).all()
    assert (rest.covars == again.covars).all()
    torch.testing.assert_close(rest.means, upsampler()(x, eyes(x)).means, rtol=0, atol=1e-13)
    moved = module(x @ STRETCH.T, STRETCH @ eyes(x), surface)
    torch.testing.assert_close(moved.means, rest.means @ STRETCH.T, rtol=0, atol=1e-13)
    torch.testing.assert_close(moved.covars, STRETCH @ rest.covars @ STRETCH.T, rtol=0, atol=1e-14)


def test_noise_stays_with_the_children():
    _, x = ball()
    module, history, file = upsampler(M=3000, selection="gumbel"), SurfaceHistory(), io.BytesIO()
    first = module.detect(x, history=history)
    torch.save(history.state_dict(), file)
    file.seek(0)
    loaded = SurfaceHistory.from_state_dict(torch.load(file, weights_only=True))
    F = torch.where(x[:, :1, None] > 0.5, torch.diag(torch.tensor([1.0, 3.0, 3.0]).double()), eyes(x))
    y = torch.einsum("nij,nj->ni", F, x)
    second, other = (module.detect(y, F, h) for h in (history, loaded))
    assert (second.children.scores == other.children.scores).all()
    same = (first.children.offsets == second.children.offsets).all(dim=(1, 2))
    assert 0.3 < same.float().mean() < 1
    assert (first.children.scores == second.children.scores)[same].all()
    assert (first.children.scores != second.children.scores)[~same].all()
    saved = Surface.from_state_dict(second.state_dict())
    assert (module(y, F, saved).means == module(y, F, second).means).all()


def test_children_without_scores_do_not_stay():
    _, x = ball()
    history = SurfaceHistory()
    upsampler(M=3000).detect(x, history=history)
    assert upsampler(M=3000, selection="gumbel").detect(x, history=history).children.scores is not None


def test_errors():
    x, F = block()
    with pytest.raises(ValueError, match="selection gumbel needs M"):
        UpsampleConfig(selection="gumbel")
    with pytest.raises(InputError, match="selection is gumbel, and surface has no scores"):
        upsampler(selection="gumbel")(x, F, upsampler().detect(x))


@float32_devices
def test_float32_agrees_with_the_twin(device):
    x, F = (value.float().to(device).requires_grad_() for value in block())
    module = upsampler(selection="gumbel").to(device)
    surface = module.detect(x)
    c = surface.children
    scores = c.scores.clone().requires_grad_()
    means = module(x, F, scored(surface, scores)).means
    wanted, _ = interpolated(x, F, c.neighbours, relaxed(scores), c.offsets)
    bars = torch.randn(M, 3, generator=torch.Generator().manual_seed(2)).to(device)
    gradients = (torch.autograd.grad((m * bars).sum(), (x, F, scores)) for m in (means, wanted))
    for value, reference in zip((means, *next(gradients)), (wanted, *next(gradients)), strict=True):
        assert (value - reference).norm() <= 1e-5 * reference.norm()
