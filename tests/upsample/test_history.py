"""What one detection tells the next: running averages, hysteresis, children that stay."""

import io

import numpy as np
import pytest
import torch

from bridge.surface import Surface, SurfaceHistory
from configs.errors import InputError
from configs.upsample import UpsampleConfig
from tests.upsample.test_children import ball, eyes, upsampler
from tests.upsample.test_gaussians import SPACING
from upsample.selection import select, soft_weights


def test_a_particle_joins_and_leaves_late():
    config = UpsampleConfig(ema_beta=0.0, hysteresis=0.1)
    first = select(np.array([0.55, 0.45, 0.9]), config)
    assert first.selected.tolist() == [True, False, True]
    near = select(np.array([0.45, 0.55, 0.9]), config, first)
    assert near.selected.tolist() == [True, False, True]
    far = select(np.array([0.35, 0.65, 0.9]), config, near)
    assert far.selected.tolist() == [False, True, True]


def test_averages_and_percentile():
    config = UpsampleConfig(ema_beta=0.75, thr_percentile=25.0)
    weight = np.arange(8) / 8
    first = select(weight, config)
    assert first.selected.sum() == 2
    second = select(weight + 0.4, config, first)
    np.testing.assert_allclose(second.averages, weight + 0.1)
    assert second.threshold == pytest.approx(first.threshold + 0.1)
    soft = soft_weights(first, 0.1)
    np.testing.assert_allclose(soft, 1 / (1 + np.exp(-(weight - first.threshold) / 0.1)))
    assert (soft_weights(first, 1e-4) > 0).all()


def test_a_still_body_keeps_its_children_bit_for_bit():
    _, x = ball()
    module, history = upsampler(M=3000), SurfaceHistory()
    first = module.detect(x, history=history)
    for turn in range(3):
        noise = 0.02 * SPACING * torch.randn(x.shape, generator=torch.Generator().manual_seed(turn), dtype=x.dtype)
        second = module.detect(x + noise, eyes(x), history=history)
        kept = (first.children.offsets == second.children.offsets).all(dim=2).all(dim=1)
        assert kept.float().mean() > 0.99
    again = module.detect(x, history=SurfaceHistory(history.selection, first))
    assert all((again.state_dict()[k] == v).all() for k, v in first.state_dict().items() if "children" in k)


def test_new_children_go_where_the_material_was_stretched():
    _, x = ball()
    module, history = upsampler(M=3000), SurfaceHistory()
    first = module.detect(x, history=history)
    pole = x[:, 0] > 0.5
    F = torch.where(pole[:, None, None], torch.diag(torch.tensor([1.0, 3.0, 3.0]).double()), eyes(x))
    y = torch.einsum("nij,nj->ni", F, x)
    second = module.detect(y, F, history=history)
    before, after = (module(y, F, s).means.detach() for s in (first, second))
    same = (first.children.offsets == second.children.offsets).all(dim=2).all(dim=1)
    assert 0.3 < same.float().mean() < 1
    torch.testing.assert_close(after[same], before[same])
    assert (after[:, 0] > 0.5).sum() > 1.1 * (before[:, 0] > 0.5).sum()


def test_it_can_be_saved():
    _, x = ball()
    module, history, file = upsampler(M=1000), SurfaceHistory(), io.BytesIO()
    module.detect(x, history=history)
    torch.save(history.state_dict(), file)
    file.seek(0)
    again = SurfaceHistory.from_state_dict(torch.load(file, weights_only=True))
    y = 1.1 * x
    F = 1.1 * eyes(x)
    one, other = (module.detect(y, F, history=h).state_dict() for h in (history, again))
    assert all((one[name] == other[name]).all() for name in one)
    empty = SurfaceHistory.from_state_dict(SurfaceHistory().state_dict())
    assert empty == SurfaceHistory()


def test_what_was_not_saved_is_not_loaded():
    _, x = ball()
    module, history = upsampler(M=1000), SurfaceHistory()
    module.detect(x, history=history)
    with pytest.raises(InputError, match="history is a dict; expected a SurfaceHistory"):
        module.detect(x, history=history.state_dict())
    for owner, state, name, problem in (
        (SurfaceHistory, history.state_dict(), "selected", "state lacks selected"),
        (SurfaceHistory, history.state_dict(), "surface.children.offsets", "state lacks children.offsets"),
        (SurfaceHistory, history.surface.state_dict(), None, "state has children.neighbours, .*spacing"),
        (Surface, history.surface.state_dict(), "index", "state lacks index"),
        (Surface, {**history.surface.state_dict(), "bones": x}, None, "state has bones"),
    ):
        state.pop(name, None)
        with pytest.raises(InputError, match=problem):
            owner.from_state_dict(state)


def test_it_belongs_to_its_particles():
    _, x = ball()
    module, history = upsampler(M=1000), SurfaceHistory()
    module.detect(x, history=history)
    with pytest.raises(InputError, match=f"history belongs to {len(x)} particles; x has 100"):
        module.detect(x[:100], history=history)
