"""16-bit depth images: what is read is what was written, to half a grey level."""

import imageio.v2 as imageio
import numpy as np
import pytest
import torch

from configs.errors import InputError
from experiments.depth_image import load_depth, save_depth


@pytest.mark.parametrize("unit", [1e-3, 0.25])
def test_round_trip(tmp_path, unit):
    depth = unit * 65535 * torch.rand(7, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    depth[2, 3] = 0.0
    save_depth(tmp_path / "d.png", depth, unit)
    read = load_depth(tmp_path / "d.png", unit)
    assert np.abs(read - depth.numpy()).max() <= 0.5 * unit * (1 + 1e-9)
    assert read[2, 3] == 0
    assert np.asarray(imageio.imread(tmp_path / "d.png")).dtype.itemsize >= 2


def test_mistakes_are_named(tmp_path):
    for depth, message in (
        (np.zeros((2, 2, 1)), r"shape \(2, 2, 1\)"),
        (np.full((2, 2), -1.0), "negative or not finite"),
        (np.full((2, 2), np.nan), "negative or not finite"),
        (np.full((2, 2), 70.0), "expected unit >= 0.00107"),
    ):
        with pytest.raises(InputError, match=message):
            save_depth(tmp_path / "d.png", depth)
    with pytest.raises(InputError, match=r"ends with '\.jpg'; expected \.png"):
        save_depth(tmp_path / "d.jpg", np.ones((2, 2)))
    assert not list(tmp_path.iterdir())
    imageio.imwrite(tmp_path / "rgb.png", np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(InputError, match="expected 16-bit grey"):
        load_depth(tmp_path / "rgb.png")
    with pytest.raises(InputError, match="cannot be read"):
        load_depth(tmp_path / "missing.png")
