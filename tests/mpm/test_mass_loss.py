"""The mass-matching loss against its plain twin and differences."""

import pytest
import torch

from bridge.mass_matching import mass_matching_loss, rasterize_particle_mass
from configs.errors import InputError
from configs.mpm import GridConfig
from tests.directional import directional_error
from tests.mpm.scenes import make_cloud, make_config
from tests.reference import mpm as twin


def _case(kernel, x=None):
    config = make_config(kernel=kernel)
    n = 12
    mass = 1 + torch.rand(n, dtype=torch.float64)
    target = rasterize_particle_mass(make_cloud()["x"] + 0.3, mass, config)
    return config, {"x": make_cloud()["x"] if x is None else x, "mass": mass}, target


@pytest.mark.parametrize("kernel", ["quadratic", "cubic"])
@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (5.0, 1.0, 1.0), (0.3, 0.1, 0.2), (0.3, 0.4, 0.2, 3.0)])
def test_value_and_gradient(kernel, weights):
    config, inputs, target = _case(kernel)

    def loss(x, mass):
        return mass_matching_loss(x, mass, target, config, *weights)

    torch.testing.assert_close(loss(**inputs), twin.mass_loss(*inputs.values(), target, config, *weights))
    for name in inputs:
        assert directional_error(loss, inputs, name) <= 1e-6, name


def test_particles_partly_outside_the_grid():
    """Nodes outside are skipped, and the lost mass has its gradient through the scale s."""
    config, inputs, target = _case("quadratic", make_cloud()["x"] + torch.tensor([2.2, 0.0, 0.0], dtype=torch.float64))

    def loss(x, mass):
        return mass_matching_loss(x, mass, target, config)

    torch.testing.assert_close(loss(**inputs), twin.mass_loss(**inputs, target=target, config=config))
    assert directional_error(loss, inputs, "x") <= 1e-6


def test_zero_at_the_target():
    config, inputs, _ = _case("cubic")
    target = rasterize_particle_mass(inputs["x"], inputs["mass"], config)
    empty = float((target < 1e-3).sum())
    assert float(mass_matching_loss(**inputs, target_mass=target, config=config)) <= 1e-6 * empty


def test_bad_input():
    config, inputs, target = _case("cubic")
    with pytest.raises(InputError, match=r"target_mass has shape \(3, 3, 3\); expected \(10, 11, 10\)"):
        mass_matching_loss(**inputs, target_mass=torch.zeros(3, 3, 3), config=config)
    with pytest.raises(InputError, match="outside_weight is -1"):
        mass_matching_loss(**inputs, target_mass=target, config=config, outside_weight=-1)


def test_little_excess_weight_prefers_a_heap_to_a_gap():
    """A cloud that is missing at one place of the target and heaped up at another."""
    config, inputs, _ = _case("cubic")
    x, mass = inputs["x"], inputs["mass"]
    target = rasterize_particle_mass(x, mass, config)
    gap = x.clone()
    gap[:3] = x[3:6]  # emptied here, heaped up there

    def deficit_and_excess(weight):
        return float(mass_matching_loss(gap, mass, target, config, excess_weight=weight))

    even, half, none = (deficit_and_excess(weight) for weight in (1.0, 0.5, 0.0))
    assert even > half > none > 0  # what is missing counts whatever the weight of what is too much
    assert half == pytest.approx((even + none) / 2)


@pytest.mark.parametrize(("unit", "grows"), [(0.0, False), (75.0, True)])
def test_linear_excess_holds_large_heaps_back_the_more(unit, grows):
    """One particle takes more and more of the others' mass: the excess's share of the loss, by that particle's mass."""
    config, inputs, _ = _case("cubic")
    x, n = inputs["x"], len(inputs["x"])
    target = rasterize_particle_mass(x, torch.full((n,), 75.0, dtype=torch.float64), config)

    def excess(heap):
        mass = torch.full((n,), 75.0 * (n - heap) / (n - 1), dtype=torch.float64)
        mass[0] = 75.0 * heap
        losses = [
            float(mass_matching_loss(x, mass, target, config, excess_weight=weight, excess_unit=unit))
            for weight in (1.0, 0.0)
        ]
        return losses[0] - losses[1]

    slopes = [(excess(heap + 0.1) - excess(heap)) / 0.1 for heap in (7, 11)]
    assert min(slopes) > 0
    assert (slopes[1] > slopes[0]) == grows


def test_a_finer_grid_sees_pairs_within_a_cell():
    """A lattice of two particles a cell along each axis, whose neighbours along x close up to pairs."""
    coarse = make_config(kernel="cubic", grid=GridConfig(origin=(0, 0, 0), spacing=1.0, size=(17, 17, 17)))
    fine = coarse.model_copy(update={"grid": GridConfig(origin=(0, 0, 0), spacing=0.5, size=(33, 33, 33))})
    steps = torch.arange(16, dtype=torch.float64)
    index = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij"), dim=-1).reshape(-1, 3)
    x, paired = index / 2 + 4.25, index / 2 + 4.25
    inside = (index[:, 0] > 1) & (index[:, 0] < 14)  # the outline stays
    paired[:, 0] += torch.where(inside, 0.2 * (1 - 2 * (index[:, 0] % 2)), 0)
    mass = torch.full((len(x),), 75 / 8, dtype=torch.float64)

    def rise(config, mass):
        target = rasterize_particle_mass(x, mass, config)
        before, after = (float(mass_matching_loss(y, mass, target, config)) for y in (x, paired))
        assert before <= 1e-6 * target.numel()
        return after - before

    assert rise(fine, 8 * mass) / 8 > 10 * rise(coarse, mass)
