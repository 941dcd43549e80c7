"""The gradient that colours and arrows show is that of the loss by the particles' places."""

from dataclasses import replace

import pytest
import torch

from configs.load import load_config
from experiments.morph import Morph, at_rest
from experiments.morph_scene import build_scene
from experiments.outputs import RunFolder
from experiments.viewer.loss_gradient import LossGradient
from experiments.viewer.watch import WatchSource
from tests.experiments.viewer.scenes import MORPH, write_morph


class Silent:
    """Stands for the film, the progress bar and the events of a run."""

    def __getattr__(self, name):
        return lambda *_, **__: None


@pytest.mark.parametrize("more", [{}, {"alignment": {"weight": 100}, "temporal": {"weight": 1}}])
def test_it_is_the_slope_of_the_objective(tmp_path, more):
    config = load_config(str(write_morph(tmp_path, loss={**MORPH["loss"], **more})))
    scene = build_scene(config)
    slope = LossGradient(config, scene)
    state = at_rest(scene.particles.x * 1.05)
    gradient = slope(state)
    direction = torch.randn(gradient.shape, generator=torch.Generator().manual_seed(0), dtype=gradient.dtype)
    controls = state.x.new_zeros(1, 1, 3, 3)

    def loss(step: float) -> float:
        return float(slope.objective.evaluate(replace(state, x=state.x + step * direction), controls).total)

    h = 1e-6
    assert (loss(h) - loss(-h)) / (2 * h) == pytest.approx(float((gradient * direction).sum()), rel=1e-5)


def test_a_loss_of_the_way_alone_has_no_slope(tmp_path):
    config = load_config(str(write_morph(tmp_path, loss={"mass": {"weight": 0}, "control": {"weight": 1}})))
    scene = build_scene(config)
    assert not LossGradient(config, scene)(at_rest(scene.particles.x)).any()


def test_an_optimisation_that_is_watched_shows_the_gradient_it_uses_and_goes_the_same_way(tmp_path):
    config = load_config(str(write_morph(tmp_path)))
    scene = build_scene(config)
    ends = []
    for watched in (False, True):
        morph = Morph(config, [scene], RunFolder(tmp_path / str(watched)))
        source = WatchSource(config, scene, morph.sim, morph.state, "run")
        seen = []

        def watch(optimizer, losses, source=source, seen=seen):
            source.take(optimizer)
            expected = LossGradient(config, scene)(source.state)
            torch.testing.assert_close(source.gradient(), expected, rtol=1e-6, atol=1e-9 * float(expected.abs().max()))
            source.take(optimizer)  # nothing is new
            assert next(iter(losses)) == "objective"
            assert losses["objective"] == pytest.approx(sum(losses[name] for name in ("mass", "velocity")))
            seen.append(source.gradient().norm())

        morph.watch = watch if watched else None
        morph.run(Silent(), Silent(), Silent())
        assert len(seen) == (3 if watched else 0)
        ends.append(morph.state.x)
    torch.testing.assert_close(*ends, rtol=0, atol=1e-9)
